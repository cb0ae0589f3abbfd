"""Looks of the classes that AVE has and LLP lacks: bells, vehicles, wind and plucked instruments, animals.

Conventions as in draw_people: pen units of the object's own height, its base at (0, 0), its top near -1.
"""

import math

from soundstage.studio.draw_instruments import _players_hands, _strum
from soundstage.studio.draw_machines import STEEL, _exhaust, _wheel
from soundstage.studio.figure import INK, draw_person
from soundstage.studio.pen import shade

GLASS = (175, 215, 235)
BRASS = (222, 172, 70)


def church_bell(pen, style, cue):
    """A bronze bell in a stone arch: it swings while it rings, the clapper behind it."""
    stone = (168, 162, 152)
    pen.box(-0.55, -0.75, 0.55, 0, stone)
    pen.oval(0, -0.75, 0.55, 0.25, stone)
    pen.box(-0.4, -0.72, 0.4, 0, (52, 56, 70))
    pen.oval(0, -0.72, 0.4, 0.2, (52, 56, 70))
    for y in (-0.6, -0.4, -0.2):
        pen.line(-0.55, y, -0.4, y, shade(stone, 0.7), 0.015)
        pen.line(0.4, y, 0.55, y, shade(stone, 0.7), 0.015)
    pen.line(-0.4, -0.74, 0.4, -0.74, (110, 72, 40), 0.07)
    swing = 0.5 * math.sin(cue.run * 5) if cue.on else 0.0
    bell = pen.at(0, -0.72, 1.0, swing)
    bell.line(0, 0.3, -0.12 * math.sin(cue.run * 5), 0.52, INK, 0.06)
    bell.poly([(-0.09, 0.04), (0.09, 0.04), (0.16, 0.3), (0.28, 0.44), (-0.28, 0.44), (-0.16, 0.3)], BRASS)
    bell.line(-0.26, 0.43, 0.26, 0.43, shade(BRASS, 0.65), 0.05)
    bell.line(-0.1, 0.1, -0.14, 0.32, shade(BRASS, 1.5), 0.03)


def airplane(pen, style, cue):
    """An airliner in flight from the side: white hull, coloured tail, a row of windows, exhaust trails."""
    pen = pen.at(0, 0.03 * math.sin(cue.run * 1.5), 1.0, -0.05)
    for i in range(4 if cue.on else 0):
        age = (cue.seconds * 1.1 + i / 4) % 1.0
        pen.oval(-1.0 - 0.5 * age, -0.4, 0.16 * (0.4 + age), 0.04, (238, 240, 244))
    pen.poly([(-0.95, -0.5), (-1.08, -0.98), (-0.88, -0.98), (-0.6, -0.5)], style.main)
    pen.oval(0, -0.45, 1.0, 0.17, (244, 245, 248))
    pen.line(-0.9, -0.38, 0.9, -0.38, style.main, 0.05)
    pen.poly([(0.8, -0.55), (0.96, -0.5), (0.9, -0.44), (0.8, -0.46)], GLASS)
    for i in range(9):
        pen.dot(-0.6 + 0.15 * i, -0.48, 0.03, (70, 90, 120))
    pen.poly([(0.2, -0.42), (-0.1, -0.42), (-0.6, -0.02), (-0.42, -0.02)], shade(STEEL, 1.2))
    pen.oval(-0.14, -0.22, 0.17, 0.075, shade(style.main, 0.8))


def race_car(pen, style, cue):
    """A low open racing car: big wheels, spoilers front and rear, a helmet, a number."""
    body = pen.at(0, 0.02 * math.sin(cue.run * 43))
    _exhaust(body, -1.0, -0.3, cue)
    body.poly([(-0.95, -0.6), (-0.2, -0.78), (0.2, -0.6), (1.05, -0.34), (1.05, -0.2), (-0.95, -0.2)], style.main)
    body.box(-1.08, -1.0, -0.8, -0.86, style.second)
    body.line(-0.92, -0.88, -0.92, -0.55, INK, 0.05)
    body.box(0.85, -0.24, 1.2, -0.14, style.second)
    body.dot(0.02, -0.8, 0.17, style.second)
    body.poly([(0.04, -0.86), (0.2, -0.84), (0.18, -0.72), (0.04, -0.72)], INK)
    body.dot(-0.42, -0.44, 0.16, (250, 250, 250))
    body.line(-0.42, -0.54, -0.42, -0.34, INK, 0.05)
    for x, radius in ((-0.62, 0.32), (0.68, 0.28)):
        _wheel(pen, x, -radius, radius, cue.run * 17, (230, 200, 60))


