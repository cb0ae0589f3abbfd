"""HEAR's probe: a small network on frozen embeddings, chosen among settings that are trained together.

The protocol is hear-eval-kit's: one or two hidden layers of 1024, batch normalisation, dropout 0.1, ReLU;
Adam, batches of 1024, at most 500 epochs, a check every 3, patience of 20 checks on the task's first metric.
Of 16 settings (layers, initial weights, learning rate) 8 are drawn with seed 42. `OFFICIAL` searches on the
first rotation alone and never shuffles the training rows again; `FRESH` searches in every rotation and
shuffles every epoch.
"""

import dataclasses
import itertools
import math
import random

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from soundstage.errors import UserError
from soundstage.evaluate.metrics import LOWER_IS_BETTER, METRICS
from soundstage.evaluate.probe import Fold
from soundstage.evaluate.roles import TEST, TRAIN, VALID
from soundstage.units import seed_of

WIDTH = 1024
DROPOUT = 0.1
MOMENTUM = 0.1  # of the batch statistics that are kept for evaluation
PIECE = 4096  # rows that are scored at a time


@dataclasses.dataclass(frozen=True)
class Point:
    """One setting of the grid."""

    hidden_layers: int
    initialisation: str
    learning_rate: float


@dataclasses.dataclass(frozen=True)
class Protocol:
    """How the grid is searched and how long a network is trained."""

    points: int = 8  # of the 16, the first of an order drawn with seed 42
    batch_rows: int = 1024
    most_epochs: int = 500
    check_epochs: int = 3  # epochs between two looks at the validation clips
    patience: int = 20  # looks without a new best after which a network stops
    shuffle: bool = False  # draw the batches anew every epoch
    search_every_rotation: bool = False
    together: bool = True  # train the points of a depth as one


OFFICIAL = Protocol()
FRESH = Protocol(shuffle=True, search_every_rotation=True)


def grid():
    """Return the 16 `Point`s in the order in which hear-eval-kit draws them."""
    rates, starts = (3.2e-3, 1e-3, 3.2e-4, 1e-4), ("uniform", "normal")
    points = [Point(*values) for values in itertools.product((1, 2), starts, rates)]
    random.Random(42).shuffle(points)
    return points


def mlp(features, labels, roles, metric, settings, protocol=OFFICIAL):
    """Return one `Fold` per rotation; its scores are probabilities, its strength is the learning rate.

    features: (clips, dim) float, not normalised; labels: (clips, classes) of 0/1, softmax where every
    clip has one, otherwise a sigmoid each; roles: (rotations, clips). fold.validation has the best
    validation score of every point that was tried in that rotation.
    """
    features, targets = placed(features, labels)
    folds = []
    for data, results, best in rotations(lambda role: Rows(features, targets, role, metric), roles, protocol):
        scores = predict([best.net], data.x[data.test], data.multiclass)[0]
        rate = best.net.point.learning_rate
        folds.append(Fold(data.test.cpu().numpy(), scores, rate, validation(results, metric)))
    return folds


