"""Looks of the instruments: cello, violin, banjo, guitar, accordion, as in draw_people."""

import math

from soundstage.studio.figure import INK, draw_person
from soundstage.studio.pen import shade


def _bow_stroke(cue):
    """The bow's place along its stroke, -1..1: it turns round every 0.6 s of sound and stops in
    pauses.
    """
    place = (cue.run / 1.2) % 1.0
    return 4 * abs(place - 0.5) - 1


def _fiddle(pen, wood):
    """A violin or cello body of height 1 about the origin, its neck upwards to y = -1.15."""
    dark = shade(wood, 0.55)
    for color, grow in ((dark, 0.02), (wood, 0.0)):
        pen.oval(0, 0.25, 0.29 + grow, 0.25 + grow, color)
        pen.oval(0, -0.22, 0.23 + grow, 0.2 + grow, color)
        pen.box(-0.17 - grow, -0.25, 0.17 + grow, 0.25, color)
    for side in (-1, 1):
        pen.oval(side * 0.235, 0.0, 0.06, 0.11, dark)
        pen.path([(side * 0.1, -0.08), (side * 0.08, 0.02), (side * 0.12, 0.12)], INK, 0.025)
    pen.line(0, -0.28, 0, -1.02, INK, 0.075)
    pen.dot(0, -1.08, 0.065, dark)
    pen.poly([(-0.05, 0.16), (0.05, 0.16), (0.03, 0.42), (-0.03, 0.42)], INK)
    pen.line(-0.09, 0.08, 0.09, 0.08, (235, 215, 170), 0.03)
    for x in (-0.022, 0.022):
        pen.line(x, 0.2, x * 0.7, -1.0, (230, 230, 225), 0.008)


def cello(pen, style, cue):
    """A seated player with a man-high cello between the knees, the bow going level from side to
    side.
    """
    seat = pen.at(0, 0.06)
    for side in (-1, 1):
        seat.path(
            [(side * 0.12, -0.36), (side * 0.33, -0.32), (side * 0.33, -0.06)],
            style.person.bottom,
            0.1,
        )
    stroke = 0.22 * _bow_stroke(cue)
    hand = (0.36 + stroke, -0.42)
    draw_person(
        seat, style.person, 0.0, ((-0.13, -0.72), hand), 0.05 * math.sin(cue.run * 2), False, False
    )
    _fiddle(pen.at(0.0, -0.34, 0.58, -0.06), style.wood)
    pen.line(0.02, -0.03, 0.03, 0.03, INK, 0.02)
    pen.line(hand[0] + 0.02, -0.37, hand[0] - 0.62, -0.34, (245, 235, 210), 0.016)
    pen.line(hand[0] + 0.02, -0.385, hand[0] - 0.62, -0.365, (120, 60, 25), 0.02)
    pen.dot(hand[0], -0.37, 0.042, style.person.skin)


def violin(pen, style, cue):
    """A standing player's upper half, a small violin at the chin pointing sideways, the bow
    slanting across.
    """
    close = pen.at(0, 0.62, 1.65)
    stroke = 0.1 * _bow_stroke(cue)
    draw_person(close, style.person, 0.0, (), 0.14, cue.on, False)
    close.path([(0.14, -0.63), (0.3, -0.46), (0.39, -0.66)], shade(style.person.top, 0.82), 0.065)
    _fiddle(close.at(0.1, -0.68, 0.27, 1.43), style.wood)
    bow = close.at(0.15, -0.69, 1.0, -0.75)
    bow.line(-0.42 + stroke * 1.3, 0.0, 0.16 + stroke * 1.3, 0.0, (250, 245, 225), 0.012)
    bow.line(-0.42 + stroke * 1.3, -0.014, 0.16 + stroke * 1.3, -0.014, (120, 60, 25), 0.012)
    grip = (
        0.15 + (-0.42 + stroke * 1.3) * math.cos(-0.75),
        -0.69 + (-0.42 + stroke * 1.3) * math.sin(-0.75),
    )
    close.path([(-0.15, -0.62), (-0.27, -0.45), grip], shade(style.person.top, 0.82), 0.065)
    close.dot(*grip, 0.045, style.person.skin)
    close.dot(0.39, -0.66, 0.04, style.person.skin)


def _strum(cue, depth):
    """How far the plucking hand has moved off the strings, -depth..depth, by the onsets."""
    return depth * (math.cos(math.pi * cue.beat) if cue.beat < 1 else 0.0)


