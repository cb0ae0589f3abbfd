"""What happens in each video of the studio's AVE-like set: pure functions of the seed, without torch or video.

A video lasts ten seconds and has one event of 28 classes; the annotation is when it is heard and seen
at once. In a third of the videos that is not all the time: the thing falls silent, or leaves the
picture, or both. In some, something else stands by in silence, or is heard from outside the picture.
"""

import base64
import hashlib

from soundstage.parse.classes import AVE, SECONDS
from soundstage.studio.llp_plan import SPLITS, Event, Scene
from soundstage.studio.names import LOCATIONS
from soundstage.units import rng_of

WHOLE_SHARE = 0.65  # of videos whose event lasts from beginning to end, as in AVE
SHORTEST, LONGEST = 2, 8  # seconds of an event that does not
OUTSIDE = {"seen": 0.45, "heard": 0.3, "neither": 0.25}  # shares of what goes on beyond the event
EXTRAS = {"none": 0.76, "seen": 0.12, "heard": 0.12}  # shares of what else is there


def scenes(settings):
    """Return every `llp_plan.Scene` of the set, train, val, test; the first event is the annotated one."""
    counts = (settings.ave_train, settings.ave_val, settings.ave_test)
    return [
        scene(settings.seed, split, number)
        for split, count in zip(SPLITS, counts, strict=True)
        for number in range(count)
    ]


def scene(seed, split, number):
    """Return one `llp_plan.Scene`; it does not depend on how many there are."""
    rng = rng_of(seed, "ave", split, number)
    digest = hashlib.sha256(f"{seed} ave {split} {number}".encode()).digest()
    video = base64.urlsafe_b64encode(digest)[:11].decode()
    name = AVE[number % len(AVE)]
    events = (_event(name, rng), *_extra(name, rng))
    return Scene(video, split, str(rng.choice(LOCATIONS)), events)


def _event(name, rng):
    """Return the annotated `llp_plan.Event`."""
    if rng.uniform() < WHOLE_SHARE:
        return Event(name, (0, SECONDS), (0, SECONDS))
    length = int(rng.integers(SHORTEST, LONGEST + 1))
    start = int(rng.integers(0, SECONDS - length + 1))
    span, whole = (start, start + length), (0, SECONDS)
    goes_on = str(rng.choice(list(OUTSIDE), p=list(OUTSIDE.values())))
    return Event(name, whole if goes_on == "heard" else span, whole if goes_on == "seen" else span)


def _extra(name, rng):
    """Return what else is there: no `llp_plan.Event`, or one that is only seen or only heard."""
    kind = str(rng.choice(list(EXTRAS), p=list(EXTRAS.values())))
    other = str(rng.choice([one for one in AVE if one != name]))
    if kind == "none":
        return ()
    return (Event(other, (0, SECONDS), None) if kind == "heard" else Event(other, None, (0, SECONDS)),)


def span_of(scene):
    """Return (first second, last second + 1) of the annotated event: when it is heard and seen."""
    heard, seen = scene.events[0].heard, scene.events[0].seen
    return max(heard[0], seen[0]), min(heard[1], seen[1])
