"""Paper A's towers: the authors' numbers, the released weights, and speed-ups that change nothing."""

import copy
import json
import subprocess
import sys

import numpy as np
import pytest
import torch

import soundstage.model
from soundstage.errors import UserError
from soundstage.model import kept, pooling, positions
from soundstage.model.lssd import AUDIO, VIDEO, lssd_towers
from soundstage.model.mvit import Shape, Tower
from soundstage.model.whole_norm import WholeBatchNorm, whole_batch_norms, whole_statistics

TINY_AUDIO = Shape((1, 24, 48), 1, (1, 7, 9), (1, 4, 8), (1, 3, 3), 2, 3, (1,), False, 0.0, 8)
TINY_VIDEO = Shape((4, 32, 32), 3, (3, 9, 9), (2, 8, 8), (3, 3, 3), 2, 3, (1,), True, 0.0, 8)


def seeded(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def regenerated(net, seed, prefix="net."):
    """Return the weights that the reference vectors were made with."""
    state = net.state_dict()
    for number, name in enumerate(sorted(prefix + name for name in state)):
        value = state[name.removeprefix(prefix)]
        draw = seeded(*value.shape, seed=seed * 1000 + number)
        if not value.is_floating_point() or "running_" in name:
            continue
        if value.ndim >= 2:
            value.copy_(draw / value[0].numel() ** 0.5)
        else:
            value.copy_(1 + 0.1 * draw if name.endswith("weight") else 0.1 * draw)
    return state


@pytest.mark.parametrize("name", ["lssd_s", "lssd_s_overlap"])
def test_the_towers_are_the_authors(shared, name):
    about = json.loads((shared / f"reference/{name}.json").read_text())
    expected = np.load(shared / f"reference/{name}.npz")
    net = soundstage.model.lssd_towers(size=about["size"], patch_overlap=about["patch_overlap"]).eval()
    assert {f"net.{key}": list(value.shape) for key, value in net.state_dict().items()} == about["state_dict"]
    for tower, count in about["parameters"].items():
        assert sum(weight.numel() for weight in net[tower].parameters()) == count
    net.load_state_dict(regenerated(net, about["seed"]))
    seed = about["seed"]
    video = torch.rand((1, 3, 16, 224, 224), generator=torch.Generator().manual_seed(seed + 2))
    batches = {"audio": 20 * seeded(2, 1, 96, 288, seed=seed + 1) - 10, "video": video}
    with torch.no_grad():
        for tower, batch in batches.items():
            assert np.abs(net[tower](batch).numpy() - expected[tower]).max() <= 1e-4


def test_the_larger_size_is_deeper_and_as_wide():
    with torch.device("meta"):
        net = lssd_towers("B")
    assert len(net["audio"].blocks) == len(net["video"].blocks) == 24
    widths = [block.outside for block in net["video"].blocks]
    assert [widths.count(width) for width in (96, 192, 384, 768)] == [2, 3, 16, 3]
    assert net["audio"].norm.weight.shape == (768,)
    with pytest.raises(UserError, match="unknown size 'L'"):
        lssd_towers("L")


def test_asking_for_the_package_costs_nothing():
    program = "import sys, soundstage.model; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = soundstage.model.nothing


@pytest.fixture(scope="module")
def official(tmp_path_factory):
    """A checkpoint in the layout of the released ones, with projection heads."""
    with torch.device("meta"):
        net = lssd_towers("S", patch_overlap=True)
    net.to_empty(device="cpu").load_state_dict(
        {k: torch.zeros(v.shape, dtype=v.dtype) for k, v in net.state_dict().items()}
    )
    for number, value in enumerate(net.state_dict().values()):
        value.flatten()[:1] = number
    weights = {f"backbone.net.{name}": value for name, value in net.state_dict().items()}
    path = tmp_path_factory.mktemp("official") / "released.pth"
    torch.save({"model": {**weights, "projection.audio.weight": torch.zeros(2, 2)}, "epoch": 3}, path)
    return path, net


def test_a_released_checkpoint_makes_the_round_trip(official):
    path, net = official
    found = soundstage.model.load_official(path)
    assert not found.training and found["audio"].patch_embed.proj.weight.shape[-1] == 7
    for name, value in net.state_dict().items():
        assert torch.equal(found.state_dict()[name], value), name


def test_missing_left_over_and_misshapen_weights_are_listed(official, tmp_path):
    weights = torch.load(official[0], weights_only=True)["model"]
    del weights["backbone.net.audio.norm.bias"]
    weights["backbone.net.video.surplus"] = torch.zeros(1)
    weights["backbone.net.video.norm.weight"] = torch.zeros(5)
    torch.save({"model": weights}, tmp_path / "broken.pth")
    with pytest.raises(UserError) as refused:
        soundstage.model.load_official(tmp_path / "broken.pth")
    text = str(refused.value)
    assert "missing: audio.norm.bias" in text and "left over: video.surplus" in text
    assert "of another shape: video.norm.weight" in text and "broken.pth" in text


def test_a_checkpoint_that_is_not_weights_alone_is_refused_by_name(tmp_path):
    for name, content in (("code.pth", {"model": {}, "run": Tower}), ("bare.pth", [1]), ("heads.pth", {"model": {}})):
        torch.save(content, tmp_path / name)
        with pytest.raises(UserError, match=name):
            soundstage.model.load_official(tmp_path / name)
    with pytest.raises(UserError, match="none.pth"):
        soundstage.model.load_official(tmp_path / "none.pth")


def test_what_is_not_a_tensor_is_refused_by_name(tmp_path):
    torch.save({"model": {"backbone.net.audio.patch_embed.proj.weight": 5}}, tmp_path / "number.pth")
    with pytest.raises(UserError, match="expected tensors, found int: audio.patch_embed.proj.weight"):
        soundstage.model.load_official(tmp_path / "number.pth")


@pytest.mark.parametrize("kernel, stride", [((1, 3, 3), 1), ((3, 3, 3), 1), ((3, 3, 3), 2), ((3, 3, 3), 8)])
def test_pooling_by_frames_equals_a_convolution_in_space_and_time(kernel, stride):
    channels, heads, grid = 4, 2, (5, 9, 8)
    convolution = torch.nn.Conv3d(
        channels, channels, kernel, (1, stride, stride), tuple(k // 2 for k in kernel), groups=channels, bias=False
    ).double()
    tokens = seeded(3, 5 * 9 * 8, heads * channels).double().requires_grad_()
    kernel = pooling.repeated([convolution.weight], heads)
    found, new_grid = pooling.depthwise(tokens, grid, kernel, (stride, stride))
    maps = tokens.reshape(3, *grid, heads, channels).permute(0, 4, 5, 1, 2, 3).flatten(0, 1)
    slow = convolution(maps)
    assert new_grid == tuple(slow.shape[2:])
    slow = slow.unflatten(0, (3, heads)).permute(0, 3, 4, 5, 1, 2).reshape(found.shape)
    assert torch.allclose(found, slow, atol=1e-12)
    weights = seeded(*found.shape, seed=1).double()
    for one, other in zip(*(
        torch.autograd.grad((kind * weights).sum(), (tokens, convolution.weight), retain_graph=True)
        for kind in (found, slow)
    ), strict=True):  # fmt: skip
        assert torch.allclose(one, other, atol=1e-12)


def test_pooling_over_a_single_moment_needs_no_neighbours():
    weight = pooling.repeated([seeded(4, 1, 3, 3, 3)], 1)
    found, _ = pooling.depthwise(seeded(2, 6, 4), (1, 2, 3), weight, (1, 1))
    middle, _ = pooling.depthwise(seeded(2, 6, 4), (1, 2, 3), weight[1:2], (1, 1))
    assert torch.equal(found, middle)


def test_appended_positions_are_the_bias_of_every_pair():
    q_grid, k_grid, channels = (2, 4, 6), (2, 2, 3), 5
    tables = [seeded(3, channels), seeded(9, channels, seed=1), seeded(9, channels, seed=2)]
    q = seeded(1, 48, 1, channels, seed=3)
    near = [positions.table_of(*each) for each in zip(tables, q_grid, k_grid, strict=True)]
    parts = torch.cat(positions.query_parts(q, q_grid, k_grid, near), -1)[0, :, 0]
    found = parts @ positions.key_part(k_grid, tables, q).T
    for i, at in enumerate(np.ndindex(q_grid)):
        for j, to in enumerate(np.ndindex(k_grid)):
            slow = sum(float(q[0, i, 0] @ near[axis][at[axis], to[axis]]) for axis in range(3))
            assert abs(float(found[i, j]) - slow) < 1e-4


def test_distances_grow_with_the_query_and_shrink_with_the_key():
    assert positions.distances(4, 4).tolist() == [[3, 2, 1, 0], [4, 3, 2, 1], [5, 4, 3, 2], [6, 5, 4, 3]]
    assert positions.distances(4, 2).tolist() == [[2, 0], [3, 1], [4, 2], [5, 3]]
    table = torch.arange(7.0)[:, None]
    assert torch.equal(positions.resized(table, 7), table) and len(positions.resized(table, 13)) == 13


@pytest.fixture(scope="module")
def tiny():
    torch.manual_seed(0)
    return {"audio": Tower(TINY_AUDIO), "video": Tower(TINY_VIDEO)}


TINY_INPUTS = {"audio": seeded(4, 1, 24, 48), "video": seeded(4, 3, 4, 32, 32, seed=1).sigmoid()}


def step(tower, batch):
    """Return (output, gradients) of one step; the same draws every time."""
    tower = copy.deepcopy(tower).train()
    torch.manual_seed(5)
    output = tower(batch)
    output.square().sum().backward()
    return output.detach(), {name: weight.grad for name, weight in tower.named_parameters()}


@pytest.mark.parametrize("name", ["audio", "video"])
def test_the_fast_routes_without_gradients_give_the_same_numbers(tiny, name):
    tower, batch = tiny[name].eval(), TINY_INPUTS[name]
    with torch.no_grad():
        fast = tower(batch)
    assert torch.allclose(fast, tower(batch).detach(), atol=1e-5)
    alone = torch.cat([tower(item[None]) for item in batch])
    assert torch.allclose(fast, alone.detach(), atol=1e-5)


@pytest.mark.parametrize("name", ["audio", "video"])
def test_what_is_kept_of_the_weights_follows_them(tiny, name):
    tower, batch = copy.deepcopy(tiny[name]).eval(), TINY_INPUTS[name]
    with torch.no_grad():
        first = tower(batch)
        assert torch.equal(first, tower(batch))
        for weight in tower.parameters():
            weight.mul_(1.5)
    slow = tower(batch).detach()
    with torch.no_grad():
        assert torch.allclose(tower(batch), slow, atol=1e-5) and not torch.allclose(first, slow, atol=1e-3)
        tower.load_state_dict(tiny[name].state_dict())
        assert torch.allclose(tower(batch), first, atol=1e-6)
        state = {key: value * 1.5 if value.is_floating_point() else value for key, value in tower.state_dict().items()}
        tower.load_state_dict(state, assign=True)
        assert not torch.allclose(tower(batch), first, atol=1e-3)
        assert len(kept._KEPT.get(tower.blocks[0].attn)) > 1
        assert tower.to("meta")(batch.to("meta")).shape == first.shape  # nothing of another device is used
    tower.train()
    assert tower.blocks[0].attn not in kept._KEPT


@pytest.mark.parametrize("name", ["audio", "video"])
def test_every_weight_learns(tiny, name):
    _, gradients = step(tiny[name], TINY_INPUTS[name])
    silent = {key for key, value in gradients.items() if value is None or not value.any()}
    unread = ("pool_q", "rel_pos_t", "rel_pos_h", "rel_pos_w") if name == "video" else ()
    # the patches' queries are not read after the last block of a tower with a class token
    assert silent <= {f"blocks.2.attn.{part}{end}" for part in unread for end in ("", ".weight")}, silent


@pytest.mark.parametrize("name", ["audio", "video"])
def test_recomputing_blocks_changes_nothing_with_drop_path_on(tiny, name):
    tower = copy.deepcopy(tiny[name])
    for block in tower.blocks:
        block.drop_path = 0.4
    plain = step(tower, TINY_INPUTS[name])
    tower.recompute = True
    again = step(tower, TINY_INPUTS[name])
    assert torch.equal(plain[0], again[0])
    for key, value in plain[1].items():
        assert value is again[1][key] is None or torch.allclose(value, again[1][key], atol=1e-6), key


@pytest.mark.parametrize("name", ["audio", "video"])
def test_a_compiler_sees_one_graph_and_gets_the_same_numbers(tiny, name):
    tower, batch = tiny[name].eval(), TINY_INPUTS[name]
    compiled = torch.compile(tower, backend="eager", fullgraph=True, dynamic=False)
    with torch.no_grad():
        assert torch.allclose(compiled(batch), tower(batch), atol=1e-5)
    learning = copy.deepcopy(tower).train()
    compiled = torch.compile(learning, backend="eager", fullgraph=True, dynamic=False)
    assert torch.allclose(compiled(batch), copy.deepcopy(tower).train()(batch), atol=1e-5)


def test_half_precision_is_close(tiny):
    for name, batch in TINY_INPUTS.items():
        tower = tiny[name].eval()
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            rough = tower(batch).float()
        assert torch.nn.functional.cosine_similarity(rough, tower(batch)).min() > 0.995


def test_drop_path_skips_whole_samples_and_keeps_the_mean():
    torch.manual_seed(1)
    block = Tower(TINY_AUDIO).blocks[1].train()
    block.drop_path = 0.25
    factors = torch.cat([block._factors(torch.zeros(1000, 2, 3)) for _ in range(8)])
    assert set(factors.unique().tolist()) == {0.0, float(torch.tensor(1 / 0.75))}
    assert abs(factors.mean() - 1) < 0.03 and factors.shape == (8000, 1, 1)
    assert block.eval()._factors(torch.zeros(3, 2, 3)) is None
    assert [round(b.drop_path, 3) for b in Tower(AUDIO).blocks][::15] == [0.0, 0.1]
    assert VIDEO.drop_path == 0.2


@pytest.mark.parametrize("recompute", [False, True])
@pytest.mark.parametrize("name", ["audio", "video"])
def test_draws_that_are_given_decide_what_is_skipped(tiny, name, recompute):
    tower, batch = copy.deepcopy(tiny[name]).train(), TINY_INPUTS[name]
    assert tower.drop_paths == 0
    plain = tower(batch)
    tower.recompute = recompute
    for block in tower.blocks:
        block.drop_path = 0.4
    assert tower.drop_paths == 2 * len(tower.blocks)
    torch.manual_seed(3)
    own = tower(batch)
    torch.manual_seed(3)
    draws = torch.rand(len(batch), tower.drop_paths)
    assert torch.equal(own, tower(batch, draws)) and not torch.allclose(own, plain, atol=1e-3)
    with torch.no_grad():
        assert torch.equal(tower.eval()(batch), tower(batch, draws))


def test_the_patch_norm_is_torchs_in_one_process():
    ours, theirs = WholeBatchNorm(3, affine=False), torch.nn.BatchNorm3d(3, affine=False)
    batch = 40 * seeded(4, 3, 2, 5, 5) - 10
    for training in (True, True, False):
        ours.train(training), theirs.train(training)
        assert torch.equal(ours(batch), theirs(batch))
    assert all(torch.equal(one, other) for one, other in zip(ours.buffers(), theirs.buffers(), strict=True))


def test_given_statistics_are_those_of_all_parts():
    whole, parts = WholeBatchNorm(3, affine=False), WholeBatchNorm(3, affine=False)
    batch = 40 * seeded(6, 3, 7) - 10
    pieces = list(batch.split(4))
    with whole_statistics(parts, pieces):
        found = torch.cat([parts(piece) for piece in pieces])
    with whole_statistics(parts, pieces, again=True):
        assert torch.equal(torch.cat([parts(piece) for piece in pieces]), found)
    assert torch.allclose(found, whole(batch), atol=1e-5) and parts.given is None
    for one, other in zip(parts.buffers(), whole.buffers(), strict=True):
        assert torch.allclose(one, other, rtol=1e-5)


def test_batch_norms_are_replaced_with_their_weights():
    net = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 1), torch.nn.Sequential(torch.nn.BatchNorm2d(2)))
    state = {name: value.clone() for name, value in net.state_dict().items()}
    assert isinstance(whole_batch_norms(net)[1][0], WholeBatchNorm)
    assert state.keys() == net.state_dict().keys()
