"""HEAR's tasks of time stamps: the scoring against known values, and a generated task from files to a table."""

import csv
import dataclasses
import json

import numpy as np
import pytest
import soundfile
import torch

from soundstage.errors import UserError
from soundstage.evaluate import mlp, onsets, timestamps
from soundstage.model.settings import Model
from soundstage.model.towers import build
from soundstage.paper import timestamps as table


def drawn(rng, count):
    starts = np.sort(rng.uniform(0, 10, count))
    return [
        ("x", 1000 * start, 1000 * (start + length))
        for start, length in zip(starts, rng.uniform(0.05, 1, count), strict=True)
    ]


# seed -> tolerance in ms, F of onsets and of onsets and ends as mir_eval 0.8.2 gives them for these draws
KNOWN = {
    0: (50, 32.7869, 3.2787),
    1: (200, 37.2093, 18.6047),
    2: (500, 58.3333, 50.0),
    4: (200, 64.7059, 35.2941),
    5: (500, 72.1311, 59.0164),
}


@pytest.mark.parametrize("seed", KNOWN)
def test_scores_are_those_of_mir_eval(seed):
    rng = np.random.default_rng(seed)
    counts = [int(rng.integers(5, 40)) for _ in range(2)]
    truth, found = (drawn(rng, count) for count in counts)
    tolerance, onset, both = KNOWN[seed]
    assert onsets.f_percent({"a": found}, {"a": truth}, tolerance) == pytest.approx(onset, abs=1e-4)
    assert onsets.f_percent({"a": found}, {"a": truth}, tolerance, ends=True) == pytest.approx(both, abs=1e-4)


def test_each_event_serves_once_and_files_and_labels_are_pooled():
    truth = {"a": [("x", 0, 50), ("x", 150, 200), ("y", 0, 50)], "b": [("x", 500, 600)]}
    found = {"a": [("x", 140, 150), ("x", 290, 300)], "b": [("y", 500, 600)], "c": []}
    assert onsets.matched(found["a"], truth["a"], 150) == 2  # the nearest first would leave one alone
    assert onsets.f_percent(found, truth, 150) == pytest.approx(100 * 2 * 2 / (3 + 4))
    assert onsets.f_percent({"a": []}, truth, 150) == 0 and np.isnan(onsets.f_percent({}, {}, 150))


def test_runs_of_time_stamps_become_events_and_back():
    times = np.arange(0, 2000, 50.0)
    listed = [("x", 300.0, 800.0), ("y", 300.0, 350.0), ("y", 1500.0, 1950.0)]
    table = onsets.frames(listed, times, ("x", "y"))
    assert table.sum(0).tolist() == [11, 12]  # the time stamp at an event's end belongs to it
    assert onsets.events(table, times, ("x", "y"), 0, 0) == listed
    assert onsets.events(table, times, ("x", "y"), 250, 125) == [listed[0], listed[2]]  # too short for the filter
    table[11, 0] = 0  # a gap of one time stamp is filled
    assert onsets.events(table, times, ("x", "y"), 250, 125)[0] == listed[0]


@pytest.mark.parametrize("last, kept", [(7, []), (8, [("x", 250.0, 400.0)])])
def test_an_event_lasts_to_its_last_time_stamp_and_no_longer(last, kept):
    table = np.zeros((40, 1))
    table[5 : last + 1] = 1
    assert onsets.events(table, np.arange(0, 2000, 50.0), ("x",), 0, 125) == kept


