"""Tables 2 and 3, retrieval, and what only they need: a remix, an LVU-like and an HMDB51-like set."""

import csv
import dataclasses
import json
import math
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import yaml

from soundstage import config as configuration
from soundstage import media
from soundstage.errors import UserError
from soundstage.evaluate import benchmarks, frozen, retrieval, tasks
from soundstage.evaluate.probe import Fold
from soundstage.evaluate.roles import TEST, TRAIN
from soundstage.evaluate.run import predictions, summary
from soundstage.evaluate.scored import table, write_predictions
from soundstage.files import sha256, write_json
from soundstage.model.settings import Inputs, Model
from soundstage.model.towers import build as build_towers
from soundstage.paper import compare, formats, results, table1, table2, table3, table8
from soundstage.paper import retrieval as retrieval_table
from soundstage.paper.settings import Settings
from soundstage.pretrain.remixed import remixed
from soundstage.pretrain.settings import Run
from soundstage.shards import remix
from soundstage.shards.settings import Settings as ShardSettings
from soundstage.studio import hmdb, lvu, lvu_plan
from soundstage.studio.container import write_video
from soundstage.studio.settings import Settings as StudioSettings
from soundstage.teachers import towers
from soundstage.units import AUDIO_HZ

FLAT = np.zeros(len(remix.EQUALISER_HZ))
QUICK = Settings(bootstrap_samples=50)


def read_csv(path):
    with open(path, newline="") as stream:
        return list(csv.DictReader(stream))


# --- the remix


