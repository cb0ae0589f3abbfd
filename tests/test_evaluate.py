"""Benchmarks, probes and scores: loaders on trees with quirks, maths against scikit-learn."""

import csv
import dataclasses
import json
import pickle
import subprocess
import sys

import jsonschema
import numpy as np
import pyarrow.parquet
import pytest
import soundfile
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from soundstage import media
from soundstage.errors import UserError
from soundstage.evaluate import benchmarks, decode, embed, frozen, prepare, roles, run, store
from soundstage.evaluate.metrics import accuracy_percent, chance_percent, map_percent
from soundstage.evaluate.probe import linear
from soundstage.evaluate.roles import TEST, TRAIN, UNUSED, VALID
from soundstage.evaluate.schema import METRICS
from soundstage.evaluate.settings import Settings
from soundstage.model.settings import Inputs, Model
from soundstage.model.towers import build

INPUTS = Inputs()
ONE_STRENGTH = Settings(strengths=(1.0,))


# Scores


def test_average_precision_is_that_of_scikit_learn():
    rng = np.random.default_rng(0)
    labels = (rng.random((200, 7)) < 0.2).astype(int)
    scores = rng.normal(size=(200, 7)).round(1)  # rounded: equal scores occur
    expected = 100 * average_precision_score(labels, scores, average="macro")
    assert map_percent(scores, labels) == pytest.approx(expected, abs=1e-9)


def test_a_class_without_positive_clips_is_left_out_of_the_mean():
    labels = np.array([[1, 0], [0, 0], [1, 0]])
    scores = np.array([[0.9, 1.0], [0.5, 0.0], [0.4, 0.0]])
    assert map_percent(scores, labels) == pytest.approx(100 * (1 + 2 / 3) / 2)
    assert np.isnan(map_percent(scores, np.zeros((3, 2))))


def test_accuracy_of_a_known_case():
    scores = np.array([[2.0, 1, 0], [0, 3, 1], [5, 4, 1], [1, 1, 1]])
    assert accuracy_percent(scores, np.eye(3)[[0, 1, 1, 0]]) == 75.0


def test_chance_is_the_best_constant_answer():
    labels = np.eye(4)[[0, 0, 0, 1, 2, 2, 3, 3, 3, 3]]
    assert chance_percent("accuracy_percent", labels) == pytest.approx(40)
    assert chance_percent("map_percent", labels) == pytest.approx(25)
    constant = np.zeros((10, 4))
    assert map_percent(constant, labels) == pytest.approx(chance_percent("map_percent", labels))


# Roles


def test_folds_rotate_test_then_validation():
    found = roles.rotate([0, 0, 1, 2, 3])
    assert found.tolist()[0] == [TEST, TEST, VALID, TRAIN, TRAIN]
    assert found.tolist()[3] == [VALID, VALID, TRAIN, TRAIN, TEST]
    assert ((found == TEST).sum(axis=0) == 1).all()


def test_validation_is_carved_in_whole_recordings_and_only_where_there_is_none():
    table = np.array([[TRAIN] * 40 + [TEST] * 10, [TRAIN] * 39 + [VALID] + [TEST] * 10])
    recordings = [f"r{i // 4}" for i in range(40)] + ["t"] * 10
    found = roles.carve(table, recordings, 20, "name")
    assert (found[1] == table[1]).all()
    taken = np.flatnonzero(found[0] == VALID)
    assert len(taken) == 8 and (found[0][40:] == TEST).all()
    inside = {recordings[i] for i in taken}
    assert not inside & {recordings[i] for i in np.flatnonzero(found[0] == TRAIN)}
    assert (found == roles.carve(table, recordings, 20, "name")).all()


def test_a_rotation_without_training_clips_is_refused():
    with pytest.raises(UserError, match="rotation 0 has no training clip, 3 clips were dropped"):
        roles.check_roles(np.array([[TEST, VALID, UNUSED]]), "esc50", 3)


# The linear probe


