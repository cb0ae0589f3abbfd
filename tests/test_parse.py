"""Event parsing: the metric against the official one, annotations, networks, losses, training."""

import itertools
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas
import pytest
import torch

import soundstage.parse
from soundstage import config as configuration
from soundstage.errors import UserError
from soundstage.files import read_json
from soundstage.paper import timeline
from soundstage.parse import annotations, ave, losses, material, metric, pack, predictions, store, train
from soundstage.parse.classes import LLP
from soundstage.parse.networks import Output, load_released
from soundstage.parse.optimise import better, learning_rate, optimiser
from soundstage.parse.score import score
from soundstage.parse.settings import Variant
from soundstage.teachers import provided

SEGMENT_NAMES = ("audio", "visual", "audio_visual", "type_av", "event_av")


def slow_f(pairs):
    """Return the mean F of a video over classes; pairs: a list of (hits, false, missed)."""
    kept = [2 * h / (2 * h + f + m) for h, f, m in pairs if h + f + m]
    return sum(kept) / len(kept) if kept else 1.0


def slow_events(row):
    """Return the runs of a list of bools as sets of seconds."""
    groups = itertools.groupby(enumerate(row), key=lambda pair: bool(pair[1]))
    return [{second for second, _ in group} for present, group in groups if present]


def slow_counts(predicted, true, level):
    """Return (hits, false, missed) of two rows of seconds."""
    if level == "segment":
        pairs = list(zip(predicted, true, strict=True))
        return tuple(sum((p, t) == kind for p, t in pairs) for kind in ((1, 1), (1, 0), (0, 1)))
    found, wanted = slow_events(predicted), slow_events(true)
    hits = sum(any(len(a & b) / len(a | b) >= 0.5 for b in wanted) for a in found)
    missed = sum(not any(len(a & b) / len(a | b) >= 0.5 for a in found) for b in wanted)
    return hits, len(found) - hits, missed


def slow_scores(audio, visual, true_audio, true_visual, level):
    """Return the five F-scores of one level, a video and a class at a time."""
    sums = np.zeros(4)
    for video in range(len(audio)):
        both = audio[video] & visual[video], true_audio[video] & true_visual[video]
        kinds = [(audio[video], true_audio[video]), (visual[video], true_visual[video]), both]
        counts = [[slow_counts(p[:, c].tolist(), t[:, c].tolist(), level) for c in range(p.shape[1])] for p, t in kinds]
        pooled = [tuple(map(sum, zip(*pair, strict=True))) for pair in zip(counts[0], counts[1], strict=True)]
        sums += [slow_f(part) for part in (*counts, pooled)]
    a, v, av, event = 100 * sums / len(audio)
    return dict(zip(SEGMENT_NAMES, (a, v, av, (a + v + av) / 3, event), strict=True))


@pytest.mark.parametrize("share", [0.03, 0.4, 0.8])
def test_the_metric_equals_a_loop_over_videos_and_classes(share):
    rng = np.random.default_rng(int(100 * share))
    arrays = [rng.random((25, 10, 6)) < share for _ in range(4)]
    found = metric.f_scores(*arrays)
    for level in ("segment", "event"):
        expected = slow_scores(*arrays, level)
        assert found[level] == pytest.approx(expected, abs=1e-9)


def video(*intervals, classes=3):
    """Return (1, 10, classes) bool with (class, start, end) marked."""
    marked = np.zeros((1, 10, classes), bool)
    for label, start, end in intervals:
        marked[0, start:end, label] = True
    return marked


def event_f(predicted, true):
    return metric.mean_f_percent(metric.event_counts(metric.codes(predicted), metric.codes(true)))


def test_corner_cases_of_the_metric():
    nothing = video()
    assert set(metric.f_scores(nothing, nothing, nothing, nothing)["event"].values()) == {100.0}
    assert metric.f_scores(video((0, 0, 10)), nothing, nothing, nothing)["segment"]["audio"] == 0
    assert event_f(video((0, 0, 5)), video((0, 0, 10))) == 100, "half of the union is enough"
    assert event_f(video((0, 0, 4)), video((0, 0, 9))) == 0, "less than half is not"
    assert event_f(video((0, 0, 10)), video((0, 0, 4), (0, 5, 10))) == pytest.approx(200 / 3), "one partner only"
    assert event_f(video((0, 0, 1), (0, 2, 3)), video((0, 0, 1), (0, 2, 3))) == 100
    assert event_f(video((0, 0, 4)), video((0, 4, 8))) == 0, "runs that only touch share nothing"
    assert event_f(video((0, 0, 4)), video((0, 0, 4), (1, 0, 1))) == 50, "classes count alike"


@pytest.mark.parametrize("name", ["llp_flip", "llp_drop", "llp_shift"])
def test_the_ten_scores_equal_the_official_ones(shared, name):
    expected = read_json(shared / "reference" / f"{name}.json")
    truth = annotations.read(shared / "llp", expected["split"])
    found = score(predictions.read(shared / "reference" / f"{name}.npz"), truth)
    for level in ("segment", "event"):
        assert found["f_scores"][level] == pytest.approx(expected[level], abs=1e-9)
    assert found["n"] == found["n_expected"] and not found["missing"]


def ten(truth, audio, visual):
    """Return the ten scores in the order of the papers' tables."""
    found = metric.f_scores(audio, visual, truth.audio, truth.visual)
    return [found[level][name] for level in ("segment", "event") for name in SEGMENT_NAMES]


