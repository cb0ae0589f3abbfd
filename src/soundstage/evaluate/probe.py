"""Probes: what a simple classifier can read from frozen embeddings.

A probe is a function (features, labels, roles, metric, settings) -> list of `Fold`; settings.probe chooses one by
its name in `soundstage.evaluate.protocols.PROTOCOLS`, and this is `linear`. It sees all rotations of a benchmark at
once, so that a protocol which searches its settings on the first rotation only fits the same interface.
"""

import dataclasses

import numpy as np

from soundstage.errors import UserError
from soundstage.evaluate.logistic import fit, sigmoid, softmax
from soundstage.evaluate.metrics import METRICS
from soundstage.evaluate.roles import TEST, TRAIN, VALID

FLOOR = -745.0  # log of the smallest positive double: the score of a class never seen in training


@dataclasses.dataclass(frozen=True)
class Fold:
    """What a probe said about the test clips of one rotation.

    test: (n,) indices of the clips; scores: (n, classes) float64, higher = more likely;
    strength: the one chosen; validation: (strengths,) the metric on the validation clips.
    """

    test: np.ndarray
    scores: np.ndarray
    strength: float
    validation: tuple


def linear(features, labels, roles, metric, settings):
    """Return one `Fold` per rotation, from logistic regression on standardised features.

    features: (clips, dim) float; labels: (clips, classes) of 0/1; roles: (rotations, clips) of
    TRAIN, VALID, TEST or UNUSED. In each rotation every strength is fitted on the training clips
    and scored on the validation clips; the best (the most regular among equals) is kept, fitted
    again on training + validation clips if settings.refit, and applied to the test clips. Mean
    and standard deviation come from the clips that are fitted, never from test clips.
    """
    features = finite(features)
    return [_rotation(features, labels, role, metric, settings) for role in roles]


def finite(features):
    """Return (clips, dim) features as an array; UserError where one is not finite."""
    features = np.asarray(features)
    if not np.isfinite(features).all():
        raise UserError("expected finite embeddings, found NaN or infinity")
    return features


def _rotation(features, labels, role, metric, settings):
    train, valid, test = (np.flatnonzero(role == wanted) for wanted in (TRAIN, VALID, TEST))
    strengths = sorted(settings.strengths)
    scale = standardiser(features[train])
    scorers = _path(scale(features[train]), labels[train], metric, strengths, settings)
    waiting = scale(features[valid])
    validation = [METRICS[metric](scorer(waiting), labels[valid]) for scorer in scorers]
    best = int(np.argmax(np.nan_to_num(validation, nan=-1.0)))
    chosen = scorers[best]
    if settings.refit:
        fitted = np.concatenate([train, valid])
        scale = standardiser(features[fitted])
        known = scale(features[fitted])
        chosen = _path(known, labels[fitted], metric, [strengths[best]], settings)[0]
    scores = chosen(scale(features[test]))
    return Fold(test, scores, strengths[best], tuple(float(value) for value in validation))


def standardiser(features):
    """Return a function that takes the mean of `features` off and divides by their deviation, in float64.

    A dimension that does not vary becomes zero. Features may be float32; of a large benchmark there is never
    more than one copy in double precision.
    """
    features = np.asarray(features, np.float64)
    mean, deviation = features.mean(axis=0), features.std(axis=0)
    deviation = np.where(deviation > 1e-12 * np.maximum(np.abs(mean), 1.0), deviation, np.inf)

    def scale(values):
        scaled = values - mean
        scaled /= deviation
        return scaled

    return scale


def _path(features, labels, metric, strengths, settings):
    """Return a scoring function per strength; neighbours start from one another's weights."""
    labels = np.asarray(labels) > 0
    exclusive = metric == "accuracy_percent"
    if exclusive:
        labels = np.arange(labels.shape[1]) == np.argmax(labels, axis=1)[:, None]
    hits = labels.sum(axis=0)
    # classes that can be told from the others; two that exclude each other are one question
    known = np.flatnonzero((hits > 0) & (hits < len(labels)))
    pair = exclusive and len(known) == 2
    asked = known[1:] if pair else known
    fixed = np.where(hits > 0, -FLOOR, FLOOR)
    inside, basis = compact(features)
    targets, loss = labels[:, asked].astype(np.float64), sigmoid if pair or not exclusive else softmax
    scorers, found = [], None
    for strength in strengths:
        if len(asked):
            found = fit(inside, targets, strength, loss, settings.probe_iterations, found)
        scorers.append(_scorer(found, basis, asked, known if pair else asked, fixed))
    return scorers


def _scorer(found, basis, asked, shown, fixed):
    """Return a function (clips, dim) -> (clips, classes) of scores.

    found: (len(asked), r + 1) of `fit`, brought back by `basis` (r, dim), or None; shown: the classes
    that its scores are of, minus and plus where they are two and one was asked; fixed: (classes,)
    the scores of all others.
    """

    def scores(features):
        out = np.tile(fixed, (len(features), 1))
        if found is not None:
            margin = features @ (found[:, :-1] @ basis).T + found[:, -1]
            if len(shown) > len(asked):
                margin = np.concatenate([-margin, margin], axis=1) / 2
            out[:, shown] = np.maximum(margin, FLOOR)
        return out

    return scores


def compact(features):
    """Return ((clips, r) coordinates, (r, dim) orthonormal basis) with features = coordinates @ basis.

    features: (clips, dim); r is the smaller of both. A logistic regression with an L2 penalty does
    not change when space is turned, and costs less in the span of its clips than in all of space.
    """
    if len(features) >= features.shape[1]:
        return features, np.eye(features.shape[1])
    basis = np.linalg.qr(features.T)[0].T
    return features @ basis.T, basis
