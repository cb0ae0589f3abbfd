"""The studio's clip benchmarks: official layouts, balanced folds, nothing shared, same bytes."""

import csv
import dataclasses
import json
import re
from collections import Counter

import numpy as np
import pytest

from soundstage import media
from soundstage.errors import UserError
from soundstage.studio import benchmark, clips, lines, speech, videos
from soundstage.studio.names import BENCHMARKS
from soundstage.studio.settings import Settings
from soundstage.units import AUDIO_HZ, rng_of

SMALL = Settings(benchmark_clips=10, benchmark_video_clips=6)


@pytest.mark.parametrize("name", clips.TASKS)
def test_a_hear_task_has_the_official_layout(name, tmp_path):
    benchmark.make(name, tmp_path, SMALL)
    task = clips.TASKS[name]
    vocabulary = list(csv.DictReader((tmp_path / "labelvocabulary.csv").open()))
    assert [row["label"] for row in vocabulary] == list(task.labels)
    metadata = json.loads((tmp_path / "task_metadata.json").read_text())
    assert (metadata["nfolds"], metadata["sample_duration"]) == (5, task.seconds)
    files = []
    for split in metadata["splits"]:
        answers = json.loads((tmp_path / f"{split}.json").read_text())
        assert {path.name for path in (tmp_path / "48000" / split).iterdir()} == set(answers)
        assert all(set(labels) <= set(task.labels) for labels in answers.values())
        files += [tmp_path / "48000" / split / file for file in answers]
    sound, rate = media.read_flac(files[-1])
    assert (rate, len(sound)) == (AUDIO_HZ, int(task.seconds * AUDIO_HZ))
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert manifest["n_clips"] == len(files) == SMALL.benchmark_clips
    assert (manifest["layout"], manifest["group"]) == ("hear", BENCHMARKS[name])


@pytest.mark.parametrize("name", ["studio-words", "studio-ucf101"])
def test_the_same_settings_give_the_same_bytes(name, tmp_path):
    hashes = []
    for settings in (SMALL, SMALL, Settings(seed=1, benchmark_clips=10, benchmark_video_clips=6)):
        benchmark.make(name, tmp_path / "made", settings)
        hashes.append(json.loads((tmp_path / "made" / "manifest.json").read_text())["files"])
    assert hashes[0] == hashes[1] != hashes[2]


@pytest.mark.parametrize("count", [400, 30, 10])
def test_classes_and_folds_are_balanced(count):
    for name, task in clips.TASKS.items():
        plain = dataclasses.replace(task, make=lambda label, fold, rng: ((label,), None))
        drawn = Counter(clips.clip(plain, i, count, 7, name)[:2] for i in range(count))
        classes = {labels for _, labels in drawn}
        assert len(drawn) == len(classes) * clips.FOLDS  # every class in every fold
        assert max(drawn.values()) - min(drawn.values()) <= 1
        assert count < 400 or len(classes) == len(task.labels)


@pytest.mark.parametrize("turns", [3, 20, 25, 40])
def test_groups_are_numbered_like_ucf101s(turns):
    found = [videos.group_and_take(turn, turns) for turn in range(turns)]
    assert len(set(found)) == turns and all(1 <= group <= 25 for group, _ in found)
    takes = {}
    for group, take in found:
        takes.setdefault(group, []).append(take)
    assert all(numbers == list(range(1, len(numbers) + 1)) for numbers in takes.values())
    for first, last in videos.TEST_GROUPS:
        assert any(first <= group <= last for group, _ in found)


def test_folds_share_neither_voice_nor_sentence():
    heard = [{clips.fold_voice(fold, rng_of(fold, i)).variant for i in range(60)} for fold in range(clips.FOLDS)]
    assert len(set.union(*heard)) == sum(map(len, heard)) == len(speech.variants(clips.POOL))
    for language in ("en", "ja"):
        cores = [set(lines.cores(language, clips.POOL)[f :: clips.FOLDS]) for f in range(5)]
        said = [clips.fold_line(language, 2, rng_of(i)) for i in range(40)]
        assert all(cores) and len(set.union(*cores)) == sum(map(len, cores))
        folded = [core.lower() for core in cores[2]]
        assert all(any(core in line.lower() for core in folded) for line in said)


def test_level_does_not_give_the_answer_away():
    """Clips with five speakers are as loud, on the whole, as clips with none."""
    task = clips.TASKS["studio-speakers"]
    loud = {
        label: np.mean([20 * np.log10(task.make(label, 0, rng_of(label, i))[1].std()) for i in range(12)])
        for label in ("0", "5")
    }
    assert abs(loud["0"] - loud["5"]) < 5.0


def test_ucf101_has_the_official_layout(tmp_path):
    benchmark.make("studio-ucf101", tmp_path, SMALL)
    lists = tmp_path / "ucfTrainTestlist"
    files = {str(p.relative_to(tmp_path / "UCF-101")) for p in tmp_path.rglob("*.avi")}
    assert len(files) == 6
    for split, (first, last) in enumerate(videos.TEST_GROUPS, start=1):
        train = (lists / f"trainlist{split:02d}.txt").read_text().splitlines()
        test = (lists / f"testlist{split:02d}.txt").read_text().splitlines()
        assert all(re.fullmatch(r"\w+/v_\w+_g\d\d_c\d\d\.avi \d+", line) for line in train)
        assert {line.split()[0] for line in train} | set(test) == files and test
        groups = {int(re.search(r"_g(\d\d)_", line).group(1)) for line in test}
        assert groups and all(first <= group <= last for group in groups)
    classes = (lists / "classInd.txt").read_text().splitlines()
    assert classes[0] == "1 Accordion" and len(classes) == 16


@pytest.mark.parametrize("name", ["studio-ucf101", "studio-vggsound"])
def test_a_video_clip_is_seen_and_heard(name, tmp_path):
    benchmark.make(name, tmp_path, SMALL)
    files = sorted(path for path in tmp_path.rglob("*") if path.suffix in (".avi", ".mp4"))
    assert len(files) == 6
    for file in files[:2]:
        sound = media.read_audio(file)
        frames = np.stack(list(media.read_frames(file, videos.SIZE)))
        assert abs(len(frames) - 75) <= 1 and frames.std() > 10
        assert abs(len(sound) / AUDIO_HZ - 3.0) < 0.15 and np.abs(sound).max() > 0.01
        assert np.abs(np.diff(frames.astype(int), axis=0)).max() > 20


def test_vggsound_is_listed_as_published(tmp_path):
    benchmark.make("studio-vggsound", tmp_path, SMALL)
    rows = list(csv.reader((tmp_path / "data" / "vggsound.csv").open()))
    for video, start, label, split in rows:
        assert len(video) == 11 and split in ("train", "test") and label == label.lower()
        assert (tmp_path / "video" / f"{video}_{int(start):06d}.mp4").is_file()


def test_a_folder_with_something_else_in_it_is_not_emptied(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(UserError, match="thesis.txt"):
        benchmark.make("studio-words", tmp_path, SMALL)
    assert (tmp_path / "thesis.txt").is_file()