WEAK_VAL = [77.075, 58.654, 52.073, 62.601, 71.534, 63.849, 53.475, 44.149, 53.824, 61.121]
WEAK_TEST = [76.118, 60.348, 52.610, 63.025, 71.726, 63.027, 55.753, 44.692, 54.491, 61.601]
ORACLE_TEST = [80.144, 89.803, 82.778, 84.242, 81.963, 66.113, 83.685, 71.414, 73.737, 68.272]


def broadcast(weak):
    return np.repeat(weak[:, None], 10, axis=1)


def test_known_predictions_have_their_known_scores(shared):
    truth = annotations.read(shared / "llp", "test")
    weak, nothing = broadcast(truth.weak), np.zeros_like(truth.audio)
    assert ten(truth, weak, weak) == pytest.approx(WEAK_TEST, abs=6e-4)
    oracle = broadcast(truth.audio.any(1)), broadcast(truth.visual.any(1))
    assert ten(truth, *oracle) == pytest.approx(ORACLE_TEST, abs=6e-4)
    silent, unseen = (100 * np.mean(~part.any((1, 2))) for part in (truth.audio, truth.visual))
    neither = 100 * np.mean(~(truth.audio & truth.visual).any((1, 2)))
    expected = [silent, unseen, neither, (silent + unseen + neither) / 3, 0.0]
    assert ten(truth, nothing, nothing) == pytest.approx(expected * 2, abs=1e-9)
    assert [round(unseen, 3), round(neither, 3)] == [10.083, 14.5]
    val = annotations.read(shared / "llp", "val")
    assert ten(val, *[broadcast(val.weak)] * 2) == pytest.approx(WEAK_VAL, abs=6e-4)


def test_the_files_faults_are_named_and_mark_nothing(shared):
    truth = annotations.read(shared / "llp", "val")
    reversed_one = [line for line in truth.faults if "8DF2PxdT5tE_390_400" in line]
    assert len(reversed_one) == 1 and "reversed interval 9 to 0" in reversed_one[0]
    names = {line.split(": ")[1] for line in truth.faults if "no video's" in line and "audio" in line}
    assert len(names) == 8
    assert truth.ground_truth.startswith("corrected")
    row = truth.filenames.index("8DF2PxdT5tE_390_400")
    assert not truth.audio[row, :, LLP.index("Cheering")].any()


def llp_folder(folder, audio=("a_0_10\t0\t10\tDog",), visual=("a_0_10\t2\t4\tDog",), test=("a_0_10\tDog,Car",)):
    """Write a folder in LLP's layout with one training and one validation clip."""
    folder.mkdir(exist_ok=True)
    weak, dense = "filename\tevent_labels", "filename\tonset\toffset\tevent_labels"
    files = {"AVVP_train": [weak, "t_0_10\tCat"], "AVVP_val_pd": [weak, "v_0_10\tDog"], "AVVP_test_pd": [weak, *test]}
    files |= {"AVVP_eval_audio": [dense, *audio], "AVVP_eval_visual": [dense, *visual]}
    for name, lines in files.items():
        (folder / f"{name}.csv").write_text("\n".join(lines) + "\n")
    return folder


def test_annotations_of_a_small_folder(tmp_path):
    rows = ("a_0_10\t3\t3\tDog", "a_0_10\t7\t12\tCar", "Speech\t0\t4\tCat", "v_0_10\t1\t2\tDog")
    truth = annotations.read(llp_folder(tmp_path / "llp", rows), "test")
    assert truth.weak.sum() == 2 and truth.weak[0, LLP.index("Car")]
    assert truth.audio.sum() == 3 and truth.audio[0, 7:, LLP.index("Car")].all()
    assert truth.visual[0, 2:4, LLP.index("Dog")].all() and truth.visual.sum() == 2
    assert len(truth.faults) == 2 and "line 2" in truth.faults[0] and "line 4" in truth.faults[1]
    assert truth.ground_truth.startswith("older")
    assert annotations.read(tmp_path / "llp", "train").audio is None


@pytest.mark.parametrize(
    ("line", "message"),
    [("a_0_10\t0\t4\tTiger", "'Tiger' is unknown"), ("a_0_10\tx\t4\tDog", "whole seconds"), ("a_0_10\t4", "4 cells")],
)
def test_unusable_annotations_stop_with_file_and_line(tmp_path, line, message):
    folder = llp_folder(tmp_path / "llp", ("a_0_10\t0\t10\tDog", line))
    with pytest.raises(UserError, match=message) as caught:
        annotations.read(folder, "test")
    assert "line 3" in str(caught.value) and "AVVP_eval_audio.csv" in str(caught.value)


def random_probabilities(videos, seed):
    rng = np.random.default_rng(seed)
    shapes = (videos, 10, 2, 25), (videos, 25), (videos, 2, 25)
    return [rng.random(shape).astype(np.float32) for shape in shapes]