def device():
    """Return where probes are trained: on a GPU where there is one, as the towers run there."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def placed(features, labels):
    """Return ((rows, dim), (rows, classes)) float32 tensors on `device`; UserError if an embedding is not finite."""
    features = torch.from_numpy(np.ascontiguousarray(features, dtype=np.float32))
    if not all(part.isfinite().all() for part in features.split(PIECE)):  # at once it takes a copy of all
        raise UserError("expected finite embeddings, found NaN or infinity")
    return features.to(device()), torch.from_numpy(np.array(labels, np.float32)).to(device())


def rotations(rows, roles, protocol):
    """Yield (`Rows`, a `Result` per point that was tried, the best of them) of every rotation.

    rows(role) makes the `Rows`; roles: (rotations, ...). Unless the protocol searches in every rotation, the
    first one's best point is the only one of those that follow.
    """
    points = grid()[: protocol.points]
    for number, role in enumerate(roles):
        data = rows(role)
        results = search(data, points, protocol, number)
        best = max(results, key=lambda result: result.score)  # the first drawn among equals
        yield data, results, best
        if not protocol.search_every_rotation:
            points = [best.net.point]


def validation(results, metric):
    """Return the best validation scores as the metric gives them."""
    sign = -1 if metric in LOWER_IS_BETTER else 1
    return tuple(sign * float(result.score) for result in results)


class Rows:
    """The rows of one rotation: x (clips, dim), y (clips, classes), indices of each role, and the metric."""

    def __init__(self, features, targets, role, metric):
        self.x, self.y, self.metric = features, targets, metric
        self.train, self.valid, self.test = (
            torch.from_numpy(np.flatnonzero(role == wanted)).to(features.device) for wanted in (TRAIN, VALID, TEST)
        )
        self.multiclass = bool((targets[torch.cat([self.train, self.valid])].sum(1) == 1).all())

    def score(self, scores):
        """Return how good (clips, classes) scores of the validation clips are, more is better."""
        value = METRICS[self.metric](scores, self.y[self.valid].cpu().numpy())
        return -value if self.metric in LOWER_IS_BETTER else value


class Net(nn.Module):
    """The network of one point: hidden layers with their batch statistics, and the layer that answers."""

    def __init__(self, point, dim, classes, seed):
        super().__init__()
        self.point = point
        widths = [dim] + [WIDTH] * point.hidden_layers
        draw = torch.Generator().manual_seed(seed)
        self.layers = nn.ModuleList(nn.Linear(*pair) for pair in itertools.pairwise([*widths, classes]))
        self.norms = nn.ModuleList(nn.BatchNorm1d(WIDTH) for _ in range(point.hidden_layers))
        initialise = nn.init.xavier_uniform_ if point.initialisation == "uniform" else nn.init.xavier_normal_
        for number, layer in enumerate(self.layers):
            bound = 1 / math.sqrt(layer.in_features)
            nn.init.uniform_(layer.bias, -bound, bound, generator=draw)
            initialise(layer.weight, gain=1.0 if number == 0 else math.sqrt(2), generator=draw)


@dataclasses.dataclass
class Result:
    """The best state of one point's network, and its score on the validation clips."""

    net: Net
    score: float = -math.inf
    waited: int = 0  # checks since the best one
    best: dict | None = None

    def see(self, score):
        """Take note of a check: keep the state when it is a new best."""
        self.waited += 1
        if score > self.score:
            self.score, self.waited = score, 0
            self.best = {key: value.clone() for key, value in self.net.state_dict().items()}


def search(data, points, protocol, rotation):
    """Return a `Result` per point, trained on the rows of `data`; points of one depth together.

    A network's weights depend on its point and the rotation, the dropped units on the rotation and the
    step, so that a point ends alike with others or alone, but for rounding.
    """
    dim, classes = data.x.shape[1], data.y.shape[1]
    nets = [Net(point, dim, classes, seed_of("mlp", point, rotation)).to(data.x.device) for point in points]
    results = [Result(net) for net in nets]
    depths = sorted({point.hidden_layers for point in points})
    groups = [[r for r in results if r.net.point.hidden_layers == depth] for depth in depths]
    for group in groups if protocol.together else [[result] for result in results]:
        train(data, group, protocol, rotation)
    for result in results:
        if result.best is not None:
            result.net.load_state_dict(result.best)
    return results


def train(data, results, protocol, rotation):
    """Train the networks of one depth until each has stopped; fills the `Result`s in."""
    draw = torch.Generator(data.x.device).manual_seed(seed_of("mlp", "dropout", rotation))
    optimiser, active = adam([result.net for result in results]), list(results)
    order = data.train[shuffled(len(data.train), rotation, 0).to(data.train.device)]
    for epoch in range(1, protocol.most_epochs + 1):
        if protocol.shuffle:
            order = data.train[shuffled(len(data.train), rotation, epoch).to(data.train.device)]
        for rows in order.split(protocol.batch_rows):
            if len(rows) > 1:  # one row has no batch statistics
                step([r.net for r in active], optimiser, data, rows, draw)
        if epoch % protocol.check_epochs == 0:
            active = check(data, active, protocol)
            if not active:
                return


def check(data, active, protocol):
    """Score the networks on the validation clips; return those that go on."""
    found = predict([r.net for r in active], data.x[data.valid], data.multiclass)
    for result, scores in zip(active, found, strict=True):
        result.see(data.score(scores) if np.isfinite(scores).all() else -math.inf)
    return [result for result in active if result.waited < protocol.patience]


