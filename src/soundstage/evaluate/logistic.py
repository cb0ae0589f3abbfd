"""Logistic regression with an L2 penalty: the maths that the linear probe fits.

It minimises what scikit-learn's `LogisticRegression` minimises, with the same optimiser and the same
end, all columns of a multilabel problem at once. A probe of few clips takes tens of thousands of
small steps, of which scikit-learn spends most of the time on checks of its arguments.
"""

import numpy as np
from scipy.optimize import minimize

GRADIENT_TOLERANCE = 1e-4  # largest entry of the gradient at which a fit has arrived, as scikit-learn's
LOSS_TOLERANCE = 64 * np.finfo(float).eps


def fit(features, targets, strength, loss, iterations, start=None):
    """Return (columns, dim + 1) float64: weights and, last, the bias of every column.

    features: (clips, dim) float64; targets: (clips, columns) of 0/1; strength: C, larger = freer;
    loss: `softmax` or `sigmoid`; start: where the search begins (default: zeros). Minimises
    mean over clips of the loss + |weights|^2 / (2 C clips), by at most `iterations` steps of L-BFGS.
    """
    clips, dim = features.shape
    penalty = 1.0 / (strength * clips)
    shape = targets.shape[1], dim + 1

    def value(flat):
        weights = flat.reshape(shape)
        total, slope = loss(features @ weights[:, :-1].T + weights[:, -1], targets)
        gradient = np.empty(shape)
        gradient[:, :-1] = slope.T @ features + penalty * weights[:, :-1]
        gradient[:, -1] = slope.sum(axis=0)
        return total + 0.5 * penalty * np.square(weights[:, :-1]).sum(), gradient.ravel()

    begin = np.zeros(shape) if start is None else start
    options = {"maxiter": iterations, "maxls": 50, "gtol": GRADIENT_TOLERANCE, "ftol": LOSS_TOLERANCE}
    return minimize(value, begin.ravel(), jac=True, method="L-BFGS-B", options=options).x.reshape(shape)


def softmax(logits, targets):
    """Return (mean cross entropy in nats, its slope) of classes that exclude each other.

    logits: (clips, classes) float64; targets: one 1 per row; the slope has the logits' shape.
    """
    shifted = logits - logits.max(axis=1, keepdims=True)
    likely = np.exp(shifted)
    total = likely.sum(axis=1, keepdims=True)
    loss = (np.log(total[:, 0]) - (shifted * targets).sum(axis=1)).mean()
    return loss, (likely / total - targets) / len(logits)


def sigmoid(logits, targets):
    """Return (sum over columns of the mean binary cross entropy in nats, its slope).

    logits: (clips, columns) float64; targets: 0/1, every column a question of its own.
    """
    small = np.exp(-np.abs(logits))
    loss = (np.maximum(logits, 0.0) - logits * targets + np.log1p(small)).mean(axis=0).sum()
    likely = np.where(logits >= 0, 1.0, small) / (1.0 + small)
    return loss, (likely - targets) / len(logits)
