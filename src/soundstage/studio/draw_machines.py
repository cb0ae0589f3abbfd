"""Looks of the machines: car, motorcycle, helicopter, chainsaw, lawn mower, vacuum cleaner,
blender.

Conventions as in draw_people; vehicles are wider than high and look to the right.
"""

import math

from soundstage.studio.figure import INK
from soundstage.studio.pen import hue, shade

STEEL = (172, 178, 188)
SMOKE = (205, 205, 208)


def _wheel(pen, x, y, radius, turn, rim=STEEL):
    pen.dot(x, y, radius, INK)
    pen.dot(x, y, radius * 0.6, rim)
    for i in range(3):
        angle = turn + i * math.pi / 3
        cos, sin = radius * 0.58 * math.cos(angle), radius * 0.58 * math.sin(angle)
        pen.line(x - cos, y - sin, x + cos, y + sin, (70, 72, 80), radius * 0.14)


def _exhaust(pen, x, y, cue):
    """Puffs that leave an exhaust pipe backwards while the engine runs."""
    for i in range(3 if cue.on else 0):
        age = (cue.seconds * 1.3 + i / 3) % 1.0
        pen.dot(x - 0.5 * age, y - 0.15 * age, 0.04 + 0.07 * age, shade(SMOKE, 1 + 0.5 * age))


def car(pen, style, cue):
    """A car from the side: coloured body, windows, turning wheels, lights on and puffs while it
    runs.
    """
    shake = 0.012 * math.sin(cue.run * 31)
    body = pen.at(0, shake)
    paint, glass = style.main, (175, 215, 235)
    _exhaust(body, -0.98, -0.2, cue)
    body.poly([(-0.62, -0.55), (-0.42, -0.93), (0.3, -0.93), (0.58, -0.55)], shade(paint, 0.85))
    body.poly([(-0.5, -0.56), (-0.36, -0.86), (-0.08, -0.86), (-0.08, -0.56)], glass)
    body.poly([(0.0, -0.56), (0.0, -0.86), (0.26, -0.86), (0.46, -0.56)], glass)
    body.dot(0.18, -0.68, 0.075, style.person.skin)
    body.oval(0.17, -0.74, 0.08, 0.045, style.hair)
    outline = [
        (-0.98, -0.5),
        (-0.9, -0.58),
        (0.62, -0.58),
        (0.95, -0.46),
        (1.0, -0.22),
        (-0.98, -0.2),
    ]
    body.poly(outline, paint)
    body.line(-0.95, -0.36, 0.97, -0.36, shade(paint, 0.6), 0.03)
    body.line(-0.04, -0.56, -0.04, -0.25, shade(paint, 0.6), 0.015)
    body.line(0.04, -0.47, 0.12, -0.47, INK, 0.03)
    body.dot(0.94, -0.4, 0.06, (255, 250, 170) if cue.on else (200, 200, 190))
    body.box(-0.98, -0.48, -0.91, -0.38, (235, 40, 40))
    for x in (-0.56, 0.56):
        _wheel(pen, x, -0.2, 0.2, cue.run * 9)


def motorcycle(pen, style, cue):
    """A motorcycle from the side with a helmeted rider leaning forward, two big wheels, exhaust
    puffs.
    """
    pen = pen.at(0, 0.012 * math.sin(cue.run * 37))
    _exhaust(pen, -0.72, -0.16, cue)
    for x in (-0.46, 0.5):
        _wheel(pen, x, -0.22, 0.22, cue.run * 11, (225, 225, 228))
    pen.line(-0.46, -0.22, -0.05, -0.3, STEEL, 0.06)
    pen.path([(0.5, -0.22), (0.32, -0.62), (0.24, -0.64)], STEEL, 0.05)
    pen.oval(0.0, -0.28, 0.16, 0.12, (85, 88, 96))
    pen.line(-0.7, -0.16, -0.05, -0.2, (215, 215, 220), 0.05)
    pen.poly([(-0.1, -0.54), (0.24, -0.6), (0.28, -0.44), (0.0, -0.38)], style.main)
    pen.poly([(-0.52, -0.53), (-0.08, -0.5), (-0.08, -0.41), (-0.42, -0.43)], INK)
    pen.oval(0.4, -0.57, 0.06, 0.07, (255, 250, 170) if cue.on else STEEL)
    pen.path([(-0.22, -0.52), (0.06, -0.46), (-0.02, -0.2)], style.person.bottom, 0.12)
    pen.line(-0.2, -0.54, -0.02, -0.84, style.second, 0.2)
    pen.path([(-0.01, -0.8), (0.1, -0.64), (0.26, -0.66)], shade(style.second, 0.75), 0.08)
    pen.dot(0.06, -0.96, 0.135, style.main)
    pen.poly([(0.08, -1.0), (0.2, -0.99), (0.19, -0.9), (0.08, -0.9)], (40, 45, 60))


