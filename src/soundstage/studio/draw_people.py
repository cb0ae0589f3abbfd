"""Looks of the classes made by people: speech, singing, cheering, clapping, babies.

Every function draws one object with pen units of its own height: its base is at (0, 0), its top
near y = -1. `style` holds what varies per draw (look.Style), `cue` what varies per frame
(motion.Cue).
"""

import math

from soundstage.studio.figure import INK, draw_mouth, draw_person
from soundstage.studio.pen import shade


def speech(pen, style, cue):
    """A person who talks to the viewer: the mouth follows the loudness, one hand gestures, the eyes
    blink.
    """
    swing = math.sin(cue.run * 3.1) * (0.06 if cue.on else 0.0)
    hands = ((-0.2, -0.36), (0.21 + swing, -0.42 - 1.2 * abs(swing)))
    blink = math.sin(cue.seconds * 1.7 + style.phase) > 0.985
    nod = 0.04 * math.sin(cue.run * 4)
    draw_person(pen, style.person, cue.level if cue.on else 0.0, hands, nod, blink)


def singing(pen, style, cue):
    """A singer at a microphone stand, swaying, eyes shut, with notes that rise while it sounds."""
    sway = 0.09 * math.sin(cue.run * 2.2)
    body = pen.at(0, 0, 1.0, sway * 0.5)
    raised = -0.62 - 0.12 * math.sin(cue.run * 2.2)
    mouth = 0.25 + 0.75 * cue.level if cue.on else 0.0
    draw_person(body, style.person, mouth, ((-0.03, -0.55), (0.27, raised)), sway, cue.on)
    pen.line(-0.03, 0, -0.03, -0.6, INK, 0.022)
    pen.line(-0.14, -0.005, 0.08, -0.005, INK, 0.03)
    pen.line(-0.03, -0.6, -0.01, -0.68, INK, 0.03)
    pen.dot(-0.005, -0.69, 0.04, (90, 92, 100))
    for i in range(3 if cue.on else 0):
        rise = (cue.seconds * 0.7 + i / 3) % 1.0
        _note(pen.at(0.3 + 0.1 * math.sin(5 * rise + i), -0.6 - 0.45 * rise), style.main)


def _note(pen, color):
    pen.line(0.02, 0, 0.02, -0.12, color, 0.016)
    pen.line(0.02, -0.12, 0.07, -0.09, color, 0.02)
    pen.oval(0, 0, 0.032, 0.024, color, -0.4)


def cheering(pen, style, cue):
    """A row of fans in club colours who jump with raised arms and wave flags."""
    for i in range(5):
        swing = math.sin(cue.run * (7 + i) + 2.1 * i + style.phase)
        jump = 0.16 * abs(swing) * (0.3 + cue.level) if cue.on else 0.0
        color = style.main if i % 2 else style.second
        fan = pen.at((i - 2) * 0.3, -jump, 0.8 + 0.06 * ((i * 7) % 3))
        _fan(fan, style.skins[i], style.hair, color, swing, cue)
    pen.box(-0.95, -0.3, 0.95, 0.02, style.second)
    for i in range(6):
        pen.poly(
            [
                (0.32 * i - 0.95, 0.02),
                (0.32 * i - 0.85, -0.3),
                (0.32 * i - 0.72, -0.3),
                (0.32 * i - 0.82, 0.02),
            ],
            (245, 245, 245),
        )
    wave = 0.3 * math.sin(cue.run * 6)
    for x, turn in ((-0.75, -0.25), (0.75, 0.25)):
        flag = pen.at(x, -0.75, 1.0, turn + (wave if cue.on else 0.0))
        flag.line(0, 0.1, 0, -0.45, (230, 225, 210), 0.02)
        flag.poly(
            [(0, -0.45), (0.26, -0.4 + 0.2 * wave), (0.24, -0.24 - 0.2 * wave), (0, -0.26)],
            style.main,
        )


def _fan(pen, skin, hair, color, swing, cue):
    lift = 0.28 + 0.08 * swing if cue.on else -0.2
    for side in (-1, 1):
        pen.path(
            [(side * 0.13, -0.62), (side * 0.2, -0.75 - 0.3 * lift), (side * 0.17, -0.72 - lift)],
            color,
            0.07,
        )
        pen.dot(side * 0.17, -0.75 - lift, 0.045, skin)
    pen.poly([(-0.16, -0.64), (0.16, -0.64), (0.15, 0), (-0.15, 0)], color)
    pen.line(-0.14, -0.6, 0.14, -0.6, (250, 250, 250), 0.05)
    pen.dot(0, -0.78, 0.125, skin)
    pen.oval(0, -0.86, 0.12, 0.06, hair)
    for x in (-0.045, 0.045):
        pen.dot(x, -0.79, 0.017, INK)
    draw_mouth(pen, 0, -0.71, cue.level if cue.on else 0.0, 0.05)