def blobs(clips, classes, spread, seed=0, dim=16):
    """Return embeddings around one centre per class, of known separability, and labels."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(99).normal(size=(classes, dim))
    number = np.arange(clips) % classes
    features = centres[number] + spread * rng.normal(size=(clips, dim))
    return features * 5 + 3, np.eye(classes, dtype=np.uint8)[number]


def split(clips, train, valid):
    row = np.full(clips, TEST)
    row[:train], row[train : train + valid] = TRAIN, VALID
    return row[None]


def test_probe_agrees_with_scikit_learn_within_a_point():
    features, labels = blobs(6000, 10, 1.5)
    role = split(6000, 600, 200)
    fold = linear(features, labels, role, "accuracy_percent", ONE_STRENGTH)[0]
    model = make_pipeline(StandardScaler(), LogisticRegression(C=1.0, max_iter=1000))
    model.fit(features[:800], labels[:800].argmax(1))
    expected = 100 * model.score(features[800:], labels[800:].argmax(1))
    found = accuracy_percent(fold.scores, labels[fold.test])
    assert len(fold.test) == 5200 and 60 < expected < 97
    assert found == pytest.approx(expected, abs=0.2)


def test_multilabel_probe_agrees_with_one_classifier_per_class():
    rng = np.random.default_rng(5)
    features = rng.normal(size=(800, 12))
    labels = (features[:, :4] + rng.normal(size=(800, 4)) > 0.8).astype(np.uint8)
    role = split(800, 300, 100)
    fold = linear(features, labels, role, "map_percent", ONE_STRENGTH)[0]
    scale = StandardScaler().fit(features[:400])
    expected = np.stack(
        [
            LogisticRegression(max_iter=1000)
            .fit(scale.transform(features[:400]), labels[:400, c])
            .decision_function(scale.transform(features[400:]))
            for c in range(4)
        ],
        axis=1,
    )
    assert map_percent(fold.scores, labels[400:]) == pytest.approx(map_percent(expected, labels[400:]), abs=0.2)


def test_probe_of_fewer_clips_than_dimensions_is_the_same_as_in_all_dimensions():
    features, labels = blobs(300, 3, 3.0, dim=200)
    role = split(300, 60, 20)  # 80 clips are fitted in their own span of the 200 dimensions
    fold = linear(features, labels, role, "accuracy_percent", ONE_STRENGTH)[0]
    scale = StandardScaler().fit(features[:80])
    model = LogisticRegression(max_iter=1000, tol=1e-8)
    model.fit(scale.transform(features[:80]), labels[:80].argmax(1))
    expected = model.decision_function(scale.transform(features[80:]))
    assert np.abs(fold.scores - expected).max() < 0.02 * np.abs(expected).max()


def test_strength_is_chosen_on_validation_clips_alone():
    features, labels = blobs(400, 4, 3.0, dim=64)
    role = split(400, 60, 140)
    settings = Settings(strengths=(10.0, 0.001, 0.1), refit=False)
    fold = linear(features, labels, role, "accuracy_percent", settings)[0]
    assert fold.validation[[0.001, 0.1, 10.0].index(fold.strength)] == max(fold.validation)
    shuffled = labels.copy()
    shuffled[200:] = np.roll(labels[200:], 1, axis=0)  # other test labels change nothing
    again = linear(features, shuffled, role, "accuracy_percent", settings)[0]
    assert (again.scores == fold.scores).all() and again.strength == fold.strength


def test_random_embeddings_score_at_chance():
    labels = np.eye(4, dtype=np.uint8)[np.arange(4000) % 4]
    features = np.random.default_rng(0).normal(size=(4000, 8))
    fold = linear(features, labels, split(4000, 300, 100), "accuracy_percent", Settings())[0]
    assert accuracy_percent(fold.scores, labels[fold.test]) == pytest.approx(25, abs=3)


@pytest.mark.parametrize("metric", ["accuracy_percent", "map_percent"])
def test_classes_unseen_in_training_and_constant_features_are_survived(metric):
    features, labels = blobs(90, 3, 0.1)
    features[:, 3] = 7.0
    order = np.argsort(labels.argmax(1) == 2, kind="stable")  # the third class is only tested
    fold = linear(features[order], labels[order], split(90, 40, 20), metric, Settings())[0]
    assert np.isfinite(fold.scores).all()
    assert (fold.scores.argmax(1) != 2).all()
    assert (fold.scores[:, 2] < fold.scores[:, :2].min() - 100).all()


def test_embeddings_that_are_no_numbers_are_refused():
    features, labels = blobs(40, 2, 0.1)
    features[3, 3] = np.nan
    with pytest.raises(UserError, match="finite"):
        linear(features, labels, split(40, 20, 10), "accuracy_percent", Settings())


# Layouts


def hear_tree(folder, splits, labels, evaluation=("top1_acc",), clips=4, seconds=1.0):
    """Write a HEAR task of `clips` tones per split and label."""
    vocabulary = [["idx", "label"], *[[i, name] for i, name in enumerate(labels)]]
    folder.mkdir(parents=True)
    with open(folder / "labelvocabulary.csv", "w", newline="") as stream:
        csv.writer(stream).writerows(vocabulary)
    task = {"task_name": "tones", "embedding_type": "scene", "evaluation": list(evaluation)}
    (folder / "task_metadata.json").write_text(json.dumps(task))
    for number, name in enumerate(splits):
        (folder / "48000" / name).mkdir(parents=True)
        listed = {}
        for clip in range(clips * len(labels)):
            file = f"{number}-{clip} (a).wav"
            listed[file] = [labels[clip % len(labels)]]
            tone = np.sin(np.arange(int(48000 * seconds)) * (0.02 + 0.3 * (clip % len(labels))))
            noise = np.random.default_rng([number, clip]).normal(size=len(tone))
            sound = 0.3 * tone + 0.02 * noise
            soundfile.write(folder / "48000" / name / file, sound, 48000, subtype="PCM_16")
        (folder / f"{name}.json").write_text(json.dumps(listed))
    return folder


def test_hear_folds_and_fixed_splits(tmp_path):
    folds = hear_tree(tmp_path / "a", ["fold00", "fold01", "fold02"], ["x", "y"], clips=1)
    found = benchmarks.load(folds)
    assert (found.layout, found.media, found.metric) == ("hear", "audio", "accuracy_percent")
    assert found.classes == ("x", "y") and found.roles.shape == (3, 6)
    assert found.clips[3].name == "fold01/1-1 (a).wav" and found.clips[3].labels == (1,)
    assert all(clip.path.is_file() for clip in found.clips)
    fixed = hear_tree(tmp_path / "b", ["train", "valid", "test"], ["1", "2"], ("mAP",), 1)
    found = benchmarks.load(fixed)
    assert found.metric == "map_percent"
    assert found.roles.tolist() == [[TRAIN, TRAIN, VALID, VALID, TEST, TEST]]


def test_hear_tasks_that_do_not_fit_are_refused(tmp_path):
    folder = hear_tree(tmp_path / "a", ["fold00", "fold01", "fold02"], ["x", "y"], clips=1)
    task = {"embedding_type": "event", "evaluation": ["event_onset_200ms_fms"]}
    (folder / "task_metadata.json").write_text(json.dumps(task))
    with pytest.raises(UserError, match="time stamps"):
        benchmarks.load(folder)
    folder = hear_tree(tmp_path / "b", ["fold00", "fold01"], ["x", "y"], clips=1)
    with pytest.raises(UserError, match="3 folds"):
        benchmarks.load(folder)
    folder = hear_tree(tmp_path / "c", ["fold00", "fold01", "fold02"], ["x", "y"], clips=1)
    (folder / "labelvocabulary.csv").write_text("idx,label\n0,x\n")
    with pytest.raises(UserError, match="'y' is not in the vocabulary"):
        benchmarks.load(folder)
    with pytest.raises(UserError, match="layout"):
        benchmarks.load(tmp_path)


def test_ucf101_lists(tmp_path):
    lists = tmp_path / "ucfTrainTestlist"
    lists.mkdir()
    (lists / "classInd.txt").write_text("1 Archery\r\n2 YoYo\r\n")
    train = [f"Archery/v_Archery_g{g:02d}_c01.avi 1" for g in range(3, 9)]
    train += [f"YoYo/v_YoYo_g{g:02d}_c01.avi 2" for g in range(3, 9)]
    (lists / "trainlist01.txt").write_text("\r\n".join(train) + "\r\n")
    (lists / "testlist01.txt").write_text("Archery/v_Archery_g01_c02.avi\nYoYo/v_YoYo_g02_c01.avi\n")
    (lists / "trainlist02.txt").write_text("Archery/v_Archery_g01_c02.avi 1\n")
    (lists / "testlist02.txt").write_text("Archery/v_Archery_g03_c01.avi\n")
    found = benchmarks.load(tmp_path)
    assert found.layout == "ucf101" and found.roles.shape == (2, 14)
    clip = {clip.name: clip for clip in found.clips}["YoYo/v_YoYo_g02_c01.avi"]
    assert clip.labels == (1,) and clip.recording == "YoYo/v_YoYo_g02"
    assert clip.path == tmp_path / "UCF-101" / "YoYo" / "v_YoYo_g02_c01.avi"
    assert (found.roles[0] == TEST).sum() == 2 and (found.roles[1] == UNUSED).sum() == 12


def test_hmdb51_lists_with_odd_names(tmp_path):
    lists = tmp_path / "testTrainMulti_7030_splits"
    lists.mkdir()
    name = "#20_(Rhythm) a b_wave_hand_wave_u_cm_np1_fr_med_1.avi"
    (lists / "wave_hand_test_split1.txt").write_text(f"{name} 2 \nother_wave_hand_x_1.avi 1 \n")
    (lists / "clap_test_split1.txt").write_text("c_clap_u_0.avi 1 \nd_clap_u_0.avi 0 \n")
    found = benchmarks.load(tmp_path)
    assert found.layout == "hmdb51" and found.media == "video"
    assert found.classes == ("clap", "wave_hand")
    clip = next(clip for clip in found.clips if clip.name == f"wave_hand/{name}")
    assert clip.path == tmp_path / "wave_hand" / name and clip.recording == "#20_(Rhythm) a b"
    assert found.roles.tolist() == [[TRAIN, UNUSED, TEST, TRAIN]]


def test_esc50_and_vggsound_lists(tmp_path):
    meta = tmp_path / "esc" / "meta"
    meta.mkdir(parents=True)
    rows = [f"{fold}-100-A-7.wav,{fold},7,rooster,False,1,A" for fold in range(1, 6)]
    header = "filename,fold,target,category,esc10,src_file,take\n"
    (meta / "esc50.csv").write_text(header + "\n".join(rows))
    found = benchmarks.load(tmp_path / "esc")
    assert found.roles.shape == (5, 5) and found.classes == ("rooster",)
    assert found.clips[0].path == tmp_path / "esc" / "audio" / "1-100-A-7.wav"
    folder = tmp_path / "vgg"
    (folder / "video").mkdir(parents=True)
    (folder / "video" / "-abc_000030.webm").touch()
    (folder / "vggsound.csv").write_text('-abc,30,"dog, barking",train\nxyz,5,"a cat",test\n')
    found = benchmarks.load(folder)
    assert found.classes == ("a cat", "dog, barking")
    assert [clip.name for clip in found.clips] == ["-abc_000030", "xyz_000005"]
    assert found.clips[0].path.suffix == ".webm" and found.clips[0].labels == (1,)
    assert found.roles.tolist() == [[TRAIN, TEST]]


def test_groups_come_from_the_manifest_or_the_official_name(tmp_path):
    assert benchmarks.group_of("tfds_gtzan-1.0.0-full") == "music"
    (tmp_path / "manifest.json").write_text('{"group": "linguistic"}')
    assert prepare.find_group(tmp_path, "esc50") == "linguistic"
    (tmp_path / "manifest.json").write_text('{"group": "sounds"}')
    with pytest.raises(UserError, match="unknown group 'sounds'"):
        prepare.find_group(tmp_path, "mine")


# Decoding


def test_windows_follow_the_tail_rule():
    for seconds, windows in ((1, 1), (3, 1), (4, 1), (4.6, 2), (5, 2), (30, 10)):
        samples = np.full(int(48000 * seconds), 0.1, np.float32)
        assert decode.sound_windows(samples, INPUTS).shape == (windows, 1, 64, 96), seconds


def make_video(path, seconds, audio_hz=None, frames_per_second=25):
    """Write a video whose picture gets brighter with time, with a tone if audio_hz is given."""
    count = int(seconds * frames_per_second)
    frames = (np.full((36, 64, 3), 20 + 200 * i // count, np.uint8) for i in range(count))
    tracks = []
    if audio_hz:
        tone = 0.3 * np.sin(2 * np.pi * audio_hz * np.arange(int(seconds * 48000)) / 48000)
        media.write_flac(path.with_suffix(".flac"), tone)
        tracks = [(path.with_suffix(".flac"), {"acodec": "pcm_s16le"})]
    media.encode(path, frames, (64, 36), frames_per_second, tracks)
    return path


def test_sound_is_that_of_ffmpeg(tmp_path):
    path = make_video(tmp_path / "-a;b.avi", 1, audio_hz=440)
    late = tmp_path / "late.mkv"
    command = ["ffmpeg", "-v", "error", "-i", f"file:{path}", "-itsoffset", "0.5", "-i"]
    command += [f"file:{path}", "-map", "0:v", "-map", "1:a", "-c:v", "mpeg4", "-c:a", "flac", f"file:{late}"]
    subprocess.run(command, check=True)
    stereo = 0.1 * np.random.default_rng(0).normal(size=(44100, 2))
    soundfile.write(tmp_path / "stereo.wav", stereo, 44100)
    for file in (path, late, tmp_path / "stereo.wav"):
        found, expected = decode.read_sound(file), media.read_audio(file)
        assert len(found) == len(expected) and np.abs(found - expected).max() < 1e-6, file
    picture, sound = (float(stream["start_time"]) for stream in media.probe(late)["streams"])
    first = np.flatnonzero(decode.read_sound(late))[0]
    assert sound - picture > 0.4 and first == pytest.approx(48000 * (sound - picture), abs=50)


def test_pictures_are_spread_over_each_window(tmp_path):
    path = make_video(tmp_path / "- a video; (1).avi", 5, frames_per_second=24)
    windows = decode.picture_windows(path, INPUTS)
    assert windows.shape == (2, 8, 40, 72, 3) and windows.dtype == np.uint8
    brightness = windows.mean(axis=(2, 3, 4))
    assert (np.diff(brightness, axis=1) > 0).all()
    # the second window ends at the end: it starts 2 s in, of 5, and goes on to the last picture
    expected = 20 + 200 * np.linspace(2, 4.96, 8) / 5
    assert np.abs(brightness[1] - expected).max() < 5


def test_prepare_counts_and_names_what_is_odd(tmp_path):
    folder = hear_tree(tmp_path / "t", ["fold00", "fold01", "fold02"], ["x", "y"])
    sounds = folder / "48000"
    (sounds / "fold00" / "0-0 (a).wav").unlink()
    (sounds / "fold01" / "1-0 (a).wav").write_text("no sound")
    (sounds / "fold01" / "1-1 (a).wav").write_bytes(b"")
    soundfile.write(sounds / "fold02" / "2-0 (a).wav", np.zeros(48000), 48000)
    stereo = 0.1 * np.random.default_rng(0).normal(size=(66150, 2))
    soundfile.write(sounds / "fold02" / "2-1 (a).wav", stereo, 44100)
    benchmark = benchmarks.load(folder)
    found = prepare.decode_all(benchmark, "tones", "music", INPUTS, Settings())
    reasons = {row["clip"].split("/")[1][:3]: row["reason"] for row in found.about["dropped"]}
    assert set(reasons) == {"0-0", "1-0", "1-1"} and reasons["0-0"] == "missing file"
    assert "0 bytes" in reasons["1-1"] and "cannot read the sound" in reasons["1-0"]
    assert [row["clip"] for row in found.about["flagged"]] == ["fold02/2-0 (a).wav"]
    assert "silent" in found.about["flagged"][0]["reason"]
    assert len(found.clips) == 21 and found.log_mel.shape == (21, 1, 64, 96)
    assert found.log_mel_clip.tolist() == list(range(21)) and np.isfinite(found.log_mel).all()
    paths = [tmp_path / "one.npz", tmp_path / "two.npz"]
    for path in paths:
        store.save(path, found)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    again = store.load(paths[0])
    assert again.about == found.about and (again.roles == found.roles).all()


def test_a_video_without_sound_is_kept_and_named(tmp_path):
    loud = make_video(tmp_path / "a.avi", 1, audio_hz=440)
    mute = make_video(tmp_path / "b.avi", 1)
    broken = tmp_path / "c.avi"
    broken.write_bytes(loud.read_bytes()[:1000])
    clips = [benchmarks.Clip(p.name, p, (0,), p.name) for p in [loud, mute, broken] + [loud] * 3]
    table = np.array([[TRAIN, TRAIN, TRAIN, VALID, TEST, TEST]], np.int8)
    benchmark = benchmarks.Benchmark("ucf101", "audiovisual", "accuracy_percent", ("x",), clips, table)
    found = prepare.decode_all(benchmark, "tiny", "audiovisual", INPUTS, Settings())
    assert [row["clip"] for row in found.about["dropped"]] == ["c.avi"]
    assert found.about["flagged"] == [{"clip": "b.avi", "reason": f"{decode.NO_STREAM}: {decode.STAND_IN}"}]
    assert found.frames_clip.tolist() == [0, 1, 2, 3, 4]
    assert found.log_mel_clip.tolist() == [0, 2, 3, 4]


# The whole stage


def write_model(path, seed=0, run="dubs"):
    """Write a model.pt with random weights."""
    torch.manual_seed(seed)
    weights = {f"backbone.{key}": value for key, value in build(Model()).state_dict().items()}
    weights["head.audio.weight"] = torch.zeros(2)
    settings = {"model": dataclasses.asdict(Model())}
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"model": weights, "settings": settings, "run": run, "seed": seed}, path)
    return path


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """Two decoded benchmarks, one with pictures, and a model; one thread, as the command lines take."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("evaluate")
    tones = hear_tree(folder / "tones", ["fold00", "fold01", "fold02"], ["x", "y", "z"])
    tones = prepare.decode_all(benchmarks.load(tones), "tones", "music", INPUTS, Settings())
    store.save(folder / "tones.npz", tones)
    rng = np.random.default_rng(0)
    count = len(tones.clips)
    frames = rng.integers(0, 256, (count, 8, 40, 72, 3), dtype=np.uint8)
    about = tones.about | {"benchmark": "films", "group": "audiovisual", "media": "audiovisual"}
    films = dataclasses.replace(
        tones,
        about=about,
        frames=frames,
        frames_clip=np.arange(count, dtype=np.int32),
        log_mel=tones.log_mel[2:],
        log_mel_clip=tones.log_mel_clip[2:],
    )
    store.save(folder / "films.npz", films)
    return folder, write_model(folder / "model.pt")


