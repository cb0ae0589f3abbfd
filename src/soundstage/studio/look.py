"""What things look like: moving pictures of the 25 event classes, of people who talk and of the
locations.

    frames = look.clip("Dog", "forest", 3.0, 25, (320, 180), rng, envelope)

A Shot holds one background, a camera move and some actors; an Actor is a drawing function with its
place and one cue per frame. Everything comes from the generator that is passed in, so the same
generator gives the same bytes.
"""

import dataclasses
import math
from dataclasses import dataclass, field

import cv2
import numpy as np

from soundstage.studio import (
    draw_animals,
    draw_instruments,
    draw_machines,
    draw_people,
    draw_things,
    motion,
)
from soundstage.studio.draw_places import FLOOR, background
from soundstage.studio.figure import HAIRS, SKINS, Person, person_of
from soundstage.studio.pen import Pen, hue
from soundstage.units import seconds_to_frames

_MARGIN = 1.28  # how much larger than the frame a background is: room for the camera to move
_FURS = (
    (176, 120, 66),
    (92, 66, 50),
    (205, 170, 120),
    (60, 58, 62),
    (232, 228, 220),
    (150, 146, 150),
)
_WOODS = ((176, 98, 42), (205, 140, 66), (140, 66, 34), (222, 172, 98))


@dataclass(frozen=True)
class Kind:
    """How a class is shown: its drawing, its height as a share of the frame (low, high), how it
    stands and moves.
    """

    draw: object
    low: float
    high: float
    lift: float = 0.0  # how far above the floor its base is, share of the frame's height
    half_width: float = 0.5  # in units of its height; keeps it inside the frame
    passes: bool = False  # drives through the picture
    portrait: bool = False  # a close framing: its lower edge is the frame's
    hues: tuple = (0.0, 1.0)  # range of the main colour, in turns; a class has its usual one


KINDS = {
    "Speech": Kind(draw_people.speech, 0.8, 1.6, half_width=0.25),
    "Car": Kind(draw_machines.car, 0.3, 0.5, half_width=1.0, passes=True, hues=(0.96, 1.04)),
    "Cheering": Kind(draw_people.cheering, 0.55, 0.8, half_width=0.8, hues=(0.08, 0.16)),
    "Dog": Kind(draw_animals.dog, 0.4, 0.62, half_width=0.85, hues=(0.0, 0.08)),
    "Cat": Kind(draw_animals.cat, 0.42, 0.66, hues=(0.8, 0.88)),
    "Frying_(food)": Kind(draw_things.frying, 0.5, 0.75, half_width=0.9, hues=(0.04, 0.12)),
    "Basketball_bounce": Kind(draw_things.basketball, 0.6, 0.85, half_width=0.7, hues=(0.0, 0.06)),
    "Fire_alarm": Kind(draw_things.fire_alarm, 0.35, 0.6, lift=0.28, half_width=0.6, hues=(0.97, 1.03)),
    "Chainsaw": Kind(draw_machines.chainsaw, 0.6, 0.85, half_width=0.9, hues=(0.02, 0.1)),
    "Cello": Kind(draw_instruments.cello, 0.75, 1.0),
    "Banjo": Kind(draw_instruments.banjo, 0.7, 0.95, half_width=0.75, portrait=True, hues=(0.1, 0.18)),
    "Singing": Kind(draw_people.singing, 0.75, 1.05, hues=(0.85, 0.93)),
    "Chicken_rooster": Kind(draw_animals.rooster, 0.45, 0.7, hues=(0.3, 0.38)),
    "Violin_fiddle": Kind(draw_instruments.violin, 0.7, 0.95, half_width=0.65, portrait=True),
    "Vacuum_cleaner": Kind(draw_machines.vacuum_cleaner, 0.5, 0.7, half_width=1.0, hues=(0.46, 0.54)),
    "Baby_laughter": Kind(draw_people.baby_laughter, 0.5, 0.8, hues=(0.12, 0.2)),
    "Accordion": Kind(draw_instruments.accordion, 0.7, 0.95, half_width=0.75, portrait=True, hues=(0.94, 1.02)),
    "Lawn_mower": Kind(draw_machines.lawn_mower, 0.4, 0.62, half_width=1.0, passes=True, hues=(0.26, 0.36)),
    "Motorcycle": Kind(draw_machines.motorcycle, 0.38, 0.6, half_width=0.8, passes=True, hues=(0.6, 0.68)),
    "Helicopter": Kind(draw_machines.helicopter, 0.3, 0.5, lift=0.32, half_width=1.0, passes=True, hues=(0.54, 0.6)),
    "Acoustic_guitar": Kind(draw_instruments.guitar, 0.7, 0.95, half_width=0.75, portrait=True),
    "Telephone_bell_ringing": Kind(draw_things.telephone, 0.4, 0.65, half_width=0.7, hues=(0.98, 1.04)),
    "Baby_cry_infant_cry": Kind(draw_people.baby_cry, 0.5, 0.8, hues=(0.5, 0.58)),
    "Blender": Kind(draw_machines.blender, 0.5, 0.75, hues=(0.74, 0.82)),
    "Clapping": Kind(draw_people.clapping, 0.6, 0.9, hues=(0.66, 0.76)),
}


