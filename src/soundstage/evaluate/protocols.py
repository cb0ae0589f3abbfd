"""The protocols by which embeddings are probed, by the names that the configuration uses.

Each takes (features, labels, roles, metric, settings, groups) and returns a list of
`soundstage.evaluate.probe.Fold`; what it needs is imported when it is called. groups: (clips,) str of who
speaks, or None where it is not known. A protocol is about classes; labels that are numbers (LVU's like ratio and
views, scored by their mean squared error) are fitted by ridge regression whichever is named: see `used`.
"""


def linear(features, labels, roles, metric, settings, groups):
    """Logistic regression on standardised features."""
    from soundstage.evaluate.probe import linear

    return linear(features, labels, roles, metric, settings)


def svm(features, labels, roles, metric, settings, groups):
    """A linear support vector machine, the classic protocol of ESC-50, UCF101 and HMDB51 on frozen features."""
    from soundstage.evaluate.svm import svm

    return svm(features, labels, roles, metric, settings)


def hear(features, labels, roles, metric, settings, groups):
    """HEAR's own: a small network chosen from 8 of 16 settings, and its habits, good and bad."""
    from soundstage.evaluate.mlp import OFFICIAL, mlp

    return mlp(features, labels, roles, metric, settings, OFFICIAL)


def hear_fresh(features, labels, roles, metric, settings, groups):
    """The same network with new batches every epoch, a search in every rotation, and nobody in two folds."""
    from soundstage.evaluate.mlp import FRESH, mlp
    from soundstage.evaluate.roles import disjoint

    return mlp(features, labels, disjoint(roles, groups, labels), metric, settings, FRESH)


def ridge(features, labels, roles, metric, settings, groups):
    """Ridge regression on standardised features."""
    from soundstage.evaluate.ridge import ridge

    return ridge(features, labels, roles, metric, settings)


PROTOCOLS = {"linear": linear, "svm": svm, "hear": hear, "hear_fresh": hear_fresh}


def used(name, metric):
    """Return the name of the protocol that the one called `name` is for a metric: ridge for mean squared errors.

    A margin or a probability is no number of the targets' scale, and HEAR has no regression.
    """
    return "ridge" if metric == "mean_squared_error" else name


def apply(name, features, labels, roles, metric, settings, groups=None):
    """Return the `Fold`s of one protocol, one per rotation (see `soundstage.evaluate.probe`)."""
    chosen = {**PROTOCOLS, "ridge": ridge}[used(name, metric)]
    return chosen(features, labels, roles, metric, settings, groups)
