"""Probes: what a simple classifier can read from frozen embeddings.

A probe is a function (features, labels, roles, metric, settings) -> list of `Fold`, registered in
`PROBES` under the name that settings.probe chooses. It sees all rotations of a benchmark at once,
so that a protocol which searches its settings on the first rotation only fits the same interface.
"""

import dataclasses
import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from soundstage.errors import UserError
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
    features = np.asarray(features, np.float64)
    if not np.isfinite(features).all():
        raise UserError("expected finite embeddings, found NaN or infinity")
    return [_rotation(features, labels, role, metric, settings) for role in roles]


def _rotation(features, labels, role, metric, settings):
    train, valid, test = (np.flatnonzero(role == wanted) for wanted in (TRAIN, VALID, TEST))
    strengths = sorted(settings.strengths)
    scale = standardiser(features[train])
    fits = _path(scale(features[train]), labels[train], metric, strengths, settings)
    validation = [METRICS[metric](fit(scale(features[valid])), labels[valid]) for fit in fits]
    best = int(np.argmax(np.nan_to_num(validation, nan=-1.0)))
    chosen = fits[best]
    if settings.refit:
        fitted = np.concatenate([train, valid])
        scale = standardiser(features[fitted])
        known = scale(features[fitted])
        chosen = _path(known, labels[fitted], metric, [strengths[best]], settings)[0]
    scores = chosen(scale(features[test]))
    return Fold(test, scores, strengths[best], tuple(float(value) for value in validation))


def standardiser(features):
    """Return a function that takes the mean of `features` off and divides by their deviation.

    A dimension that does not vary becomes zero.
    """
    mean, deviation = features.mean(axis=0), features.std(axis=0)
    deviation = np.where(deviation > 1e-12 * np.maximum(np.abs(mean), 1.0), deviation, np.inf)
    return lambda values: (values - mean) / deviation


def _path(features, labels, metric, strengths, settings):
    """Return a scoring function per strength; neighbours start from one another's weights."""
    if metric == "accuracy_percent":
        targets = [np.argmax(labels, axis=1)]
    else:
        targets = list(np.asarray(labels, int).T)
    inside, basis = compact(features)
    columns = [_fits(inside, basis, target, strengths, settings) for target in targets]
    if metric == "accuracy_percent":
        classes = np.shape(labels)[1]
        return [_multiclass(fit, classes) for fit in columns[0]]
    return [_multilabel(fits) for fits in zip(*columns, strict=True)]


def compact(features):
    """Return ((clips, r) coordinates, (r, dim) orthonormal basis) with features = coordinates @ basis.

    features: (clips, dim); r is the smaller of both. A logistic regression with an L2 penalty does
    not change when space is turned, and costs less in the span of its clips than in all of space.
    """
    if len(features) >= features.shape[1]:
        return features, np.eye(features.shape[1])
    basis = np.linalg.qr(features.T)[0].T
    return features @ basis.T, basis


def _fits(features, basis, target, strengths, settings):
    """Return a fitted model per strength, or the only class where there is no other.

    features: (clips, r) in a `basis` (r, dim), from which the weights are brought back.
    """
    if len(set(target.tolist())) < 2:
        return [int(target[0])] * len(strengths)
    model = LogisticRegression(max_iter=settings.probe_iterations, warm_start=True)
    fits = []
    for strength in strengths:
        model.set_params(C=strength)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # a bounded search is meant
            model.fit(features, target)
        fits.append((model.classes_.copy(), model.coef_ @ basis, model.intercept_.copy()))
    return fits


def _margins(fit, features):
    """Return (clips, fitted classes) linear scores; two classes become minus and plus."""
    _, weights, bias = fit
    margin = features @ weights.T + bias
    return np.concatenate([-margin, margin], axis=1) / 2 if len(bias) == 1 else margin


def _multiclass(fit, classes):
    """Return a function (clips, dim) -> (clips, classes) of scores; unseen classes are lowest."""

    def scores(features):
        out = np.full((len(features), classes), FLOOR)
        if isinstance(fit, int):
            out[:, fit] = 0.0
        else:
            out[:, fit[0]] = np.maximum(_margins(fit, features), FLOOR)
        return out

    return scores


def _multilabel(fits):
    """Return a function (clips, dim) -> (clips, classes) of one log-odds per class."""

    def scores(features):
        columns = [
            np.full(len(features), FLOOR if fit == 0 else -FLOOR)
            if isinstance(fit, int)
            else (features @ fit[1].T + fit[2])[:, 0]
            for fit in fits
        ]
        return np.stack(columns, axis=1)

    return scores


PROBES = {"linear": linear}