def test_predictions_survive_parquet_and_both_rules_differ(tmp_path):
    segment, video_p, modality = random_probabilities(3, 4)
    segment[0, 0, 0, 0] = video_p[0, 0] = modality[0, 0, 0] = 0.5
    names = ("c_0_10", "a_0_10", "b_0_10")
    predictions.write(tmp_path / "p.parquet", predictions.to_table(names, segment, video_p, modality))
    table = pandas.read_parquet(tmp_path / "p.parquet")
    assert set(predictions.KEYS) <= set(table) and len(table) == 3 * 10 * 2 * 25
    for rule in predictions.RULES:
        found = predictions.read(tmp_path / "p.parquet", rule)
        assert found.filenames == names and found.incomplete == 0
        assert np.array_equal(found.present, predictions.decide(segment, video_p, modality, rule))
        assert found.present[0, 0, 0, 0], "one half is present"
    shuffled = table.sample(frac=1, random_state=0)
    again = predictions.from_table(shuffled, "shared")
    order = [again.filenames.index(name) for name in names]
    assert np.array_equal(again.present[order], predictions.decide(segment, video_p))
    numbers = table.assign(**{"class": table["class"].map(LLP.index), "present": False})
    assert not predictions.from_table(numbers).present.any()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: pandas.concat([t, t.iloc[:1]]), "stands twice"),
        (lambda t: t.assign(segment=t["segment"] + 1), "segments 0 to 9"),
        (lambda t: t.assign(modality="smell"), "'smell' is unknown"),
        (lambda t: t.assign(probability=np.nan), "found gaps"),
        (lambda t: t.drop(columns="video_probability"), "missing columns video_probability"),
    ],
)
def test_unusable_predictions_say_what_is_wrong(change, message):
    table = predictions.to_table(("a_0_10",), *random_probabilities(1, 0)).to_pandas()
    with pytest.raises(UserError, match=message):
        predictions.from_table(change(table))


def test_missing_videos_are_named_and_counted(tmp_path):
    folder = llp_folder(tmp_path / "llp", test=("a_0_10\tDog", "b_0_10\tCat"))
    table = predictions.to_table(("a_0_10", "x_0_10"), *random_probabilities(2, 1))
    predictions.write(tmp_path / "p.parquet", table)
    command = [sys.executable, "-m", "soundstage.parse.score", "--predictions", tmp_path / "p.parquet"]
    command += ["--annotations", folder, "--split", "test", "--out", tmp_path / "s.json", "--rule", "per_modality"]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "s.json").read_text())
    assert (found["n"], found["missing"], found["rule"]) == (1, ["b_0_10"], "per_modality")
    assert "scored 1 of 2" in done.stderr and "b_0_10" in done.stderr and "left out: 1" in done.stderr
    predictions.write(tmp_path / "p.parquet", predictions.to_table(("x_0_10",), *random_probabilities(1, 1)))
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    assert done.returncode == 2 and "none of the 1 videos" in done.stderr


def reference_weights(net, seed):
    """Fill a network by the recipe of the reference vectors."""
    state = net.state_dict()
    for number, key in enumerate(sorted(state)):
        value = state[key]
        z = torch.randn(value.shape, generator=torch.Generator().manual_seed(seed * 1000 + number))
        if value.dim() >= 2:
            z = z / value[0].numel() ** 0.5
        else:
            z = 1 + 0.1 * z if key.endswith("weight") else 0.1 * z
        value.copy_(z)
    return net.eval()


def reference_inputs(shapes, seed):
    names = ("audio", "visual_2d", "visual_3d")
    return [
        torch.randn(shapes[name], generator=torch.Generator().manual_seed(seed + number))
        for number, name in enumerate(names, 1)
    ]


@pytest.mark.parametrize("name", ["valor", "valor_plus", "valor_plus_plus"])
def test_networks_have_the_official_keys_and_outputs(shared, name, tmp_path):
    wanted = read_json(shared / "reference" / f"{name}.json")
    net = soundstage.parse.network(name)
    assert {key: list(value.shape) for key, value in net.state_dict().items()} == wanted["state_dict"]
    assert sum(value.numel() for value in net.parameters()) == wanted["parameters"]
    reference_weights(net, wanted["seed"])
    torch.save(net.state_dict(), tmp_path / "checkpoint_best.pt")
    released = load_released(name, tmp_path / "checkpoint_best.pt")
    with torch.no_grad():
        output = released(*reference_inputs(wanted["input_shapes"], wanted["seed"]))
    expected = np.load(shared / "reference" / f"{name}.npz")
    for key in expected.files:
        assert np.abs(getattr(output, key).numpy() - expected[key]).max() < 1e-4, key


@pytest.mark.parametrize("name", ["valor", "valor_plus_plus"])
def test_averaged_features_give_what_the_files_give(name):
    torch.manual_seed(3)
    net = soundstage.parse.network(name, width=32, heads=4, feed_forward=32, visual_dim=24).eval()
    times = 64 if net.size.audio_map else 10
    audio, pictures = torch.randn(2, times, net.size.audio_dim), torch.randn(2, 80, 24)
    motion = torch.randn(2, 10, 512)
    map_reducer = pack._map_reducer(*net.size.audio_map) if net.size.audio_map else pack.mean_of_seconds
    short = [torch.from_numpy(np.stack([map_reducer(value) for value in audio.numpy()]))]
    short += [torch.from_numpy(np.stack([pack.mean_of_seconds(value) for value in pictures.numpy()])), motion]
    with torch.no_grad():
        whole, averaged = net(audio, pictures, motion), net(*short)
    assert short[0].shape[1] == short[1].shape[1] == 10
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(whole, averaged, strict=True))


def slow_attention(weights, prefix, query, other):
    """Return one-headed attention of a row of vectors to another, vector by vector."""
    width = query.shape[1]
    inner, offset = weights[prefix + "in_proj_weight"], weights[prefix + "in_proj_bias"]
    q, k, v = (inner[i * width : (i + 1) * width] for i in range(3))
    bq, bk, bv = (offset[i * width : (i + 1) * width] for i in range(3))
    rows = []
    for vector in query:
        scores = np.array([(q @ vector + bq) @ (k @ one + bk) for one in other]) / np.sqrt(width)
        share = np.exp(scores - scores.max())
        share /= share.sum()
        mixed = sum(w * (v @ one + bv) for w, one in zip(share, other, strict=True))
        rows.append(weights[prefix + "out_proj.weight"] @ mixed + weights[prefix + "out_proj.bias"])
    return np.array(rows)