@pytest.fixture(scope="module")
def tracks(tmp_path_factory):
    """A track of noise (the bed) and clicks of a tone at 1 kHz (the speech), and the same without the tone."""
    folder = tmp_path_factory.mktemp("tracks")
    rng = np.random.default_rng(0)
    count = 3 * AUDIO_HZ + 1234
    bed = 0.03 * rng.standard_normal(count)
    bed[AUDIO_HZ // 2 :: AUDIO_HZ] = 0.8  # where the ear can tell the time
    tone = 0.1 * np.sin(2 * np.pi * 1000 * np.arange(count) / AUDIO_HZ)
    media.write_flac(folder / "original.flac", bed + tone)
    media.write_flac(folder / "nospeech.flac", bed)
    return folder


def plan(codec="opus", kbps=128, speech_db=0.0, gain_db=0.0, equaliser_db=FLAT):
    return {"codec": codec, "kbps": kbps, "speech_db": speech_db, "gain_db": gain_db, "equaliser_db": equaliser_db}


def tone_level(sound):
    return np.abs(np.fft.rfft(sound * np.hanning(len(sound)))[round(1000 * len(sound) / AUDIO_HZ)])


@pytest.mark.parametrize(("codec", "kbps"), [("opus", 64), ("aac", 96)])
def test_a_remix_keeps_length_and_time_but_is_another_recording(tracks, tmp_path, codec, kbps):
    remix.remix(tracks / "original.flac", tracks / "nospeech.flac", plan(codec, kbps), tmp_path / "remix.flac")
    before, after = (media.read_flac(path)[0] for path in (tracks / "original.flac", tmp_path / "remix.flac"))
    assert len(after) == len(before)
    spectrum = np.fft.rfft(before, 2 * len(before)).conj() * np.fft.rfft(after, 2 * len(before))
    assert np.argmax(np.fft.irfft(spectrum)) == 0
    assert np.abs(after - before).max() > 1e-3  # a codec was passed


def test_a_remix_changes_speech_against_the_rest_by_what_was_drawn(tracks, tmp_path):
    levels = {}
    for change in (-6.0, 0.0, 6.0):
        paths = tracks / "original.flac", tracks / "nospeech.flac"
        sound = np.concatenate(list(remix.blocks(*paths, media.flac_samples(paths[0]), plan(speech_db=change))))
        levels[change] = tone_level(sound), sound[::AUDIO_HZ].std()
    assert 20 * math.log10(levels[6.0][0] / levels[0.0][0]) == pytest.approx(6, abs=0.2)
    assert 20 * math.log10(levels[-6.0][0] / levels[0.0][0]) == pytest.approx(-6, abs=0.2)
    quiet = np.concatenate(list(remix.blocks(*paths, media.flac_samples(paths[0]), plan(speech_db=-200))))
    bed = media.read_flac(paths[1])[0]
    assert np.allclose(quiet[1000:-1000], bed[1000:-1000], atol=2e-3)  # a flat equaliser moves nothing


def test_blocks_of_a_remix_join_without_a_seam(tracks):
    paths = tracks / "original.flac", tracks / "nospeech.flac"
    total, shape = media.flac_samples(paths[0]), plan(equaliser_db=np.array([3, 3, -3, 2, 0, -4, -4.0]))
    whole = np.concatenate(list(remix.blocks(*paths, total, shape)))
    parts = np.concatenate(list(remix.blocks(*paths, total, shape, size=10007)))
    assert len(whole) == len(parts) == total and np.allclose(whole, parts, atol=1e-6)


def test_the_draws_of_a_remix_follow_from_the_film_alone():
    settings = ShardSettings()
    one, same, other = (remix.drawn(film, settings) for film in ("film-1", "film-1", "film-2"))
    assert json.dumps(one, default=list) == json.dumps(same, default=list) != json.dumps(other, default=list)
    drawn = [remix.drawn(f"film-{n}", settings) for n in range(60)]
    assert {one["codec"] for one in drawn} == set(remix.CODECS)
    assert max(abs(one["speech_db"]) for one in drawn) <= settings.remix_speech_db
    still = remix.drawn("film-1", ShardSettings(remix_speech_db=0, remix_gain_db=0, remix_equaliser_db=0))
    assert still["speech_db"] == still["gain_db"] == 0 and not still["equaliser_db"].any()


def test_tracks_of_two_lengths_are_refused(tracks, tmp_path):
    media.write_flac(tmp_path / "short.flac", np.zeros(100))
    with pytest.raises(UserError, match="expected 145234 samples as in the original, found 100"):
        remix.remix(tracks / "original.flac", tmp_path / "short.flac", plan(), tmp_path / "out.flac")
    assert not (tmp_path / "out.flac").exists()


def test_clips_of_a_remix_are_known_by_their_start(tracks):
    rows = [{"start_seconds": start, "end_seconds": start + 1.0} for start in (0.0, 1.5, 2.5)]
    inputs = dataclasses.replace(Inputs(), clip_seconds=1.0, mel_frames=32)
    film = remixed("f", tracks / "original.flac", rows, inputs)
    assert film["start_seconds"].tolist() == [0.0, 1.5]  # the last one reaches beyond the track
    assert film["sounds"].shape == (2, inputs.mels, inputs.mel_frames) and film["sounds"].dtype == np.float16


# --- retrieval


def clips_of(speech, original, film):
    speech = np.array(speech)
    return SimpleNamespace(
        speech=speech,
        original=np.array([row[column] for row, column in zip(speech, original, strict=True)]),
        film=np.array(film),
        languages=("de", "en", "fr"),
    )


def test_dubs_take_turns():
    present = np.array([[1, 1, 1], [1, 1, 0], [0, 1, 1]], bool)
    turns = list(retrieval.dub_turns(present, np.array([1, 0, 1])))
    assert [turn.tolist() for turn in turns] == [[0, 1, 2], [2, 1, 2]]


def test_recalls_and_gaps_of_a_known_case():
    """Originals lie on their pictures; dubs on the next clip's; so originals find all and dubs nothing at rank 1."""
    count, dim = 20, 20
    seen = np.eye(count, dim)
    heard = np.stack([np.roll(seen, 1, axis=0), seen, np.full((count, dim), np.nan)], axis=1)
    clips = clips_of([[2 * n, 2 * n + 1, -1] for n in range(count)], [1] * count, ["a"] * 10 + ["b"] * 10)
    entries = retrieval.measure(heard, heard, seen, clips)
    found = {(one["tracks"], one["direction"], one["metric"]): one for one in entries}
    original = found["original", "audio_to_video", "recall_at_1_percent"]
    assert (original["value"], original["n"], original["chance"]) == (100.0, count, 5.0)
    assert found["dub", "audio_to_video", "recall_at_1_percent"]["value"] == 0.0
    assert found["dub", "dub_to_original", "recall_at_1_percent"]["value"] == 0.0
    assert found["en", "video_to_audio", "recall_at_1_percent"]["value"] == 100.0
    assert ("fr", "audio_to_video", "recall_at_1_percent") not in found
    # a dub is as far from its original (another axis) as the clips of a film are from one another
    assert found["all", "projection", "language_gap"]["value"] == pytest.approx(1.0)
    assert found["all", "projection", "language_gap"]["n"] == count


def test_the_language_gap_grows_with_what_a_language_adds():
    rng = np.random.default_rng(0)
    clip = rng.normal(size=(30, 1, 8))
    film = np.repeat(["a", "b", "c"], 10)
    gap = lambda size: retrieval.language_gap(clip + size * rng.normal(size=(30, 3, 8)), np.zeros(30, int), film)  # noqa: E731
    assert gap(0.0) == (0.0, 90)
    values = [gap(size)[0] for size in (0.1, 0.5, 3.0)]
    assert values[0] == pytest.approx(0.1, abs=0.02) and values == sorted(values) and values[2] < 1.05
    assert math.isnan(retrieval.language_gap(clip, np.zeros(30, int), film)[0])


def test_embeddings_stand_at_their_clip_and_language():
    learner = SimpleNamespace(
        backbone={"audio": lambda batch: batch[:, 0, 0, :2]}, heads={"audio": lambda vectors: 2 * vectors + 1}
    )
    sounds = np.arange(1, 7, dtype=np.float16)[:, None, None] * np.ones((1, 1, 2), np.float16)
    clips = SimpleNamespace(speech=np.array([[0, -1], [5, 3]]), sounds=sounds)
    embedded, projected = retrieval.embed_languages(learner, clips)
    assert embedded[:, :, 0].tolist()[1] == [6.0, 4.0] and embedded[0, 0, 0] == 1.0
    assert np.isnan(embedded[0, 1]).all() and np.isnan(projected[0, 1]).all()
    assert np.allclose(np.linalg.norm(projected[1], axis=1), 1)


def test_weights_without_projections_are_refused_with_what_to_do(tmp_path):
    torch.save({"settings": {}, "run": "dubs", "seed": 0, "model": {}}, tmp_path / "model.pt")
    with pytest.raises(UserError, match="train this run again"):
        retrieval.frozen_learner(tmp_path / "model.pt")


def write_retrieval(folder, run, seed, value):
    entries = [
        retrieval._entry(tracks, "audio_to_video", "recall_at_10_percent", value + more + seed, 50, 20.0)
        for tracks, more in (("original", 4.0), ("dub", 1.0), ("en", 2.0))
    ]
    entries.append(retrieval._entry("all", "embedding", "language_gap", 0.5, 70, 1.0))
    path = folder / run / str(seed) / "retrieval.json"
    write_json(path, {"run": run, "seed": seed, "inputs": {}, "entries": entries})
    return path


def test_the_retrieval_table_has_a_source_for_every_cell(tmp_path):
    paths = [write_retrieval(tmp_path, run, seed, 30.0) for run in ("a", "b") for seed in (0, 1, 2)]
    tidy = retrieval_table.read(paths, ["a", "b"], [0, 1, 2], "tiny")
    retrieval_table.build(tidy, ["a", "b"], tmp_path / "retrieval.csv", QUICK)
    row = read_csv(tmp_path / "retrieval.csv")[0]
    assert float(row["original_audio_to_video_recall_at_10_percent_mean"]) == 35.0
    assert float(row["original_audio_to_video_recall_at_10_percent_sd"]) == 1.0
    assert float(row["dub_minus_original_audio_to_video_difference"]) == -3.0
    assert float(row["all_embedding_language_gap_mean"]) == 0.5
    for line in read_csv(tmp_path / "retrieval.tidy.csv"):
        assert sha256(line["source"]) == line["sha256"]
    assert "| a | 35.0 ± 1.0 |" in (tmp_path / "retrieval.md").read_text()
    with pytest.raises(UserError, match="retrieval is missing: b, seed 3"):
        retrieval_table.read(paths, ["b"], [3], "tiny")


# --- tables 2 and 3


def write_run(folder, run, seed, benchmarks, signal):
    """Write metrics.json and predictions.parquet of a run that knows its classes by `signal`."""
    entries, lines = [], []
    for name, group in benchmarks.items():
        rng = np.random.default_rng([seed, len(run), len(name)])
        labels = np.eye(4, dtype=np.uint8)[np.arange(40) % 4]
        scores = signal * labels + rng.normal(size=(40, 4))
        found = [Fold(np.arange(40), scores, 0.1, (50.0,))]
        entry = {"benchmark": name, "group": group, "metric": "accuracy_percent", "run": run, "seed": seed}
        entry |= {"features": "both", "probe": "linear", "primary": True, "inputs": {"model.pt": "0" * 64}}
        entry |= {"majority": 22.5} if "lvu" in name else {}
        entries.append(entry | summary(found, labels, "accuracy_percent"))
        lines += predictions(name, "both", found, np.array([f"clip-{i:02d}" for i in range(40)]), labels)
    path = folder / run / str(seed) / "metrics.json"
    write_json(path, entries)
    write_predictions(path.with_name("predictions.parquet"), [table(lines)])
    return path


ROWS = {
    "dubs_within_modal": Run(views="dubs", lambda_video=0.2, lambda_audio=0.2),
    "dubs": Run(views="dubs"),
    "one_dub": Run(views="dubs", lambda_video=0.2, lambda_audio=0.2, most_dubs=1),
    "same_language": Run(views="dubs", lambda_video=0.2, lambda_audio=0.2, pairing="same_language"),
    "monolingual_within_modal": Run(lambda_video=0.2, lambda_audio=0.2),
    "remix": Run(views="remix", lambda_video=0.2, lambda_audio=0.2),
}


def test_a_row_of_the_ablation_differs_in_one_thing():
    base = ROWS["dubs_within_modal"]
    found = {name: table2.differs(run, base) for name, run in ROWS.items()}
    assert found == {
        "dubs_within_modal": "nothing",
        "dubs": "lambdas",
        "one_dub": "dubs",
        "same_language": "pairing",
        "monolingual_within_modal": "dubs",
        "remix": "views",
    }
    assert table2.differs(Run(views="dubs", most_dubs=1), base) == "lambdas, dubs"


def test_table2_has_the_group_means_and_differences_of_its_rows(tmp_path):
    groups = {"events": "auditory", "scenes": "auditory", "words": "linguistic"}
    signals = dict(zip(ROWS, (2.0, 1.8, 1.5, 1.0, 1.2, 0.8), strict=True))
    paths = [write_run(tmp_path, run, seed, groups, signals[run]) for run in ROWS for seed in (0, 1, 2)]
    scores = results.check_complete(results.read_scores(paths), list(ROWS), [0, 1, 2])
    table2.build(scores, ROWS, [0, 1, 2], tmp_path / "table2.csv", QUICK)
    rows = {row["pretraining"]: row for row in read_csv(tmp_path / "table2.csv")}
    assert list(rows) == list(ROWS)
    mean = lambda run, seed: np.mean([scores[run, seed, name].value for name in ("events", "scenes")])  # noqa: E731
    gains = [mean("remix", seed) - mean("dubs_within_modal", seed) for seed in (0, 1, 2)]
    assert float(rows["remix"]["auditory_difference"]) == pytest.approx(np.mean(gains), abs=1e-3)
    assert rows["dubs_within_modal"]["auditory_difference"] == "" and rows["remix"]["auditory_n"] == "3"
    assert [rows[run]["most_dubs"] for run in ROWS] == ["all", "all", "1", "all", "0", "0"]
    text = (tmp_path / "table2.md").read_text()
    assert [text.count(f"| {run} |") for run in ("dubs_within_modal", "remix")] == [4, 1]
    assert "Published, corpus HEAR" in text and "not comparable" in text and "| OpenL3 | 75.1 |" in text
    published = {row["name"]: row for row in read_csv(tmp_path / "table2.published.csv")}
    assert len(published) == 7 and published["PANNs"]["fsd50k"] == ""
    assert published["CED-base"]["nsynth_50h"] == "82.8000"
    assert {row["corpus"] for row in published.values()} == {"HEAR"}
    assert {sha256(row["source"]) == row["sha256"] for row in read_csv(tmp_path / "table2.tidy.csv")} == {True}
    assert all((tmp_path / f"table2.{end}").stat().st_size for end in ("tex", "png"))


def test_table3_has_a_block_per_group_beside_lvu(tmp_path):
    sets = {"esc50": "auditory", "lvu-year": "audiovisual", "ucf101": "audiovisual", "hmdb51": "audiovisual"}
    scores = results.read_scores([write_run(tmp_path, "dubs", 0, sets, 1.0)])
    settings = dataclasses.replace(QUICK, corpus="films")
    blocks = table3.build(results.check_complete(scores, ["dubs"], [0]), ["dubs"], [0], tmp_path / "t.csv", settings)
    assert [(block.title, block.header[1:]) for block in blocks if "differences" not in block.title] == [
        ("LVU's tasks, corpus films", ("year (%)",)),
        ("Auditory benchmarks, corpus films", ("esc50 (%)",)),
        ("Audiovisual benchmarks, corpus films", ("ucf101 (%)", "hmdb51 (%)")),
    ]


def test_table3_orders_lvus_tasks_and_compares_with_the_matched_row(tmp_path):
    sets = {"studio-hmdb51": "audiovisual", "studio-lvu-year": "audiovisual", "studio-lvu-relationship": "audiovisual"}
    runs = ["monolingual", "dubs"]
    paths = [write_run(tmp_path, run, s, sets, 1.0 + (run == "dubs")) for run in runs for s in (0, 1, 2)]
    scores = results.check_complete(results.read_scores(paths), runs, [0, 1, 2])
    table3.build(scores, runs, [0, 1, 2], tmp_path / "table3.csv", QUICK)
    rows = read_csv(tmp_path / "table3.csv")
    means = [name for name in rows[0] if name.endswith("_mean")]
    assert [name.split("_accuracy")[0] for name in means] == [
        "studio-lvu-relationship",
        "studio-lvu-year",
        "studio-hmdb51",
    ]
    start = "studio-lvu-year_accuracy_percent"
    gains = [
        scores["dubs", s, "studio-lvu-year"].value - scores["monolingual", s, "studio-lvu-year"].value
        for s in (0, 1, 2)
    ]
    assert float(rows[1][f"{start}_difference"]) == pytest.approx(np.mean(gains), abs=1e-3)
    assert rows[0][f"{start}_difference"] == "" and float(rows[0][f"{start}_chance"]) == 25.0
    text = (tmp_path / "table3.md").read_text()
    assert "| chance | 25.0 | 25.0 |" in text and "| majority | 22.5 | 22.5 |" in text
    assert text.count("| majority |") == 1
    assert rows[0]["studio-hmdb51_accuracy_percent_majority"] == "" and rows[1][f"{start}_majority"] == "22.5000"
    assert compare.MATCHED["dubs"] == rows[1]["matched"]


def write_lvu_run(folder, run, seed):
    """Write a run on words and on three of LVU's tasks, one of which is a regression without predictions."""
    groups = {"words": "linguistic", "lvu-scene": "audiovisual", "lvu-year": "audiovisual"}
    path = write_run(folder, run, seed, groups, 1.0 + (run == "dubs"))
    entries = json.loads(path.read_text())
    error = {"benchmark": "lvu-like_ratio", "metric": "mean_squared_error", "value": 0.5 + seed / 10, "chance": 0.75}
    write_json(path, [*entries, entries[1] | error | {"per_fold": [0.5]}])
    return str(path)


def flagged(monkeypatch, module, *flags):
    monkeypatch.setattr("sys.argv", ["table", *map(str, flags), "--settings", '{"bootstrap_samples": 20}'])
    module.main()


@pytest.fixture
def lvu_runs(tmp_path):
    """Flags of a table of two runs and two seeds that were scored on LVU among the benchmarks of table 1."""
    runs = ["monolingual", "dubs"]
    return ["--metrics", *(write_lvu_run(tmp_path, run, seed) for run in runs for seed in (0, 1)), "--seeds", 0, 1]


def test_lvu_among_the_benchmarks_of_table_1_has_a_column_per_task(lvu_runs, tmp_path, monkeypatch, capsys):
    out = tmp_path / "table1.csv"
    runs = ["--runs", "monolingual", "dubs"]
    flagged(monkeypatch, table1, *lvu_runs, *runs, "--benchmarks", "words", "lvu", "--out", out)
    rows = read_csv(out)
    tasks_of_group = [float(rows[0][f"lvu-{task}_accuracy_percent_mean"]) for task in ("scene", "year")]
    assert float(rows[0]["audiovisual_mean"]) == pytest.approx(np.mean(tasks_of_group), abs=1e-3)
    assert rows[0]["lvu-like_ratio_mean_squared_error_mean"] == "0.5500"
    text = out.with_suffix(".md").read_text()
    assert "lvu-scene (accuracy)" in text and "lvu-like_ratio (MSE)" in text and "lower is better" in text
    assert "| monolingual | 0.550 ± 0.071 |" in text and "| chance | 0.750 |" in text
    with pytest.raises(UserError, match="dubs, seed 0, ave: missing"):
        flagged(monkeypatch, table1, *lvu_runs, *runs, "--benchmarks", "words", "ave", "--out", out)


def test_lvu_among_the_benchmarks_of_table_1_counts_in_table_2(lvu_runs, tmp_path, monkeypatch, capsys):
    factors = json.dumps({"dubs": {"views": "dubs"}, "monolingual": {}})
    flags = ["--rows", "dubs", "monolingual", "--factors", factors, "--benchmarks", "words", "lvu"]
    flagged(monkeypatch, table2, *lvu_runs, *flags, "--out", tmp_path / "table2.csv")
    assert float(read_csv(tmp_path / "table2.csv")[0]["audiovisual_mean"]) > 0


@pytest.mark.parametrize("left_out", ["lvu", "words"])
def test_table_3_leaves_out_all_tasks_of_a_benchmark(lvu_runs, tmp_path, monkeypatch, capsys, left_out):
    out = tmp_path / "table3.csv"
    flagged(monkeypatch, table3, *lvu_runs, "--runs", "monolingual", "dubs", "--leave-out", left_out, "--out", out)
    columns = {name.split("_")[0] for name in read_csv(out)[0]} - {"corpus", "pretraining", "matched"}
    assert columns == ({"words"} if left_out == "lvu" else {"lvu-scene", "lvu-year", "lvu-like"})


# --- configuration


ROOT = Path(__file__).resolve().parent.parent


def faults_of(change):
    """Return what is wrong with the shipped configuration after change(config)."""
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    change(config)
    configuration.drop_removed(config)
    schema = yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text())
    try:
        configuration.check(config, schema)
    except UserError as error:
        return str(error)
    return ""


