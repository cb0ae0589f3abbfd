"""Backgrounds: one function per location, drawn once per shot on a canvas a little larger than the
frame.

Pen units: x from 0 to `width` (about 1.8), y from 0 (top) to 1 (bottom of the canvas); the ground
line, on which things stand, is near y = FLOOR. Everything that varies comes from the generator.
"""

import math

import cv2
import numpy as np

from soundstage.studio.pen import Pen, hue, shade

FLOOR = 0.66


def gradient(pen, top, bottom, y0=0.0, y1=1.0):
    """Fill the rows between y0 and y1 (pen units of the canvas's height) with a vertical blend of
    two colours.
    """
    height = pen.canvas.shape[0]
    first, last = round(y0 * height), round(y1 * height)
    share = np.linspace(0, 1, max(last - first, 1))[:, None, None]
    rows = np.array(top) * (1 - share) + np.array(bottom) * share
    pen.canvas[first:last] = np.round(rows).astype(np.uint8)


def street(pen, width, rng):
    """Houses with rows of windows, a pavement and a grey road with white marks."""
    gradient(pen, hue(0.57, rng.uniform(0.3, 0.5), 0.95), (235, 235, 225), 0, 0.6)
    x = -rng.uniform(0, 0.2)
    while x < width:
        wide, top = rng.uniform(0.22, 0.42), rng.uniform(0.05, 0.28)
        wall = hue(rng.uniform(0, 0.15), rng.uniform(0.15, 0.5), rng.uniform(0.55, 0.85))
        pen.box(x, top, x + wide - 0.01, 0.62, wall)
        pen.poly([(x - 0.01, top), (x + wide / 2, top - 0.08), (x + wide, top)], shade(wall, 0.55))
        _windows(pen, x, wide, top, rng, wall)
        x += wide
    gradient(pen, (170, 168, 165), (150, 148, 146), 0.6, 0.68)
    gradient(pen, (84, 86, 92), (62, 64, 70), 0.68, 1.0)
    for i in range(8):
        pen.box(0.28 * i - 0.05, 0.86, 0.28 * i + 0.08, 0.885, (240, 240, 235))


def _windows(pen, x, wide, top, rng, wall):
    for y in np.arange(top + 0.06, 0.5, 0.13):
        for u in np.arange(x + 0.05, x + wide - 0.07, 0.095):
            lit = (245, 225, 150) if rng.uniform() < 0.2 else (120, 150, 175)
            pen.box(u, y, u + 0.05, y + 0.075, lit)
    pen.box(x + wide * 0.4, 0.5, x + wide * 0.4 + 0.07, 0.62, shade(wall, 0.45))


def forest(pen, width, rng):
    """Rows of trunks under dark green crowns, a leafy floor."""
    gradient(pen, (150, 195, 160), (205, 222, 170), 0, 0.6)
    gradient(pen, (92, 112, 52), (62, 74, 36), 0.58, 1.0)
    for layer, (dim, count) in enumerate(((1.35, 14), (1.0, 9), (0.7, 5))):
        green = shade(hue(rng.uniform(0.26, 0.36), 0.55, 0.55), dim)
        for x in rng.uniform(0, width, count):
            thick, base = 0.012 + 0.012 * layer, 0.58 + 0.03 * layer
            pen.box(x - thick, 0.1, x + thick, base, shade((105, 75, 50), dim))
            for _ in range(4):
                spread = (rng.uniform(-0.1, 0.1), rng.uniform(-0.05, 0.3))
                pen.dot(
                    x + spread[0],
                    spread[1],
                    rng.uniform(0.07, 0.12),
                    shade(green, rng.uniform(0.8, 1.15)),
                )
    for x, y in zip(rng.uniform(0, width, 60), rng.uniform(0.62, 1, 60), strict=True):
        pen.line(x, y, x + 0.01, y - 0.025, hue(rng.uniform(0.08, 0.33), 0.6, 0.5), 0.006)


def office(pen, width, rng):
    """Pale wall with a window, a white board, shelves of folders, a desk with a screen."""
    wall = hue(rng.uniform(), 0.1, rng.uniform(0.8, 0.92))
    gradient(pen, wall, shade(wall, 0.93), 0, 0.62)
    gradient(pen, (120, 128, 140), (92, 98, 110), 0.62, 1)
    pen.line(0, 0.62, width, 0.62, shade(wall, 0.6), 0.015)
    x = rng.uniform(0.05, 0.3)
    pen.box(x, 0.08, x + 0.5, 0.4, (150, 200, 235))
    for i in range(8):
        pen.line(x, 0.1 + 0.04 * i, x + 0.5, 0.1 + 0.04 * i, (225, 228, 230), 0.012)
    x += rng.uniform(0.6, 0.75)
    pen.box(x, 0.1, x + 0.42, 0.36, (252, 252, 252))
    for i in range(4):
        height = rng.uniform(0.04, 0.2)
        pen.box(
            x + 0.05 + 0.09 * i,
            0.34 - height,
            x + 0.1 + 0.09 * i,
            0.34,
            hue(rng.uniform(), 0.6, 0.8),
        )
    x = rng.uniform(0.0, width - 0.7)
    pen.box(x, 0.5, x + 0.6, 0.53, (170, 125, 80))
    for leg in (x + 0.03, x + 0.55):
        pen.box(leg, 0.53, leg + 0.02, 0.66, (110, 80, 50))
    pen.box(x + 0.2, 0.36, x + 0.42, 0.48, (40, 42, 50))
    pen.box(x + 0.215, 0.375, x + 0.405, 0.465, hue(rng.uniform(), 0.4, 0.9))
    pen.box(x + 0.29, 0.48, x + 0.33, 0.5, (40, 42, 50))