def shuffled(count, *seed):
    """Return a permutation of range(count) that depends on the seed's parts alone."""
    return torch.randperm(count, generator=torch.Generator().manual_seed(seed_of("mlp", "rows", *seed)))


def adam(nets):
    """Return one Adam for all networks, each with the learning rate of its point."""
    groups = [{"params": list(net.parameters()), "lr": net.point.learning_rate} for net in nets]
    return torch.optim.Adam(groups, fused=True)


def step(nets, optimiser, data, rows, draw):
    """Take one step of every network on the same rows; what one loses does not touch the others."""
    logits = forward(nets, data.x[rows], draw)  # g b c: networks, rows, classes
    y = data.y[rows].expand(len(nets), -1, -1)
    if data.multiclass:
        loss = functional.cross_entropy(logits.flatten(0, 1), y.argmax(2).flatten(), reduction="sum") / len(rows)
    else:
        loss = functional.binary_cross_entropy_with_logits(logits, y, reduction="sum") / y[0].numel()
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    optimiser.step()


def forward(nets, x, draw=None, batched=None):
    """Return logits (networks, rows, classes) of networks of one depth; x: (rows, dim).

    draw: the generator of the dropped units, which all networks share; None for evaluation. batched: one
    product for all networks instead of one each, which is faster on a GPU and slower on a CPU (default:
    by where x is).
    """
    kept = [_kept(len(x), draw) for _ in nets[0].norms]
    if len(nets) == 1 or not (x.is_cuda if batched is None else batched):
        return torch.stack([_alone(net, x, kept) for net in nets])
    first = [net.layers[0] for net in nets]
    hidden = functional.linear(x, torch.cat([m.weight for m in first]), torch.cat([m.bias for m in first]))
    for depth, mask in enumerate(kept):
        hidden = _normalised([net.norms[depth] for net in nets], hidden, mask is not None)  # b (g h)
        hidden = _dropped(hidden.unflatten(1, (len(nets), WIDTH)), mask).transpose(0, 1)  # g b h
        layers = [net.layers[depth + 1] for net in nets]
        weight = torch.stack([m.weight for m in layers]).transpose(1, 2)  # g h o
        hidden = torch.baddbmm(torch.stack([m.bias for m in layers])[:, None], hidden, weight)
        if depth + 1 < len(kept):
            hidden = hidden.transpose(0, 1).flatten(1)
    return hidden


def _alone(net, x, kept):
    """Return the logits (rows, classes) of one network."""
    for norm, layer, mask in zip(net.norms, net.layers, kept, strict=False):
        x = _dropped(_normalised([norm], layer(x), mask is not None)[:, None], mask)[:, 0]
    return net.layers[-1](x)


def _kept(rows, draw):
    """Return (rows, 1, WIDTH) of 0 for a dropped unit and 1 / (1 - DROPOUT) for another; None without `draw`."""
    if draw is None:
        return None
    drawn = torch.rand(rows, 1, WIDTH, generator=draw, device=draw.device)
    return (drawn >= DROPOUT).float() / (1 - DROPOUT)


def _dropped(x, kept):
    """Return what is left of (rows, networks, WIDTH) after dropout and ReLU."""
    return functional.relu(x if kept is None else x * kept)


def _normalised(norms, x, training):
    """Return (rows, networks * WIDTH) normalised over the rows, or by what was kept, in evaluation."""
    if len(norms) == 1:
        return norms[0].train(training)(x)
    weight, bias = (torch.cat([getattr(n, name) for n in norms]) for name in ("weight", "bias"))
    mean, var = (torch.cat([getattr(n, name) for n in norms]) for name in ("running_mean", "running_var"))
    result = functional.batch_norm(x, mean, var, weight, bias, training, MOMENTUM, norms[0].eps)
    if training:
        for norm, one, other in zip(norms, mean.chunk(len(norms)), var.chunk(len(norms)), strict=True):
            norm.running_mean.copy_(one)
            norm.running_var.copy_(other)
    return result


@torch.inference_mode()
def predict(nets, x, multiclass):
    """Return the probabilities (networks, rows, classes) float64 of networks of one depth; x: (rows, dim)."""
    logits = torch.cat([forward(nets, part) for part in x.split(PIECE)], 1).double()
    return (logits.softmax(2) if multiclass else logits.sigmoid()).cpu().numpy()