def clapping(pen, style, cue):
    """Two large hands with sleeves that meet at every onset, with flashes at the impact."""
    apart = 0.36 * math.sin(math.pi * min(cue.beat, 1.0)) if cue.beat < 1 else 0.3
    for side in (-1, 1):
        hand = pen.at(side * (0.05 + apart), -0.52, 1.0, side * (0.25 + 0.6 * apart))
        hand.poly([(-0.13, 0.3), (0.13, 0.3), (0.17, 0.62), (-0.17, 0.62)], style.main)
        hand.line(-0.13, 0.3, 0.13, 0.3, shade(style.main, 1.6), 0.05)
        _open_hand(hand, style.person.skin, side)
    if cue.beat < 0.3:
        for i in range(7):
            angle = math.pi * (1.1 + 0.8 * i / 6)
            near, far = 0.46, 0.52 + 0.25 * cue.level
            cos, sin = math.cos(angle), math.sin(angle)
            pen.line(
                near * cos, -0.6 + near * sin, far * cos, -0.6 + far * sin, (255, 225, 60), 0.035
            )


def _open_hand(pen, skin, side):
    dark = shade(skin, 0.72)
    for i in range(4):
        x = -0.09 + 0.06 * i
        pen.line(x, -0.05, x * 1.25, -0.34 + 0.05 * abs(i - 1.5), dark, 0.066)
        pen.line(x, -0.05, x * 1.25, -0.34 + 0.05 * abs(i - 1.5), skin, 0.05)
    pen.line(-side * 0.1, 0.12, -side * 0.2, -0.06, skin, 0.065)
    pen.oval(0, 0.1, 0.135, 0.2, skin)
    pen.line(-0.05, 0.05, 0.06, 0.1, dark, 0.015)


def _baby(pen, style, skin, shake):
    """The parts that both babies share: a romper, a bib, arms and a large head; returns the head's
    pen.
    """
    pen.oval(0, -0.2, 0.26, 0.24, style.main)
    pen.oval(-0.17, -0.03, 0.12, 0.07, shade(style.main, 0.8))
    pen.oval(0.17, -0.03, 0.12, 0.07, shade(style.main, 0.8))
    pen.oval(0, -0.3, 0.14, 0.11, (250, 250, 245))
    head = pen.at(0, -0.66, 1.0, shake)
    for side in (-1, 1):
        head.oval(side * 0.31, 0.02, 0.06, 0.08, shade(skin, 0.9))
    head.oval(0, 0, 0.32, 0.31, skin)
    head.path([(-0.05, -0.31), (0.0, -0.38), (0.06, -0.36), (0.04, -0.31)], style.hair, 0.03)
    return head


def baby_laughter(pen, style, cue):
    """A baby with a wide open smile and curved eyes that bounces and shakes a rattle."""
    skin = style.person.skin
    hop = 0.06 * math.sin(math.pi * cue.beat) if cue.beat < 1 else 0.0
    body = pen.at(0, -hop)
    wave = 0.5 * math.sin(cue.run * 12) if cue.on else 0.0
    for side in (-1, 1):
        body.line(side * 0.2, -0.28, side * 0.4, -0.42 - 0.05 * wave, skin, 0.11)
    head = _baby(body, style, skin, 0.08 * math.sin(cue.run * 5))
    for x in (-0.13, 0.13):
        head.arc(x, -0.02, 0.06, 0.07, math.pi, 2 * math.pi, INK, 0.03)
        head.oval(x * 1.6, 0.08, 0.06, 0.04, (245, 150, 150))
    smile = 0.09 + 0.1 * (cue.level if cue.on else 0.0)
    rim = [
        (0.15 * math.cos(a), 0.08 + smile * math.sin(a))
        for a in (math.pi * i / 8 for i in range(9))
    ]
    head.poly(rim, (130, 25, 35))
    head.box(-0.03, 0.08, 0.03, 0.105, (255, 255, 255))
    rattle = body.at(0.43, -0.45, 1.0, 0.4 + wave)
    rattle.line(0, 0, 0, -0.2, (245, 240, 220), 0.03)
    rattle.dot(0, -0.26, 0.09, style.second)
    rattle.ring(0, -0.26, 0.09, (250, 250, 250), 0.02)


def baby_cry(pen, style, cue):
    """A baby with a red face, eyes pressed shut, a square open mouth and streams of tears."""
    strength = cue.level if cue.on else 0.0
    red = (235, 95, 80)
    skin = tuple(
        int(s + (r - s) * (0.25 + 0.5 * strength))
        for s, r in zip(style.person.skin, red, strict=True)
    )
    for side in (-1, 1):
        fist = (side * 0.36, -0.2 - 0.1 * strength * math.sin(cue.run * 9 + side))
        pen.line(side * 0.2, -0.28, *fist, skin, 0.11)
        pen.dot(*fist, 0.075, skin)
    head = _baby(pen, style, skin, 0.09 * math.sin(cue.run * 8))
    for side in (-1, 1):
        head.path([(side * 0.2, -0.1), (side * 0.08, -0.04), (side * 0.2, 0.01)], INK, 0.03)
        head.line(side * 0.21, -0.15, side * 0.07, -0.19, shade(style.hair, 0.8), 0.03)
    gape = 0.02 + 0.13 * strength
    head.poly([(-0.1, 0.1), (0.1, 0.1), (0.14, 0.11 + gape), (-0.14, 0.11 + gape)], (125, 20, 30))
    if cue.on:
        for i in range(6):
            fall = (cue.seconds * 1.4 + i / 3) % 1.0
            side = 1 if i % 2 else -1
            head.oval(
                side * (0.2 + 0.22 * fall), 0.0 + 0.45 * fall**1.5, 0.03, 0.045, (90, 175, 250)
            )
