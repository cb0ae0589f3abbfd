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
LEAST_BLOCKS = 4  # so short a stretch, apart from all others, is chance
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
    blocks = len(values) // BLOCK_FRAMES
    means = values[: blocks * BLOCK_FRAMES].reshape(blocks, BLOCK_FRAMES).mean(axis=1)
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
    for first, last in stretches(found, lambda *_: False):
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


def stretches(support, crossed):
    """Return [(first, last)] of supported blocks (last one past), one over each gap that may be crossed.

    support: (blocks,) bool of one second each. A gap may be at most GAP_TIMES as long as what is supported on either
    side, so that a block of chance does not reach far; one longer than FREE_BLOCKS is crossed where
    crossed(first, last) -> bool says so. Stretches shorter than LEAST_BLOCKS fall out.
    """
    found = np.nonzero(support)[0]
    result, before = [], 0
    for number, block in enumerate(found):
        gap = block - result[-1][1] if result else 0
        wide = gap <= GAP_TIMES * min(before, len(found) - number)
        if result and wide and (gap <= FREE_BLOCKS or crossed(result[-1][1], block)):
            result[-1][1] = block + 1
        else:
            result.append([block, block + 1])
            before = 0
        before += 1
    return [(int(first), int(last)) for first, last in result if last - first >= LEAST_BLOCKS]


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
