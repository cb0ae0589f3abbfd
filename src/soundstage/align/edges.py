"""Where one segment ends and the next begins, and how far each is carried by shared sound.

Pure maths on the band features, 100 frames per second.
"""

import numpy as np

from soundstage.align.features import FRAMES_PER_SECOND

BLOCK_FRAMES = 100
SUPPORT_Z = 4.0
SCALES = (4, 16)
ENOUGH_SUPPORT = 0.7
CLIP = 1.5
SAMPLE_FRAMES = 60000  # ten minutes tell well enough what chance does


def agreement(reference, track, rate, offset_seconds, low_seconds, high_seconds):
    """Return (frames,) float64: how well each frame of the reference fits the track on a line.

    reference, track: (frames, BANDS) features, looked at from low to high seconds of the reference;
    the line is track = offset + rate * reference. 1 where they are the same, about 0 where
    unrelated; 0 where the track has no such frame.
    """
    first = max(0, round(low_seconds * FRAMES_PER_SECOND))
    last = max(first, min(len(reference), round(high_seconds * FRAMES_PER_SECOND)))
    place = rate * np.arange(first, last) + offset_seconds * FRAMES_PER_SECOND
    low = np.floor(place).astype(int)
    inside = (low >= 0) & (low < len(track) - 1)
    low = np.clip(low, 0, len(track) - 2)
    share = (place - low)[:, None]
    heard = track[low] * (1 - share) + track[low + 1] * share
    return np.where(inside, (reference[first:last] * heard).mean(axis=1), 0.0)


def supported(values, spread, core):
    """Return (blocks,) bool for blocks of one second: does the sound agree more than by chance?

    values: (frames,) agreement; spread: standard deviation of a block's mean where nothing agrees;
    core: (first, last) block of the part where agreement is expected. Where single seconds say too
    little there, 4 or 16 seconds together are asked.
    """
    blocks = len(values) // BLOCK_FRAMES
    means = values[: blocks * BLOCK_FRAMES].reshape(blocks, BLOCK_FRAMES).mean(axis=1)
    found = means > SUPPORT_Z * spread
    inside = slice(*core) if core[0] < core[1] else slice(None)
    for scale in SCALES:
        if blocks < scale or found[inside].mean() >= ENOUGH_SUPPORT:
            break
        wanted = SUPPORT_Z * spread / np.sqrt(scale)
        # clipped, so that a few seconds of sure agreement do not speak for their silent neighbours
        even = np.minimum(means, CLIP * wanted)
        windows = np.convolve(even, np.ones(scale) / scale, "valid") > wanted
        found = found | ((np.convolve(windows, np.ones(scale)) > 0.5) & (means > spread))
    return found


def chance_spread(reference, track):
    """Return the standard deviation of a one-second block's mean agreement of unrelated sound."""
    frames = min(len(reference), len(track), SAMPLE_FRAMES) // BLOCK_FRAMES * BLOCK_FRAMES
    backward = (reference[:frames] * track[-frames:][::-1]).mean(axis=1)
    means = backward.reshape(-1, BLOCK_FRAMES).mean(axis=1)
    return max(float(means.std()), 1e-3)


def switch(before, after, missing_seconds, per_second=FRAMES_PER_SECOND):
    """Return how many seconds after its first frame a film leaves one line for another.

    before, after: (looks,) agreement on the two lines over one stretch; missing_seconds: how much
    of the reference, after that place, the track does not have (0 for an insertion). The place that
    leaves most agreement on both sides wins.
    """
    gap = round(missing_seconds * per_second)
    frames = len(before) - gap
    if frames <= 0:
        return 0.0
    left = np.concatenate([[0.0], np.cumsum(before[:frames])])
    right = np.cumsum(after[gap:][::-1])[::-1]
    total = left + np.concatenate([right, [0.0]])
    best = np.nonzero(total >= total.max() - 1e-9)[0]
    return best[len(best) // 2] / per_second


def extent(support, start_seconds, end_seconds, before_seconds, after_seconds):
    """Return (start, end): a stretch drawn in to where sound supports it, plus a little on both sides.

    support: (blocks,) bool of one second each from the start on. None when nothing is supported.
    """
    found = np.nonzero(support)[0]
    if not len(found):
        return None
    start = max(start_seconds, start_seconds + float(found[0]) - before_seconds)
    return start, min(end_seconds, start_seconds + float(found[-1]) + 1 + after_seconds)


def reached(support, heard, gap):
    """Return the support with the blocks next to it that are heard, from one to the next.

    support, heard: (blocks,) bool; gap: no block is reached over more than so many others.
    """
    result = support.copy()
    for order in (1, -1):
        blocks, last = result[::order], None
        for index, (sure, maybe) in enumerate(zip(blocks, heard[::order], strict=True)):
            if sure or (maybe and last is not None and index - last <= gap):
                blocks[index], last = True, index
    return result