@dataclass(frozen=True)
class Style:
    """What varies from one draw of a class to the next: colours, a person, a phase in radians, a
    speed.
    """

    main: tuple
    second: tuple
    fur: tuple
    patch: tuple
    wood: tuple
    ball: tuple
    hair: tuple
    skins: tuple
    person: Person
    phase: float
    speed: float


def style_of(rng, hues=(0.0, 1.0)):
    """Return a Style drawn from the generator; `hues` limits the main colour (in turns)."""
    tone = rng.uniform(*hues)
    return Style(
        main=hue(tone, rng.uniform(0.65, 0.95), rng.uniform(0.65, 0.98)),
        second=hue(tone + rng.uniform(0.45, 0.55), rng.uniform(0.5, 0.9), rng.uniform(0.6, 0.95)),
        fur=_FURS[rng.integers(len(_FURS))],
        patch=_FURS[rng.integers(len(_FURS))],
        wood=_WOODS[rng.integers(len(_WOODS))],
        ball=hue(rng.uniform(0.04, 0.08), rng.uniform(0.75, 0.95), rng.uniform(0.85, 1.0)),
        hair=HAIRS[rng.integers(len(HAIRS))],
        skins=tuple(SKINS[i] for i in rng.permutation(len(SKINS))),
        person=person_of(rng),
        phase=float(rng.uniform(0, 2 * math.pi)),
        speed=float(rng.uniform(0.8, 1.25)),
    )


@dataclass(frozen=True)
class Actor:
    """Something in a shot. draw(pen, style, cue); x, y: its base in frame heights; height: share of
    the frame's.
    """

    draw: object
    style: object
    cues: list
    x: float
    y: float
    height: float
    mirror: bool = False
    travel: float = 0.0  # frame heights per second of running; 0 stays where it is
    span: float = 0.0  # the width after which a traveller comes in again, frame heights
    portrait: bool = False  # its base is the frame's lower edge


@dataclass(frozen=True)
class Camera:
    """A straight move over a shot: centre (x, y, in 0..1 of the spare room) and zoom (1: widest) at
    both ends.
    """

    start: tuple = (0.5, 0.5, 1.1)
    end: tuple = (0.5, 0.5, 1.1)

    def at(self, share):
        """Return (x, y, zoom) at a share 0..1 of the shot."""
        return tuple(a + (b - a) * share for a, b in zip(self.start, self.end, strict=True))


def camera_of(rng):
    """Return a still camera or a slow pan or zoom, drawn from the generator."""
    start = (rng.uniform(0.2, 0.8), rng.uniform(0.3, 0.8), rng.uniform(1.0, 1.2))
    move = rng.choice(["still", "pan", "zoom"])
    if move == "still":
        return Camera(start, start)
    if move == "pan":
        return Camera(start, (1 - start[0], start[1], start[2]))
    return Camera(start, (start[0], start[1], start[2] + rng.choice([-1, 1]) * rng.uniform(0.05, 0.12)))


@dataclass
class Shot:
    """One take: a location's background under a moving camera, and actors. Iterate `frames()`.

    size: (width, height) pixels. back: uint8 background, larger than the frame. count: number of
    frames.
    """

    location: str
    size: tuple
    count: int
    back: np.ndarray
    camera: Camera
    actors: list = field(default_factory=list)
    drops: np.ndarray | None = None
    bare: np.ndarray | None = None  # what a still camera sees of the background, once drawn

    def frames(self):
        """Yield `count` new uint8 (height, width, 3) RGB frames."""
        for index in range(self.count):
            yield self.frame(index)

    def frame(self, index):
        """Return frame number `index` as a new uint8 (height, width, 3) array."""
        height = self.size[1]
        x, y, zoom = self.camera.at(index / max(self.count - 1, 1))
        top = (self.back.shape[0] - height / zoom) * y
        if self.bare is None or self.camera.start != self.camera.end:
            self.bare = self._bare(x, top, zoom)
        canvas = self.bare.copy()
        floor = (FLOOR * self.back.shape[0] - top) * zoom
        for actor in self.actors:
            self._draw(actor, canvas, index, zoom, floor)
        if self.drops is not None:
            self._rain(canvas, index)
        return canvas

    def _bare(self, x, top, zoom):
        """Return the part of the background that the camera sees."""
        width, height = self.size
        left = (self.back.shape[1] - width / zoom) * x
        view = np.array([[1 / zoom, 0, left], [0, 1 / zoom, top]], np.float64)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        return cv2.warpAffine(self.back, view, (width, height), flags=flags)

    def _draw(self, actor, canvas, index, zoom, floor):
        height = self.size[1]
        cue = actor.cues[index]
        x = actor.x
        if actor.travel:
            half = actor.span / 2
            x = (x + half + actor.travel * cue.run) % actor.span - half
        x = self.size[0] / 2 + (x * (-1 if actor.mirror and actor.travel else 1)) * height * zoom
        scale = actor.height * height * (1.0 if actor.portrait else zoom)
        base = 1.01 * height if actor.portrait else floor + actor.y * height * zoom
        # The top stays inside the frame, whatever the camera does.
        base = max(base, 1.04 * scale + 0.02 * height)
        actor.draw(Pen(canvas, scale, x, base, 0.0, actor.mirror), actor.style, cue)

    def _rain(self, canvas, index):
        height = self.size[1]
        pen = Pen(canvas, float(height))
        for x, y in (self.drops + (0.0, 0.17 * index)) % (self.size[0] / height, 1.0):
            pen.line(x, y, x - 0.012, y + 0.055, (205, 214, 224), 0.004)