def truck(pen, style, cue):
    """A lorry from the side: a long pale box behind a coloured cab, many wheels, smoke from a stack."""
    body = pen.at(0, 0.012 * math.sin(cue.run * 23))
    for i in range(3 if cue.on else 0):
        age = (cue.seconds * 0.9 + i / 3) % 1.0
        body.dot(0.5 - 0.3 * age, -1.0 - 0.2 * age, 0.04 + 0.07 * age, (150, 150, 152))
    body.box(-1.2, -0.95, 0.42, -0.22, (226, 224, 216))
    body.box(-1.2, -0.6, 0.42, -0.5, style.second)
    for x in (-0.8, -0.4, 0.0):
        body.line(x, -0.94, x, -0.23, (196, 194, 188), 0.015)
    body.line(0.5, -0.2, 0.5, -1.0, STEEL, 0.06)
    body.poly([(0.55, -0.2), (0.55, -0.82), (0.86, -0.82), (1.02, -0.5), (1.08, -0.48), (1.08, -0.2)], style.main)
    body.poly([(0.68, -0.76), (0.84, -0.76), (0.95, -0.5), (0.68, -0.5)], GLASS)
    body.dot(1.04, -0.34, 0.05, (255, 250, 170) if cue.on else STEEL)
    for x in (-0.95, -0.66, -0.37, 0.76):
        _wheel(pen, x, -0.15, 0.15, cue.run * 7)


def bus(pen, style, cue):
    """A long bus from the side: a row of windows with heads, two doors, two wheels."""
    body = pen.at(0, 0.012 * math.sin(cue.run * 19))
    _exhaust(body, -1.15, -0.15, cue)
    body.box(-1.2, -0.98, 1.2, -0.16, style.main)
    body.box(-1.2, -0.3, 1.2, -0.24, shade(style.main, 0.6))
    body.box(-1.1, -0.98, 1.1, -0.93, shade(style.main, 1.6))
    for i in range(6):
        x = -1.08 + 0.31 * i
        body.box(x, -0.85, x + 0.25, -0.55, GLASS)
        if i % 2:
            body.dot(x + 0.12, -0.62, 0.075, style.skins[i % 5])
    body.box(0.82, -0.86, 1.12, -0.2, GLASS)
    body.line(0.97, -0.86, 0.97, -0.2, INK, 0.02)
    body.box(0.4, -0.97, 0.78, -0.88, (250, 190, 40))
    for x in (-0.75, 0.6):
        _wheel(pen, x, -0.17, 0.17, cue.run * 6)


def train_horn(pen, style, cue):
    """A locomotive from the front: two lamps, a stripe, horns on the roof, rails and sleepers below."""
    for i in range(5):
        y = -0.16 + 0.04 * i
        pen.line(-0.62 - 0.06 * i, y, 0.62 + 0.06 * i, y, (104, 76, 54), 0.025)
    for side in (-1, 1):
        pen.line(side * 0.3, -0.18, side * 0.5, 0.02, STEEL, 0.035)
    shake = pen.at(0.008 * math.sin(cue.run * 20), 0)
    front = [(-0.46, -0.14), (-0.46, -0.78), (-0.32, -0.94), (0.32, -0.94), (0.46, -0.78), (0.46, -0.14)]
    shake.poly(front, style.main)
    for side in (-1, 1):
        pane = [(0.05, -0.58), (0.05, -0.82), (0.3, -0.82), (0.38, -0.58)]
        shake.poly([(side * x, y) for x, y in pane], (44, 54, 72))
        shake.dot(side * 0.3, -0.32, 0.075, (255, 250, 180) if cue.on else (190, 188, 170))
        shake.poly([(side * 0.1, -0.94), (side * 0.22, -1.04), (side * 0.22, -0.94)], BRASS)
    shake.box(-0.46, -0.5, 0.46, -0.42, style.second)
    shake.box(-0.5, -0.17, 0.5, -0.08, (60, 60, 66))
    for i in range(3 if cue.on else 0):
        reach = 0.1 + 0.08 * ((cue.seconds * 3 + i / 3) % 1.0) * 3
        shake.arc(0, -1.0, reach, reach * 0.6, -2.4, -0.7, (250, 250, 250), 0.02)


