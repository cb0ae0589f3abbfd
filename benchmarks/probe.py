"""HEAR's probe: does it agree with logistic regression, and what does training its grid together save?

python benchmarks/probe.py [--device cuda] [--points 8] [--epochs 12] [--repeats 3] [--skip agreement]

Agreement: embeddings around one centre a class, of known separability, and at least 5,000 test clips; HEAR's probe
by its official protocol (search over 8 of 16 settings, early stopping) beside scikit-learn's logistic regression
on the same training clips, standardised, and beside what no probe can pass: who knows the centres takes the
nearest. Logistic regression has the right form for such clouds, a network must find it, so that the distance
between them is also one of training clips: --train takes several counts. --plain adds the same protocol written
down again with torch's own layers, one network after the other, as hear-eval-kit builds them. Time: the same 8
networks for the same epochs, trained together and one by one, from the same rows.
"""

import argparse
import dataclasses
import itertools
import warnings

import numpy as np
import torch
from measure import best_seconds, machine, table
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from soundstage.evaluate import mlp
from soundstage.evaluate.metrics import accuracy_percent
from soundstage.evaluate.roles import TEST, TRAIN, VALID
from soundstage.evaluate.settings import Settings

AGREEMENT = "accuracy_percent"
CASES = ((10, 32, 1.6), (10, 128, 3.0), (50, 128, 2.5))  # classes, dimensions, spread


def main():
    """Read the flags, measure, print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--points", type=int, default=8, help="settings of the grid, at most 16")
    parser.add_argument("--epochs", type=int, default=12, help="of the timed trainings")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--train", type=int, nargs="*", default=[2000, 10000], help="training clips")
    parser.add_argument("--timed", type=int, default=2000, help="training clips of the timed trainings")
    parser.add_argument("--test", type=int, default=5000, help="test clips of the agreement")
    parser.add_argument("--cases", type=int, default=3, help="how many of the agreements")
    parser.add_argument("--plain", action="store_true", help="also the protocol in plain torch; doubles the time")
    parser.add_argument("--skip", nargs="*", default=[], choices=["agreement", "time"])
    options = parser.parse_args()
    machine(options.device)
    if "agreement" not in options.skip:
        head = ["classes, dimensions, spread", "training clips", "known centres, %", "logistic regression, %"]
        cases = [(*case, train) for case in CASES[: options.cases] for train in options.train]
        head += ["HEAR's probe, %", "difference", *["in plain torch, %"] * options.plain]
        table(head, (agreement(*case, options) for case in cases))
    if "time" not in options.skip:
        head = ["embeddings", "together, s", "one by one, s", "one by one / together"]
        table(head, (times(dim, classes, options) for dim, classes in ((192, 10), (768, 50))))


def centres(classes, dim):
    """Return the centres (classes, dim) of the clouds."""
    return np.random.default_rng(99).normal(size=(classes, dim))


def blobs(clips, classes, dim, spread, seed=0):
    """Return embeddings (clips, dim) float32 around one centre per class, and labels (clips, classes)."""
    number = np.arange(clips) % classes
    features = centres(classes, dim)[number] + spread * np.random.default_rng(seed).normal(size=(clips, dim))
    return features.astype(np.float32), np.eye(classes, dtype=np.uint8)[number]


def best_percent(features, labels):
    """Return the accuracy in % of the nearest true centre: the most that any probe can have on such clouds."""
    middles = centres(labels.shape[1], features.shape[1])
    near = np.argmax(features @ middles.T - 0.5 * np.square(middles).sum(1), axis=1)
    return 100 * float((near == labels.argmax(1)).mean())


def agreement(classes, dim, spread, train, options):
    """Return a row: the accuracies over the test clips, and how far both probes are apart in points."""
    valid = train // 4
    features, labels = blobs(train + valid + options.test, classes, dim, spread)
    role = np.full(len(features), TEST)
    role[:train], role[train : train + valid] = TRAIN, VALID
    protocol = dataclasses.replace(mlp.OFFICIAL, points=options.points)
    fold = mlp.mlp(features, labels, role[None], AGREEMENT, Settings(), protocol)[0]
    mine = accuracy_percent(fold.scores, labels[fold.test])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = make_pipeline(StandardScaler(), LogisticRegression(C=logistic_strength(features, labels, train, valid)))
        model.fit(features[:train], labels[:train].argmax(1))
    other = 100 * model.score(features[role == TEST], labels[role == TEST].argmax(1))
    most = best_percent(features[role == TEST], labels[role == TEST])
    case = f"{classes}, {dim}, {spread:g}", f"{train:,}", f"{most:.2f}"
    row = *case, f"{other:.2f}", f"{mine:.2f}", f"{mine - other:+.2f}"
    return (*row, f"{plain_percent(features, labels, role, protocol):.2f}") if options.plain else row


def plain_percent(features, labels, role, protocol):
    """Return the test accuracy in % by the same protocol in plain torch, one network after the other."""
    torch.manual_seed(0)
    x, y = torch.from_numpy(features), torch.from_numpy(labels.argmax(1))
    train, valid, test = (torch.from_numpy(np.flatnonzero(role == wanted)) for wanted in (TRAIN, VALID, TEST))
    order, best = train[torch.randperm(len(train))], (-1.0, None)
    for point in mlp.grid()[: protocol.points]:
        net = plain_net(point, x.shape[1], labels.shape[1])
        optimiser, waited, top = torch.optim.Adam(net.parameters(), lr=point.learning_rate), 0, -1.0
        for epoch in range(1, protocol.most_epochs + 1):
            for rows in order.split(protocol.batch_rows):
                optimiser.zero_grad()
                torch.nn.functional.cross_entropy(net.train()(x[rows]), y[rows]).backward()
                optimiser.step()
            if epoch % protocol.check_epochs == 0:
                score = right_percent(net, x[valid], y[valid])
                waited = 0 if score > top else waited + 1
                if score > max(top, best[0]):
                    best = score, right_percent(net, x[test], y[test])
                top = max(top, score)
                if waited >= protocol.patience:
                    break
    return best[1]


@torch.inference_mode()
def right_percent(net, x, y):
    """Return the accuracy of a network in %."""
    return 100 * (net.eval()(x).argmax(1) == y).float().mean().item()


def plain_net(point, dim, classes):
    """Return the network of a point from torch's own layers."""
    widths, layers = [dim] + [mlp.WIDTH] * point.hidden_layers, []
    for number, pair in enumerate(itertools.pairwise([*widths, classes])):
        linear = torch.nn.Linear(*pair)
        start = torch.nn.init.xavier_uniform_ if point.initialisation == "uniform" else torch.nn.init.xavier_normal_
        start(linear.weight, gain=torch.nn.init.calculate_gain("relu" if number else "linear"))
        layers += [linear, torch.nn.BatchNorm1d(pair[1]), torch.nn.Dropout(mlp.DROPOUT), torch.nn.ReLU()]
    return torch.nn.Sequential(*layers[:-3])


