"""Table 1: its statistics against references, its refusals, its bytes."""

import csv
import json
import math
import subprocess
import sys

import numpy as np
import pytest
import scipy.stats

from soundstage.errors import UserError
from soundstage.evaluate.metrics import METRICS, accuracy_percent, auc_percent, map_percent
from soundstage.evaluate.probe import Fold
from soundstage.evaluate.run import predictions, summary
from soundstage.evaluate.scored import table, write_predictions
from soundstage.files import sha256, write_json
from soundstage.paper import compare, formats, results, statistics, table1
from soundstage.paper.settings import Settings

SEEDS = [0, 1, 2, 3, 4]
BENCHMARKS = {  # name: (group, metric, classes)
    "studio-events": ("auditory", "map_percent", 5),
    "studio-scenes": ("auditory", "accuracy_percent", 4),
    "studio-pitch": ("music", "accuracy_percent", 6),
    "studio-manner": ("paralinguistic", "accuracy_percent", 6),
    "studio-words": ("linguistic", "accuracy_percent", 10),
    "studio-ucf101": ("audiovisual", "accuracy_percent", 10),
}
SIGNAL = dict(zip(compare.RUNS, (0.5, 1.5, 1.6, 1.2, 1.9, 2.0), strict=True))


def write_run(folder, run, seed, clips=60, folds=3):
    """Write metrics.json and predictions.parquet of a run that knows its classes by SIGNAL."""
    entries, lines = [], []
    for name, (group, metric, classes) in BENCHMARKS.items():
        rng = np.random.default_rng([seed, len(run), len(name)])
        labels = np.eye(classes, dtype=np.uint8)[np.arange(clips) % classes]
        scores = SIGNAL[run] * labels + rng.normal(size=(clips, classes))
        tests = [np.flatnonzero(np.arange(clips) % folds == fold) for fold in range(folds)]
        found = [Fold(test, scores[test], 0.1, (50.0,)) for test in tests]
        features = "both" if group == "audiovisual" else "audio"
        entry = {"benchmark": name, "group": group, "metric": metric, "run": run, "seed": seed}
        entry |= {"features": features, "probe": "linear", "primary": True, "inputs": {"model.pt": "0" * 64}}
        entries.append(entry | summary(found, labels, metric))
        names = np.array([f"clip-{i:03d}" for i in range(clips)])
        lines += predictions(name, features, found, names, labels)
    path = folder / run / str(seed) / "metrics.json"
    write_json(path, entries)
    write_predictions(path.with_name("predictions.parquet"), [table(lines)])
    return path


@pytest.fixture(scope="module")
def metrics(tmp_path_factory):
    """The metrics.json files of all runs and seeds."""
    folder = tmp_path_factory.mktemp("evaluate")
    return [write_run(folder, run, seed) for run in compare.RUNS for seed in SEEDS]


@pytest.fixture(scope="module")
def built(metrics, tmp_path_factory):
    """The folder of a built table, with few resamples."""
    folder = tmp_path_factory.mktemp("results")
    build(metrics, folder / "table1.csv")
    return folder


def build(paths, out, settings=None):
    scores = results.check_complete(results.read_scores(paths), compare.RUNS, SEEDS)
    settings = settings or Settings(bootstrap_samples=200)
    return table1.build(scores, compare.RUNS, SEEDS, out, settings)


def read_csv(path):
    with open(path, newline="") as stream:
        return list(csv.DictReader(stream))


def test_paired_interval_is_that_of_the_paired_t_test():
    rng = np.random.default_rng(0)
    a, b = rng.normal(60, 2, 5), rng.normal(58, 2, 5)
    reference = scipy.stats.ttest_rel(a, b).confidence_interval(0.9)
    mean, low, high = statistics.t_interval(a - b, 90)
    assert mean == pytest.approx(np.mean(a) - np.mean(b))
    assert (low, high) == pytest.approx(tuple(reference))


def test_one_seed_has_no_interval():
    mean, low, high = statistics.t_interval([3.0])
    assert mean == 3 and math.isnan(low) and math.isnan(high)


