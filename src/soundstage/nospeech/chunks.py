"""Where a long track is cut so that the pieces, joined again, are what the whole would have been.

demucs works on segments of a fixed length, one every stride, blended where they overlap. Chunks
start on that grid and are read with a margin at both ends, so that every kept sample is made of
the same segments as without chunks. Neighbours are cross-faded over a short overlap all the same,
for models whose grid does not fall on whole samples, or whose shifts are random.

Pure arithmetic in whole samples of the input.
"""

import math
from dataclasses import dataclass
from fractions import Fraction

FADE_SECONDS = Fraction(1, 10)


@dataclass(frozen=True)
class Chunk:
    """One piece: kept [start, stop), blended with the next over [stop, blend), read from [read)."""

    number: int
    start: int
    stop: int
    blend: int
    read_start: int
    read_stop: int


@dataclass(frozen=True)
class Grid:
    """Of a separator, in samples of the input (fractions where rates do not divide)."""

    segment: Fraction
    stride: Fraction

    @classmethod
    def of(cls, segment_seconds, overlap, model_hz, sample_rate_hz):
        """Return the grid that demucs lays for a model of `model_hz` over `sample_rate_hz`."""
        segment = int(model_hz * segment_seconds)
        stride = int((1 - overlap) * segment)
        ratio = Fraction(sample_rate_hz, model_hz)
        return cls(segment * ratio, stride * ratio)


def plan(total, grid, chunk_seconds, sample_rate_hz):
    """Return the list of chunks that cover samples [0, total) in order, without gap or overlap.

    A chunk keeps as many whole strides as fit in chunk_seconds, at least one.
    """
    strides = max(1, math.floor(Fraction(chunk_seconds) * sample_rate_hz / grid.stride))
    before = max(1, math.ceil((grid.segment - grid.stride) / grid.stride))
    fade = math.floor(FADE_SECONDS * sample_rate_hz)
    margin = math.ceil(grid.segment) + fade
    result, start = [], 0
    while start < total:
        number = len(result)
        stop = min(total, math.floor((number + 1) * strides * grid.stride))
        blend = min(total, stop + fade)
        read_start = max(0, math.floor((number * strides - before) * grid.stride))
        result.append(Chunk(number, start, stop, blend, read_start, min(total, blend + margin)))
        start = stop
    return result


def joined(chunks, estimates):
    """Yield arrays (channels, samples) that, end to end, are the estimates faded into each other.

    estimates: for each chunk an array over [start, blend). The first `fade` samples of a chunk are
    a linear mix of the chunk before and itself. One array is yielded per chunk, over [start, stop).
    """
    import numpy as np

    tail = None
    for chunk, estimate in zip(chunks, estimates, strict=True):
        piece = estimate[:, : chunk.stop - chunk.start]
        if tail is not None:
            length = min(tail.shape[1], piece.shape[1])
            ramp = ((np.arange(length) + 0.5) / max(length, 1)).astype(np.float32)
            piece = piece.copy()
            piece[:, :length] = tail[:, :length] * (1 - ramp) + piece[:, :length] * ramp
        tail = estimate[:, chunk.stop - chunk.start :]
        yield piece
