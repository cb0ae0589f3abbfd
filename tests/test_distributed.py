"""The objective over a whole batch: in strips, in pieces, over processes; always the same step."""

import copy
import math
from types import SimpleNamespace

import pytest
import torch
from torch import distributed, multiprocessing, nn
from torch.nn.functional import cross_entropy, normalize

from soundstage.errors import UserError
from soundstage.model.mvit import Shape, Tower
from soundstage.model.whole_norm import whole_batch_norms
from soundstage.pretrain import cached, objective, whole_batch
from soundstage.pretrain.gradients import add_up
from soundstage.pretrain.group import Group
from soundstage.pretrain.loop import Loop

SHAPES = {
    "audio": Shape((1, 24, 48), 1, (1, 7, 9), (1, 4, 8), (1, 3, 3), 2, 2, (1,), False, 0.3, 8),
    "video": Shape((4, 32, 32), 3, (3, 9, 9), (2, 8, 8), (3, 3, 3), 2, 2, (1,), True, 0.3, 8),
}


def draw(*shape, seed=0, dtype=torch.float64):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def unit(count, dim=5, seed=0):
    return normalize(draw(count, dim, seed=seed), dim=1)


def slow(x, y, scale):
    """Symmetric InfoNCE, pair by pair, in double precision."""
    total = 0.0
    for one, other in ((x.tolist(), y.tolist()), (y.tolist(), x.tolist())):
        for i, row in enumerate(one):
            likeness = [scale * sum(a * b for a, b in zip(row, column, strict=True)) for column in other]
            total += math.log(sum(map(math.exp, likeness))) - likeness[i]
    return total / (2 * len(x))


@pytest.mark.parametrize("strip", [1, 4, 100])
def test_the_loss_in_strips_equals_a_slow_reference_and_the_plain_form(strip):
    for scale in (1.0, 14.3, 100.0):
        x, y = unit(11), unit(11, seed=1)
        found = whole_batch.contrast(x, y, scale, strip).item()
        assert abs(found - slow(x, y, scale)) < 1e-10
        assert abs(found - objective.contrast(x, y, scale).item()) < 1e-10
        assert abs(whole_batch.contrast(x.float(), y.float(), scale, strip).item() - found) < 1e-4


def test_the_loss_in_strips_has_its_closed_form_values_and_is_symmetric():
    same, axes = torch.ones(7, 1).double(), torch.eye(7).double()
    assert abs(whole_batch.contrast(same, same, 20.0, 3).item() - math.log(7)) < 1e-12
    assert abs(whole_batch.contrast(axes, axes, 3.0, 3).item() - math.log(1 + 6 * math.exp(-3))) < 1e-12
    x, y = unit(9), unit(9, seed=1)
    order = torch.randperm(9, generator=torch.Generator().manual_seed(2))
    one = whole_batch.contrast(x, y, 9.0, 4)
    assert torch.isclose(one, whole_batch.contrast(y, x, 9.0, 4))
    assert torch.isclose(one, whole_batch.contrast(x[order], y[order], 9.0, 4))


@pytest.mark.parametrize("strip", [2, 100])
def test_the_loss_in_strips_has_the_right_gradient(strip):
    x, y = unit(6).requires_grad_(), unit(6, seed=1).requires_grad_()
    scale = torch.tensor(5.0, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda *parts: whole_batch.contrast(*parts, strip), (x, y, scale))


def test_sharp_temperatures_do_not_overflow():
    x = unit(8).float().requires_grad_()
    for scale in (1e3, 1e5):
        loss = whole_batch.contrast(x, -x.detach(), scale, 3)
        (gradient,) = torch.autograd.grad(loss, x)
        assert loss.isfinite() and gradient.isfinite().all() and loss > scale / 2


def test_half_precision_embeddings_are_contrasted_in_single():
    x, y = unit(8).float(), unit(8, seed=1).float()
    with torch.autocast("cpu", torch.bfloat16):
        found = whole_batch.contrast(x, y, 50.0)
    assert torch.equal(found, whole_batch.contrast(x, y, 50.0)) and found.dtype == torch.float32


class Small(nn.Module):
    """Two towers of paper A's kind, with heads that normalise over the batch."""

    def __init__(self):
        super().__init__()
        self.backbone = nn.ModuleDict({name: Tower(shape) for name, shape in SHAPES.items()})
        self.heads = nn.ModuleDict({name: head(tower.dim) for name, tower in self.backbone.items()})
        self.log_scale = nn.Parameter(torch.tensor(2.0))

    def loss(self, embedded):
        unit = {name: normalize(self.heads[name](vectors), dim=1) for name, vectors in embedded.items()}
        views = {f"{name}_{p}": part for name in unit for p, part in zip("ps", unit[name].chunk(2), strict=True)}
        total, _ = objective.objective(views, self.log_scale.exp(), 0.2, 0.3, contrast=whole_batch.contrast)
        return total