def evaluate(prepared, out):
    folder, model = prepared
    inputs = [folder / "tones.npz", folder / "films.npz"]
    predicted = out.with_name("predictions.parquet")
    run.evaluate(frozen.load(model), model, inputs, out, predicted, Settings())
    return json.loads(out.read_text())


def test_metrics_and_predictions_of_a_run(prepared, tmp_path):
    entries = evaluate(prepared, tmp_path / "metrics.json")
    jsonschema.validate(entries, METRICS)
    names = [(e["benchmark"], e["features"], e["primary"]) for e in entries]
    assert names == [
        ("tones", "audio", True),
        ("films", "audio", False),
        ("films", "video", False),
        ("films", "both", True),
    ]
    tones = entries[0]
    assert (tones["run"], tones["seed"], tones["n"]) == ("dubs", 0, 36)
    assert tones["value"] == pytest.approx(np.mean(tones["per_fold"])) and len(tones["per_fold"]) == 3
    assert tones["value"] > 90 and tones["chance"] == pytest.approx(100 / 3)
    assert entries[2]["value"] < 75  # noise for pictures
    lines = pyarrow.parquet.read_table(tmp_path / "predictions.parquet").to_pylist()
    mine = [line for line in lines if line["benchmark"] == "tones"]
    assert len(mine) == 36 and len({line["clip"] for line in mine}) == 36
    mapped = [x for x in mine if x["fold"] == 1]
    scores, labels = (np.array([x[key] for x in mapped]) for key in ("scores", "labels"))
    assert accuracy_percent(scores, labels) == pytest.approx(tones["per_fold"][1])
    shares = [np.mean([x["correct"] for x in mine if x["fold"] == fold]) for fold in range(3)]
    assert 100 * np.mean(shares) == pytest.approx(tones["value"])


