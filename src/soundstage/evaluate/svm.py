"""A linear support vector machine on standardised features: the classic protocol on frozen features."""

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.svm import LinearSVC

from soundstage.evaluate.metrics import METRICS
from soundstage.evaluate.probe import FLOOR, Fold, compact, finite, standardiser
from soundstage.evaluate.roles import TEST, TRAIN, VALID

STRENGTHS = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0)  # C tried, as published for audiovisual models


def svm(features, labels, roles, metric, settings):
    """Return one `Fold` per rotation, from one machine per class against the rest.

    features: (clips, dim) float; labels: (clips, classes) of 0/1; roles: (rotations, clips). C is chosen
    on the validation clips (the smallest among equals) and fitted again on training + validation clips
    if settings.refit, so that four folds of ESC-50 train and one tests, as its owners say.
    """
    features = finite(features)
    return [_rotation(features, np.asarray(labels), role, metric, settings) for role in roles]


def _rotation(features, labels, role, metric, settings):
    train, valid, test = (np.flatnonzero(role == wanted) for wanted in (TRAIN, VALID, TEST))
    found = [
        METRICS[metric](_fitted(features, labels, train, strength, settings)(features[valid]), labels[valid])
        for strength in STRENGTHS
    ]
    best = int(np.argmax(np.nan_to_num(found, nan=-1.0)))
    fitted = np.concatenate([train, valid]) if settings.refit else train
    scores = _fitted(features, labels, fitted, STRENGTHS[best], settings)(features[test])
    return Fold(test, scores, STRENGTHS[best], tuple(map(float, found)))


def _fitted(features, labels, clips, strength, settings):
    """Return a function (n, dim) -> (n, classes) of the distances to each class's border."""
    scale = standardiser(features[clips])
    inside, basis = compact(scale(features[clips]))
    known = labels[clips]
    weights = np.zeros((labels.shape[1], basis.shape[1]))
    bias = np.full(labels.shape[1], FLOOR)
    for column in range(labels.shape[1]):
        if known[:, column].all():
            bias[column] = -FLOOR
        elif known[:, column].any():
            weights[column], bias[column] = _border(inside, known[:, column], strength, settings, basis)
    return lambda values: scale(values) @ weights.T + bias


def _border(features, target, strength, settings, basis):
    """Return (weights (dim,), bias) of one class against the rest."""
    model = LinearSVC(C=strength, max_iter=5 * settings.probe_iterations, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a bounded search is meant
        model.fit(features, target)
    return model.coef_[0] @ basis, model.intercept_[0]