def logistic_strength(features, labels, train, valid):
    """Return the C that is best on the validation clips, as HEAR's probe chooses its setting there."""
    part = slice(train, train + valid)
    models = {c: make_pipeline(StandardScaler(), LogisticRegression(C=c)) for c in (0.001, 0.01, 0.1, 1.0)}
    for model in models.values():
        model.fit(features[:train], labels[:train].argmax(1))
    return max(models, key=lambda c: models[c].score(features[part], labels[part].argmax(1)))


def times(dim, classes, options):
    """Return a row: seconds of the grid trained together and one by one, and their ratio."""
    features, labels = blobs(options.timed + options.timed // 4, classes, dim, 2.0)
    role = np.full(len(features), VALID)
    role[: options.timed] = TRAIN
    data = [torch.from_numpy(x.astype(np.float32)).to(options.device) for x in (features, labels)]
    rows = mlp.Rows(*data, role, AGREEMENT)
    points = mlp.grid()[: options.points]

    def trained(together):
        protocol = dataclasses.replace(mlp.OFFICIAL, most_epochs=options.epochs, together=together)
        return lambda: mlp.search(rows, points, protocol, 0)

    found = {True: [], False: []}
    trained(True)()
    for _ in range(options.repeats):  # in turns, so that both meet the same machine
        for together, seconds in found.items():
            seconds.append(best_seconds(trained(together), 1, options.device, warm=False))
    best = {together: min(seconds) for together, seconds in found.items()}
    name = f"{options.timed} clips, {dim} dimensions, {classes} classes"
    return name, f"{best[True]:.2f}", f"{best[False]:.2f}", f"{best[False] / best[True]:.2f}"


if __name__ == "__main__":
    main()