def kitchen(pen, width, rng):
    """Tiled wall, cupboards, a worktop with an oven and a checked floor."""
    tone = rng.uniform()
    gradient(pen, hue(tone, 0.12, 0.95), hue(tone, 0.18, 0.88), 0, 0.66)
    line = hue(tone, 0.25, 0.75)
    for i in range(20):
        pen.line(0.095 * i, 0.2, 0.095 * i, 0.48, line, 0.004)
    for i in range(4):
        pen.line(0, 0.22 + 0.075 * i, width, 0.22 + 0.075 * i, line, 0.004)
    door = hue(tone + rng.uniform(0.3, 0.6), rng.uniform(0.25, 0.6), rng.uniform(0.5, 0.85))
    for i in range(7):
        pen.box(0.28 * i + 0.01, 0.0, 0.28 * i + 0.27, 0.19, door)
        pen.dot(0.28 * i + 0.24, 0.16, 0.01, (235, 235, 230))
        pen.box(0.28 * i + 0.01, 0.5, 0.28 * i + 0.27, 0.68, shade(door, 0.9))
        pen.dot(0.28 * i + 0.24, 0.54, 0.01, (235, 235, 230))
    pen.box(0, 0.47, width, 0.505, shade((150, 140, 130), rng.uniform(0.6, 1.2)))
    x = rng.uniform(0.1, width - 0.5)
    pen.box(x, 0.51, x + 0.28, 0.68, (215, 217, 220))
    pen.box(x + 0.04, 0.56, x + 0.24, 0.65, (45, 45, 52))
    _checks(pen, width, (225, 222, 215), hue(tone, 0.2, 0.6))


def _checks(pen, width, light, dark):
    gradient(pen, light, shade(light, 0.9), 0.68, 1)
    for row in range(4):
        y0, y1 = 0.68 + 0.08 * row, 0.76 + 0.08 * row
        for i in range(row % 2, 14, 2):
            pen.box(0.15 * i, y0, 0.15 * i + 0.15, y1, dark)


def beach(pen, width, rng):
    """Sky with a sun, the sea with wave crests, yellow sand, a sunshade or a palm."""
    gradient(pen, (95, 175, 235), (205, 232, 245), 0, 0.36)
    pen.dot(rng.uniform(0.2, width - 0.2), rng.uniform(0.08, 0.2), 0.075, (255, 235, 130))
    gradient(pen, (25, 110, 165), (80, 180, 195), 0.36, 0.58)
    for x, y in zip(rng.uniform(0, width, 34), rng.uniform(0.38, 0.57, 34), strict=True):
        pen.arc(x, y, 0.05, 0.012, math.pi, 2 * math.pi, (225, 242, 248), 0.006, 5)
    gradient(pen, (240, 215, 150), (222, 190, 120), 0.58, 1)
    x = rng.uniform(0.1, width - 0.1)
    if rng.uniform() < 0.5:
        pen.line(x, 0.2, x, 0.64, (245, 245, 240), 0.015)
        canopy = hue(rng.uniform(), 0.7, 0.9)
        pen.poly(
            [(x - 0.22, 0.3), (x - 0.11, 0.2), (x, 0.17), (x + 0.11, 0.2), (x + 0.22, 0.3)], canopy
        )
        pen.poly([(x - 0.07, 0.3), (x, 0.17), (x + 0.07, 0.3)], (250, 250, 245))
    else:
        pen.path([(x, 0.64), (x + 0.03, 0.4), (x + 0.1, 0.18)], (140, 100, 60), 0.03)
        for i in range(6):
            pen.at(x + 0.1, 0.18, 1.0, i * 1.05).oval(0.1, 0, 0.11, 0.025, (60, 140, 60))


