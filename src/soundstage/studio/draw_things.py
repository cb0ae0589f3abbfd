"""Looks of the things: frying pan, basketball, fire alarm, telephone. Conventions as in
draw_people.
"""

import math

from soundstage.studio.figure import INK
from soundstage.studio.pen import shade


def frying(pen, style, cue):
    """A black pan on a gas ring with blue flames: eggs and a steak tremble, bubbles pop, steam
    rises.
    """
    pen.box(-0.75, -0.12, 0.75, 0, (205, 208, 214))
    for x in (-0.5, 0.0, 0.5):
        pen.dot(x, -0.06, 0.04, INK)
    flicker = 0.03 * math.sin(cue.seconds * 21)
    for i in range(7 if cue.on else 0):
        x = -0.3 + 0.1 * i
        tip = -0.24 - flicker * (1 if i % 2 else -1)
        pen.poly([(x - 0.04, -0.12), (x, tip), (x + 0.04, -0.12)], (90, 150, 255))
    pen.line(0.35, -0.46, 1.0, -0.56, INK, 0.085)
    pen.line(0.75, -0.52, 1.0, -0.56, style.main, 0.085)
    pen.poly([(-0.56, -0.42), (0.56, -0.42), (0.46, -0.24), (-0.46, -0.24)], (44, 44, 50))
    pen.oval(0, -0.43, 0.56, 0.17, (70, 70, 78))
    pen.oval(0, -0.43, 0.5, 0.14, (225, 180, 80))
    jump = 0.015 * math.sin(cue.seconds * 60) * cue.level
    pen.oval(-0.2, -0.44 + jump, 0.19, 0.075, (253, 253, 248))
    pen.oval(-0.2, -0.455 + jump, 0.075, 0.035, (250, 190, 30))
    pen.oval(0.22, -0.42 - jump, 0.17, 0.06, (150, 70, 45))
    pen.oval(0.22, -0.43 - jump, 0.12, 0.03, (185, 100, 65))
    if cue.on:
        _sizzle(pen, cue)


def _sizzle(pen, cue):
    for i in range(9):
        age = (cue.seconds * (2.2 + 0.2 * i) + i / 9) % 1.0
        x = 0.45 * math.sin(2.4 * i)
        pen.ring(x, -0.43 + 0.1 * math.cos(1.7 * i), 0.012 + 0.035 * age, (255, 245, 200), 0.014)
        hop = 4 * age * (1 - age)
        pen.dot(x * (1 + 0.3 * age), -0.45 - 0.2 * hop, 0.014, (255, 225, 130))
    for i in range(3):
        rise = (cue.seconds * 0.6 + i / 3) % 1.0
        x = -0.25 + 0.25 * i
        curve = [
            (x + 0.05 * math.sin(6 * (rise + k / 3)), -0.58 - 0.3 * rise - 0.07 * k)
            for k in range(4)
        ]
        pen.path(curve, (238, 240, 243), 0.035 * (1 - rise) + 0.01)


def basketball(pen, style, cue):
    """An orange ball with black seams that falls to the floor at every onset, its shadow and a hoop
    behind.
    """
    height = _bounce_height(cue)
    pen.box(0.42, -1.0, 0.94, -0.66, (245, 245, 248))
    pen.path(
        [(0.58, -0.9), (0.78, -0.9), (0.78, -0.74), (0.58, -0.74)], style.main, 0.02, closed=True
    )
    pen.line(0.68, -0.66, 0.68, 0, (110, 112, 120), 0.04)
    pen.oval(0.68, -0.66, 0.14, 0.03, (235, 70, 40), width=0.025)
    for x in (0.56, 0.64, 0.72, 0.8):
        pen.line(x, -0.65, 0.68 + (x - 0.68) * 0.6, -0.5, (250, 250, 250), 0.01)
    wide = 0.2 * (1 - 0.5 * height)
    pen.oval(-0.1, -0.01, wide, 0.03, (60, 58, 62))
    squash = 0.82 if cue.beat < 0.12 else 1.0
    ball = pen.at(-0.1, -0.2 * squash - height * 0.62, 1.0, cue.run * 3)
    color = style.ball
    ball.oval(0, 0, 0.205, 0.205 * squash, INK)
    ball.oval(0, 0, 0.185, 0.185 * squash, color)
    ball.line(-0.185, 0, 0.185, 0, INK, 0.022)
    ball.line(0, -0.185 * squash, 0, 0.185 * squash, INK, 0.022)
    ball.arc(-0.24, 0, 0.16, 0.19, -0.9, 0.9, INK, 0.022, 6)
    ball.arc(0.24, 0, 0.16, 0.19, math.pi - 0.9, math.pi + 0.9, INK, 0.022, 6)


