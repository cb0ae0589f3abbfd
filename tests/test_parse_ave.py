"""AVE through the parser: annotations as both data sets share them, packing, labels, training, table 7."""

import json
import sys

import numpy as np
import pandas
import pyarrow
import pytest

from soundstage.errors import UserError
from soundstage.files import read_json, write_json
from soundstage.paper import table7
from soundstage.parse import annotations, ave, judge, pack, store, train
from soundstage.parse.classes import AVE, LLP
from soundstage.studio import ave as studio_ave
from soundstage.studio import ave_plan
from soundstage.studio.settings import Settings
from soundstage.teachers import harvest, label, prompts

TINY = Settings(ave_train=56, ave_val=12, ave_test=20)
SPLITS = ("train", "val", "test")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder of annotations in AVE's layout."""
    made = tmp_path_factory.mktemp("ave")
    studio_ave.write_annotations(ave_plan.scenes(TINY), made)
    return made


def run(monkeypatch, main, *arguments):
    monkeypatch.setattr(sys, "argv", ["x", *map(str, arguments)])
    main()


def test_annotations_are_read_as_those_of_llp_are(folder):
    assert annotations.is_ave(folder) and annotations.classes_of(folder) == AVE
    assert [path.name for path in annotations.files(folder)] == ["Annotations.txt", *(f"{s}_order.h5" for s in SPLITS)]
    found, planned = annotations.read(folder, "test"), ave_plan.scenes(TINY)[68:]
    assert found.filenames == tuple(f"{one.filename}_{68 + place}" for place, one in enumerate(planned))
    assert annotations.names(folder, "test") == found.filenames and found.classes == AVE
    for row, one in zip(found.audio, planned, strict=True):
        start, end = ave_plan.span_of(one)
        assert np.flatnonzero(row[:, AVE.index(one.events[0].name)]).tolist() == list(range(start, end))
        assert row.sum() == end - start
    assert (found.weak.sum(1) == 1).all() and np.array_equal(found.audio, found.visual)
    assert annotations.read(folder, "train").audio is None, "training videos have weak labels only"


def test_one_video_in_two_lines_is_two_names_and_one_file(tmp_path):
    import h5py

    (tmp_path / "Annotations.txt").write_text("Bark&abcdefghijk&good&0&3\nCat&abcdefghijk&good&4&9\n")
    for split in SPLITS:
        with h5py.File(tmp_path / f"{split}_order.h5", "w") as file:
            file["order"] = np.array([0, 1])
    names = annotations.names(tmp_path, "val")
    assert names == ("abcdefghijk_0", "abcdefghijk_1") and len({name[: pack.ID_LETTERS] for name in names}) == 1
    assert harvest.shard_of(tmp_path, 0, 2) == ["abcdefghijk_0"] * 3


def test_prompts_of_ave_are_its_own():
    found = prompts.read(prompts.default(AVE), AVE)
    assert found.prompts["visual"][0] == "A photo of a church bell."
    assert found.prompts["audio"][3] == "This is a sound of fixed-wing aircraft, airplane"
    assert prompts.default(LLP) == prompts.PUBLISHED
    with pytest.raises(UserError, match="classes are others"):
        prompts.read(prompts.PUBLISHED, AVE)


def teacher_scores(folder, path):
    """Write scores of teachers that are sure of what is there: 50 while it is, -50 else."""
    tables, said = [], []
    for split in SPLITS:
        order = ave.read_order(folder / f"{split}_order.h5")
        truth = ave.read(folder / "Annotations.txt", order)
        dense = np.arange(len(AVE)) == truth.truth[:, :, None]
        for name, row in zip(annotations.names(folder, split), dense, strict=True):
            said.append({"filename": name, "reason": "", "flags": []})
            for modality in ("audio", "visual"):
                columns = {"filename": [name] * 10, "modality": [modality] * 10, "segment": range(10)}
                values = np.where(row, 50.0, -50.0).astype(np.float32)
                columns |= {"seconds": range(10), "scores": list(values), "embedding": [[0.0]] * 10}
                tables.append(pyarrow.table(columns))
    pyarrow.parquet.write_table(pyarrow.concat_tables(tables), path)
    write_json(path.with_suffix(".json"), said)


@pytest.fixture(scope="module")
def inputs(folder, tmp_path_factory):
    """Features that show the class of a video and when it is there; labels of sure teachers."""
    made, rng = tmp_path_factory.mktemp("inputs"), np.random.default_rng(0)
    code = rng.normal(size=(len(AVE), 12)).astype(np.float32)
    for split in SPLITS:
        order = ave.read_order(folder / f"{split}_order.h5")
        truth, names = ave.read(folder / "Annotations.txt", order), annotations.names(folder, split)
        there = (truth.truth < len(AVE))[:, :, None]
        shown = np.where(there, code[truth.labels][:, None], 0.3 * code[truth.labels][:, None])
        arrays = {key: (shown + 0.05 * rng.normal(size=shown.shape)).astype(np.float32) for key in store.INPUTS}
        store.save_features(made / f"{split}.npz", store.Packed(names, arrays))
    teacher_scores(folder, made / "scores.parquet")
    return made


