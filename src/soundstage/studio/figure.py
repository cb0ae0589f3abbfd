"""People: who they are (a Person, drawn once per character) and how one is drawn in a frame."""

import math
from dataclasses import dataclass

from soundstage.studio.pen import hue, shade

SKINS = ((255, 220, 190), (241, 194, 155), (214, 160, 115), (165, 112, 72), (112, 72, 46))
HAIRS = (
    (35, 28, 26),
    (92, 58, 34),
    (166, 112, 52),
    (224, 190, 110),
    (150, 60, 30),
    (205, 205, 205),
)
INK = (30, 26, 34)
HAIR_CUTS = {
    "man": ("short", "bald", "curly", "spiky"),
    "woman": ("long", "bun", "curly", "ponytail"),
    "child": ("short", "ponytail", "spiky", "long"),
}


@dataclass(frozen=True)
class Person:
    """The lasting looks of a character: the same in every frame that shows it."""

    kind: str  # man, woman or child
    skin: tuple
    hair: tuple
    cut: str
    top: tuple
    bottom: tuple
    pattern: str  # plain, stripes, buttons, jacket or dots
    hat: str  # "", cap or beanie
    hat_color: tuple
    glasses: bool
    beard: bool
    height: float  # of the figure, 1 for an ordinary adult
    girth: float


def person_of(rng, kind=None):
    """Return a Person drawn from a numpy Generator; kind is man, woman or child, or None for any
    adult.
    """
    kind = kind or str(rng.choice(["man", "woman"]))
    tone = rng.uniform()
    return Person(
        kind=kind,
        skin=SKINS[rng.integers(len(SKINS))],
        hair=HAIRS[rng.integers(len(HAIRS))],
        cut=str(rng.choice(HAIR_CUTS[kind])),
        top=hue(tone, rng.uniform(0.45, 0.95), rng.uniform(0.45, 1.0)),
        bottom=hue(tone + rng.uniform(0.3, 0.7), rng.uniform(0.2, 0.6), rng.uniform(0.25, 0.6)),
        pattern=str(rng.choice(["plain", "stripes", "buttons", "jacket", "dots"])),
        hat=str(rng.choice(["", "", "", "cap", "beanie"])),
        hat_color=hue(rng.uniform(), 0.8, rng.uniform(0.5, 0.9)),
        glasses=bool(rng.uniform() < 0.3),
        beard=bool(kind == "man" and rng.uniform() < 0.4),
        height=float(rng.uniform(0.62, 0.72) if kind == "child" else rng.uniform(0.94, 1.04)),
        girth=float(rng.uniform(0.85, 1.2)),
    )


def draw_person(pen, person, mouth=0.0, hands=None, nod=0.0, blink=False, legs=True):
    """Draw a standing person: feet at (0, 0), the crown of an adult near y = -1.

    mouth: 0 closed .. 1 wide open. hands: ((x, y), (x, y)) for the left and the right one, None for
    hanging arms, () for no arms (the caller draws them in front of something). nod: turn of the
    head in radians. blink: eyes shut. legs=False leaves out what a close framing cuts off anyway.
    """
    body = pen.at(0, 0, person.height)
    wide = person.girth
    if legs:
        _legs(body, person)
    head = body.at(0, -0.72, 1.0, nod)
    _hair_behind(head, person)
    _torso(body, person)
    if hands is None:
        hands = ((-0.19 * wide, -0.34), (0.19 * wide, -0.34))
    for side, hand in zip((-1, 1), hands, strict=False):
        _arm(body, person, side * 0.135 * wide, -0.645, hand, side)
    draw_head(head, person, mouth, blink)


def _legs(pen, person):
    wide = person.girth
    for side in (-1, 1):
        pen.line(side * 0.055 * wide, -0.36, side * 0.065 * wide, -0.03, person.bottom, 0.09 * wide)
        pen.oval(side * 0.085 * wide, -0.02, 0.06, 0.028, INK)


def _torso(pen, person):
    wide = person.girth
    pen.box(-0.04, -0.76, 0.04, -0.66, shade(person.skin, 0.85))
    outline = [
        (-0.15, -0.67),
        (-0.06, -0.70),
        (0.06, -0.70),
        (0.15, -0.67),
        (0.13, -0.34),
        (-0.13, -0.34),
    ]
    pen.poly([(x * wide, y) for x, y in outline], person.top)
    light, dark = shade(person.top, 1.5), shade(person.top, 0.6)
    if person.pattern == "stripes":
        for y in (-0.61, -0.53, -0.45, -0.37):
            pen.line(-0.12 * wide, y, 0.12 * wide, y, light, 0.03)
    elif person.pattern == "buttons":
        pen.line(0, -0.69, 0, -0.35, dark, 0.012)
        for y in (-0.62, -0.53, -0.44):
            pen.dot(0.02, y, 0.012, light)
    elif person.pattern == "jacket":
        pen.poly([(-0.05, -0.70), (0.05, -0.70), (0, -0.45)], (245, 245, 240))
        pen.poly([(-0.014, -0.66), (0.014, -0.66), (0.02, -0.52), (-0.02, -0.52)], person.hat_color)
    elif person.pattern == "dots":
        for x, y in ((-0.07, -0.6), (0.05, -0.62), (0, -0.52), (-0.08, -0.44), (0.08, -0.45)):
            pen.dot(x * wide, y, 0.02, light)