def test_a_second_run_reads_the_embeddings_and_gives_the_same_bytes(prepared, tmp_path, monkeypatch):
    evaluate(prepared, tmp_path / "metrics.json")
    files = [tmp_path / "metrics.json", tmp_path / "predictions.parquet"]
    before = [path.read_bytes() for path in files]
    monkeypatch.setattr(frozen, "Means", None)
    evaluate(prepared, tmp_path / "metrics.json")
    assert [path.read_bytes() for path in files] == before
    evaluate_other = (prepared[0], write_model(tmp_path / "other.pt", seed=1))
    with pytest.raises(TypeError):  # other weights are embedded anew
        evaluate(evaluate_other, tmp_path / "metrics.json")


def test_an_interrupted_call_keeps_the_benchmarks_that_it_had_scored(prepared, tmp_path, monkeypatch):
    evaluate(prepared, tmp_path / "whole/metrics.json")
    score = run.score
    monkeypatch.setattr(run, "score", lambda decoded, *rest: score(decoded, *rest) if tones(decoded) else 1 / 0)
    with pytest.raises(ZeroDivisionError):
        evaluate(prepared, tmp_path / "cut/metrics.json")
    assert not (tmp_path / "cut/metrics.json").exists()
    monkeypatch.setattr(run, "score", lambda decoded, *rest: 1 / 0 if tones(decoded) else score(decoded, *rest))
    evaluate(prepared, tmp_path / "cut/metrics.json")
    for name in ("metrics.json", "predictions.parquet"):
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert sorted(path.name for path in (tmp_path / "cut").iterdir()) == [
        "embeddings",
        "metrics.json",
        "predictions.parquet",
    ]
    with pytest.raises(ZeroDivisionError):  # nothing is kept once it is written
        evaluate(prepared, tmp_path / "cut/metrics.json")


