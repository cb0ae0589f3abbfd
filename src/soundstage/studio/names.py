"""The words of the studio: classes, places, genres, manners, languages. Standard library only."""

# The 25 event classes of the LLP dataset, in its spelling.
EVENTS = (
    "Speech",
    "Car",
    "Cheering",
    "Dog",
    "Cat",
    "Frying_(food)",
    "Basketball_bounce",
    "Fire_alarm",
    "Chainsaw",
    "Cello",
    "Banjo",
    "Singing",
    "Chicken_rooster",
    "Violin_fiddle",
    "Vacuum_cleaner",
    "Baby_laughter",
    "Accordion",
    "Lawn_mower",
    "Motorcycle",
    "Helicopter",
    "Acoustic_guitar",
    "Telephone_bell_ringing",
    "Baby_cry_infant_cry",
    "Blender",
    "Clapping",
)

LOCATIONS = ("street", "forest", "office", "kitchen", "beach", "station", "night", "rain")

GENRES = ("ambient", "classical", "rock", "techno", "waltz", "blues", "march", "bossa")

MANNERS = ("neutral", "whisper", "excited", "sad", "angry", "afraid")

LANGUAGES = ("en", "es", "fr", "de", "it", "ja")

# Lines and voices are divided among these; nothing of one pool is ever heard in another.
POOLS = ("corpus_train", "corpus_test", "benchmarks", "separator")

# Benchmark name -> group of table 1.
BENCHMARKS = {
    "studio-events": "auditory",
    "studio-scenes": "auditory",
    "studio-pitch": "music",
    "studio-genre": "music",
    "studio-manner": "paralinguistic",
    "studio-speakers": "paralinguistic",
    "studio-words": "linguistic",
    "studio-language": "linguistic",
    "studio-ucf101": "audiovisual",
    "studio-vggsound": "audiovisual",
    "studio-lvu": "audiovisual",
    "studio-hmdb51": "audiovisual",
}