def _arm(pen, person, x, y, hand, side):
    """Draw one arm from the shoulder (x, y) to the hand; the elbow points away from the body."""
    reach_x, reach_y = hand[0] - x, hand[1] - y
    length = math.hypot(reach_x, reach_y) or 1e-6
    bend = math.sqrt(max(0.166**2 - (length / 2) ** 2, 0.0004))
    away = side if reach_y >= 0 else -side
    elbow = (
        x + reach_x / 2 + away * bend * reach_y / length,
        y + reach_y / 2 - away * bend * reach_x / length,
    )
    pen.path([(x, y), elbow, hand], shade(person.top, 0.82), 0.07 * person.girth)
    pen.dot(*hand, 0.042, person.skin)


def _hair_behind(pen, person):
    if person.cut == "long":
        pen.oval(0, -0.11, 0.15, 0.17, person.hair)
        pen.box(-0.15, -0.12, 0.15, 0.1, person.hair)
    elif person.cut == "ponytail":
        pen.oval(0.15, -0.06, 0.05, 0.14, person.hair, -0.3)


def draw_head(pen, person, mouth=0.0, blink=False):
    """Draw a head whose chin is near (0, 0.02) and whose crown is near y = -0.28."""
    pen.oval(-0.12, -0.12, 0.025, 0.035, shade(person.skin, 0.9))
    pen.oval(0.12, -0.12, 0.025, 0.035, shade(person.skin, 0.9))
    pen.oval(0, -0.13, 0.12, 0.145, person.skin)
    if person.beard:
        pen.poly(
            [
                (-0.115, -0.1),
                (-0.06, -0.07),
                (0.06, -0.07),
                (0.115, -0.1),
                (0.07, 0.02),
                (-0.07, 0.02),
            ],
            person.hair,
        )
    _hair(pen, person)
    _hat(pen, person)
    _eyes(pen, person, blink)
    pen.line(0, -0.12, 0.012, -0.085, shade(person.skin, 0.7), 0.014)
    draw_mouth(pen, 0, -0.045, mouth)


def draw_mouth(pen, x, y, opening, width=0.04):
    """Draw a mouth: a line when shut, a dark red hole that grows with `opening` 0..1."""
    if opening < 0.1:
        pen.line(x - width, y, x + width, y, (150, 60, 60), 0.014)
        return
    pen.oval(x, y, width * (1.05 - 0.25 * opening), 0.012 + 0.042 * opening, (110, 22, 30))
    if opening > 0.45:
        pen.oval(x, y + 0.02 * opening, width * 0.55, 0.016 * opening, (220, 110, 110))


def _hair(pen, person):
    if person.cut == "bald":
        return
    cap = [
        (0.128 * math.cos(a), -0.14 + 0.15 * math.sin(a))
        for a in (math.pi * (1 + i / 8) for i in range(9))
    ]
    pen.poly([*cap, (0.1, -0.19), (0.02, -0.215), (-0.08, -0.2)], person.hair)
    if person.cut == "curly":
        for i in range(7):
            angle = math.pi * (1 + i / 6)
            pen.dot(0.12 * math.cos(angle), -0.16 + 0.13 * math.sin(angle), 0.05, person.hair)
    elif person.cut == "spiky":
        for i in range(5):
            x = -0.1 + 0.05 * i
            pen.poly([(x - 0.035, -0.23), (x, -0.34), (x + 0.035, -0.23)], person.hair)
    elif person.cut == "bun":
        pen.dot(0, -0.31, 0.06, person.hair)


def _hat(pen, person):
    if person.hat:
        crown = [
            (0.135 * math.cos(a), -0.19 + 0.13 * math.sin(a))
            for a in (math.pi * (1 + i / 8) for i in range(9))
        ]
        pen.poly(crown, person.hat_color)
        if person.hat == "cap":
            pen.oval(0.1, -0.19, 0.12, 0.022, shade(person.hat_color, 0.7))
        else:
            pen.line(-0.13, -0.2, 0.13, -0.2, shade(person.hat_color, 1.4), 0.05)
            pen.dot(0, -0.33, 0.035, shade(person.hat_color, 1.4))


def _eyes(pen, person, blink):
    for x in (-0.048, 0.048):
        pen.line(x - 0.024, -0.185, x + 0.024, -0.187, shade(person.hair, 0.7), 0.013)
        if blink:
            pen.line(x - 0.022, -0.145, x + 0.022, -0.145, INK, 0.012)
        else:
            pen.oval(x, -0.145, 0.026, 0.022, (250, 250, 250))
            pen.dot(x, -0.145, 0.014, INK)
    if person.glasses:
        for x in (-0.05, 0.05):
            pen.ring(x, -0.145, 0.043, INK, 0.009)
        pen.line(-0.012, -0.15, 0.012, -0.15, INK, 0.012)