def put(config, path, value):
    *folders, last = path.split(".")
    for name in folders:
        config = config[name]
    config[last] = value


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("pretrain.ablation.dubs", {"views": "dubs"}, "is a run of pretrain.runs, too"),
        ("pretrain.ablation.one_dub.views", "original", "most_dubs with views original, expected views dubs"),
        ("pretrain.ablation.one_dub.pairing", "pairs", "expected one of two_languages"),
        ("pretrain.ablation.one_dub.most_dubs", -1, "0 or more"),
        ("pretrain.table2", ["dubs", "dups"], "'dups' is none of"),
        ("pretrain.ablation.remix.start_from", "one_dub", "expected one of random_init"),
        ("evaluate.table3.studio-words", {"group": "linguistic", "folder": "studio"}, "is a benchmark of table 1, too"),
        ("evaluate.table3.lvu", {"group": "audiovisual", "folder": "studio"}, "expected the folder of lvu"),
        ("evaluate.table3_shared", ["studio-ucf"], "'studio-ucf' is none of"),
    ],
)
def test_impossible_tables_are_named(path, value, words):
    assert words in faults_of(lambda config: put(config, path, value))


def test_what_an_overlay_takes_out_is_no_row_or_column():
    def change(config):
        config["pretrain"]["runs"]["dubs"] = config["pretrain"]["ablation"]["remix"] = None
        config["evaluate"]["benchmarks"]["studio-ucf101"] = None

    assert faults_of(change) == ""