def station(pen, width, rng):
    """A hall roof with girders, a train standing at a platform with a yellow line, a clock."""
    gradient(pen, (172, 182, 192), (205, 208, 210), 0, 0.7)
    for i in range(9):
        pen.line(0.24 * i - 0.1, 0.14, 0.24 * i + 0.02, 0.0, (92, 98, 108), 0.016)
        pen.line(0.24 * i + 0.02, 0.0, 0.24 * i + 0.14, 0.14, (92, 98, 108), 0.016)
    pen.line(0, 0.14, width, 0.14, (82, 88, 98), 0.025)
    paint = hue(rng.uniform(), 0.75, 0.65)
    start = rng.uniform(-0.4, 0.3)
    pen.box(start, 0.24, start + 1.5, 0.6, paint)
    pen.box(start, 0.47, start + 1.5, 0.5, (245, 245, 240))
    for i in range(7):
        pen.box(start + 0.06 + 0.205 * i, 0.3, start + 0.19 + 0.205 * i, 0.43, (190, 220, 232))
    gradient(pen, (60, 58, 60), (48, 46, 48), 0.6, 0.64)
    gradient(pen, (178, 176, 172), (140, 138, 136), 0.64, 1)
    pen.box(0, 0.67, width, 0.695, (245, 205, 60))
    x = rng.uniform(0.2, width - 0.2)
    pen.dot(x, 0.2, 0.065, (40, 42, 48))
    pen.dot(x, 0.2, 0.054, (250, 250, 245))
    turn = rng.uniform(0, 6.28)
    pen.line(x, 0.2, x + 0.04 * math.cos(turn), 0.2 + 0.04 * math.sin(turn), (20, 20, 20), 0.01)
    pen.line(x, 0.2, x, 0.17, (20, 20, 20), 0.012)


def night(pen, width, rng):
    """A dark blue sky with a moon and stars above black hills and a few lit windows."""
    gradient(pen, (10, 14, 44), (44, 52, 98), 0, 0.6)
    for x, y in zip(rng.uniform(0, width, 60), rng.uniform(0, 0.5, 60), strict=True):
        pen.dot(x, y, 0.004, (235, 235, 250))
    x, y = rng.uniform(0.2, width - 0.2), rng.uniform(0.1, 0.22)
    pen.dot(x, y, 0.08, (245, 240, 205))
    pen.dot(x + 0.035, y - 0.015, 0.07, (16, 20, 54))
    for color, base in (((24, 30, 56), 0.46), ((16, 20, 38), 0.54)):
        for x in rng.uniform(0, width, 5):
            pen.oval(x, 0.66, rng.uniform(0.25, 0.5), 0.66 - base - rng.uniform(-0.04, 0.06), color)
    gradient(pen, (26, 40, 40), (16, 24, 28), 0.62, 1)
    x = rng.uniform(0.1, width - 0.4)
    pen.box(x, 0.45, x + 0.26, 0.63, (30, 28, 36))
    pen.poly([(x - 0.03, 0.45), (x + 0.13, 0.35), (x + 0.29, 0.45)], (22, 20, 28))
    for u in (0.04, 0.15):
        pen.box(x + u, 0.5, x + u + 0.06, 0.56, (250, 205, 100))


def rain(pen, width, rng):
    """A park under a dark grey sky: bare trees, a bench, wet grass and puddles; look adds the
    falling drops.
    """
    gradient(pen, (92, 100, 112), (150, 156, 162), 0, 0.6)
    for x, y in zip(rng.uniform(0, width, 9), rng.uniform(0.0, 0.12, 9), strict=True):
        pen.oval(x, y, rng.uniform(0.15, 0.3), 0.07, shade((108, 114, 124), rng.uniform(0.75, 1.0)))
    gradient(pen, (92, 116, 92), (66, 86, 72), 0.6, 1)
    for x in rng.uniform(0, width, 5):
        pen.line(x, 0.64, x, 0.25, (68, 58, 54), 0.028)
        for side in (-1, 1):
            for y in (0.3, 0.4):
                pen.line(x, y, x + side * 0.1, y - 0.13, (68, 58, 54), 0.012)
    x = rng.uniform(0.1, width - 0.5)
    for y in (0.5, 0.54, 0.58):
        pen.box(x, y, x + 0.36, y + 0.02, (120, 80, 50))
    for leg in (x + 0.04, x + 0.3):
        pen.box(leg, 0.52, leg + 0.015, 0.66, (60, 60, 64))
    for x, y in zip(rng.uniform(0, width, 7), rng.uniform(0.72, 0.95, 7), strict=True):
        pen.oval(x, y, rng.uniform(0.06, 0.14), 0.018, (150, 165, 175))


PLACES = {
    "street": street,
    "forest": forest,
    "office": office,
    "kitchen": kitchen,
    "beach": beach,
    "station": station,
    "night": night,
    "rain": rain,
}


def background(location, height, width, rng):
    """Return uint8 (height, width, 3): one location drawn with the variation of the generator.

    KeyError for a location that is not in PLACES. Brightness and contrast vary too, less than night
    differs from day.
    """
    canvas = np.zeros((height, width, 3), np.uint8)
    PLACES[location](Pen(canvas, float(height)), width / height, rng)
    if rng.uniform() < 0.5:
        canvas = np.ascontiguousarray(canvas[:, ::-1])
    gain, lift = rng.uniform(0.82, 1.12), rng.uniform(-12, 12)
    tint = rng.uniform(0.95, 1.05, 3)
    levels = np.clip(np.arange(256)[:, None] * gain * tint + lift, 0, 255).round().astype(np.uint8)
    return cv2.LUT(canvas, levels[None])
