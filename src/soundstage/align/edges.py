"""Where one segment ends and the next begins, and how far each is carried by shared sound.

Pure maths on the band features, 100 frames per second.
"""

import numpy as np

from soundstage.align.features import FRAMES_PER_SECOND

BLOCK_FRAMES = 100
SUPPORT_Z = 4.0


def agreement(reference, track, rate, lag_seconds, slope=0.0):
    """Return (frames,) float64: how well each frame of the reference fits the track on a line.

    reference, track: (frames, BANDS) features; the line is lag = lag_seconds + slope * seconds.
    1 where they are the same, about 0 where unrelated; 0 where the track has no such frame.
    """
    seconds = np.arange(len(reference)) / FRAMES_PER_SECOND
    place = ((rate + slope) * seconds + lag_seconds) * FRAMES_PER_SECOND
    low = np.floor(place).astype(int)
    inside = (low >= 0) & (low < len(track) - 1)
    low = np.clip(low, 0, len(track) - 2)
    share = (place - low)[:, None]
    heard = track[low] * (1 - share) + track[low + 1] * share
    return np.where(inside, (reference * heard).mean(axis=1), 0.0)


def supported(values, spread):
    """Return (blocks,) bool for blocks of one second: does the sound agree more than by chance?

    values: (frames,) agreement; spread: standard deviation of a block's mean where nothing agrees.
    """
    blocks = len(values) // BLOCK_FRAMES
    means = values[: blocks * BLOCK_FRAMES].reshape(blocks, BLOCK_FRAMES).mean(axis=1)
    return means > SUPPORT_Z * spread


def chance_spread(reference, track):
    """Return the standard deviation of a one-second block's mean agreement of unrelated sound."""
    frames = min(len(reference), len(track)) // BLOCK_FRAMES * BLOCK_FRAMES
    backward = (reference[:frames] * track[:frames][::-1]).mean(axis=1)
    means = backward.reshape(-1, BLOCK_FRAMES).mean(axis=1)
    return max(float(means.std()), 1e-3)


def switch(before, after, low_seconds, high_seconds, missing_seconds):
    """Return the reference second at which a film leaves one line for another.

    before, after: (frames,) agreement on the two lines; the place is sought between low and high;
    missing_seconds: how much of the reference, after that place, the track does not have (0 for an
    insertion). The place that leaves most agreement on both sides wins.
    """
    low = max(0, round(low_seconds * FRAMES_PER_SECOND))
    gap = round(missing_seconds * FRAMES_PER_SECOND)
    high = min(len(before), round(high_seconds * FRAMES_PER_SECOND)) - gap
    if high <= low:
        return low / FRAMES_PER_SECOND
    left = np.concatenate([[0.0], np.cumsum(before[low:high])])
    right = np.cumsum(after[low + gap : high + gap][::-1])[::-1]
    total = left + np.concatenate([right, [0.0]])
    best = np.nonzero(total >= total.max() - 1e-9)[0]
    return (low + best[len(best) // 2]) / FRAMES_PER_SECOND


def extent(support, start_seconds, end_seconds, extend_seconds):
    """Return (start, end): a segment drawn in to where sound supports it, plus a little.

    support: (blocks,) bool of one second each. None when nothing inside is supported.
    """
    first, last = int(np.floor(start_seconds)), int(np.ceil(end_seconds))
    found = np.nonzero(support[first:last])[0] + first
    if not len(found):
        return None
    start = max(start_seconds, float(found[0]) - extend_seconds)
    return start, min(end_seconds, float(found[-1]) + 1 + extend_seconds)