def clock(pen, style, cue):
    """A grandfather clock: a white dial with two hands, a case, a pendulum that swings."""
    pen.box(-0.25, -0.96, 0.25, 0, style.wood)
    pen.poly([(-0.3, -0.94), (0.0, -1.04), (0.3, -0.94)], shade(style.wood, 0.7))
    pen.box(-0.16, -0.52, 0.16, -0.08, shade(style.wood, 0.35))
    pen.dot(0, -0.72, 0.2, BRASS)
    pen.dot(0, -0.72, 0.175, (250, 248, 240))
    for i in range(12):
        angle = i * math.pi / 6
        pen.dot(0.145 * math.cos(angle), -0.72 + 0.145 * math.sin(angle), 0.013, INK)
    for length, turn, width in ((0.09, style.phase, 0.025), (0.13, style.phase * 3 + cue.run * 0.6, 0.016)):
        pen.line(0, -0.72, length * math.sin(turn), -0.72 - length * math.cos(turn), INK, width)
    swing = 0.35 * math.sin(cue.run * math.pi * 2)
    bob = pen.at(0, -0.52, 1.0, swing)
    bob.line(0, 0, 0, 0.32, BRASS, 0.02)
    bob.dot(0, 0.34, 0.06, shade(BRASS, 1.3))


def toilet_flush(pen, style, cue):
    """A white toilet with its tank: the lever drops and water swirls in the bowl while it flushes."""
    white, grey = (246, 247, 250), (196, 202, 210)
    pen.box(-0.45, -1.0, -0.1, -0.48, white)
    pen.box(-0.48, -1.02, -0.07, -0.94, grey)
    pen.at(-0.36, -0.86, 1.0, 0.9 if cue.on else 0.0).line(0, 0, 0.14, 0, STEEL, 0.035)
    pen.poly([(-0.3, -0.48), (0.46, -0.48), (0.3, -0.16), (0.22, 0), (-0.22, 0), (-0.24, -0.2)], white)
    pen.oval(0.1, -0.47, 0.38, 0.12, grey)
    pen.oval(0.1, -0.47, 0.31, 0.085, (120, 180, 222))
    for i in range(3 if cue.on else 0):
        turn = cue.run * 9 + i * 2.1
        pen.arc(0.1, -0.47, 0.09 * (i + 1), 0.025 * (i + 1), turn, turn + 2.4, (245, 250, 255), 0.022)
    pen.box(-0.28, -0.03, 0.28, 0, grey)


def goat(pen, style, cue):
    """A goat from the side: horns swept back, a beard, a short raised tail, its mouth open at each bleat."""
    coat, dark = style.fur, shade(style.fur, 0.6)
    for x in (-0.36, -0.24, 0.18, 0.3):
        pen.line(x, -0.38, x, -0.03, dark if x in (-0.24, 0.18) else coat, 0.075)
        pen.oval(x, -0.02, 0.05, 0.03, INK)
    pen.oval(-0.04, -0.46, 0.44, 0.2, coat)
    pen.line(-0.44, -0.55, -0.55, -0.68, dark, 0.07)
    pen.line(0.28, -0.5, 0.42, -0.74, coat, 0.17)
    head = pen.at(0.46, -0.8, 1.0, -0.2 * cue.level * cue.on)
    gape = 0.35 * cue.level if cue.on else 0.0
    head.at(0.06, 0.05, 1.0, gape).line(0, 0, 0.17, 0.02, dark, 0.06)
    head.poly([(-0.1, -0.1), (0.08, -0.12), (0.28, 0.02), (0.26, 0.08), (-0.06, 0.1)], coat)
    head.at(0.06, 0.05, 1.0, gape).poly([(0.08, 0.04), (0.18, 0.05), (0.14, 0.22)], (236, 232, 224))
    for shift in (0.0, 0.08):
        head.path([(-0.02 + shift, -0.1), (-0.1 + shift, -0.24), (-0.26 + shift, -0.3)], (210, 200, 178), 0.045)
    head.oval(-0.12, 0.0, 0.1, 0.04, dark, 0.5)
    head.dot(0.07, -0.04, 0.028, (240, 210, 90))
    head.line(0.05, -0.04, 0.09, -0.04, INK, 0.014)


