"""Draws anti-aliased shapes in local units on an RGB frame, with nested move, scale, turn and
mirror.

x points right and y points down, as in the frame. A pen carries one similarity transform from its
local units to pixels; `at` gives a pen for a part of the object. Nothing here is random: the same
calls give the same bytes.
"""

import math

import cv2
import numpy as np

cv2.setNumThreads(1)  # frames are small: threads only add cost, and jobs share the machine's cores

_SUBPIXEL_BITS = 4
_SUBPIXEL = 1 << _SUBPIXEL_BITS


class Pen:
    """One similarity transform (scale, turn, mirror, move) over an RGB frame, and shapes drawn
    through it.

    canvas: uint8 (height, width, 3), drawn in place. Colours are (red, green, blue) from 0 to 255;
    lengths, radii and line widths are in local units; angles are in radians, clockwise on the
    screen.
    """

    __slots__ = ("canvas", "xx", "xy", "yx", "yy", "x", "y", "scale", "mirrored")

    def __init__(self, canvas, scale=1.0, x=0.0, y=0.0, turn=0.0, mirror=False):
        """Place the pen: local (0, 0) is pixel (x, y), one local unit is `scale` pixels."""
        cos, sin = math.cos(turn) * scale, math.sin(turn) * scale
        flip = -1.0 if mirror else 1.0
        self._set(canvas, cos * flip, -sin, sin * flip, cos, x, y, scale, mirror)

    def _set(self, canvas, xx, xy, yx, yy, x, y, scale, mirrored):
        self.canvas, self.xx, self.xy, self.yx, self.yy = canvas, xx, xy, yx, yy
        self.x, self.y, self.scale, self.mirrored = x, y, scale, mirrored

    def at(self, x, y, scale=1.0, turn=0.0, mirror=False):
        """Return a pen whose origin is local (x, y), `scale` times as large and turned, for a part
        of the object.
        """
        cos, sin = math.cos(turn) * scale, math.sin(turn) * scale
        a, b, c, d = (-cos if mirror else cos), -sin, (-sin if mirror else sin), cos
        part = Pen.__new__(Pen)
        part._set(
            self.canvas,
            self.xx * a + self.xy * c,
            self.xx * b + self.xy * d,
            self.yx * a + self.yy * c,
            self.yx * b + self.yy * d,
            self.xx * x + self.xy * y + self.x,
            self.yx * x + self.yy * y + self.y,
            self.scale * scale,
            self.mirrored != mirror,
        )
        return part

    def _pixel(self, x, y):
        return (
            round((self.xx * x + self.xy * y + self.x) * _SUBPIXEL),
            round((self.yx * x + self.yy * y + self.y) * _SUBPIXEL),
        )

    def _points(self, points):
        return np.array([[self._pixel(x, y) for x, y in points]], np.int32)

    def _width(self, width):
        return max(1, round(width * self.scale))

    def poly(self, points, color):
        """Fill the polygon through `points`, a list of (x, y)."""
        cv2.fillPoly(self.canvas, self._points(points), color, cv2.LINE_AA, _SUBPIXEL_BITS)

    def path(self, points, color, width, closed=False):
        """Stroke the line through `points`, a list of (x, y), at least one pixel wide."""
        pixels = self._points(points)
        cv2.polylines(
            self.canvas, pixels, closed, color, self._width(width), cv2.LINE_AA, _SUBPIXEL_BITS
        )

    def line(self, x0, y0, x1, y1, color, width):
        """Stroke one straight line, at least one pixel wide, with round ends."""
        start, end = self._pixel(x0, y0), self._pixel(x1, y1)
        cv2.line(self.canvas, start, end, color, self._width(width), cv2.LINE_AA, _SUBPIXEL_BITS)

    def dot(self, x, y, radius, color):
        """Fill a circle."""
        size = max(1, round(radius * self.scale * _SUBPIXEL))
        cv2.circle(self.canvas, self._pixel(x, y), size, color, -1, cv2.LINE_AA, _SUBPIXEL_BITS)

    def ring(self, x, y, radius, color, width):
        """Stroke a circle."""
        size = max(1, round(radius * self.scale * _SUBPIXEL))
        cv2.circle(
            self.canvas,
            self._pixel(x, y),
            size,
            color,
            self._width(width),
            cv2.LINE_AA,
            _SUBPIXEL_BITS,
        )

    def oval(self, x, y, radius_x, radius_y, color, turn=0.0, width=None):
        """Fill an ellipse turned by `turn`, or stroke it where `width` is given."""
        axes = tuple(max(1, round(r * self.scale * _SUBPIXEL)) for r in (radius_x, radius_y))
        cos, sin = math.cos(turn), math.sin(turn)
        degrees = math.degrees(
            math.atan2(self.yx * cos + self.yy * sin, self.xx * cos + self.xy * sin)
        )
        stroke = -1 if width is None else self._width(width)
        cv2.ellipse(
            self.canvas,
            self._pixel(x, y),
            axes,
            degrees,
            0,
            360,
            color,
            stroke,
            cv2.LINE_AA,
            _SUBPIXEL_BITS,
        )

    def arc(self, x, y, radius_x, radius_y, start, end, color, width, steps=8):
        """Stroke the part of an ellipse between the angles `start` and `end`."""
        angles = [start + (end - start) * i / steps for i in range(steps + 1)]
        self.path(
            [(x + radius_x * math.cos(a), y + radius_y * math.sin(a)) for a in angles], color, width
        )

    def box(self, x0, y0, x1, y1, color):
        """Fill the rectangle between two corners."""
        self.poly([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], color)


def shade(color, factor):
    """Return the colour darker (factor < 1) or lighter (factor > 1, towards white), as a tuple of
    ints 0..255.
    """
    if factor <= 1:
        return tuple(int(c * factor) for c in color)
    return tuple(int(255 - (255 - c) * (2 - min(factor, 2))) for c in color)


def mix(first, second, share):
    """Return the colour `share` of the way from `first` (0) to `second` (1)."""
    return tuple(int(a + (b - a) * share) for a, b in zip(first, second, strict=True))


def hue(turns, saturation=0.7, value=0.85):
    """Return the RGB tuple of a hue given in turns (0 red, 1/3 green, 2/3 blue)."""
    levels = [min(max(abs((turns * 6 + k) % 6 - 3) - 1, 0), 1) for k in (0, 4, 2)]
    return tuple(int(255 * value * (1 - saturation + saturation * level)) for level in levels)
