"""Event parsing: the metric against the official one, annotations, networks, losses, training."""

import itertools
import json
import subprocess
import sys

import numpy as np
import pandas
import pytest

from soundstage.errors import UserError
from soundstage.files import read_json
from soundstage.parse import annotations, metric, predictions
from soundstage.parse.classes import LLP
from soundstage.parse.score import score

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
    return metric.mean_f_percent(metric.event_counts(predicted, true))


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