def slow_norm(weights, prefix, rows):
    centred = rows - rows.mean(1, keepdims=True)
    scaled = centred / np.sqrt((centred**2).mean(1, keepdims=True) + 1e-5)
    return scaled * weights[prefix + "weight"] + weights[prefix + "bias"]


def slow_linear(weights, name, rows):
    return rows @ weights[name + ".weight"].T + weights[name + ".bias"]


def slow_layer(weights, stream, other):
    p = "hat_encoder.layers.0."
    x = stream + slow_attention(weights, p + "cm_attn.", stream, other)
    x = slow_norm(weights, p + "norm1.", x + slow_attention(weights, p + "self_attn.", stream, stream))
    inner = np.maximum(slow_linear(weights, p + "linear1", x), 0)
    return slow_norm(weights, p + "norm2.", x + slow_linear(weights, p + "linear2", inner))


def softmax(values, axis):
    share = np.exp(values - values.max(axis, keepdims=True))
    return share / share.sum(axis, keepdims=True)


def slow_han(weights, audio, visual_2d, visual_3d):
    """Return (P, P_a, P_v, logits) of one video, in float64, as the paper's notes tell it."""
    a = slow_linear(weights, "fc_a", audio)
    still = slow_linear(weights, "fc_v", visual_2d).reshape(10, 8, -1).mean(1)
    joined = np.concatenate([still, slow_linear(weights, "fc_st", visual_3d)], axis=1)
    v = slow_linear(weights, "fc_fusion", joined)
    both = np.stack([slow_layer(weights, a, v), slow_layer(weights, v, a)], axis=1)
    logits = slow_linear(weights, "fc_prob", both)
    p = 1 / (1 + np.exp(-logits))
    time = softmax(slow_linear(weights, "fc_frame_att", both), 0)
    across = softmax(slow_linear(weights, "fc_av_att", both), 1)
    return (time * across * p).sum((0, 1)), (time * p)[:, 0].sum(0), (time * p)[:, 1].sum(0), logits


def test_han_equals_a_slow_reimplementation_and_has_its_size():
    net = soundstage.parse.network("han")
    assert sum(value.numel() for value in net.parameters()) == 4_569_675
    reference_weights(net, 9)
    inputs = reference_inputs({"audio": (1, 10, 128), "visual_2d": (1, 80, 2048), "visual_3d": (1, 10, 512)}, 9)
    with torch.no_grad():
        output = net(*inputs)
    weights = {key: value.double().numpy() for key, value in net.state_dict().items()}
    expected = slow_han(weights, *(value[0].double().numpy() for value in inputs))
    for found, wanted in zip(output, expected, strict=True):
        assert np.abs(found[0].numpy() - wanted).max() < 1e-5


def test_released_han_loads_without_the_parts_that_it_never_used(tmp_path):
    net = soundstage.parse.network("han")
    extra = {"hat_encoder.norm1.weight": torch.ones(512), "cmt_encoder.layers.0.norm1.bias": torch.ones(512)}
    torch.save({f"module.{k}": v for k, v in (net.state_dict() | extra).items()}, tmp_path / "HAN.pt")
    assert torch.equal(load_released("han", tmp_path / "HAN.pt").fc_a.weight, net.fc_a.weight)
    torch.save(net.state_dict() | {"other": torch.ones(1)}, tmp_path / "other.pt")
    with pytest.raises(UserError, match="not one of han"):
        load_released("han", tmp_path / "other.pt")
    torch.save({"x": Path("code")}, tmp_path / "code.pt")
    with pytest.raises(UserError, match="as weights"):
        load_released("han", tmp_path / "code.pt")
    with pytest.raises(UserError, match="unknown network 'hann'"):
        soundstage.parse.network("hann")


def bce(p, y):
    p = np.clip(p, 1e-7, 1 - 1e-7)
    return -(y * np.log(p) + (1 - y) * np.log(1 - p)).mean()


def test_losses_equal_their_formulas():
    torch.manual_seed(0)
    output = Output(*(torch.rand(3, 4, dtype=torch.float64) for _ in range(3)), torch.randn(3, 10, 2, 4).double())
    output.video_probability[0, 0] = 0.0
    weak = torch.tensor(np.random.default_rng(0).integers(0, 2, (3, 4)), dtype=torch.float64)
    weak[0, 0] = 1
    audio, visual = (torch.rand(3, 10, 4).double() for _ in range(2))
    video_p, audio_p, visual_p, y = (value.numpy() for value in (*output[:3], weak))
    han = bce(video_p, y) + bce(audio_p, y) + bce(visual_p, 0.9 * y + 0.05)
    assert losses.loss("han", output, weak).item() == pytest.approx(han)
    plain = bce(video_p, y) + bce(audio_p, y) + bce(visual_p, y)
    assert losses.loss("weak", output, weak).item() == pytest.approx(plain)
    p = 1 / (1 + np.exp(-output.segment_logits.numpy()))
    terms = bce(video_p, y), bce(p[:, :, 0], audio.numpy()), bce(p[:, :, 1], visual.numpy())
    assert losses.loss("harvested", output, weak, audio, visual).item() == pytest.approx(sum(terms))
    one_sided = losses.loss("harvested", output, weak, None, visual).item()
    assert one_sided == pytest.approx(terms[0] + bce(audio_p, y) + terms[2])


