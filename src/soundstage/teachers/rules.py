"""From scores to labels: thresholds, the weak label, soft labels, fused teachers. Pure functions.

scores: (videos, 10, classes) float32, NaN where a video has no such modality; weak: (videos,
classes) bool; thresholds: (classes,).
"""

import numpy as np

FUSIONS = ("and", "or", "mean")


def binary(scores, thresholds, weak):
    """Return (videos, 10, classes) float32 of 0 and 1: above the threshold, strictly, and in the weak label."""
    with np.errstate(invalid="ignore"):
        return ((scores > thresholds) & weak[:, None]).astype(np.float32)


def soft(scores, thresholds, weak, temperature=1.0):
    """Return (videos, 10, classes) float32: sigmoid((score - threshold) / temperature) where the weak label is."""
    margin = np.nan_to_num((scores - thresholds) / temperature, nan=-np.inf)
    return (np.where(weak[:, None], 1 / (1 + np.exp(-margin)), 0.0)).astype(np.float32)


def calibrated(scores, weak, truth, fallback):
    """Return (classes,) float32: thresholds of the best F1 over the segments that the weak label allows.

    truth: (videos, 10, classes) bool. Candidates lie midway between neighbouring scores; segments
    of videos without the class in their weak label are never predicted. Of equal F1 the highest
    threshold is taken. A class that never occurs keeps its `fallback`.
    """
    return np.array(
        [_best_threshold(scores[:, :, c], weak[:, c], truth[:, :, c], fallback[c]) for c in range(scores.shape[2])],
        np.float32,
    )


def _best_threshold(scores, weak, truth, fallback):
    allowed = weak[:, None] & np.isfinite(scores)
    positives = int(truth.sum())
    values, hits = scores[allowed].astype(np.float64), truth[allowed]
    if not positives or not hits.any():
        return fallback
    order = np.argsort(-values, kind="stable")
    values, found = values[order], np.cumsum(hits[order])
    count = np.arange(1, len(values) + 1)
    f1 = 2 * found / (count + positives)
    below = np.append(values[1:], values[-1] - 2.0)
    f1[values == below] = -1  # equal scores are taken together
    best = int(np.argmax(f1))
    middle = np.float32((values[best] + below[best]) / 2)
    return middle if middle < values[best] else below[best]


def margins(scores, thresholds, weak):
    """Return (videos, 10, classes): (score - threshold) in standard deviations of the class's scores.

    The deviation is over the segments that the weak label allows, or over all where there are none.
    """
    deviation = np.array([_deviation(scores[:, :, c], weak[:, c]) for c in range(scores.shape[2])], np.float64)
    return (scores - thresholds) / deviation


def _deviation(scores, weak):
    allowed = scores[weak] if weak.any() else scores
    spread = float(np.nanstd(allowed)) if np.isfinite(allowed).any() else 0.0
    return spread or 1.0


def fused(audio, visual, thresholds, weak, how):
    """Return one (videos, 10, classes) float32 label for both streams from both teachers' scores.

    how: and, or: of the two binary labels; mean: whether the mean of the two margins is above zero.
    A modality that a video does not have says nothing for `and` and `or`, and is left out of the mean.
    """
    if how == "mean":
        both = np.stack([margins(audio, thresholds["audio"], weak), margins(visual, thresholds["visual"], weak)])
        present = np.isfinite(both)
        total = np.where(present, both, 0.0).sum(0) / np.maximum(present.sum(0), 1)
        return ((total > 0) & weak[:, None]).astype(np.float32)
    heard, seen = binary(audio, thresholds["audio"], weak), binary(visual, thresholds["visual"], weak)
    return np.minimum(heard, seen) if how == "and" else np.maximum(heard, seen)