def helicopter(pen, style, cue):
    """A flying helicopter: glass nose, tail boom, skids; both rotors sweep while it sounds and it
    hovers.
    """
    pen = pen.at(0, 0.05 * math.sin(cue.run * 2.5), 1.0, 0.06 * math.sin(cue.run * 1.9))
    paint, dark = style.main, shade(style.main, 0.65)
    pen.poly([(-0.1, -0.6), (-1.0, -0.66), (-1.0, -0.58), (-0.1, -0.35)], dark)
    pen.poly([(-1.0, -0.62), (-1.12, -0.88), (-0.98, -0.86), (-0.88, -0.62)], paint)
    pen.oval(0.12, -0.47, 0.42, 0.27, paint)
    pen.poly([(0.2, -0.7), (0.42, -0.63), (0.53, -0.42), (0.22, -0.42)], (180, 222, 240))
    pen.box(-0.14, -0.62, 0.08, -0.42, (180, 222, 240))
    pen.line(-0.25, -0.36, 0.5, -0.36, (250, 250, 250), 0.04)
    for x in (-0.08, 0.3):
        pen.line(x, -0.24, x, -0.06, INK, 0.03)
    pen.path([(-0.3, -0.05), (0.45, -0.05), (0.53, -0.1)], INK, 0.035)
    pen.line(0.08, -0.72, 0.08, -0.88, INK, 0.05)
    turn = cue.run * 23
    for k in (0.0, 0.5):
        reach = 0.95 * math.cos(turn + math.pi * k)
        pen.line(
            0.08 - reach, -0.89, 0.08 + reach, -0.89 + 0.03 * math.sin(turn), (60, 62, 70), 0.035
        )
    for i in range(2):
        cos, sin = 0.17 * math.cos(turn + i * math.pi / 2), 0.17 * math.sin(turn + i * math.pi / 2)
        pen.line(-1.05 - cos, -0.78 - sin, -1.05 + cos, -0.78 + sin, (60, 62, 70), 0.03)


def chainsaw(pen, style, cue):
    """A chainsaw cutting a log: bright motor block, long bar with running teeth, sawdust; it shakes
    and sinks in.
    """
    bite = 0.1 * (0.5 + 0.5 * math.sin(cue.run * 0.9))
    pen.box(0.1, -0.42, 0.85, -0.04, (140, 95, 55))
    pen.oval(0.85, -0.23, 0.1, 0.19, (225, 190, 135))
    pen.oval(0.85, -0.23, 0.055, 0.1, (170, 125, 75), width=0.015)
    for y in (-0.34, -0.24, -0.13):
        pen.line(0.14, y, 0.74, y + 0.01, (112, 74, 42), 0.015)
    shake = 0.018 * cue.level * math.sin(cue.seconds * 77)
    saw = pen.at(-0.38, -0.58 + bite + shake, 1.0, 0.1)
    for i in range(6 if cue.on else 0):
        age = (cue.seconds * 1.8 + i / 6) % 1.0
        pen.dot(0.3 - 0.5 * age, -0.42 + 0.45 * age * age, 0.026, (240, 215, 150))
    saw.line(0.2, 0.03, 0.98, 0.03, STEEL, 0.15)
    saw.line(0.2, 0.03, 0.96, 0.03, (222, 226, 232), 0.08)
    for i in range(11):
        x = 0.22 + 0.07 * ((i + cue.run * 9) % 11)
        saw.line(x, -0.055, x + 0.03, -0.055, INK, 0.03)
        saw.line(0.99 - x + 0.22, 0.115, 0.96 - x + 0.22, 0.115, INK, 0.03)
    paint = style.main
    saw.poly([(-0.24, -0.13), (0.2, -0.13), (0.28, 0.02), (0.24, 0.18), (-0.24, 0.18)], paint)
    saw.box(-0.17, -0.04, 0.1, 0.1, shade(paint, 0.6))
    for x in (-0.12, -0.04, 0.04):
        saw.line(x, -0.01, x, 0.07, INK, 0.02)
    saw.path([(-0.22, -0.1), (-0.42, -0.12), (-0.44, 0.12), (-0.22, 0.15)], INK, 0.06)
    saw.path([(0.2, -0.12), (0.12, -0.28), (-0.08, -0.26), (-0.12, -0.12)], INK, 0.05)