def test_learning_rates_of_every_epoch():
    valor = Variant(objective="weak")
    rates = [learning_rate(epoch, valor) for epoch in range(1, 61)]
    assert rates[:9] == pytest.approx([epoch * 1e-5 for epoch in range(1, 10)])
    assert rates[9] == pytest.approx(1e-4) and rates[34] == pytest.approx((1e-4 + 1e-6) / 2)
    assert rates[59] == pytest.approx(1e-6) and rates[9:] == sorted(rates[9:], reverse=True)
    plus = Variant(objective="weak", learning_rate=3e-4, learning_rate_minimum=3e-6)
    assert learning_rate(22, plus) == pytest.approx(3e-6 + 0.5 * 2.97e-4 * (1 + np.cos(np.pi * 12 / 50)))
    han = Variant(objective="han", schedule="steps", learning_rate=3e-4)
    assert [learning_rate(epoch, han) for epoch in (1, 10, 11, 20, 21, 40)] == pytest.approx(
        [3e-4, 3e-4, 3e-5, 3e-5, 3e-6, 3e-7]
    )


def test_optimisers_are_the_papers():
    weights = [torch.nn.Parameter(torch.ones(2))]
    valor = optimiser(weights, Variant(objective="weak"))
    assert type(valor) is torch.optim.AdamW and valor.defaults["betas"] == (0.5, 0.999)
    assert valor.defaults["weight_decay"] == 1e-3 and valor.defaults["eps"] == 1e-8
    han = optimiser(weights, Variant(objective="han", optimiser="adam", beta_first=0.9, learning_rate=3e-4))
    assert type(han) is torch.optim.Adam and han.defaults["weight_decay"] == 0 and han.defaults["lr"] == 3e-4


def test_the_best_epoch_is_the_first_or_the_last_of_equals():
    first, last = Variant(objective="weak"), Variant(objective="weak", keep_later=True)
    assert not better(5.0, 5.0, first) and better(5.0, 5.0, last)
    assert better(5.1, 5.0, first) and not better(4.9, 5.0, last)


CLASSES_USED = (0, 3, 5)