def tones(decoded):
    return decoded.about["benchmark"] == "tones"


def test_the_same_clips_give_the_same_embedding_in_any_batch(prepared):
    folder, model = prepared
    towers, data = frozen.load(model), store.load(folder / "tones.npz")
    arguments = (data.log_mel, data.log_mel_clip, len(data.clips))
    small, large = (frozen.embed_sounds(towers, *arguments, batch) for batch in (5, 64))
    assert np.abs(small - large).max() < 1e-4 * np.abs(large).max()


def test_windows_of_a_clip_are_averaged():
    tower = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(2, 2, bias=False))
    torch.nn.init.eye_(tower[1].weight)
    towers = frozen.Frozen({"audio": tower}, Model(), "", 0)
    values = np.array([[1.0, 2], [3, 4], [7, 7]], np.float32).reshape(3, 1, 1, 2)
    for batch in (1, 2, 64):
        found = frozen.embed_sounds(towers, values, np.array([0, 0, 2]), 3, batch)
        assert found[0].tolist() == [2, 3] and np.isnan(found[1]).all() and found[2].tolist() == [7, 7]


def test_an_embedding_that_is_no_number_drops_its_clip_by_name(prepared):
    data = store.load(prepared[0] / "films.npz")
    rng = np.random.default_rng(0)
    features = {name: rng.normal(size=(36, 4)).astype(np.float32) for name in ("audio", "video")}
    features["audio"][:2] = np.nan  # these two have no sound
    features["video"][5, 1] = np.inf
    entries, lines = run.score(data, features, Settings())
    assert [row["clip"] for row in entries[0]["dropped"]] == [data.clips[5]]
    assert entries[-1]["n"] == 35 and data.clips[5] not in {line["clip"] for line in lines}


