"""Scores of classifiers in percent and errors of regressions, and what no knowledge is worth (chance)."""

import numpy as np

from soundstage.evaluate.roles import TEST, TRAIN


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


def auc_percent(scores, labels):
    """Return the mean over classes of the area under the ROC curve, in percent (macro AUC).

    The share of pairs (clip with the class, clip without) of which the first scores higher; equal scores
    count half. Classes that no clip or every clip carries are left out; NaN when no class is left.
    """
    from scipy.stats import rankdata

    labels = np.asarray(labels) > 0
    inside, outside = labels.sum(axis=0), (~labels).sum(axis=0)
    ranks = rankdata(scores, axis=0)
    known = (inside > 0) & (outside > 0)
    above = (ranks * labels).sum(axis=0) - inside * (inside + 1) / 2
    return 100.0 * float(np.mean(above[known] / (inside * outside)[known])) if known.any() else float("nan")


def chroma_accuracy_percent(scores, labels):
    """Return the share of clips whose pitch is right but for its octave, in percent [0, 100].

    scores, labels: (clips, pitches), a column per semitone.
    """
    return 100.0 * float(np.mean(chroma_correct(scores, labels)))


def chroma_correct(scores, labels):
    """Return (clips,) bool: whether the pitch that scores highest is that of a clip, but for its octave."""
    return np.argmax(scores, axis=1) % 12 == np.argmax(labels, axis=1) % 12


def mean_squared_error(scores, targets):
    """Return the mean of the squared differences of (n, 1) predictions and (n, 1) targets."""
    return float(np.mean((np.asarray(scores, float) - np.asarray(targets, float)) ** 2))


def chance_percent(metric, labels):
    """Return the score that needs no look at the clips, from the test labels alone.

    accuracy: the share of the most frequent class (chroma: of the most frequent note), the best that a
    constant answer can reach (1 / classes when they are balanced). map: the mean over the classes that
    occur of the share of clips that carry the class, the average precision of a constant score. AUC: 50.
    All in percent; mean squared error: the variance of the targets. labels: (clips, classes) of 0/1 or
    (clips, 1) of targets, all test clips of all folds.
    """
    if metric == "mean_squared_error":
        return float(np.var(np.asarray(labels, float)))
    if metric == "auc_percent":
        return 50.0
    prevalence = np.mean(np.asarray(labels) > 0, axis=0)
    if metric == "chroma_accuracy_percent":
        return 100.0 * float(np.max(np.bincount(np.arange(len(prevalence)) % 12, prevalence)))
    if metric == "accuracy_percent":
        return 100.0 * float(np.max(prevalence))
    return 100.0 * float(np.mean(prevalence[prevalence > 0]))


def majority(metric, labels, role):
    """Return what the answer that suits the training clips best scores on the test clips of a rotation.

    accuracy: the most frequent class of the training clips, in percent; mean squared error: their mean.
    labels: (clips, classes) of 0/1, or (clips, 1) of targets; role: (clips,).
    """
    train, test = np.asarray(labels, float)[role == TRAIN], np.asarray(labels, float)[role == TEST]
    if metric == "mean_squared_error":
        return mean_squared_error(train.mean(axis=0)[None], test)
    return 100.0 * float(np.mean(test[:, np.argmax(train.sum(axis=0))] > 0))


METRICS = {
    "accuracy_percent": accuracy_percent,
    "map_percent": map_percent,
    "auc_percent": auc_percent,
    "chroma_accuracy_percent": chroma_accuracy_percent,
    "mean_squared_error": mean_squared_error,
}
LOWER_IS_BETTER = ("mean_squared_error",)
