"""What happens in each video of the studio's LLP-like set: pure functions of the seed, standard library
and numpy only, so that the annotations can be written without making a video.

A video lasts ten seconds and has one to three event classes. Each class is heard for some whole
seconds and seen for some, not always the same: sources step into the picture late, fall silent, or
stay outside it. The weak label of a video is all that is heard or seen in it.
"""

import base64
import dataclasses
import hashlib

from soundstage.parse.classes import LLP, SECONDS
from soundstage.studio.names import LOCATIONS
from soundstage.units import rng_of

SPLITS = ("train", "val", "test")
SPEECH_SHARE = 0.5  # of videos in which somebody speaks, as in LLP
EXTRA_SHARES = (0.4, 0.56, 0.04)  # of videos with one, two, three classes
# Shares of how a class occurs: heard and seen, heard alone, seen alone.
OCCURS = {"both": 0.7, "audio": 0.21, "visual": 0.09}
GOLDEN = 0.6180339887498949  # multiples of this spread evenly over 0 to 1, however many there are
LONGEST_SLIP = 3  # seconds by which sight and sound of one source begin or end apart


@dataclasses.dataclass(frozen=True)
class Event:
    """One class in one video. heard, seen: (first second, last second + 1), or None."""

    name: str
    heard: tuple | None
    seen: tuple | None


@dataclasses.dataclass(frozen=True)
class Scene:
    """One video: its name as in annotation files, its split, its place and its events."""

    filename: str
    split: str
    location: str
    events: tuple

    def labels(self):
        """Return the class names of the weak label, in the order of the classes."""
        return [name for name in LLP if name in {event.name for event in self.events}]


def scenes(settings):
    """Return every `Scene` of the set, train, val, test, from a `settings.Settings` of the studio."""
    counts = (settings.llp_train, settings.llp_val, settings.llp_test)
    return [
        scene(settings.seed, split, number)
        for split, count in zip(SPLITS, counts, strict=True)
        for number in range(count)
    ]


def scene(seed, split, number):
    """Return one `Scene`; it does not depend on how many there are."""
    rng = rng_of(seed, "llp", split, number)
    digest = hashlib.sha256(f"{seed} {split} {number}".encode()).digest()
    name = base64.urlsafe_b64encode(digest)[:11].decode()
    classes = _classes(rng)
    turns = (((3 * number + place) * GOLDEN) % 1 for place in range(len(classes)))
    events = tuple(_event(one, turn, rng) for one, turn in zip(classes, turns, strict=True))
    return Scene(f"{name}_0_{SECONDS}", split, str(rng.choice(LOCATIONS)), events)


def _classes(rng):
    """Return one to three class names; speech in half of the videos, the others alike."""
    count = 1 + int(rng.choice(3, p=EXTRA_SHARES))
    speech = ["Speech"] if rng.uniform() < SPEECH_SHARE else []
    others = rng.choice(LLP[1:], count - len(speech), replace=False) if count > len(speech) else []
    return [*speech, *map(str, others)]


def _event(name, turn, rng):
    """Return one `Event` with its spans in whole seconds; turn: 0 to 1, how it occurs."""
    span = _span(rng)
    if turn < OCCURS["audio"]:
        return Event(name, span, None)
    if turn < OCCURS["audio"] + OCCURS["visual"]:
        return Event(name, None, span)
    return Event(name, _slipped(span, rng), _slipped(span, rng))


def _span(rng):
    """Return (start, end) of an event: often the whole video, else at least two seconds of it."""
    if rng.uniform() < 0.45:
        return 0, SECONDS
    length = int(rng.integers(2, SECONDS))
    start = int(rng.integers(0, SECONDS - length + 1))
    return start, start + length


def _slipped(span, rng):
    """Return a span of which, in four cases of ten, one end has moved inwards, one second being left."""
    start, end = span
    slip = min(int(rng.integers(1, LONGEST_SLIP + 1)), end - start - 1)
    chance = rng.uniform()
    if chance < 0.2:
        return start + slip, end
    return (start, end - slip) if chance < 0.4 else (start, end)


def shares(planned):
    """Return {"both" | "audio" | "visual": share of all event seconds that are heard and seen, or only one}."""
    counts = dict.fromkeys(OCCURS, 0)
    for one in planned:
        for event in one.events:
            heard, seen = (set(range(*span)) if span else set() for span in (event.heard, event.seen))
            counts["both"] += len(heard & seen)
            counts["audio"] += len(heard - seen)
            counts["visual"] += len(seen - heard)
    total = sum(counts.values())
    return {key: value / total for key, value in counts.items()}