def shot_of(location, count, size, rng, actors=(), camera=None):
    """Return a Shot of `count` frames with a new background and camera; actors are Actor objects,
    back to front.
    """
    width, height = size
    back = background(location, round(height * _MARGIN), round(width * _MARGIN), rng)
    camera = camera or camera_of(rng)
    drops = rng.uniform(0, 1, (40, 2)) * (width / height, 1.0) if location == "rain" else None
    return Shot(location, size, count, back, camera, list(actors), drops)


def actor_of(class_name, envelope, fps, size, rng, x=None, scale=1.0):
    """Return an Actor of an event class whose motion follows `envelope`, float (frames,) of 0..1
    (motion.envelope_of).

    x: place from -1 (left edge) to 1 (right edge), drawn where None. scale multiplies the drawn
    height. KeyError for a class that is not in KINDS.
    """
    return actor_of_kind(KINDS[class_name], envelope, fps, size, rng, x, scale)


def actor_of_kind(kind, envelope, fps, size, rng, x=None, scale=1.0, adult=None):
    """Return the Actor of a `Kind`, as `actor_of`; adult: man or woman, None for either."""
    style = style_of(rng, kind.hues)
    if adult:
        style = dataclasses.replace(style, person=person_of(rng, adult))
    height = float(rng.uniform(kind.low, kind.high)) * scale
    aspect = size[0] / size[1]
    room = max(aspect / 2 - kind.half_width * height, 0.0)
    place = float(rng.uniform(-0.8, 0.8)) if x is None else x
    depth = float(rng.uniform(0.06, 0.16))
    base = depth if not kind.lift else -kind.lift * float(rng.uniform(0.6, 1.2))
    span = aspect + 2.0 * kind.half_width * height
    cues = motion.cues(np.asarray(envelope, np.float64), fps, style.speed)
    return Actor(
        kind.draw,
        style,
        cues,
        place * room,
        base,
        height,
        bool(rng.uniform() < 0.5),
        float(rng.uniform(0.25, 0.7)) if kind.passes else 0.0,
        span,
        kind.portrait,
    )


def talker_of(person, envelope, fps, size, rng, x, scale=1.0):
    """Return an Actor that shows a given Person, whose mouth follows `envelope` (frames,) of 0..1.

    x: place from -1 (left edge) to 1 (right edge). scale multiplies the drawn height; a person
    higher than the frame is seen from the chest up.
    """
    kind = KINDS["Speech"]
    style = dataclasses.replace(style_of(rng), person=person)
    height = float(rng.uniform(kind.low, kind.high)) * scale
    room = max(size[0] / size[1] / 2 - kind.half_width * height, 0.0)
    cues = motion.cues(np.asarray(envelope, np.float64), fps, style.speed)
    base = float(rng.uniform(0.08, 0.18))
    return Actor(kind.draw, style, cues, x * room, base, height, bool(rng.uniform() < 0.5))


def clip(class_name, location, seconds, fps, size, rng, envelope=None, visible=True):
    """Return a clip of one event class in one location, uint8 (frames, height, width, 3) RGB.

    size: (width, height) pixels. envelope: float (frames,) of 0..1, the loudness that the motion
    follows (see motion.envelope_of); None invents a rhythm, zeros show the thing at rest.
    visible=False leaves the location empty. KeyError for an unknown class or location.
    """
    count = seconds_to_frames(seconds, fps)
    if envelope is None:
        envelope = motion.rhythm(class_name, count, fps, rng)
    actors = [actor_of(class_name, envelope, fps, size, rng)] if visible else []
    return np.stack(list(shot_of(location, count, size, rng, actors).frames()))
