"""Ridge regression on standardised features, for benchmarks whose labels are numbers."""

import numpy as np
from sklearn.linear_model import Ridge

from soundstage.errors import UserError
from soundstage.evaluate.metrics import METRICS
from soundstage.evaluate.probe import Fold, finite, standardiser
from soundstage.evaluate.roles import TEST, TRAIN, VALID


def ridge(features, targets, roles, metric, settings):
    """Return one `Fold` per rotation; its scores are the predicted numbers, (n, 1) float64.

    features: (clips, dim) float; targets: (clips, 1) float; roles: (rotations, clips). The strength with
    the least error on the validation clips is kept (the most regular among equals), fitted again on
    training + validation clips if settings.refit. A strength C is the penalty 1 / C, as in `linear`.
    """
    features = finite(features)
    if not np.isfinite(targets[(roles > 0).any(axis=0)]).all():
        raise UserError("expected finite targets, found NaN or infinity")
    return [_rotation(features, np.asarray(targets, np.float64), role, metric, settings) for role in roles]


def _rotation(features, targets, role, metric, settings):
    train, valid, test = (np.flatnonzero(role == wanted) for wanted in (TRAIN, VALID, TEST))
    strengths = sorted(settings.strengths)
    errors = [
        METRICS[metric](_fitted(features, targets, train, strength)(features[valid]), targets[valid])
        for strength in strengths
    ]
    best = int(np.argmin(errors))
    fitted = np.concatenate([train, valid]) if settings.refit else train
    scores = _fitted(features, targets, fitted, strengths[best])(features[test])
    return Fold(test, scores, strengths[best], tuple(map(float, errors)))


def _fitted(features, targets, clips, strength):
    """Return a function (n, dim) -> (n, 1) of a regression fitted on `clips`."""
    scale = standardiser(features[clips])
    model = Ridge(alpha=1 / strength).fit(scale(features[clips]), targets[clips])
    return lambda values: model.predict(scale(values)).reshape(-1, 1)
