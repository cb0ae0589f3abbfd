"""What happens in a film: scenes, takes, who is seen, what sounds, who speaks when. Numbers only.

Everything is drawn from the seed and the film's id; nothing here makes a sound or a picture. What
is said is not decided here: it differs from language to language and depends on nothing that is
seen but the speaker.
"""

from dataclasses import dataclass

from soundstage.studio.mix import layer_db
from soundstage.studio.names import EVENTS, GENRES, LOCATIONS, MANNERS
from soundstage.studio.plan import film_row
from soundstage.units import rng_of

TAKE_SECONDS = (3.2, 7.0)  # shortest and longest take
TALK_SHARE = 0.65  # share of the takes with dialogue
OFF_SCREEN_SPEAKER_SHARE = 0.12  # of the lines
MUSIC_SHARE = 0.7  # share of the scenes with music
OFF_SCREEN_SOURCE_SHARE = 0.2  # of the takes
SILENT_SOURCE_SHARE = 0.12  # of the visible sources
OUTDOOR_EVENTS = {"Car", "Motorcycle", "Lawn_mower", "Helicopter", "Chainsaw"}
INDOORS = {"office", "kitchen"}


@dataclass(frozen=True)
class Line:
    """A line of dialogue: character number, seconds from the film's start, manner and level."""

    speaker: int
    start_seconds: float
    end_seconds: float
    manner: str
    gain_db: float


@dataclass(frozen=True)
class Source:
    """Something that is seen, heard, or both during a take; seconds from the film's start."""

    name: str
    start_seconds: float
    end_seconds: float
    visible: bool
    audible: bool
    gain_db: float


@dataclass(frozen=True)
class Take:
    """One shot of a film, from start_frame up to but without end_frame."""

    start_frame: int
    end_frame: int
    scene: int
    location: str
    people: tuple  # numbers of the characters on screen
    lines: tuple  # of Line
    sources: tuple  # of Source


@dataclass(frozen=True)
class Scene:
    """Some takes in a row at two places, perhaps with music; seconds from the film's start."""

    start_seconds: float
    end_seconds: float
    locations: tuple
    genre: str  # "" where there is no music
    music_db: float


@dataclass(frozen=True)
class Story:
    """A whole film. pool: whose voices and lines it uses (names.POOLS)."""

    film: str
    fps: int
    frames: int
    pool: str
    characters: int
    scenes: tuple
    takes: tuple

    @property
    def lines(self):
        """All lines of the film in order of time."""
        return [line for take in self.takes for line in take.lines]

    @property
    def sources(self):
        """All sources of the film in order of their takes."""
        return [source for take in self.takes for source in take.sources]


def story_of(settings, film):
    """Return the Story of one film id; KeyError when the settings have no such film."""
    split = film_row(settings, film)["split"]
    rng = rng_of(settings.seed, film, "story")
    fps = int(rng.choice([25, 25, 24]))
    frames = settings.film_seconds * fps
    characters = int(rng.integers(3, 6))
    edges = _edges(frames, fps, rng)
    scenes, scene_numbers = _scenes(edges, fps, rng)
    deck = [str(name) for name in rng.permutation(EVENTS[1:])]
    takes = []
    for index, (start, end) in enumerate(zip(edges, edges[1:], strict=False)):
        scene = scenes[scene_numbers[index]]
        location = scene.locations[index % 2]
        lines, people = _dialogue(start, end, fps, characters, rng)
        sources = _sources(start / fps, end / fps, location, deck, rng)
        takes.append(Take(start, end, scene_numbers[index], location, people, lines, sources))
    pool = "corpus_test" if split == "test" else "corpus_train"
    return Story(film, fps, frames, pool, characters, tuple(scenes), tuple(takes))


def _edges(frames, fps, rng):
    """Return the frame numbers at which takes begin, and the last one's end."""
    shortest, longest = (round(seconds * fps) for seconds in TAKE_SECONDS)
    edges = [0]
    while frames - edges[-1] > longest:
        left = frames - edges[-1]
        edges.append(edges[-1] + int(rng.integers(shortest, min(longest, left - shortest) + 1)))
    return [*edges, frames]


def _scenes(edges, fps, rng):
    """Return (scenes, the scene number of every take); neighbours share no place."""
    scenes, numbers, before = [], [], ()
    first = 0
    while first < len(edges) - 1:
        last = min(first + int(rng.integers(2, 5)), len(edges) - 1)
        free = [place for place in LOCATIONS if place not in before]
        before = tuple(str(place) for place in rng.choice(free, 2, replace=False))
        genre = str(rng.choice(GENRES)) if rng.uniform() < MUSIC_SHARE else ""
        scenes.append(
            Scene(edges[first] / fps, edges[last] / fps, before, genre, layer_db("music", rng))
        )
        numbers += [len(scenes) - 1] * (last - first)
        first = last
    return scenes, numbers


def _dialogue(start, end, fps, characters, rng):
    """Return (lines, people on screen) of a take between two frames; people may be silent."""
    people = [int(who) for who in rng.permutation(characters)[: rng.integers(1, 3)]]
    if rng.uniform() > TALK_SHARE:
        return (), tuple(people if rng.uniform() < 0.3 else ())
    lines, at = [], start + int(rng.uniform(0.2, 0.7) * fps)
    while True:
        length = int(rng.uniform(1.2, 3.4) * fps)
        if at + length > end - 0.2 * fps:
            break
        unseen = [who for who in range(characters) if who not in people]
        hidden = rng.uniform() < OFF_SCREEN_SPEAKER_SHARE
        speaker = int(rng.choice(unseen if hidden else people))
        manner = str(rng.choice(MANNERS, p=[0.5, 0.1, 0.1, 0.1, 0.1, 0.1]))
        gain_db = float(rng.uniform(-2, 2))
        lines.append(Line(speaker, at / fps, (at + length) / fps, manner, gain_db))
        at += length + int(rng.uniform(0.2, 0.8) * fps)
    return tuple(lines), tuple(people)


def _sources(start, end, location, deck, rng):
    """Return the sources of a take; `deck` is a list of classes, used from the front, refilled."""
    visible = int(rng.choice(3, p=[0.12, 0.58, 0.3]))
    hidden = int(rng.uniform() < OFF_SCREEN_SOURCE_SHARE)
    sources = []
    for index in range(visible + hidden):
        name = _next(deck, location)
        seen = index < visible
        heard = not seen or rng.uniform() > SILENT_SOURCE_SHARE
        sources.append(_source(name, start, end, seen, bool(heard), rng))
    return tuple(sources)


def _next(deck, location):
    """Take the first class of the deck that may be at the location and put it at the back."""
    fits = location not in INDOORS
    index = next(i for i, name in enumerate(deck) if fits or name not in OUTDOOR_EVENTS)
    deck.append(deck.pop(index))
    return deck[-1]


def _source(name, start, end, seen, heard, rng):
    begin = start + rng.uniform(0.0, 0.2) * (end - start)
    length = rng.uniform(0.6, 1.0) * (end - begin)
    times = (float(begin), float(begin + length))
    return Source(name, *times, seen, heard, layer_db("event", rng))