def test_bootstrap_of_a_known_case():
    folds = np.zeros(1000, int)
    hit = np.arange(1000) < 700
    counts = statistics.resample_counts(folds, 4000, np.random.default_rng(1))
    assert (counts.sum(axis=1) == 1000).all()
    values = statistics.resampled_accuracy_percent(hit, folds, counts)
    # a share of 0.7 among 1000 draws: standard error sqrt(0.7 * 0.3 / 1000) = 1.449 points
    assert values.mean() == pytest.approx(70, abs=0.1)
    assert values.std() == pytest.approx(1.449, abs=0.06)
    low, high = statistics.percentile_interval(values)
    assert (low, high) == pytest.approx((70 - 1.96 * 1.449, 70 + 1.96 * 1.449), abs=0.3)


def test_clips_are_drawn_within_their_fold():
    folds = np.array([0, 1, 1, 1, 2, 2])
    counts = statistics.resample_counts(folds, 50, np.random.default_rng(0))
    for fold in range(3):
        assert (counts[:, folds == fold].sum(axis=1) == (folds == fold).sum()).all()


def test_resampled_auc_is_that_of_the_drawn_clips():
    rng = np.random.default_rng(4)
    folds = np.repeat([0, 1], 20)
    labels = (rng.random((40, 3)) < 0.3).astype(int)
    labels[:20, 2] = 0  # a class that a whole fold lacks is left out of that fold's mean
    scores = rng.normal(size=(40, 3)).round(1)  # rounded, so that some scores are equal
    counts = statistics.resample_counts(folds, 50, rng)
    found = statistics.resampled_auc_percent(scores, labels, folds, counts)
    for row, value in zip(counts.astype(int), found, strict=True):
        drawn = [np.repeat(np.flatnonzero(folds == f), row[folds == f]) for f in (0, 1)]
        assert value == pytest.approx(np.mean([auc_percent(scores[d], labels[d]) for d in drawn]))
    nothing = statistics.resampled_auc_percent(scores, np.zeros_like(labels), folds, counts)
    assert (nothing == 50).all()  # what no draw can tell is worth chance


def one_benchmark(metric, labels, scores, seeds=(0,)):
    """Return (scores, predictions) of run dubs on one benchmark, as `compare.resample` takes them."""
    count = len(labels)
    hit = labels[np.arange(count), scores.argmax(1)] > 0
    said = results.Predictions(np.arange(count).astype(str), np.zeros(count, int), hit, scores, labels)
    facts = {"group": "music", "features": "audio", "probe": "hear", "chance": 50.0, "n": count}
    value = METRICS[metric](scores, labels) if metric in METRICS else 0.0
    score = results.Score("dubs", 0, "x", metric=metric, value=value, source="", sha256="", **facts)
    return {("dubs", 0, "x"): score}, {("dubs", 0, "x"): said}


@pytest.mark.parametrize("metric", [name for name in METRICS if name.endswith("_percent")])
def test_the_bootstrap_draws_the_metric_of_the_benchmark(metric):
    rng = np.random.default_rng(0)
    labels = np.eye(24, dtype=int)[rng.integers(0, 24, 2000)]
    scores = 2.0 * labels + rng.normal(size=labels.shape)
    scores[:, 12:] += 0.5 * labels[:, :12]
    drawn = compare.resample(*one_benchmark(metric, labels, scores), ["dubs"], [0], Settings(bootstrap_samples=100))
    assert drawn["dubs", "music"].mean() == pytest.approx(METRICS[metric](scores, labels), abs=0.6)
    assert 0 < drawn["dubs", "music"].std() < 2


def test_a_metric_that_the_bootstrap_does_not_know_is_refused():
    labels = np.eye(2, dtype=int)[[0, 1, 1]]
    with pytest.raises(UserError, match="f1_percent"):
        compare.resample(*one_benchmark("f1_percent", labels, labels.astype(float)), ["dubs"], [0], Settings())


def test_a_table_of_auc_is_built(tmp_path):
    path = write_run(tmp_path, "dubs", 0)
    entries = json.loads(path.read_text())
    entries[0] |= {"metric": "auc_percent", "chance": 50.0}
    write_json(path, entries)
    scores = results.check_complete(results.read_scores([path]), ["dubs"], [0])
    table1.build(scores, ["dubs"], [0], tmp_path / "table1.csv", Settings(bootstrap_samples=20))
    assert "studio-events (AUC)" in (tmp_path / "table1.md").read_text()