def lawn_mower(pen, style, cue):
    """A push mower on a strip of grass: deck, small wheels, long handle, grass thrown up behind the
    blade.
    """
    for i in range(26):
        x = -1.1 + 0.085 * i
        tall = 0.16 if x > 0.3 else 0.06
        pen.line(x, 0.03, x + 0.02, -tall - 0.03 * (i % 3), (60 + 12 * (i % 3), 150, 50), 0.03)
    pen = pen.at(0, 0.01 * math.sin(cue.run * 41))
    pen.path([(-0.2, -0.3), (-0.78, -0.92), (-0.9, -0.92)], (70, 72, 80), 0.05)
    pen.line(-0.92, -0.92, -0.76, -0.92, INK, 0.08)
    for i in range(9 if cue.on else 0):
        age = (cue.seconds * 1.6 + i / 9) % 1.0
        pen.line(
            -0.4 - 0.5 * age,
            -0.12 - 0.9 * age + 1.0 * age * age,
            -0.36 - 0.5 * age,
            -0.16 - 0.9 * age + age * age,
            (95, 190, 60),
            0.03,
        )
    pen.poly([(-0.42, -0.3), (0.34, -0.3), (0.48, -0.1), (-0.46, -0.1)], style.main)
    pen.box(-0.12, -0.5, 0.2, -0.3, (60, 62, 70))
    pen.box(-0.16, -0.56, 0.24, -0.48, shade(style.main, 0.75))
    pen.dot(0.04, -0.58, 0.07, INK)
    for x, radius in ((-0.36, 0.15), (0.36, 0.13)):
        _wheel(pen, x, -radius + 0.02, radius, cue.run * 4, (240, 215, 70))


def vacuum_cleaner(pen, style, cue):
    """A canister vacuum cleaner: round body on wheels, ribbed hose, pipe and floor head that goes
    to and fro on a rug.
    """
    pen.oval(0.3, -0.02, 0.85, 0.09, style.second)
    pen.oval(0.3, -0.02, 0.75, 0.07, shade(style.second, 1.4))
    push = 0.22 * math.sin(cue.run * 3.4)
    grip, head = (0.18 + push, -0.86), (0.66 + push, -0.06)
    hose = [(-0.45, -0.34), (-0.5, -0.75), (-0.2, -1.0), (0.05 + push * 0.6, -0.97), grip]
    pen.path(hose, (70, 70, 78), 0.085)
    pen.path(hose, (120, 120, 128), 0.03)
    pen.line(*grip, *head, STEEL, 0.05)
    pen.dot(*grip, 0.05, INK)
    pen.poly(
        [(head[0] - 0.14, -0.09), (head[0] + 0.16, -0.09), (head[0] + 0.22, 0), (head[0] - 0.2, 0)],
        INK,
    )
    hum = 0.008 * math.sin(cue.seconds * 90) if cue.on else 0.0
    body = pen.at(-0.52, hum)
    body.oval(0, -0.26, 0.33, 0.22, style.main)
    body.poly([(-0.33, -0.26), (0.33, -0.26), (0.3, -0.08), (-0.3, -0.08)], shade(style.main, 0.7))
    body.oval(0.06, -0.33, 0.14, 0.07, shade(style.main, 1.5))
    body.dot(-0.2, -0.32, 0.035, (90, 255, 110) if cue.on else (120, 40, 40))
    for x in (-0.22, 0.2):
        body.dot(x, -0.09, 0.1, INK)
        body.dot(x, -0.09, 0.045, STEEL)
    for i in range(4 if cue.on else 0):
        age = (cue.seconds * 1.5 + i / 4) % 1.0
        pen.dot(head[0] + 0.42 - 0.25 * age, -0.03 - 0.05 * (i % 2), 0.02, (120, 100, 80))


def blender(pen, style, cue):
    """A kitchen blender on a small table: glass jar on a base, fruit that swirls and splashes while
    it runs.
    """
    pen.box(-0.55, -0.08, 0.55, 0.0, (150, 108, 70))
    shake = 0.015 * math.sin(cue.seconds * 83) * cue.on
    pen = pen.at(shake, -0.08)
    pen.poly([(-0.2, -0.24), (0.2, -0.24), (0.26, 0), (-0.26, 0)], style.main)
    pen.dot(0, -0.11, 0.065, (240, 240, 240))
    pen.line(0, -0.11, 0.05 * math.cos(2 if cue.on else 4), -0.11 - 0.05 * math.sin(2), INK, 0.02)
    pen.poly([(-0.25, -0.86), (0.25, -0.86), (0.16, -0.24), (-0.16, -0.24)], (215, 235, 240))
    juice = hue(style.phase / 6.283, 0.75, 0.95)
    wave = 0.07 * math.sin(cue.run * 9) * cue.on
    pen.poly(
        [
            (-0.215, -0.62 + wave),
            (0, -0.56 - 0.06 * cue.level),
            (0.215, -0.62 - wave),
            (0.15, -0.26),
            (-0.15, -0.26),
        ],
        juice,
    )
    for i in range(6):
        angle = cue.run * 10 + i * 1.05
        pen.dot(
            0.14 * math.cos(angle),
            -0.42 + 0.1 * math.sin(angle * 1.3 + i),
            0.035,
            shade(juice, 0.6 if i % 2 else 1.6),
        )
    spin = 0.12 * math.cos(cue.run * 19)
    pen.line(-spin, -0.29, spin, -0.31, (80, 82, 90), 0.035)
    pen.path([(0.24, -0.78), (0.4, -0.74), (0.38, -0.45), (0.2, -0.4)], (190, 210, 216), 0.045)
    pen.box(-0.27, -0.93, 0.27, -0.86, INK)
    pen.line(-0.2, -0.8, -0.14, -0.35, (250, 253, 255), 0.025)