def horse(pen, style, cue):
    """A tall horse from the side: long neck with a mane, long face, a flowing tail; it trots and neighs."""
    coat, mane = style.fur, shade(style.fur, 0.45)
    step = 0.12 * math.sin(cue.run * 8) if cue.on else 0.0
    for i, x in enumerate((-0.4, -0.28, 0.2, 0.32)):
        reach = step * (1 if i % 2 else -1)
        pen.path([(x, -0.45), (x + reach * 0.5, -0.24), (x + reach, -0.03)], coat if i % 2 else shade(coat, 0.8), 0.075)
        pen.oval(x + reach, -0.02, 0.05, 0.028, INK)
    sway = 0.1 * math.sin(cue.run * 4)
    pen.path([(-0.44, -0.56), (-0.58, -0.45), (-0.6 + sway, -0.2)], mane, 0.09)
    pen.oval(-0.05, -0.52, 0.45, 0.17, coat)
    neck = pen.at(0.28, -0.56, 1.0, 0.12 * cue.level * cue.on)
    neck.poly([(-0.12, 0.0), (0.14, 0.05), (0.32, -0.32), (0.16, -0.4)], coat)
    neck.path([(-0.1, -0.04), (0.0, -0.22), (0.14, -0.42)], mane, 0.075)
    head = neck.at(0.24, -0.36, 1.0, 0.5)
    head.poly([(-0.12, -0.1), (0.06, -0.1), (0.34, -0.03), (0.34, 0.07), (0.0, 0.1)], coat)
    gape = 0.35 * cue.level if cue.on else 0.0
    head.at(0.16, 0.08, 1.0, gape).line(0, 0, 0.16, 0, shade(coat, 0.75), 0.05)
    head.poly([(-0.1, -0.08), (-0.08, -0.22), (0.0, -0.1)], coat)
    head.dot(0.05, -0.03, 0.022, INK)
    head.dot(0.31, 0.0, 0.016, INK)


def rodents(pen, style, cue):
    """Two mice by a wedge of cheese: round ears, long bare tails; they hop and nibble while they squeak."""
    pen.poly([(-0.22, -0.02), (0.3, -0.02), (0.3, -0.42)], (246, 206, 70))
    for x, y, size in ((0.14, -0.1, 0.04), (0.22, -0.22, 0.045), (0.05, -0.06, 0.025)):
        pen.dot(x, y, size, (214, 166, 40))
    for side, colour in ((-1, style.fur), (1, style.patch)):
        hop = 0.09 * abs(math.sin(cue.run * 9 + side)) * cue.on
        mouse = pen.at(side * 0.52, -hop, 0.9, 0.0, side > 0)
        mouse.path([(-0.28, -0.1), (-0.5, -0.06), (-0.6, -0.24), (-0.74, -0.2)], (232, 160, 160), 0.03)
        mouse.oval(-0.05, -0.2, 0.3, 0.2, colour)
        mouse.oval(0.22, -0.3, 0.18, 0.13, colour)
        for ear in (0.06, 0.2):
            mouse.dot(ear, -0.46, 0.1, colour)
            mouse.dot(ear, -0.46, 0.065, (240, 178, 178))
        mouse.dot(0.27, -0.34, 0.025, INK)
        mouse.dot(0.39, -0.29, 0.028, (236, 120, 130))
        for tilt in (-0.04, 0.04):
            mouse.line(0.34, -0.27, 0.5, -0.25 + tilt, (240, 240, 240), 0.01)