# --- the LVU-like and the HMDB51-like set


def test_the_lvu_like_set_has_the_papers_lists_with_their_quirks():
    planned = lvu_plan.clips(StudioSettings())
    lists = lvu_plan.listed(planned)
    assert set(lists) == set(tasks.LVU) and len({clip.youtube for clip in planned}) == len(planned) == 360
    movies = {split: {clip.movie.imdb for clip in planned if clip.movie.split == split} for split in lvu_plan.SPLITS}
    for task, splits in lists.items():
        rows = {split: [line.split() for line in lines[1:]] for split, lines in splits.items()}
        ids = {split: {row[-2] for row in found} for split, found in rows.items()}
        assert not ids["train"] & ids["test"] and not ids["train"] & ids["val"] and not ids["val"] & ids["test"]
        shared = {row[-1] for row in rows["train"]} & {row[-1] for row in rows["test"]}
        assert bool(shared) == (task in lvu_plan.CLIP_TASKS)
        if task in lvu_plan.NAMES:
            known = {str(number) for number in lvu_plan.NAMES[task]}
            assert {row[0] for row in rows["train"]} == known >= {row[0] for row in rows["test"]}
            assert splits["train"][0] == "class_id class_name youtube_id imdb_id"
    assert not movies["train"] & movies["test"]
    assert any("2 parent child " in line for line in lists["relationship"]["test"])  # a name with a space
    assert any(line.startswith("0 \\N ") for line in lists["writer"]["train"])  # the missing writer
    assert lists["like_ratio"]["val"][0] == "like dislike youtube_id imdb_id"
    assert lists["view_count"]["val"][0] == "view youtube_id imdb_id"