def test_resampled_scores_are_the_metrics_of_the_drawn_clips():
    rng = np.random.default_rng(3)
    folds = np.repeat([0, 1], 20)
    labels = (rng.random((40, 3)) < 0.4).astype(int)
    scores = rng.normal(size=(40, 3)).round(1)  # rounded, so that some scores are equal
    counts = statistics.resample_counts(folds, 7, rng)
    found = statistics.resampled_map_percent(scores, labels, folds, counts)
    for row, value in zip(counts.astype(int), found, strict=True):
        drawn = [np.repeat(np.flatnonzero(folds == f), row[folds == f]) for f in (0, 1)]
        assert value == pytest.approx(np.mean([map_percent(scores[d], labels[d]) for d in drawn]))
    one = np.eye(3)[rng.integers(0, 3, 40)]
    right = one[np.arange(40), scores.argmax(1)]
    found = statistics.resampled_accuracy_percent(right, folds, counts)
    drawn = [np.repeat(np.flatnonzero(folds == f), counts[0].astype(int)[folds == f]) for f in (0, 1)]
    expected = np.mean([accuracy_percent(scores[d], one[d]) for d in drawn])
    assert found[0] == pytest.approx(expected)


def test_wide_table_has_every_row_and_column(built):
    rows = read_csv(built / "table1.csv")
    assert [row["pretraining"] for row in rows] == list(compare.RUNS)
    assert list(rows[0])[:2] == ["corpus", "pretraining"]
    for row in rows:
        assert row["corpus"] == "studio"
        for name, (group, metric, _) in BENCHMARKS.items():
            assert row[f"{name}_{metric}_n"] == "5"
            assert 0 < float(row[f"{name}_{metric}_mean"]) <= 100
            assert float(row[f"{name}_{metric}_sd"]) >= 0
            assert float(row[f"{group}_chance"]) > 0
        compared = row["pretraining"] != "monolingual"
        for group in ("auditory", "music", "paralinguistic", "linguistic", "audiovisual"):
            assert row[f"{group}_mean"]
            for key in ("difference", "difference_low", "difference_high"):
                assert bool(row[f"{group}_{key}"]) == compared


def test_group_mean_and_difference_are_those_of_the_scores(built, metrics):
    rows = {row["pretraining"]: row for row in read_csv(built / "table1.csv")}
    value = {}
    for path in metrics:
        for entry in json.loads(path.read_text()):
            value[entry["run"], entry["seed"], entry["benchmark"]] = entry["value"]
    events, scenes = "studio-events", "studio-scenes"
    per_seed = {r: [(value[r, s, events] + value[r, s, scenes]) / 2 for s in SEEDS] for r in rows}
    assert float(rows["dubs"]["auditory_mean"]) == pytest.approx(np.mean(per_seed["dubs"]), abs=1e-4)
    pairs = (("dubs", "monolingual"), ("dubs_within_modal", "monolingual_within_modal"))
    for run, other in pairs:
        gain = np.subtract(per_seed[run], per_seed[other])
        low, high = scipy.stats.ttest_1samp(gain, 0).confidence_interval()
        assert rows[run]["matched"] == other
        assert float(rows[run]["auditory_difference"]) == pytest.approx(gain.mean(), abs=1e-4)
        assert float(rows[run]["auditory_difference_low"]) == pytest.approx(low, abs=1e-4)
        assert float(rows[run]["auditory_difference_high"]) == pytest.approx(high, abs=1e-4)
        drawn = [float(rows[run][f"auditory_bootstrap_{end}"]) for end in ("low", "high")]
        assert drawn[0] < gain.mean() < drawn[1]


def test_dubs_minus_speech_removed_is_a_difference_of_its_own(built):
    rows = read_csv(built / "table1.differences.csv")
    found = [row for row in rows if row["minus"] == "speech_removed"]
    assert {row["pretraining"] for row in found} == {"dubs"} and len(found) == 5
    assert "dubs - speech_removed" in (built / "table1.md").read_text()


