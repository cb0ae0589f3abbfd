"""Means, spreads and intervals: pure functions of numbers."""

import math

import numpy as np
from scipy.special import stdtrit


def mean_sd(values):
    """Return (mean, standard deviation with n - 1) of a list; the latter is NaN for one value."""
    values = np.asarray(values, float)
    spread = float(values.std(ddof=1)) if len(values) > 1 else math.nan
    return float(values.mean()), spread


def t_interval(values, confidence_percent=95.0):
    """Return (mean, low, high): Student's interval of the mean; NaN ends for one value.

    With differences of runs that share a seed as values, this is the interval of the paired t-test.
    """
    mean, spread = mean_sd(values)
    if math.isnan(spread):
        return mean, math.nan, math.nan
    quantile = stdtrit(len(values) - 1, 0.5 + confidence_percent / 200)
    half = float(quantile) * spread / math.sqrt(len(values))
    return mean, mean - half, mean + half


def percentile_interval(samples, confidence_percent=95.0):
    """Return (low, high): the middle `confidence_percent` of bootstrap samples."""
    tail = (100 - confidence_percent) / 2
    low, high = np.percentile(samples, [tail, 100 - tail])
    return float(low), float(high)


def resample_counts(folds, samples, rng):
    """Return (samples, clips) float64: how often each clip is drawn, with replacement.

    folds: (clips,) int. Clips are drawn within their fold, as many as it has, because a score is
    the mean over folds.
    """
    folds = np.asarray(folds)
    counts = np.zeros((samples, len(folds)))
    for fold in np.unique(folds):
        inside = np.flatnonzero(folds == fold)
        share = np.full(len(inside), 1 / len(inside))
        counts[:, inside] = rng.multinomial(len(inside), share, size=samples)
    return counts


def resampled_accuracy_percent(correct, folds, counts):
    """Return (samples,) accuracy in percent, the mean over folds, for each row of counts.

    correct: (clips,) in [0, 1], an average over seeds is allowed; counts: (samples, clips).
    """
    folds = np.asarray(folds)
    parts = [
        counts[:, folds == fold] @ np.asarray(correct, float)[folds == fold] / np.sum(folds == fold)
        for fold in np.unique(folds)
    ]
    return 100 * np.mean(parts, axis=0)


def resampled_map_percent(scores, labels, folds, counts):
    """Return (samples,) macro mAP in percent, the mean over folds, for each row of counts.

    scores, labels: (clips, classes). A class without a positive clip in a fold's resample is left
    out of that fold's mean.
    """
    return _over_classes(_average_precisions, 0.0, scores, labels, folds, counts)


def resampled_auc_percent(scores, labels, folds, counts):
    """Return (samples,) macro AUC in percent, the mean over folds, for each row of counts.

    scores, labels: (clips, classes). A class that no clip or every clip of a fold's resample carries is left
    out of that fold's mean; where none is left, the fold counts as chance, 50.
    """
    return _over_classes(_areas_under_roc, 0.5, scores, labels, folds, counts)


def _over_classes(measure, without, scores, labels, folds, counts):
    """Return (samples,) in percent: the mean over folds of the mean over classes that have a value.

    measure: (scores, labels, counts) of one class -> (samples,) in [0, 1] or NaN; without: a fold's value
    where no class has one.
    """
    folds = np.asarray(folds)
    parts = []
    for fold in np.unique(folds):
        inside = folds == fold
        pairs = zip(scores[inside].T, labels[inside].T, strict=True)
        values = [measure(s, y, counts[:, inside]) for s, y in pairs]
        known = np.isfinite(values)
        total = np.where(known, values, 0.0).sum(axis=0)
        parts.append(np.where(known.any(axis=0), total / np.maximum(known.sum(axis=0), 1), without))
    return 100 * np.mean(parts, axis=0)


def _average_precisions(scores, labels, counts):
    """Return (samples,) average precision of one class under each row of counts; NaN without."""
    order = np.argsort(-scores, kind="stable")
    last = np.append(np.diff(scores[order]) != 0, True)
    hits = np.cumsum(counts[:, order] * labels[order], axis=1)[:, last]
    seen = np.cumsum(counts[:, order], axis=1)[:, last]
    gain = np.diff(hits, prepend=0.0, axis=1)
    area = np.sum(gain * hits / np.maximum(seen, 1.0), axis=1)
    return np.divide(area, hits[:, -1], out=np.full(len(area), np.nan), where=hits[:, -1] > 0)


def _areas_under_roc(scores, labels, counts):
    """Return (samples,) area under the ROC curve of one class under each row of counts; NaN without both kinds."""
    order = np.argsort(scores, kind="stable")
    last = np.append(np.diff(scores[order]) != 0, True)
    hits = np.cumsum(counts[:, order] * labels[order], axis=1)[:, last]
    others = np.cumsum(counts[:, order] * (1 - labels[order]), axis=1)[:, last]
    below = others - np.diff(others, prepend=0.0, axis=1) / 2  # equal scores count half
    area = np.sum(np.diff(hits, prepend=0.0, axis=1) * below, axis=1)
    pairs = hits[:, -1] * others[:, -1]
    return np.divide(area, pairs, out=np.full(len(area), np.nan), where=pairs > 0)