def test_what_is_liked_and_viewed_follows_from_the_clip():
    planned = lvu_plan.clips(StudioSettings(seed=5))
    ratio = [clip.likes / (clip.likes + clip.dislikes) for clip in planned]
    assert np.corrcoef(ratio, [clip.charm for clip in planned])[0, 1] > 0.9
    assert np.corrcoef(np.log([clip.views for clip in planned]), [clip.spectacle for clip in planned])[0, 1] > 0.9


def test_shares_of_classes_are_kept_in_every_split():
    dealt = lvu_plan.dealt([3, 5, 9], (0.5, 0.3, 0.2), 40, np.random.default_rng(0))
    assert len(dealt) == 40 and all(abs(Counter(dealt)[x] - 40 * s) <= 1 for x, s in ((3, 0.5), (5, 0.3), (9, 0.2)))


def test_an_lvu_like_video_shows_and_says_what_is_asked(tmp_path, monkeypatch):
    planned = lvu_plan.clips(StudioSettings())
    old = next(clip for clip in planned if clip.movie.year == 0)
    new = next(clip for clip in planned if clip.movie.year == 8 and clip.movie.director == old.movie.director)
    monkeypatch.setattr(lvu_plan, "clips", lambda settings: [old, new])
    assert lvu.write(tmp_path, StudioSettings()) == 2
    colour, high = [], []
    for clip in (old, new):
        path = tmp_path / "videos" / f"{clip.youtube}.mp4"
        frames = np.stack(list(media.read_frames(path, lvu.SIZE))).astype(int)
        sound = media.read_audio(path)
        assert len(frames) == lvu.FRAMES and abs(len(sound) / AUDIO_HZ - lvu.SECONDS) < 0.1
        colour.append(np.abs(frames[..., 0] - frames[..., 2]).mean())
        power = np.abs(np.fft.rfft(sound)) ** 2
        high.append(power[len(power) // 4 :].sum() / power.sum())  # above 6 kHz
    assert colour[1] > 1.5 * colour[0]
    assert high[1] > high[0]
    first = (tmp_path / "videos" / f"{old.youtube}.mp4").read_bytes()
    lvu.write(tmp_path, StudioSettings())
    assert (tmp_path / "videos" / f"{old.youtube}.mp4").read_bytes() == first


def test_every_hidden_variable_can_be_made():
    assert set(lvu.GENRE_SHOWS) == set(lvu_plan.GENRES.values())
    assert set(lvu.DIRECTOR_SHOWS) == set(lvu_plan.DIRECTORS.values())
    assert set(lvu.WRITER_LINES) == set(lvu_plan.WRITERS.values()) - {"\\N"}
    assert set(lvu.PAIRS) == set(lvu_plan.RELATIONSHIPS.values())
    rng = np.random.default_rng(0)
    for kind in ("man", "woman", "child"):
        assert lvu.kind_of_voice(lvu.voice_of(kind, rng)) == kind


def test_the_hmdb51_like_set_is_read_by_the_official_layout(tmp_path, monkeypatch):
    monkeypatch.setattr(hmdb, "write_video", lambda path, frames: path.write_bytes(b"x"))
    assert hmdb.write(tmp_path, StudioSettings()) == 297
    found = benchmarks.load(tmp_path)
    assert (found.layout, found.media, len(found.clips)) == ("hmdb51", "video", 297)
    assert found.classes == tuple(sorted(hmdb.ACTIONS)) and all(clip.path.is_file() for clip in found.clips)
    names = " ".join(clip.name for clip in found.clips)
    assert all(sign in names for sign in "[( #+&!")
    assert found.roles.shape == (hmdb.SPLITS, 297)
    sources = np.array([f"{clip.labels} {clip.recording}" for clip in found.clips])
    for role in found.roles:
        assert not set(sources[role == TRAIN]) & set(sources[role == TEST])
        assert len({found.clips[n].labels for n in np.flatnonzero(role == TEST)}) == len(hmdb.ACTIONS)
    assert not np.array_equal(found.roles[0], found.roles[1])


def test_an_hmdb51_like_clip_moves_and_is_silent(tmp_path):
    hmdb.write_video(tmp_path / "a [b] c.avi", hmdb.clip("Dog", "beach", np.random.default_rng(0)))
    streams = media.probe(tmp_path / "a [b] c.avi")["streams"]
    assert [stream["codec_type"] for stream in streams] == ["video"]
    frames = np.stack(list(media.read_frames(tmp_path / "a [b] c.avi", hmdb.SIZE)))
    assert len(frames) == 75 and np.abs(np.diff(frames.astype(int), axis=0)).max() > 20


# --- table 8: towers as features of event parsers


def test_windows_lie_round_each_second():
    inputs = Inputs()
    samples = np.arange(10 * AUDIO_HZ, dtype=np.float32)
    found = towers.sound_windows(samples, inputs)
    assert found.shape == (10, 3 * AUDIO_HZ)
    assert not found[0, :AUDIO_HZ].any() and np.array_equal(found[0, AUDIO_HZ:], samples[: 2 * AUDIO_HZ])
    assert np.array_equal(found[4], samples[3 * AUDIO_HZ : 6 * AUDIO_HZ])
    assert not found[9, 2 * AUDIO_HZ :].any()
    assert not towers.sound_windows(samples[: 5 * AUDIO_HZ], inputs)[8].any()  # after the end: silence
    pictures = towers.second_windows(250, inputs)
    assert pictures.shape == (10, inputs.frames)
    assert pictures[4].tolist() == (75 + np.linspace(0, 74, inputs.frames).astype(int)).tolist()
    assert pictures.min() == 0 and pictures.max() == 249 and (pictures[0][:3] == 0).all()


def test_towers_give_ten_features_a_video_and_name_those_without(tmp_path):
    model = Model(audio_width=4, video_width=4)
    torch.manual_seed(0)
    frozen_towers = frozen.Frozen(build_towers(model).eval().requires_grad_(False), model, "dubs", 0)
    pictures = [np.full((48, 64, 3), 20 * second, np.uint8) for second in range(10) for _ in range(25)]
    tone = np.sin(np.arange(10 * AUDIO_HZ) * 0.05).astype(np.float32) * np.repeat(np.arange(10), AUDIO_HZ) / 20
    write_video(tmp_path / "abcdefghijk.mp4", pictures, tone.astype(np.float32))
    write_video(tmp_path / "silent_one_.mp4", pictures)
    names = ["abcdefghijk_0_10", "silent_one__0_10", "not_there_x_0_10"]
    models = [frozen_towers, dataclasses.replace(frozen_towers, seed=1)]
    dropped = towers.extract(names, [tmp_path / "other", tmp_path], models, tmp_path / "out")
    heard, seen = (np.load(tmp_path / f"out/dubs-0/{part}/abcdefghijk.npy") for part in towers.PARTS)
    assert np.array_equal(heard, np.load(tmp_path / "out/dubs-1/audio/abcdefghijk.npy"))
    assert heard.shape[0] == seen.shape[0] == 10 and np.isfinite(heard).all() and np.isfinite(seen).all()
    assert np.abs(np.diff(heard, axis=0)).max(1).min() > 0 and np.abs(np.diff(seen, axis=0)).max(1).min() > 0
    assert [(row["filename"], row["part"], row["reason"]) for row in dropped] == [
        ("silent_one__0_10", "audio", "no audio stream"),
        ("not_there_x_0_10", "audio", "missing"),
        ("not_there_x_0_10", "picture", "missing"),
    ]


ABOUT = {
    "valor": {"towers": "", "labels": "independent"},
    "valor_soft": {"towers": "", "labels": "soft"},
    "towers_monolingual": {"towers": "monolingual", "labels": "independent"},
    "towers_dubs": {"towers": "dubs", "labels": "independent"},
    "towers_dubs_soft": {"towers": "dubs", "labels": "soft"},
}


def test_table8_holds_towers_to_their_matched_run_and_labels_to_labels(tmp_path):
    rows = list(ABOUT)
    assert table8.pairs(rows, ABOUT) == [
        ("valor_soft", "valor"),
        ("towers_dubs", "towers_monolingual"),
        ("towers_dubs_soft", "towers_dubs"),
    ]
    paths = []
    for number, name in enumerate(rows):
        for seed in (0, 1, 2):
            value = 50 + 3 * number + seed + 0.5 * (seed == 2) * number
            level = dict.fromkeys(("audio", "visual", "audio_visual", "type_av", "event_av"), value)
            result = {"f_scores": {"segment": level, "event": level}, "n": 20, "n_expected": 20}
            paths.append(tmp_path / name / str(seed) / "scores.json")
            paths[-1].parent.mkdir(parents=True)
            paths[-1].write_text(json.dumps({"variant": name, "seed": seed, "rules": {"shared": result}}))
    options = SimpleNamespace(scores=paths, rows=rows, about=ABOUT, seeds=[0, 1, 2], rule="shared")
    options.out, options.settings = tmp_path / "table8.csv", dataclasses.replace(QUICK, corpus="tiny")
    text = formats.text(table8.build(options))
    assert "towers_dubs - towers_monolingual" in text and "+3.2* ± 0.7" in text
    wide = read_csv(tmp_path / "table8.csv")
    assert [(row["parser"], row["towers"], row["segment_audio_n"]) for row in wide][3] == ("towers_dubs", "dubs", "3")
    gains = read_csv(tmp_path / "table8.differences.csv")
    assert len(gains) == 3 * 10 and float(gains[0]["difference"]) == pytest.approx(3 + 0.5 / 3, abs=1e-3)
    assert all((tmp_path / f"table8{end}").stat().st_size for end in (".md", ".tex", ".png", ".tidy.csv"))
    with pytest.raises(UserError, match="valor, seed 3"):
        table8.build(SimpleNamespace(**{**vars(options), "seeds": [0, 3]}))