def test_other_windows_than_the_model_was_trained_with_are_refused(prepared, tmp_path):
    data = store.load(prepared[0] / "tones.npz")
    about = data.about | {"inputs": data.about["inputs"] | {"clip_seconds": 2.0}}
    store.save(tmp_path / "tones.npz", dataclasses.replace(data, about=about))
    with pytest.raises(UserError, match="other model.inputs"):
        run.check_inputs(store.load(tmp_path / "tones.npz"), frozen.load(prepared[1]), "x")


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_weights_that_run_code_or_do_not_fit_are_refused(tmp_path):
    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "planted"), "w"))

    (tmp_path / "evil.pt").write_bytes(pickle.dumps({"model": Evil()}))
    with pytest.raises(UserError, match="cannot use these weights"):
        frozen.load(tmp_path / "evil.pt")
    assert not (tmp_path / "planted").exists()
    torch.save({"model": {}, "settings": {"model": {}}, "run": "x", "seed": 0}, tmp_path / "e.pt")
    with pytest.raises(UserError, match="cannot use these weights"):
        frozen.load(tmp_path / "e.pt")


def test_command_lines(prepared, tmp_path):
    folder, model = prepared
    python = [sys.executable, "-m"]
    command = [*python, "soundstage.evaluate.prepare", "--benchmark", "tones", "--group", "music"]
    command += ["--folder", str(folder / "tones"), "--out", str(tmp_path / "tones.npz")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0 and "36 clips, 0 dropped, 0 flagged" in done.stderr
    assert (tmp_path / "tones.npz").read_bytes() == (folder / "tones.npz").read_bytes()
    command = [*python, "soundstage.evaluate.run", "--model", str(model), "--inputs"]
    command += [str(tmp_path / "tones.npz"), "--out", str(tmp_path / "metrics.json")]
    assert subprocess.run(command, capture_output=True).returncode == 0
    assert len(json.loads((tmp_path / "metrics.json").read_text())) == 1
    done = subprocess.run([*command, "--run", "other"], capture_output=True, text=True)
    assert done.returncode == 2 and "expected a model of --run other, found dubs" in done.stderr
    command += ["--settings", '{"strenghts": [1]}']
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2 and "did you mean 'strengths'" in done.stderr


def test_settings_that_cannot_work_are_refused():
    for wrong in ({"probe": "mlp"}, {"strengths": ()}, {"validation_percent": 0}):
        with pytest.raises(UserError):
            Settings(**wrong)


# Real files


def test_real_files_are_embedded_or_named(shared, tmp_path):
    model = write_model(tmp_path / "model.pt")
    folders = [shared / "media" / name for name in ("esc50", "hmdb51", "ucf101")]
    (tmp_path / "-notes; x.txt").write_text("no media")
    files = embed.listed([*folders, tmp_path / "-notes; x.txt"])
    towers = frozen.load(model)
    rows = {row["file"].rsplit("/", 1)[1]: row for row in embed.embed_files(towers, files, Settings(), 2)}
    assert len(rows) == 15
    assert rows["1-137-A-32.wav"]["audio_windows"] == 2
    for name, row in rows.items():
        assert (row["audio"] is not None) == name.endswith(".wav") or "sound" not in row["reason"]
        assert (row["video"] is not None) == name.endswith(".avi")
    assert "sound:" in rows["-notes; x.txt"]["reason"] and "picture:" in rows["-notes; x.txt"]["reason"]
    assert np.isfinite(rows["v_Archery_g01_c02.avi"]["video"]).all()