def test_tidy_table_names_the_source_of_every_cell(built, metrics):
    rows = read_csv(built / "table1.tidy.csv")
    assert len(rows) == len(compare.RUNS) * len(SEEDS) * len(BENCHMARKS)
    hashes = {str(path): sha256(path) for path in metrics}
    assert all(hashes[row["source"]] == row["sha256"] for row in rows)


def test_every_form_is_the_same_bytes_again(built, metrics, tmp_path):
    build(list(reversed(metrics)), tmp_path / "table1.csv")
    names = sorted(path.name for path in built.iterdir())
    assert names == [f"table1.{kind}" for kind in ("csv", "differences.csv", "md", "png", "tex", "tidy.csv")]
    for name in names:
        assert (built / name).read_bytes() == (tmp_path / name).read_bytes(), name


def test_missing_seed_and_benchmark_are_listed(metrics, tmp_path):
    fewer = [path for path in metrics if path.parts[-3:-1] != ("dubs", "3")]
    with pytest.raises(UserError, match="dubs, seed 3, studio-events: missing"):
        build(fewer, tmp_path / "table1.csv")
    scores = results.read_scores(metrics)
    with pytest.raises(UserError, match="dubs, seed 0, esc50: missing"):
        results.check_complete(scores, ["dubs"], [0], ["studio-events", "esc50"])
    assert not list(tmp_path.iterdir())


def test_a_score_that_is_no_number_is_refused(metrics, tmp_path):
    path = tmp_path / "metrics.json"
    entries = json.loads(metrics[0].read_text())
    entries[0]["value"] = float("nan")
    path.write_text(json.dumps(entries))
    with pytest.raises(UserError, match="studio-events: the score is nan"):
        results.check_complete(results.read_scores([path]), ["random_init"], [0])


def test_a_file_of_another_shape_is_named(metrics, tmp_path):
    path = tmp_path / "metrics.json"
    entries = json.loads(metrics[0].read_text())
    entries[1]["metric"] = "accuracy"
    path.write_text(json.dumps(entries))
    with pytest.raises(UserError, match=r"metrics.json: 1/metric: 'accuracy' is not one of"):
        results.read_scores([path])


def test_two_files_of_one_run_are_refused(metrics, tmp_path):
    scores = results.read_scores([metrics[0], write_run(tmp_path, "random_init", 0)])
    with pytest.raises(UserError, match="random_init, seed 0, studio-events: in .* and in"):
        results.check_complete(scores, ["random_init"], [0])


def test_runs_tested_on_other_clips_are_refused(tmp_path):
    first, second = (write_run(tmp_path, run, 0) for run in ("dubs", "monolingual"))
    lines = results._read_table(second.with_name("predictions.parquet")).to_pylist()
    lines[0]["clip"] = "another"
    write_predictions(second.with_name("predictions.parquet"), [table(lines)])
    scores = results.read_scores([first, second])
    with pytest.raises(UserError, match="tested on other clips"):
        results.read_predictions(results.check_complete(scores, ["dubs", "monolingual"], [0]))


def test_numbers_and_escapes():
    assert formats.number(-0.00001) == "0.0000" and formats.number(float("nan")) == ""
    assert formats.signed(0.04) == "+0.0" and formats.signed(-1.26) == "-1.3"
    assert formats.tex_escape("50 % of a_b & {c} ± 1") == r"50 \% of a\_b \& \{c\} $\pm$ 1"
    block = formats.Block("t", ("a|b", "c"), (("x", "1"),))
    assert r"| a\|b | c |" in formats.markdown("T", [block])


def test_command_line_prints_the_table_or_one_screen(metrics, tmp_path):
    command = [sys.executable, "-m", "soundstage.paper.table1", "--out", str(tmp_path / "t.csv")]
    command += ["--settings", '{"bootstrap_samples": 50}', "--metrics"]
    done = subprocess.run([*command, *metrics], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Group means in percent" in done.stdout and "dubs - speech_removed" in done.stdout
    done = subprocess.run([*command, *metrics[:-2]], capture_output=True, text=True)
    assert done.returncode == 2 and "12 problems" in done.stderr and "Traceback" not in done.stderr