def banjo(pen, style, cue):
    """A player with a banjo: a white round drum head with a metal rim and a long thin neck."""
    close = pen.at(0, 0.37, 1.42)
    draw_person(close, style.person, 0.0, (), 0.06 * math.sin(cue.run * 5))
    neck = close.at(-0.05, -0.42, 1.0, -0.38)
    neck.line(0.1, 0, 0.62, 0, (95, 55, 30), 0.045)
    neck.box(0.6, -0.04, 0.72, 0.04, (60, 35, 22))
    for x in (0.63, 0.69):
        neck.dot(x, -0.05, 0.015, (240, 240, 235))
        neck.dot(x, 0.05, 0.015, (240, 240, 235))
    neck.dot(0, 0, 0.205, (150, 150, 158))
    neck.dot(0, 0, 0.175, (250, 247, 238))
    for i in range(10):
        angle = 0.628 * i
        neck.dot(0.19 * math.cos(angle), 0.19 * math.sin(angle), 0.013, style.main)
    neck.line(-0.08, -0.05, -0.08, 0.05, (120, 70, 30), 0.02)
    for y in (-0.02, 0.0, 0.02):
        buzz = 0.006 * math.sin(cue.seconds * 80 + 60 * y) if cue.on else 0.0
        neck.line(-0.15, y, 0.6, y * 0.6 + buzz, (150, 140, 130), 0.006)
    _players_hands(
        close, style.person, neck_hand=(0.36, -0.59), pluck=(-0.1 + _strum(cue, 0.05), -0.38)
    )


def guitar(pen, style, cue):
    """A player with an acoustic guitar: a waisted wooden body with a dark sound hole, strummed up
    and down.
    """
    close = pen.at(0, 0.37, 1.42)
    draw_person(close, style.person, 0.0, (), 0.05 * math.sin(cue.run * 3))
    body = close.at(-0.08, -0.4, 1.0, -0.3)
    dark = shade(style.wood, 0.55)
    for color, grow in ((dark, 0.014), (style.wood, 0.0)):
        body.oval(-0.11, 0, 0.16 + grow, 0.2 + grow, color)
        body.oval(0.13, 0, 0.13 + grow, 0.155 + grow, color)
        body.box(-0.1, -0.125 - grow, 0.13, 0.125 + grow, color)
    body.dot(0.08, 0, 0.065, (40, 26, 18))
    body.ring(0.08, 0, 0.075, dark, 0.012)
    body.line(-0.15, -0.07, -0.15, 0.07, (50, 30, 20), 0.03)
    body.line(0.2, 0, 0.68, 0, (85, 50, 28), 0.055)
    body.box(0.66, -0.045, 0.79, 0.045, dark)
    for y in (-0.018, -0.006, 0.006, 0.018):
        buzz = 0.005 * math.sin(cue.seconds * 70 + 200 * y) if cue.on else 0.0
        body.line(-0.15, y, 0.66, y + buzz, (240, 235, 225), 0.005)
    _players_hands(
        close, style.person, neck_hand=(0.4, -0.56), pluck=(-0.04, -0.4 + _strum(cue, 0.1))
    )


def _players_hands(pen, person, neck_hand, pluck):
    """Both arms in front of the instrument: one hand on the neck, the other plucking."""
    sleeve = shade(person.top, 0.82)
    pen.path([(-0.14 * person.girth, -0.62), (-0.3, -0.45), pluck], sleeve, 0.075)
    pen.dot(*pluck, 0.045, person.skin)
    pen.path([(0.14 * person.girth, -0.62), (0.3, -0.47), neck_hand], sleeve, 0.07)
    pen.dot(*neck_hand, 0.042, person.skin)


def accordion(pen, style, cue):
    """A player with an accordion whose pleated bellows open and close; piano keys on one side,
    buttons on the other.
    """
    close = pen.at(0, 0.37, 1.42)
    draw_person(close, style.person, 0.0, (), 0.07 * math.sin(cue.run * 2))
    spread = 0.13 + 0.1 * (1 + math.sin(cue.run * 3.2))
    left, right = -0.05 - spread, 0.05 + spread
    folds = 9
    for i in range(folds):
        x0, x1 = left + (right - left) * i / folds, left + (right - left) * (i + 1) / folds
        bulge = 0.02 if i % 2 else 0.0
        close.box(x0, -0.63 - bulge, x1, -0.27 + bulge, shade(style.second, 0.55 if i % 2 else 1.1))
    close.box(left - 0.13, -0.66, left, -0.25, style.main)
    close.box(right, -0.66, right + 0.14, -0.25, style.main)
    close.box(right + 0.07, -0.63, right + 0.14, -0.28, (250, 250, 245))
    for i in range(7):
        y = -0.62 + 0.05 * i
        close.line(right + 0.07, y, right + 0.14, y, INK, 0.008)
        close.line(right + 0.08, y, right + 0.11, y, INK, 0.02)
        close.dot(left - 0.04 - 0.05 * (i % 2), -0.61 + 0.052 * i, 0.013, (245, 245, 240))
    _strap_hands(close, style.person, left - 0.15, right + 0.16, cue)


def _strap_hands(pen, person, left, right, cue):
    sleeve = shade(person.top, 0.82)
    tap = 0.03 * math.sin(cue.run * 11)
    for side, x in ((-1, left), (1, right)):
        hand = (x, -0.42 + side * tap)
        pen.path(
            [(side * 0.14 * person.girth, -0.63), (x + side * 0.06, -0.58), hand], sleeve, 0.07
        )
        pen.dot(*hand, 0.045, person.skin)