def flute(pen, style, cue):
    """A player's upper half with a silver flute held sideways at the lips, fingers moving on the keys."""
    close = pen.at(0, 0.62, 1.65)
    draw_person(close, style.person, 0.08 * cue.on, (), 0.05 * math.sin(cue.run * 2), cue.on, False)
    sleeve, y = shade(style.person.top, 0.82), -0.755
    close.line(-0.08, y, 0.56, y + 0.02, (70, 76, 86), 0.05)
    close.line(-0.08, y, 0.56, y + 0.02, (226, 232, 240), 0.034)
    for i in range(7):
        close.dot(0.14 + 0.055 * i, y + 0.006, 0.014, (110, 118, 130))
    tap = 0.012 * math.sin(cue.run * 15) * cue.on
    for x, lift in ((0.2, tap), (0.42, -tap)):
        close.path([(0.14, -0.62), (x + 0.02, -0.55), (x, y + 0.035 + lift)], sleeve, 0.06)
        close.dot(x, y + 0.035 + lift, 0.04, style.person.skin)


def shofar(pen, style, cue):
    """A player's upper half who blows a long curved ram's horn that points upwards."""
    close = pen.at(0, 0.62, 1.65)
    rise = 0.05 * cue.level * cue.on
    draw_person(close, style.person, 0.1 * cue.on, (), -0.06, cue.on, False)
    horn = [(0.02, -0.75), (0.16, -0.7), (0.32, -0.76 - rise), (0.4, -0.9 - rise), (0.4, -1.0 - rise)]
    for (x0, y0), (x1, y1), width in zip(horn, horn[1:], (0.04, 0.065, 0.095, 0.13), strict=False):
        close.line(x0, y0, x1, y1, (96, 70, 44), width + 0.02)
        close.line(x0, y0, x1, y1, (206, 178, 128), width)
    close.oval(0.4, -1.02 - rise, 0.075, 0.03, (60, 42, 28))
    sleeve = shade(style.person.top, 0.82)
    close.path([(0.14, -0.62), (0.3, -0.55), (0.2, -0.7)], sleeve, 0.065)
    close.dot(0.2, -0.7, 0.042, style.person.skin)


def ukulele(pen, style, cue):
    """A player with a very small guitar high on the chest: short neck, four strings, fast strums."""
    close = pen.at(0, 0.37, 1.42)
    draw_person(close, style.person, 0.0, (), 0.06 * math.sin(cue.run * 4))
    body, dark = close.at(-0.04, -0.5, 0.62, -0.25), shade(style.main, 0.55)
    for colour, grow in ((dark, 0.02), (style.main, 0.0)):
        body.oval(-0.11, 0, 0.16 + grow, 0.18 + grow, colour)
        body.oval(0.12, 0, 0.12 + grow, 0.14 + grow, colour)
    body.dot(0.05, 0, 0.06, (40, 26, 18))
    body.line(0.18, 0, 0.46, 0, (85, 50, 28), 0.06)
    body.box(0.44, -0.055, 0.56, 0.055, dark)
    for y in (-0.02, -0.007, 0.007, 0.02):
        body.line(-0.15, y, 0.44, y, (245, 245, 240), 0.006)
    _players_hands(close, style.person, neck_hand=(0.22, -0.56), pluck=(-0.03, -0.48 + _strum(cue, 0.09)))


def mandolin(pen, style, cue):
    """A player with a mandolin: a dark teardrop with a bright rim and eight pegs, picked in a tremolo."""
    close = pen.at(0, 0.37, 1.42)
    draw_person(close, style.person, 0.0, (), 0.04 * math.sin(cue.run * 3))
    body = close.at(-0.06, -0.44, 1.0, -0.42)
    for colour, grow in (((238, 206, 140), 0.022), ((74, 34, 22), 0.0)):
        body.poly([(-0.04, -0.17 - grow), (0.3 + grow, 0.0), (-0.04, 0.17 + grow)], colour)
        body.oval(-0.06, 0, 0.17 + grow, 0.175 + grow, colour)
    body.oval(0.04, 0, 0.035, 0.06, (240, 220, 180))
    body.line(0.22, 0, 0.52, 0, (50, 30, 20), 0.05)
    body.box(0.5, -0.05, 0.66, 0.05, (74, 34, 22))
    for i in range(4):
        for side in (-1, 1):
            body.dot(0.52 + 0.04 * i, side * 0.065, 0.014, (250, 250, 245))
    tremble = 0.04 * math.sin(cue.seconds * 40) * cue.on
    _players_hands(close, style.person, neck_hand=(0.3, -0.6), pluck=(-0.06, -0.42 + tremble))