def _bounce_height(cue):
    """Height of a ball in free flight between two bounces, 0..1: longer gaps fly higher."""
    top = min(1.0, 0.25 + 1.1 * cue.gap)
    return top * 4 * cue.beat * (1 - cue.beat) if cue.beat < 1 else 0.0


def fire_alarm(pen, style, cue):
    """A fire alarm on the wall: red bell and a strobe lamp that flashes with rings of light while
    it sounds.
    """
    flash = cue.on and (cue.beat < 0.5 if cue.gap < 0.85 else math.sin(cue.seconds * 16) > 0)
    red = (215, 28, 30)
    if flash:
        for radius in (0.62, 0.5):
            pen.ring(0, -0.5, radius, (255, 235, 140), 0.035)
        for i in range(8):
            cos, sin = math.cos(i * math.pi / 4), math.sin(i * math.pi / 4)
            pen.line(
                0.42 * cos, -0.5 + 0.42 * sin, 0.7 * cos, -0.5 + 0.7 * sin, (255, 240, 170), 0.03
            )
    buzz = 0.014 * math.sin(cue.seconds * 95) * cue.on
    pen.box(-0.4 + buzz, -0.98, 0.4 + buzz, -0.02, (245, 243, 240))
    bell = pen.at(buzz, -0.42)
    for radius, color in (
        (0.36, shade(red, 0.6)),
        (0.33, red),
        (0.22, shade(red, 1.25)),
        (0.1, (230, 232, 238)),
    ):
        bell.dot(0, 0, radius, color)
    bell.dot(0, 0, 0.045, INK)
    pen.box(-0.24 + buzz, -0.94, 0.24 + buzz, -0.81, (255, 255, 235) if flash else (140, 40, 40))
    pen.dot(0.34 + buzz + 0.03 * flash, -0.16, 0.05, INK)


def telephone(pen, style, cue):
    """An old telephone on a table: dial and a handset that jumps on its cradle, with arcs, whenever
    it rings.
    """
    pen.box(-0.7, -0.1, 0.7, 0.0, (150, 104, 66))
    ring = cue.level if cue.on else 0.0
    shake = 0.05 * math.sin(cue.seconds * 70) * ring
    dark = shade(style.main, 0.7)
    pen.poly([(-0.22, -0.58), (0.22, -0.58), (0.46, -0.1), (-0.46, -0.1)], style.main)
    pen.dot(0, -0.3, 0.18, (245, 240, 225))
    for i in range(9):
        angle = 0.62 * i
        pen.dot(0.125 * math.cos(angle), -0.3 + 0.125 * math.sin(angle), 0.025, INK)
    pen.dot(0, -0.3, 0.06, dark)
    for x in (-0.2, 0.2):
        pen.line(x, -0.55, x, -0.66, dark, 0.06)
    handset = pen.at(0, -0.72 - 0.07 * ring, 1.0, shake * 2.4)
    handset.path([(-0.36, 0.0), (-0.2, -0.07), (0.2, -0.07), (0.36, 0.0)], style.main, 0.11)
    for x in (-0.4, 0.4):
        handset.oval(x, 0.07, 0.12, 0.1, dark)
    if ring > 0.25:
        for side in (-1, 1):
            for radius in (0.2, 0.32):
                start = -0.7 if side > 0 else math.pi - 0.7
                pen.arc(
                    side * 0.5, -0.72, radius, radius, start, start + 1.4, (255, 225, 70), 0.03, 5
                )