def made_split(folder, split, videos, rng):
    """Write features of a split whose events shine through them; return (names, audio, visual) truth."""
    names = [f"{split}{number:03d}aaaaaaa"[:11] + "_0_10" for number in range(videos)]
    truth = np.zeros((2, videos, 10, 25), bool)
    for video in range(videos):
        for label in rng.choice(CLASSES_USED, 2, replace=False):
            for modality in range(2):
                start = rng.integers(0, 5)
                truth[modality, video, start : start + rng.integers(3, 6), label] = rng.random() < 0.8
    for key, dim, rows, modality in (("vggish", 12, 10, 0), ("res152", 16, 80, 1), ("r2plus1d_18", 8, 10, 1)):
        mixing = np.random.default_rng(dim).standard_normal((25, dim))
        (folder / key).mkdir(exist_ok=True)
        for name, one in zip(names, truth[modality], strict=True):
            value = np.repeat(one, rows // 10, axis=0) @ mixing + 0.1 * rng.standard_normal((rows, dim))
            np.save(folder / key / f"{name[:11]}.npy", value.astype(np.float32))
    return names, truth


def weak_rows(names, truth):
    union = truth.any((0, 2))
    return [f"{name}\t{','.join(LLP[c] for c in np.flatnonzero(u))}" for name, u in zip(names, union, strict=True)]


def dense_rows(names, truth):
    rows = []
    for name, one in zip(names, truth, strict=True):
        for label in np.flatnonzero(one.any(0)):
            rows += [f"{name}\t{min(run)}\t{max(run) + 1}\t{LLP[label]}" for run in slow_events(one[:, label])]
    return rows


@pytest.fixture(scope="module")
def released(tmp_path_factory):
    """A folder in the layout of the released features and labels, 40 + 12 + 12 videos."""
    folder, rng = tmp_path_factory.mktemp("released"), np.random.default_rng(0)
    made = {split: made_split(folder, split, n, rng) for split, n in (("train", 40), ("val", 12), ("test", 12))}
    weak, dense = "filename\tevent_labels", "filename\tonset\toffset\tevent_labels"
    for split, (names, truth) in made.items():
        (folder / annotations.WEAK_FILES[split]).write_text("\n".join([weak, *weak_rows(names, truth)]) + "\n")
    for number, file in enumerate(annotations.DENSE_FILES.values()):
        rows = [row for split in ("val", "test") for row in dense_rows(made[split][0], made[split][1][number])]
        (folder / file).write_text("\n".join([dense, *rows]) + "\n")
    for number, key in enumerate(("CLAP", "CLIP")):
        (folder / key).mkdir()
        for names, truth in made.values():
            for name, one in zip(names, truth[number], strict=True):
                np.save(folder / key / f"{name[:11]}.npy", one.astype(np.int64))
    return folder


def module(name, *arguments, check=True):
    """Run a command of the package; return what it said on stderr."""
    command = [sys.executable, "-m", f"soundstage.{name}", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode == 0) is check, done.stderr
    return done.stderr


def packed_features(released, out):
    """Pack the three splits of the released layout with `pack`; return the paths."""
    for split in ("train", "val", "test"):
        packed = pack.pack(
            annotations.read_weak(released / annotations.WEAK_FILES[split])[0],
            {"audio": released / "vggish", "visual_2d": released / "res152", "visual_3d": released / "r2plus1d_18"},
        )
        store.save_features(out / f"{split}.npz", packed)
    return [out / f"{split}.npz" for split in ("train", "val", "test")]


SMALL = {"width": 16, "heads": 2, "feed_forward": 16, "epochs": 8, "warmup_epochs": 2, "learning_rate": 0.01}
SMALL |= {"learning_rate_minimum": 1e-4, "batch_videos": 7}


def train_options(released, features, labels, out, variant, seeds=(0,), name="valor"):
    settings = {"variant": SMALL | variant, "checkpoint_epochs": 3}
    options = ["--annotations", released, "--features", *features, "--variant", name, "--seeds", *seeds]
    return [*options, "--labels", labels, "--out-folder", out, "--settings", json.dumps(settings)]


@pytest.fixture(scope="module")
def trained(released, tmp_path_factory):
    """Packed features and labels, and a training of two seeds by the command line."""
    folder = tmp_path_factory.mktemp("trained")
    features = packed_features(released, folder)
    names, _ = annotations.read_weak(released / "AVVP_train.csv")
    made = provided.gather(names, {"audio": released / "CLAP", "visual": released / "CLIP"})
    store.save_labels(folder / "labels.npz", made)
    variant = {"objective": "harvested", "labels": "provided"}
    options = train_options(released, features, folder / "labels.npz", folder / "valor", variant, (0, 1))
    module("parse.train", *options)
    return folder, features, options


def test_a_training_learns_and_leaves_scores_and_predictions(released, trained):
    folder, _, _ = trained
    scores = read_json(folder / "valor/0/scores.json")
    lines = [json.loads(line) for line in (folder / "valor/0/metrics.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == list(range(1, 9))
    assert lines[-1]["loss"] < 0.7 * lines[0]["loss"]
    assert scores["val_segment_type_av"] == max(line["val_segment_type_av"] for line in lines)
    assert scores["best_epoch"] == 1 + int(np.argmax([line["val_segment_type_av"] for line in lines]))
    assert scores["videos"] == {"train": 40, "val": 12, "test": 12}
    truth = annotations.read(released, "test")
    for rule in predictions.RULES:
        again = score(predictions.read(folder / "valor/0/predictions.parquet", rule), truth)
        assert again["f_scores"] == scores["rules"][rule]["f_scores"]
    other = read_json(folder / "valor/1/scores.json")
    assert other["rules"]["shared"] != scores["rules"]["shared"], "seeds differ"
    state = torch.load(folder / "valor/0/model.pt", weights_only=True)
    assert state["size"]["width"] == 16 and state["size"]["audio_dim"] == 12


class Killed(Exception):
    pass


def test_a_killed_training_ends_with_the_same_bits(released, trained, tmp_path, monkeypatch):
    folder, features, options = trained
    changed = [str(tmp_path / "again") if value == folder / "valor" else str(value) for value in options]
    changed[changed.index("1")] = "0"
    original = train.Training.epoch

    def dies(self, epoch):
        if epoch == 5:
            raise Killed
        original(self, epoch)

    monkeypatch.setattr(train.Training, "epoch", dies)
    monkeypatch.setattr(sys, "argv", ["train", *changed])
    with pytest.raises(Killed):
        train.main()
    assert (tmp_path / "again/0/checkpoint/checkpoint.pt").is_file()
    assert not (tmp_path / "again/0/model.pt").exists()
    monkeypatch.setattr(train.Training, "epoch", original)
    train.main()
    for name in ("model.pt", "metrics.jsonl", "predictions.parquet"):
        assert (tmp_path / "again/0" / name).read_bytes() == (folder / "valor/0" / name).read_bytes(), name
    assert not (tmp_path / "again/0/checkpoint").exists()


def test_a_checkpoint_of_other_settings_is_refused(released, trained, tmp_path, monkeypatch):
    folder, features, options = trained
    changed = [str(tmp_path / "x") if value == folder / "valor" else str(value) for value in options]
    monkeypatch.setattr(sys, "argv", ["train", *changed])
    original = train.Training.epoch
    monkeypatch.setattr(train.Training, "epoch", lambda self, e: original(self, e) if e < 4 else 1 / 0)
    with pytest.raises(ZeroDivisionError):
        train.main()
    changed[-1] = changed[-1].replace('"learning_rate": 0.01', '"learning_rate": 0.02')
    monkeypatch.setattr(sys, "argv", ["train", *changed])
    with pytest.raises(UserError, match="learning_rate was 0.01, now 0.02"):
        train.main()


def test_han_and_the_weak_label_alone_train_too(released, trained, tmp_path, monkeypatch):
    folder, features, _ = trained
    han = {"network": "han", "objective": "han", "optimiser": "adam", "schedule": "steps", "heads": 1}
    weak = {"objective": "weak", "epochs": 2}
    for name, variant in (("han", han | {"epochs": 2}), ("none", weak)):
        options = train_options(released, features, folder / "labels.npz", tmp_path / name, variant, name=name)
        where = options.index("--labels")
        monkeypatch.setattr(sys, "argv", ["train", *map(str, options[:where] + options[where + 2 :])])
        train.main()
        assert read_json(tmp_path / name / "0/scores.json")["variant"] == name


def test_video_level_labels_hold_for_the_whole_video():
    labels = np.zeros((1, 10, 25), np.float32)
    labels[0, 3, 7] = 0.6
    whole = material.labels_of(labels, Variant(labels="x", video_level=True))
    assert np.array_equal(np.unique(whole[0, :, 7]), np.float32([0.6])) and whole.sum() == pytest.approx(6)
    assert material.labels_of(labels, Variant(labels="x")) is labels


def test_videos_without_features_are_left_out_and_named(released, tmp_path):
    shutil.copytree(released, tmp_path / "llp")
    audio = sorted((tmp_path / "llp/vggish").glob("test*.npy"))
    audio[0].unlink()
    audio[1].write_bytes(b"broken")
    np.save(audio[2], np.zeros((9, 12), np.float32))
    np.save(audio[3], np.full((10, 12), np.nan, np.float32))
    flags = ["--audio", tmp_path / "llp/vggish", "--visual-2d", tmp_path / "llp/res152"]
    flags += ["--visual-3d", tmp_path / "llp/r2plus1d_18", "--split", "test", "--annotations", tmp_path / "llp"]
    said = module("parse.pack", *flags, "--out", tmp_path / "test.npz")
    packed = store.load_features(tmp_path / "test.npz")
    reasons = [entry["reason"] for entry in packed.dropped]
    assert reasons == ["audio: missing", "audio: unreadable", "audio: misshapen", "audio: not finite"]
    assert len(packed.filenames) == 8 and packed.arrays["visual_2d"].shape == (8, 10, 16)
    assert all(entry["filename"] in said for entry in packed.dropped)


OVERLAY = """
parse:
  ave: {{annotations: ""}}
  table6: [given]
  corpus: released
  annotations: {folder}
  seeds: [0, 1]
  features: {{standard: {{audio: {folder}/vggish, visual_2d: {folder}/res152, visual_3d: {folder}/r2plus1d_18}}}}
  variants:
    han: {{network: han, objective: han, optimiser: adam, schedule: steps, width: 16, heads: 1, epochs: 2}}
    both: {{labels: given, width: 16, heads: 2, epochs: 2}}
  table4: [han, both]
  table5: [both]
teachers: {{labels: {{given: {{audio: {folder}/CLAP, visual: {folder}/CLIP}}}}}}
"""


def test_the_workflow_makes_the_tables_from_released_features(released, tmp_path):
    (tmp_path / "o.yaml").write_text(OVERLAY.format(folder=released))
    root = Path(__file__).resolve().parent.parent
    command = [sys.executable, "-m", "snakemake", "-s", root / "Snakefile", "--configfile", tmp_path / "o.yaml"]
    command += ["--directory", tmp_path, "--cores", "2", *(f"results/table{number}.csv" for number in (4, 5, 6))]
    done = subprocess.run([*map(str, command), "results/timeline-1.png"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    table = pandas.read_csv(tmp_path / "results/table4.csv")
    ours = table[table["corpus"] == "released"]
    assert ours["method"].tolist() == ["han", "both"] and (ours["segment_type_av_n"] == 2).all()
    tidy = pandas.read_csv(tmp_path / "results/table4.tidy.csv")
    values = tidy[(tidy["method"] == "both") & (tidy["metric"] == "event_audio")]["value"]
    assert len(tidy) == 2 * 2 * 10 and ours["event_audio_mean"].iloc[1] == pytest.approx(values.mean(), abs=1e-4)
    apart = pandas.read_csv(tmp_path / "results/table4.differences.csv").set_index("metric").loc["event_audio"]
    cells = tidy[tidy["metric"] == "event_audio"].set_index(["method", "seed"])["value"]
    gains = cells["both"].to_numpy() - cells["han"].to_numpy()
    half = 12.7062 * abs(gains[0] - gains[1]) / 2  # Student's 97.5 % with one degree of freedom, n = 2
    assert (apart["row"], apart["minus"], apart["difference"]) == ("both", "han", pytest.approx(gains.mean(), abs=1e-3))
    assert apart["high"] - apart["low"] == pytest.approx(2 * half, rel=1e-3, abs=1e-2)
    assert len(pandas.read_csv(tmp_path / "results/table5.differences.csv")) == 0, "one row has nothing to be held to"
    assert len(list((tmp_path / "results").glob("timeline-*.png"))) == 3
    published = table[table["corpus"] == "LLP"].set_index("method")
    assert published.loc["VALOR (R)", "segment_type_av_mean"] == 62.0 and "VALOR+ (R)" not in published.index
    assert "not comparable" in (tmp_path / "results/table4.md").read_text()
    labels = pandas.read_csv(tmp_path / "results/table6.csv").set_index("labels")
    assert labels.loc["given", "segment_type_av_mean"] == 100 and labels.loc["given", "videos"] == 12
    assert 0 < labels.loc["weak_broadcast", "segment_type_av_mean"] < 100
    classes = pandas.read_csv(tmp_path / "results/table6.classes.csv")
    dog = classes[(classes["labels"] == "given") & (classes["class"] == "Dog") & (classes["modality"] == "audio")]
    assert dog[["precision_percent", "recall_percent"]].to_numpy().tolist() == [[100, 100]]
    assert "| Dog | 100 | 100 | 100 | 100 |" in (tmp_path / "results/table6.md").read_text()
    again = subprocess.run([*map(str, command)], capture_output=True, text=True)
    assert "Nothing to be done" in again.stderr + again.stdout


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"parse": {"table4": ["x"]}}, "parse.table4: 'x' is none of parse.variants"),
        ({"parse": {"variants": {"x": {"labels": "y"}}}}, "parse.variants.x.labels: found 'y'"),
        ({"teachers": {"labels": {"x": {"rule": "soft"}}}}, "expected rule and thresholds, or audio and visual"),
        ({"teachers": {"labels": {"x": {"rule": "soft", "thresholds": "published"}}}}, "needs teachers.videos"),
    ],
)
def test_impossible_parsers_are_named_before_any_job(section, message):
    config = {"teachers": {"labels": {}, "videos": "", "visual": "", "audio": ""}}
    config["parse"] = {"features": {"standard": {}}, "variants": {}} | {f"table{n}": [] for n in (4, 5, 6, 7)}
    for name, values in section.items():
        config[name] |= values
    assert any(message in line for line in configuration.unknown_parts(config))


AVE_LINES = ["Church bell&aaa&good&0&10", "Male speech&bbb&good&2&5", "Bark&ccc&good&4&4", "Church bell&ddd&good&8&10"]


def ave_folder(folder, lines=AVE_LINES, order=(1, 2, 3)):
    import h5py

    (folder / "Annotations.txt").write_text("\n".join(lines) + "\n")
    with h5py.File(folder / "order.h5", "w") as file:
        file["order"] = np.array(order, np.int64)
    return ["--annotations", folder / "Annotations.txt", "--order", folder / "order.h5", "--out", folder / "o.json"]


def test_ave_accuracy_recalls_and_reference_rows(tmp_path):
    flags = ave_folder(tmp_path)
    predicted = np.full((3, 10), 3)
    predicted[0, 2:6] = 1  # three right seconds of speech, one of background wrong
    predicted[2, 8] = 0
    np.savez(tmp_path / "p.npz", line=[1, 2, 3], classes=predicted)
    said = module("parse.ave", *flags, "--predictions", tmp_path / "p.npz")
    rows = read_json(tmp_path / "o.json")["rows"]
    assert rows["predictions"]["accuracy_percent"] == pytest.approx(100 * 28 / 30)
    assert rows["predictions"]["background_recall"] == pytest.approx(100 * 24 / 25)
    assert rows["predictions"]["class_recall"] == {"Church bell": 50.0, "Male speech": 100.0, "Bark": None}
    assert rows["all background"]["accuracy_percent"] == pytest.approx(100 * 25 / 30)
    assert rows["true video label everywhere"]["accuracy_percent"] == pytest.approx(100 * 5 / 30)
    assert rows["true video label everywhere"]["background_recall"] == 0
    assert "ccc: Bark from 4 to 4 marks nothing" in said


def test_ave_decision_needs_both_streams_and_the_likeliest_class():
    video_p = np.array([[0.2, 0.9]])
    audio, visual = np.zeros((1, 10, 2)), np.zeros((1, 10, 2))
    audio[0, :6, 1], visual[0, 3:, 1], audio[0, :, 0], visual[0, :, 0] = 0.5, 0.7, 1, 1
    assert ave.decide(video_p, audio, visual).tolist() == [[2, 2, 2, 1, 1, 1, 2, 2, 2, 2]]


def test_unusable_ave_files_are_named(tmp_path):
    ave_folder(tmp_path, order=(0, 9))
    with pytest.raises(UserError, match="asks for line 9, found 4"):
        ave.read(tmp_path / "Annotations.txt", ave.read_order(tmp_path / "order.h5"))
    ave_folder(tmp_path, lines=[*AVE_LINES, "Bark&eee&good&x&4"])
    with pytest.raises(UserError, match="line 4 from 0"):
        ave.read(tmp_path / "Annotations.txt", np.array([0]))
    ave_folder(tmp_path)
    split = ave.read(tmp_path / "Annotations.txt", np.array([1, 2]))
    np.savez(tmp_path / "p.npz", line=[1], classes=np.zeros((1, 10), np.int64))
    with pytest.raises(UserError, match="missing lines \\[2\\]"):
        ave.read_predictions(tmp_path / "p.npz", split)
    with pytest.raises(UserError, match="dataset order"):
        ave.read_order(tmp_path / "p.npz")


def test_a_timeline_shows_truth_labels_and_predictions(released, trained, tmp_path):
    folder, _, _ = trained
    names, _ = annotations.read_weak(released / "AVVP_test_pd.csv")
    made = provided.gather(names, {"audio": released / "CLAP", "visual": released / "CLIP"})
    store.save_labels(tmp_path / "test.npz", made)
    flags = ["--annotations", released, "--videos", *names[:2], "--labels", f"given={tmp_path / 'test.npz'}"]
    flags += ["--predictions", f"valor={folder / 'valor/0/predictions.parquet'}", "--out"]
    module("paper.timeline", *flags, tmp_path / "1.png", tmp_path / "2.png")
    assert all((tmp_path / f"{number}.png").read_bytes().startswith(b"\x89PNG") for number in (1, 2))
    assert "expected a file for each of 2 videos" in module("paper.timeline", *flags, tmp_path / "3.png", check=False)
    truth = annotations.read(released, "test")
    sources = {timeline.TRUTH: (truth.filenames, np.stack([truth.audio, truth.visual], axis=2))}
    sources["given"] = made.filenames, np.stack([made.audio, made.visual], axis=2) >= 0.5
    drawn = timeline.rows(timeline.panel(names[0], sources)[1], "visual")
    assert [row[1] for row in drawn[:2]] == [timeline.TRUTH, "given"]
    assert all(np.array_equal(a[2], b[2]) for a, b in zip(drawn[::2], drawn[1::2], strict=True))
    with pytest.raises(UserError, match="a video of the split"):
        timeline.panel("nobody", sources)


def test_timelines_show_videos_in_which_sight_and_sound_come_apart():
    audio, visual = np.zeros((2, 6, 10, 25), bool)
    for video in range(6):
        audio[video, :, 0] = audio[video, :5, 1] = visual[video, :5, 1] = True
    visual[[1, 3, 4], 8, 1] = True  # there is more to be seen than heard
    audio[4, :, 0] = False  # one class alone
    names = tuple("abcdef")
    truth = annotations.Annotations("test", names, (audio | visual).any(1), audio, visual)
    assert timeline.chosen(truth, 2) == ["b", "d"] and timeline.chosen(truth, 1) == ["d"]
    assert timeline.chosen(truth, 6) == list(names), "too few of them: all videos"
    with pytest.raises(UserError, match="at least 7 videos"):
        timeline.chosen(truth, 7)