@pytest.mark.parametrize("hop_ms", [50.0, 60.0, 100.0, 167.0, 600.0])  # widths of 5, 4, 2, 1 and 0 time stamps
def test_smoothing_is_that_of_the_official_kit(hop_ms):
    values = np.random.default_rng(0).random((60, 1))
    times = np.arange(60) * hop_ms
    width = max(1, round(250 / hop_ms))
    mirrored = np.concatenate([values[::-1], values, values[::-1]])[:, 0]  # beyond the ends, the ends twice
    first = 60 - width // 2
    smooth = [np.sort(mirrored[first + i : first + i + width])[width // 2] for i in range(60)]
    expected = onsets.events(np.array(smooth)[:, None], times, ("x",), 0, 0)
    assert onsets.events(values, times, ("x",), 250, 0) == expected and expected
    assert onsets.events(values[:1] + 1, times[:1], ("x",), 250, 0) == [("x", 0.0, 0.0)]  # nothing to smooth


def tree(folder, evaluation=("event_onset_200ms_fms", "event_onset_offset_50ms_20perc_fms"), kind="event"):
    """Write a task of noise bursts, high or low, three files a split."""
    folder.mkdir(parents=True)
    about = {"embedding_type": kind, "evaluation": [*evaluation, "segment_1s_er"]}
    (folder / "task_metadata.json").write_text(json.dumps(about))
    (folder / "labelvocabulary.csv").write_text("idx,label\n1,low\n0,high\n")
    for number, split in enumerate(("train", "valid", "test")):
        (folder / "48000" / split).mkdir(parents=True)
        listed = {}
        for clip in range(3):
            rng = np.random.default_rng([number, clip])
            sound, events = 0.001 * rng.normal(size=6 * 48000), []
            for place in range(3):
                label, start = ("low", "high")[int(rng.integers(2))], 2 * place + float(rng.uniform(0.2, 0.8))
                step = 0.02 if label == "low" else 0.9
                span = slice(int(start * 48000), int((start + 0.9) * 48000))
                sound[span] += 0.5 * np.sin(step * np.arange(span.stop - span.start))
                events.append({"label": label, "start": 1000 * start, "end": 1000 * (start + 0.9)})
            listed[f"{clip} (a).wav"] = events
            soundfile.write(folder / "48000" / split / f"{clip} (a).wav", sound, 48000)
        (folder / f"{split}.json").write_text(json.dumps(listed))
    return folder


def write_model(path, seed=0):
    torch.manual_seed(seed)
    weights = {f"backbone.{key}": value for key, value in build(Model()).state_dict().items()}
    torch.save({"model": weights, "settings": {"model": {}}, "run": "dubs", "seed": 0}, path)
    return path


def test_embedding_goes_on_file_by_file_after_an_interruption(tmp_path, monkeypatch):
    folder, out = tree(tmp_path / "task"), tmp_path / "timestamps.json"
    first, second = (write_model(tmp_path / f"{seed}.pt", seed) for seed in (0, 1))
    files = [f"{split}/{clip} (a).wav" for split in ("test", "train", "valid") for clip in range(3)]

    def embedded(model, hop_ms=1000, stop=None):
        embed, seen = timestamps.embed, []

        def embedding(path, *more):
            seen.append(f"{path.parent.name}/{path.name}")
            if len(seen) == stop:
                raise KeyboardInterrupt
            return embed(path, *more)

        flags = ["--model", model, "--tasks", f"bursts={folder}", "--hop-ms", hop_ms, "--points", 1, "--out", out]
        with monkeypatch.context() as patched:
            patched.setattr(timestamps, "embed", embedding)
            patched.setattr("sys.argv", ["timestamps", *map(str, flags)])
            timestamps.main() if stop is None else pytest.raises(KeyboardInterrupt, timestamps.main)
        return seen

    monkeypatch.setattr(timestamps, "BY_SCORE", dataclasses.replace(timestamps.BY_SCORE, most_epochs=10))
    assert embedded(first) == files
    whole = out.read_text()
    assert embedded(first, stop=5) == files[:5] and embedded(first) == files[4:] and out.read_text() == whole
    assert [path.name for path in tmp_path.glob("timestamps*")] == ["timestamps.json"]
    embedded(first, stop=3)
    assert embedded(second, stop=2) == embedded(second, hop_ms=500, stop=2) == files[:2]  # another model, another hop
    (folder / "48000" / files[0]).write_bytes((folder / "48000" / files[3]).read_bytes())
    assert embedded(first, stop=3) == [files[0], *files[2:4]]  # another sound


def test_a_task_is_scored_from_files_to_a_table(tmp_path, monkeypatch):
    folder, paths = tree(tmp_path / "task"), []
    write_model(tmp_path / "model.pt")
    out = tmp_path / "timestamps.json"
    flags = ["--model", tmp_path / "model.pt", "--tasks", f"bursts={folder}", "--hop-ms", 250, "--points", 1]
    monkeypatch.setattr("sys.argv", ["timestamps", *map(str, flags), "--out", str(out)])
    timestamps.main()
    entries = json.loads(out.read_text())
    assert [entry["metric"] for entry in entries] == ["onset_f_200ms_percent", "onset_and_end_f_50ms_percent"]
    assert {(entry["benchmark"], entry["run"], entry["seed"], entry["n"]) for entry in entries} == {
        ("bursts", "dubs", 0, 9)
    }
    assert all(0 <= entry["value"] <= 100 and "outside of what" in entry["note"] for entry in entries)
    for seed in (0, 1):
        paths.append(tmp_path / f"{seed}.json")
        paths[-1].write_text(json.dumps([entry | {"seed": seed, "value": 10.0 + seed} for entry in entries]))
    flags = ["--found", *paths, "--runs", "dubs", "--seeds", 0, 1, "--out", tmp_path / "timestamps.csv"]
    monkeypatch.setattr("sys.argv", ["table", *map(str, flags)])
    table.main()
    rows = list(csv.DictReader(open(tmp_path / "timestamps.csv")))
    assert len(rows) == 1 and rows[0]["bursts_onset_f_200ms_percent_mean"] == "10.5000"
    assert "outside of what the towers are made for" in (tmp_path / "timestamps.md").read_text()
    monkeypatch.setattr("sys.argv", ["table", *map(str, flags), "--runs", "other"])
    with pytest.raises(UserError, match="other, seed 0"):
        table.main()


def test_a_probe_that_hears_the_events_finds_their_onsets(tmp_path, monkeypatch):
    task = timestamps.read(tree(tmp_path / "task"))
    assert task.labels == ("high", "low") and task.metrics == ((200.0, False), (50.0, True))
    times = np.arange(0, 6000, 50, dtype=np.float32)
    names = iter(name for name, _, _ in task.files)

    def heard(path, model):
        rng = np.random.default_rng(0)
        table = onsets.frames(task.events[next(names)], times, task.labels)
        return (np.repeat(table, 4, axis=1) + 0.2 * rng.normal(size=(len(times), 8))).astype(np.float32), times

    monkeypatch.setattr(timestamps, "embed", heard)
    entries = list(timestamps.score(task, None, "bursts", 1))
    assert entries[0]["value"] > 95 and entries[0]["value"] >= entries[1]["value"] > 50


def folds(folder, count=5):
    """Write a task of that many folds without sound, a file each."""
    folder.mkdir()
    about = {"embedding_type": "event", "evaluation": ["event_onset_50ms_fms"], "use_scoring_for_early_stopping": False}
    (folder / "task_metadata.json").write_text(json.dumps(about))
    (folder / "labelvocabulary.csv").write_text("idx,label\n0,a\n1,b\n")
    for fold in range(count):
        events = [{"label": "a", "start": 300, "end": 900}]
        (folder / f"fold{fold:02d}.json").write_text(json.dumps({f"{fold}.wav": events}))
    return folder


def test_the_grid_is_searched_on_the_first_rotation_alone_where_scenes_are_probed(tmp_path, monkeypatch):
    task = timestamps.read(folds(tmp_path / "maestro"))
    task = dataclasses.replace(task, protocol=dataclasses.replace(task.protocol, most_epochs=1))
    times, tried, placed = np.arange(0, 2000, 50.0), [], []
    drawn = np.random.default_rng(0).normal(size=(len(times), 8)).astype(np.float32)
    monkeypatch.setattr(timestamps, "embed", lambda path, model: (drawn, times))
    search, place = mlp.search, mlp.placed
    monkeypatch.setattr(
        mlp, "search", lambda data, points, *more: tried.append((data, points)) or search(data, points, *more)
    )
    monkeypatch.setattr(mlp, "placed", lambda *arrays: placed.append(place(*arrays)) or placed[-1])
    entry = next(timestamps.score(task, None, "maestro", 8))
    assert [len(points) for _, points in tried] == [8, 1, 1, 1, 1] and len(entry["per_fold"]) == 5
    assert tried[0][1] == mlp.grid()[:8] and len({points[0] for _, points in tried[1:]}) == 1
    assert len(placed) == 1 and all(data.x is placed[0][0] and data.y is placed[0][1] for data, _ in tried)


def test_tasks_of_whole_clips_and_unknown_labels_are_refused(tmp_path):
    with pytest.raises(UserError, match="expected a task of time stamps"):
        timestamps.read(tree(tmp_path / "a", kind="scene"))
    folder = tree(tmp_path / "b")
    (folder / "labelvocabulary.csv").write_text("idx,label\n0,high\n")
    with pytest.raises(UserError, match="'low' is not in the vocabulary"):
        timestamps.read(folder)