def test_labels_of_calibrated_thresholds_are_the_truth_of_sure_teachers(folder, inputs, tmp_path, monkeypatch):
    common = ["--scores", inputs / "scores.parquet", "--annotations", folder]
    run(monkeypatch, label.main, *common, "--split", "val", "--calibrate", tmp_path / "t.json")
    assert read_json(tmp_path / "t.json")["classes"] == list(AVE)
    made = ["--split", "train", "--thresholds", tmp_path / "t.json", "--out", tmp_path / "l.npz"]
    run(monkeypatch, label.main, *common, *made)
    found = store.load_labels(tmp_path / "l.npz")
    truth = ave.read(folder / "Annotations.txt", ave.read_order(folder / "train_order.h5")).truth
    in_val = np.flatnonzero(annotations.read(folder, "val").audio.any((0, 1)))
    expected = np.arange(len(AVE)) == truth[:, :, None]
    assert np.array_equal(found.audio[:, :, in_val] > 0, expected[:, :, in_val])


SMALL = {"data": "ave", "width": 32, "heads": 2, "feed_forward": 32, "epochs": 30, "warmup_epochs": 2}
SMALL |= {"learning_rate": 0.01, "learning_rate_minimum": 1e-4, "batch_videos": 8}
ROWS = {
    "ave_han": {"network": "han", "heads": 1, "objective": "han"},
    "ave_valor": {"objective": "harvested", "labels": "x"},
}


@pytest.fixture(scope="module")
def trained(folder, inputs, tmp_path_factory):
    """Two variants with two seeds each."""
    out, patch = tmp_path_factory.mktemp("trained"), pytest.MonkeyPatch()
    common = ["--scores", inputs / "scores.parquet", "--annotations", folder, "--split", "train"]
    run(patch, label.main, *common, "--out", inputs / "labels.npz")
    for name, variant in ROWS.items():
        features = [inputs / f"{split}.npz" for split in SPLITS]
        flags = ["--annotations", folder, "--features", *features, "--labels", inputs / "labels.npz"]
        flags += ["--variant", name, "--seeds", 0, 1, "--out-folder", out / name]
        run(patch, train.main, *flags, "--settings", json.dumps({"variant": SMALL | variant}))
    patch.undo()
    return out


def test_the_epoch_is_chosen_on_validation_and_scores_are_of_the_test_videos(folder, trained):
    scores = read_json(trained / "ave_valor" / "0" / "scores.json")
    lines = [json.loads(line) for line in (trained / "ave_valor" / "0" / "metrics.jsonl").read_text().splitlines()]
    values = [line["val_accuracy_percent"] for line in lines]
    assert scores["val_accuracy_percent"] == max(values) and scores["best_epoch"] == 1 + int(np.argmax(values))
    row = scores["ave"]["rows"]["parser"]
    assert row["accuracy_percent"] > 80 and scores["ave"]["n"] == 20
    table = pandas.read_parquet(trained / "ave_valor" / "0" / "predictions.parquet")
    assert len(table) == 20 * 10 * 2 * 28 and set(table["class"]) == set(AVE)


def test_accuracy_is_that_of_a_loop_over_seconds(folder):
    truth, rng = annotations.read(folder, "test"), np.random.default_rng(1)
    segment, video = rng.random((20, 10, 2, 28)), rng.random((20, 28))
    right = 0
    for v in range(20):
        best = max(range(28), key=lambda c: video[v, c])
        for s in range(10):
            said = best if min(segment[v, s, 0, best], segment[v, s, 1, best]) >= 0.5 else None
            marked = [c for c in range(28) if truth.audio[v, s, c]]
            right += [said] == marked or (said is None and not marked)
    found = judge.validation_score((segment, video, None), truth.filenames, truth, "shared")
    assert found == pytest.approx(100 * right / 200)


def test_table_7_has_reference_rows_seeds_and_published_rows(trained, tmp_path, monkeypatch):
    paths = sorted(trained.glob("*/*/scores.json"))
    flags = ["--rows", *ROWS, "--seeds", 0, 1, "--out", tmp_path / "table7.csv", "--settings", '{"corpus": "tiny"}']
    run(monkeypatch, table7.main, "--scores", *paths, *flags)
    table = pandas.read_csv(tmp_path / "table7.csv").set_index("method")
    ours = table[table["corpus"] == "tiny"]
    assert ours.index.tolist() == ["all background", "true video label everywhere", "ave_han", "ave_valor"]
    background = ours.loc["all background"]
    assert background["background_recall_mean"] == 100 and background["class_recall_mean"] == 0
    everywhere = ours.loc["true video label everywhere", "accuracy_percent_mean"]
    assert everywhere + background["accuracy_percent_mean"] == pytest.approx(100)
    values = [read_json(trained / "ave_han" / s / "scores.json")["ave"]["rows"]["parser"] for s in "01"]
    assert ours.loc["ave_han", "accuracy_percent_mean"] == pytest.approx(
        np.mean([one["accuracy_percent"] for one in values]), abs=1e-4
    )
    assert ours.loc["ave_han", "accuracy_percent_n"] == 2
    assert table.loc["VALOR, same features", "accuracy_percent_mean"] == 80.4
    assert "not comparable" in (tmp_path / "table7.md").read_text() and (tmp_path / "table7.png").stat().st_size > 9000
    classes = pandas.read_csv(tmp_path / "table7.classes.csv")
    assert len(classes) == 4 * 29 and (tmp_path / "table7.tex").is_file()
    with pytest.raises(UserError, match="ave_han, seed 2"):
        table7.read(paths, list(ROWS), [0, 1, 2])
