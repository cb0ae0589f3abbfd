"""Scores of classifiers in percent, and what they are worth without any knowledge (chance)."""

import numpy as np


def accuracy_percent(scores, labels):
    """Return the share of clips whose highest score is at their class, in percent [0, 100].

    scores: (clips, classes) float; labels: (clips, classes) of 0/1, one 1 per row. Among equal
    scores the lowest class counts.
    """
    return 100.0 * float(np.mean(correct(scores, labels)))


def correct(scores, labels):
    """Return (clips,) bool: whether the highest score of a clip is at one of its labels."""
    best = np.argmax(scores, axis=1)
    return np.asarray(labels)[np.arange(len(best)), best] > 0


def map_percent(scores, labels, weights=None):
    """Return the mean of the classes' average precisions in percent [0, 100] (macro mAP).

    scores: (clips, classes) float; labels: (clips, classes) of 0/1; weights: (clips,) how often
    a clip counts (default once). Classes without a positive clip have no average precision and
    are left out; NaN when no class is left.
    """
    weights = np.ones(len(scores)) if weights is None else np.asarray(weights, float)
    values = [average_precision(scores[:, column], labels[:, column], weights) for column in range(np.shape(scores)[1])]
    known = [value for value in values if not np.isnan(value)]
    return 100.0 * float(np.mean(known)) if known else float("nan")


def average_precision(scores, labels, weights):
    """Return the area under the precision-recall steps in [0, 1]; NaN without a positive.

    scores, labels, weights: (clips,). Clips of equal score enter together, so that the order of
    the clips does not matter: the sum over distinct scores of precision times gain in recall.
    """
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum((labels * weights)[order])
    seen = np.cumsum(weights[order])
    if not len(hits) or hits[-1] <= 0:
        return float("nan")
    last = np.append(np.diff(scores[order]) != 0, True) & (seen > 0)
    hits, seen = hits[last], seen[last]
    return float(np.sum(np.diff(hits, prepend=0.0) * hits / seen) / hits[-1])


def chance_percent(metric, labels):
    """Return the score that needs no look at the clips, in percent, from the test labels alone.

    accuracy: the share of the most frequent class, the best that a constant answer can reach
    (1 / classes when they are balanced). map: the mean over the classes that occur of the share
    of clips that carry the class, the average precision of a constant score. labels: (clips,
    classes) of 0/1, all test clips of all folds.
    """
    prevalence = np.mean(np.asarray(labels) > 0, axis=0)
    if metric == "accuracy_percent":
        return 100.0 * float(np.max(prevalence))
    return 100.0 * float(np.mean(prevalence[prevalence > 0]))


METRICS = {"accuracy_percent": accuracy_percent, "map_percent": map_percent}
