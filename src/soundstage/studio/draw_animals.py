"""Looks of the animals: dog, cat, rooster. Conventions as in draw_people."""

import math

from soundstage.studio.figure import INK
from soundstage.studio.pen import shade


def dog(pen, style, cue):
    """A dog from the side, long snout and hanging ears: barks with its jaw, wags its tail, hops at
    each bark.
    """
    fur, dark = style.fur, shade(style.fur, 0.65)
    hop = 0.05 * math.sin(math.pi * cue.beat) if cue.beat < 0.6 else 0.0
    body = pen.at(0, -hop)
    wag = 0.5 * math.sin(cue.run * 14) if cue.on else 0.1 * math.sin(cue.seconds * 3)
    body.path([(-0.48, -0.5), (-0.62, -0.66), (-0.6 + 0.25 * wag, -0.85)], dark, 0.07)
    for x in (-0.38, -0.26, 0.2, 0.32):
        body.line(x, -0.35, x, -0.02, dark if x in (-0.26, 0.2) else fur, 0.1)
        body.oval(x + 0.03, -0.02, 0.07, 0.035, dark)
    body.oval(-0.05, -0.45, 0.46, 0.2, fur)
    body.oval(-0.15, -0.46, 0.14, 0.12, style.patch)
    body.line(0.3, -0.5, 0.4, -0.7, fur, 0.2)
    _dog_head(body.at(0.44, -0.76, 1.0, -0.25 * cue.level), style, cue, fur, dark)


def _dog_head(pen, style, cue, fur, dark):
    jaw = 0.45 * cue.level if cue.on else 0.05
    lower = pen.at(0.08, 0.04, 1.0, jaw)
    lower.line(0, 0.03, 0.24, 0.03, shade(fur, 0.85), 0.07)
    if jaw > 0.15:
        lower.line(0.06, 0.0, 0.22, 0.0, (225, 90, 100), 0.05)
    pen.oval(0, -0.02, 0.18, 0.16, fur)
    pen.line(0.08, 0.0, 0.33, 0.0, fur, 0.12)
    pen.oval(0.38, -0.03, 0.045, 0.04, INK)
    pen.oval(-0.11, 0.05, 0.07, 0.17, dark, 0.25)
    pen.dot(0.08, -0.07, 0.032, (250, 250, 250))
    pen.dot(0.09, -0.07, 0.02, INK)
    pen.line(-0.12, 0.14, 0.1, 0.17, style.main, 0.05)


def cat(pen, style, cue):
    """A sitting cat, pointed ears and whiskers: opens its mouth at each meow, its striped tail
    sweeps.
    """
    fur, dark = style.fur, shade(style.fur, 0.6)
    sweep = 0.22 * math.sin(cue.run * 3 + cue.seconds)
    tail = [(0.2, -0.08), (0.42, -0.1), (0.5, -0.28 - 0.1 * sweep), (0.45 + sweep, -0.5)]
    pen.path(tail, fur, 0.09)
    pen.dot(0.45 + sweep, -0.5, 0.055, dark)
    pen.poly([(-0.14, -0.5), (0.14, -0.5), (0.27, -0.1), (0.2, 0), (-0.2, 0), (-0.27, -0.1)], fur)
    pen.oval(0, -0.22, 0.12, 0.18, shade(fur, 1.45))
    for x in (-0.09, 0.09):
        pen.line(x, -0.3, x, -0.03, fur, 0.09)
        pen.oval(x, -0.02, 0.065, 0.035, shade(fur, 1.45))
    head = pen.at(0, -0.64, 1.0, 0.1 * math.sin(cue.run * 2))
    for side in (-1, 1):
        head.poly([(side * 0.24, -0.02), (side * 0.23, -0.34), (side * 0.05, -0.19)], fur)
        head.poly([(side * 0.2, -0.1), (side * 0.2, -0.27), (side * 0.1, -0.18)], (235, 150, 150))
    head.oval(0, 0, 0.26, 0.21, fur)
    for x in (-0.07, 0.0, 0.07):
        head.line(x, -0.2, x * 0.8, -0.11, dark, 0.025)
    _cat_face(head, style, cue)


def _cat_face(pen, style, cue):
    for side in (-1, 1):
        pen.oval(side * 0.1, -0.03, 0.055, 0.05, style.second)
        pen.oval(side * 0.1, -0.03, 0.016, 0.045, INK)
        for tilt in (-0.04, 0.0, 0.04):
            pen.line(side * 0.08, 0.07, side * 0.36, 0.06 + tilt, (250, 250, 250), 0.01)
    gape = 0.085 * cue.level if cue.on else 0.0
    if gape > 0.015:
        pen.oval(0, 0.1 + gape * 0.7, 0.05, gape, (140, 30, 45))
    pen.path([(-0.06, 0.1), (0, 0.075), (0.06, 0.1)], INK, 0.015)
    pen.poly([(-0.03, 0.035), (0.03, 0.035), (0, 0.07)], (230, 110, 120))


def rooster(pen, style, cue):
    """A rooster with a red comb and long tail feathers: stretches its neck and opens its beak to
    crow.
    """
    stretch = 0.16 * cue.level if cue.on else 0.02 * math.sin(cue.seconds * 4)
    for i, color in enumerate((style.second, style.main, shade(style.second, 0.6), style.main)):
        turn = -0.55 - 0.28 * i + 0.08 * math.sin(cue.run * 5)
        feather = pen.at(-0.24, -0.42, 1.0, turn)
        feather.oval(-0.06, -0.26, 0.09, 0.27, color)
    for x in (-0.04, 0.09):
        pen.line(x, -0.24, x, -0.02, (235, 170, 40), 0.035)
        pen.path([(x - 0.06, 0), (x, -0.03), (x + 0.1, 0)], (235, 170, 40), 0.03)
    pen.oval(0, -0.38, 0.31, 0.2, style.fur)
    pen.oval(-0.06, -0.38, 0.17, 0.11, shade(style.fur, 0.62), 0.2 - 0.6 * cue.level * cue.on)
    head_y = -0.76 - stretch
    pen.poly([(0.02, -0.45), (0.3, -0.42), (0.31, head_y), (0.17, head_y)], shade(style.fur, 1.35))
    _rooster_head(pen.at(0.26, head_y, 1.0, -0.9 * stretch / 0.16 * 0.5), cue)


def _rooster_head(pen, cue):
    red, beak = (220, 30, 35), (245, 190, 50)
    for x in (-0.08, 0.0, 0.07):
        pen.dot(x, -0.13, 0.06, red)
    pen.dot(0, -0.02, 0.115, (245, 225, 190))
    gape = 0.5 * cue.level if cue.on else 0.0
    pen.at(0.08, -0.02, 1.0, -gape * 0.5).poly([(0, -0.04), (0.17, 0.01), (0, 0.02)], beak)
    pen.at(0.08, 0.0, 1.0, gape).poly([(0, -0.01), (0.14, 0.01), (0, 0.04)], shade(beak, 0.85))
    pen.oval(0.06, 0.1, 0.035, 0.07, red)
    pen.dot(0.03, -0.04, 0.022, INK)
