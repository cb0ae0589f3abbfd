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
FREE_BLOCKS = 8  # so short a gap without a sign of shared sound is none
GAP_TIMES = 2
LEAST_WEIGHT, TOP_WEIGHT = 4, 5  # of a stretch apart from all others, else it is chance; of one block
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
    little there, 4 or 16 seconds together are asked, but not to widen a stretch that single seconds support.
    """
    means = _means(values)
    blocks = len(means)
    found = means > SUPPORT_Z * spread
    single = found
    inside = slice(*core) if core[0] < core[1] else slice(None)
    for scale in SCALES:
        if blocks < scale or found[inside].mean() >= ENOUGH_SUPPORT:
            break
        wanted = SUPPORT_Z * spread / np.sqrt(scale)
        # clipped, so that a few seconds of sure agreement do not speak for their silent neighbours
        even = np.minimum(means, CLIP * wanted)
        windows = np.convolve(even, np.ones(scale) / scale, "valid") > wanted
        found = found | ((np.convolve(windows, np.ones(scale)) > 0.5) & (means > spread))
    for first, last in stretches(found, weights(values, spread), lambda *_: False):
        if single[first:last].mean() >= ENOUGH_SUPPORT:
            found[first:last] = single[first:last]
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


def stretches(support, weight, crossed):
    """Return [(first, last)] of supported blocks (last one past), one over each gap that may be crossed.

    support: (blocks,) bool of one second each; weight: (blocks,) from `weights`. A gap may be at most GAP_TIMES as
    long as the weight of what is supported on either side, so that a block of chance does not reach far; one longer
    than FREE_BLOCKS is crossed where crossed(first, last) -> bool says so. Stretches of less weight than LEAST_WEIGHT
    fall out.
    """
    found = np.nonzero(support)[0]
    left, result = weight[found].sum(), []  # [first, last, weight]
    for block in found:
        gap = block - result[-1][1] if result else 0
        wide = bool(result) and gap <= GAP_TIMES * min(result[-1][2], left)
        if wide and (gap <= FREE_BLOCKS or crossed(result[-1][1], block)):
            result[-1][1:] = block + 1, result[-1][2] + weight[block]
        else:
            result.append([block, block + 1, weight[block]])
        left -= weight[block]
    return [(int(first), int(last)) for first, last, total in result if total >= LEAST_WEIGHT]


def weights(values, spread):
    """Return (blocks,) from 1 to TOP_WEIGHT: how many barely supported blocks each of them is worth.

    values: (frames,) agreement; spread: of chance, as in `supported`.
    """
    return np.clip(_means(values) / (SUPPORT_Z * spread), 1, TOP_WEIGHT)


def _means(values):
    blocks = len(values) // BLOCK_FRAMES
    return values[: blocks * BLOCK_FRAMES].reshape(blocks, BLOCK_FRAMES).mean(axis=1)


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