def head(dim):
    return nn.Sequential(nn.Linear(dim, dim), nn.BatchNorm1d(dim), nn.ReLU(), nn.Linear(dim, 6))


def batch_of(clips):
    """Both views of some clips of the global batch of eight, in double precision."""
    chosen = torch.cat([torch.tensor(clips), torch.tensor(clips) + 8])
    audio = 20 * draw(16, 1, 24, 48) - 30
    video = draw(16, 3, 4, 32, 32, seed=1).sigmoid()
    return {"audio": audio[chosen], "video": video[chosen]}


def make(drop_path=0.0):
    torch.manual_seed(0)
    model = Small().double()
    for tower in model.backbone.values():
        for block in tower.blocks:
            block.drop_path = drop_path
    return model


def take_step(model, batch, piece=0, draws=None):
    """One optimiser step; return (loss, gradients, weights and statistics after it).

    draws: drop path's by tower; None: the towers draw.
    """
    torch.manual_seed(7)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    draws = draws or dict.fromkeys(batch)
    if piece:
        pieces = {name: cached.Pieces(model.backbone[name], batch[name], piece, draws=draws[name]) for name in batch}
        embedded = {name: part.embedded for name, part in pieces.items()}
    else:
        embedded = {name: model.backbone[name](part, draws[name]) for name, part in batch.items()}
    loss = model.loss(embedded)
    loss.backward()
    if piece:
        for part in pieces.values():
            part.backward()
    add_up(model)
    gradients = {k: torch.zeros_like(p) if p.grad is None else p.grad.clone() for k, p in model.named_parameters()}
    optimizer.step()
    return loss.item(), gradients, {k: v.clone() for k, v in model.state_dict().items()}


