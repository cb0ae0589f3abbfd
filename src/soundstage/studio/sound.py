"""What the studio can sound like: the 25 event classes, the locations' ambiences, music.

Each call draws a new instance from the numpy Generator `rng`: pitch, tempo, timbre and envelope
differ from draw to draw, and classes overlap a little, as in the world. All results are float32
mono at 48 kHz of exactly the asked length, with RMS 0.1 in their louder parts and peak below 0.95.
"""

import numpy as np

from soundstage.studio import creatures, instruments, machines, places, speech, synth
from soundstage.studio.music import music as make_music
from soundstage.studio.names import EVENTS, GENRES, LANGUAGES, LOCATIONS

_EVENTS = {
    "Car": machines.car,
    "Cheering": creatures.cheering,
    "Dog": creatures.dog,
    "Cat": creatures.cat,
    "Frying_(food)": machines.frying,
    "Basketball_bounce": machines.basketball,
    "Fire_alarm": machines.fire_alarm,
    "Chainsaw": machines.chainsaw,
    "Cello": instruments.cello,
    "Banjo": instruments.banjo,
    "Singing": creatures.singing,
    "Chicken_rooster": creatures.chicken,
    "Violin_fiddle": instruments.violin,
    "Vacuum_cleaner": machines.vacuum_cleaner,
    "Baby_laughter": creatures.baby_laughter,
    "Accordion": instruments.accordion,
    "Lawn_mower": machines.lawn_mower,
    "Motorcycle": machines.motorcycle,
    "Helicopter": machines.helicopter,
    "Acoustic_guitar": instruments.guitar,
    "Telephone_bell_ringing": machines.telephone,
    "Baby_cry_infant_cry": creatures.baby_cry,
    "Blender": machines.blender,
    "Clapping": creatures.clapping,
}
_PLACES = {name: getattr(places, name) for name in LOCATIONS}


def event(name, seconds, rng, pool="benchmarks"):
    """Return one sounding event of a class of EVENTS.

    pool: whose voices and lines "Speech" may use (names.POOLS); other classes ignore it. KeyError
    when there is no such class.
    """
    if name == "Speech":
        return _speech(seconds, rng, pool)
    return levelled(_EVENTS[name](seconds, rng), seconds)


def levelled(sound, seconds):
    """Return a sound cut to `seconds`, faded at both ends, at RMS 0.1 in its louder parts."""
    count = synth.samples(seconds)
    return synth.level(sound[:count] * synth.envelope(count, 0.01, 0.03), 0.1)


def _speech(seconds, rng, pool):
    """Return one voice that speaks for `seconds` in a drawn language."""
    language = str(rng.choice(LANGUAGES))
    voice = speech.voice(pool, int(rng.integers(0, 1000)))
    return speech.speak(language, voice, "neutral", seconds, rng, pool)[1]


def ambience(location, seconds, rng):
    """Return the ambience of a location of LOCATIONS; KeyError when there is no such location."""
    return synth.level(_PLACES[location](seconds, rng)[: synth.samples(seconds)], 0.1)


def music(genre, seconds, rng):
    """Return a piece of music of a genre of GENRES; KeyError when there is no such genre."""
    return make_music(genre, seconds, rng)


def silence(seconds):
    """Return zeros of the asked length."""
    return np.zeros(synth.samples(seconds), dtype=np.float32)


__all__ = ["EVENTS", "GENRES", "LOCATIONS", "ambience", "event", "music", "silence"]