def drop_path_draws(rank, processes):
    """What the training draws for a process's share of the batch of eight."""
    training = SimpleNamespace(student=make(0.3), group=Group(rank, processes, torch.device("cpu")), seed=5)
    return {name: Loop.draws(training, name, 8 // processes, 3) for name in SHAPES}


def assert_same(one, other, tolerance=1e-8):
    assert abs(one[0] - other[0]) < tolerance
    for part in (1, 2):
        for name, value in one[part].items():
            assert torch.allclose(value, other[part][name], rtol=tolerance, atol=tolerance), name


def encoder_gradient(encoder, mine, how):
    """Return the gradient of both towers' shared weights in one of two processes, as `how` computes it.

    "ours"; "own" and "local": what open_clip 3.3.0 does by default, and with local_loss alone.
    """
    x, y = (normalize(draw(10, 6, seed=seed)[mine] @ encoder, dim=1) for seed in (3, 4))
    if how == "ours":
        return torch.autograd.grad(whole_batch.contrast(x, y, 8.0, 2), encoder)[0]
    gathered = []
    for part in (x, y):
        parts = [torch.empty_like(part) for _ in range(2)]
        distributed.all_gather(parts, part.detach())
        gathered.append(parts)
    if how == "own":
        gathered[0][distributed.get_rank()], gathered[1][distributed.get_rank()] = x, y
    all_x, all_y = map(torch.cat, gathered)
    if how == "own":
        loss = objective.contrast(all_x, all_y, 8.0)
    else:
        target = torch.arange(10)[mine]
        loss = (cross_entropy(8.0 * x @ all_y.T, target) + cross_entropy(8.0 * y @ all_x.T, target)) / 2
    return torch.autograd.grad(loss, encoder)[0] / 2  # gradients are averaged over processes


def member(rank, folder):
    """One of two processes, each with half of the clips; the first writes what came out."""
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", f"file://{folder}/meet", rank=rank, world_size=2)
    found = {}
    x, y = unit(10).requires_grad_(), unit(10, seed=1).requires_grad_()
    mine = slice(5 * rank, 5 * rank + 5)
    scale = torch.tensor(8.0, dtype=torch.float64, requires_grad=True)
    loss = whole_batch.contrast(x[mine], y[mine], scale, 2)
    gradients = torch.autograd.grad(loss, (x, y, scale))
    for gradient in gradients:
        distributed.all_reduce(gradient)
    found["loss"] = (loss.item(), *gradients)
    encoder = draw(6, 5, seed=2).requires_grad_()
    for how in ("ours", "own", "local"):
        found[how] = encoder_gradient(encoder, mine, how)
        distributed.all_reduce(found[how])
    clips = list(range(4 * rank, 4 * rank + 4))
    for name, piece in (("step", 0), ("pieces", 3)):
        found[name] = take_step(whole_batch_norms(make()), batch_of(clips), piece)
        dropped = whole_batch_norms(make(0.3))
        found[f"{name} with drop path"] = take_step(dropped, batch_of(clips), piece, drop_path_draws(rank, 2))
    torch.save(found, f"{folder}/{rank}.pt")
    distributed.destroy_process_group()


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    folder = tmp_path_factory.mktemp("two")
    multiprocessing.spawn(member, (str(folder),), nprocs=2)
    return [torch.load(folder / f"{rank}.pt") for rank in (0, 1)]


def test_two_processes_have_the_loss_of_one(two):
    x, y = unit(10).requires_grad_(), unit(10, seed=1).requires_grad_()
    scale = torch.tensor(8.0, dtype=torch.float64, requires_grad=True)
    loss = objective.contrast(x, y, scale)
    gradients = torch.autograd.grad(loss, (x, y, scale))
    for found in two:
        assert abs(found["loss"][0] - loss.item()) < 1e-12
        for one, other in zip(found["loss"][1:], gradients, strict=True):
            assert torch.allclose(one, other, atol=1e-12)


def test_the_wrong_gradients_of_open_clip_would_be_noticed(two):
    """By default they are too short by the number of processes; with local_loss alone they point elsewhere."""
    encoder = draw(6, 5, seed=2).requires_grad_()
    x, y = (normalize(draw(10, 6, seed=seed) @ encoder, dim=1) for seed in (3, 4))
    (right,) = torch.autograd.grad(objective.contrast(x, y, 8.0), encoder)
    for found in two:
        assert torch.allclose(found["ours"], right, atol=1e-12)
        assert torch.allclose(found["own"], right / 2, atol=1e-12)
        assert torch.cosine_similarity(found["local"].flatten(), right.flatten(), dim=0) < 0.99


def test_two_processes_take_the_step_of_one(two):
    alone = take_step(make(), batch_of(list(range(8))))
    dropped = take_step(make(0.3), batch_of(list(range(8))), draws=drop_path_draws(0, 1))
    assert abs(alone[0] - dropped[0]) > 1e-3
    for found in two:
        for name in ("step", "pieces"):
            assert_same(found[name], alone)
            assert_same(found[f"{name} with drop path"], dropped)


@pytest.mark.parametrize("drop_path", [0.0, 0.3])
@pytest.mark.parametrize("piece", [1, 3, 16])
def test_a_batch_in_pieces_takes_the_step_of_the_whole(piece, drop_path):
    batch = batch_of(list(range(8)))
    assert_same(take_step(make(drop_path), batch, piece), take_step(make(drop_path), batch))


def test_drop_path_draws_follow_from_the_place_in_the_whole_batch():
    whole = drop_path_draws(0, 1)
    parts = [drop_path_draws(rank, 4) for rank in range(4)]
    for name, draws in whole.items():
        assert draws.shape == (16, 4) and 0 <= draws.min() < 0.1 and 0.9 < draws.max() < 1
        joined = torch.cat([part[name].unflatten(0, (2, 2)) for part in parts], 1).flatten(0, 1)
        assert torch.equal(joined, draws)
    assert not torch.equal(whole["audio"], whole["video"])


def test_pieces_are_skipped_alike_forward_and_back():
    model, batch = make(drop_path=0.5), batch_of(list(range(8)))["audio"]
    torch.manual_seed(3)
    pieces = cached.Pieces(model.backbone["audio"], batch, 4)
    pieces.embedded.square().sum().backward()
    after = torch.get_rng_state()
    pieces.backward()
    assert torch.equal(torch.get_rng_state(), after)
    found = [p.grad.clone() for p in model.backbone["audio"].parameters()]
    slow_model = make(drop_path=0.5)
    tower = slow_model.backbone["audio"]
    torch.manual_seed(3)
    with cached.whole_statistics(tower.patch_embed.norm, list(batch.split(4))):
        torch.cat([tower(part) for part in batch.split(4)]).square().sum().backward()
    for one, other in zip(found, tower.parameters(), strict=True):
        assert torch.allclose(one, other.grad, rtol=1e-8, atol=1e-8)


def test_towers_that_need_the_batch_at_once_are_refused():
    cached.check(make().backbone["video"], "video")
    inner = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
    with pytest.raises(UserError, match="audio tower has 1 batch norms"):
        cached.check(inner, "audio")


def test_a_wrong_gather_would_be_noticed():
    """The common mistakes change the gradient's length or direction; this test would see them."""
    model, other = make(), make()
    right = take_step(model, batch_of(list(range(8))))[1]
    halves = [take_step(copy.deepcopy(other), batch_of(clips))[1] for clips in ([0, 1, 2, 3], [4, 5, 6, 7])]
    local = {name: (halves[0][name] + halves[1][name]) / 2 for name in right}
    one, two = (torch.cat([part[name].flatten() for name in sorted(part)]) for part in (right, local))
    assert torch.cosine_similarity(one, two, dim=0) < 0.999
