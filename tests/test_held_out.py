"""Which held-out clips are decoded, how many, and what becomes of broken ones; retrieval while a training runs."""

import dataclasses
import io
import json
import tarfile
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from test_stream import QUICK as STREAMED
from test_stream import TINY

from soundstage.media import encode_clip, flac_bytes
from soundstage.pretrain import held_out, learner, retrieval, train
from soundstage.pretrain.group import Group
from soundstage.pretrain.settings import Engine, Loader, Run, Settings
from soundstage.settings import dumps

QUICK = dataclasses.replace(
    STREAMED, steps=5, minimum_dub_clips=Settings().minimum_dub_clips, checkpoint_steps=50, log_steps=2, run=Run()
)
ALONE = Group(0, 1, torch.device("cpu"))


def write(path, members, film, clips, split="valid", broken=()):
    """Write a tar of clips, each with a window of its own; those that are `broken` have no picture."""
    with tarfile.open(path, "w") as tar:
        for clip in clips:
            about = {"film": film, "clip": clip, "split": split, "original_language": "en", "languages": ["en"]}
            about |= {"start_seconds": 1.5 * clip, "end_seconds": 1.5 * clip + 3}
            found = {**members, **({"mp4": b"not a film"} if clip in broken else {})}
            for name, data in {**found, "json": json.dumps(about).encode()}.items():
                header = tarfile.TarInfo(f"{film}-{clip:06d}.{name}")
                header.size = len(data)
                tar.addfile(header, io.BytesIO(data))
    return str(path)


@pytest.fixture(scope="module")
def members():
    sound = flac_bytes(np.random.default_rng(0).uniform(-0.3, 0.3, 144000))[0]
    frames = [np.full((36, 64, 3), 2 * n, np.uint8) for n in range(75)]
    return {"en.flac": sound, "mp4": encode_clip(frames)}


@pytest.fixture(scope="module")
def films(members, tmp_path_factory):
    """Training films, and held-out ones of 40, 3 and 3 clips, the long one in two tars."""
    folder = tmp_path_factory.mktemp("films")
    paths = [write(folder / f"film-{n}-0.tar", members, f"film-{n}", range(6), "train") for n in range(4)]
    paths += [write(folder / f"long-{n}.tar", members, "long", range(20 * n, 20 * n + 20)) for n in (0, 1)]
    paths += [write(folder / f"{name}-0.tar", members, name, range(0, 6, 2), name[:-1]) for name in ("valid1", "test1")]
    return paths


def test_clips_are_of_many_films_and_do_not_overlap(films):
    chosen, broken = held_out.choose(films[4:], 8, 0)
    names = [about["film"] for _, about in chosen]
    assert len(chosen) == 8 and not broken
    assert set(names[:3]) == {"long", "valid1", "test1"} and names == [*names[:3], *names[:3], *names[:2]]
    start = np.sort([about["start_seconds"] for _, about in chosen if about["film"] == "long"])
    assert (np.diff(start) >= 3).all() and start.max() > 10
    again, other = held_out.choose(films[4:], 8, 0)[0], held_out.choose(films[4:], 8, 1)[0]
    assert [one.key for one, _ in chosen] == [one.key for one, _ in again] != [one.key for one, _ in other]
    assert len(held_out.choose(films[4:], 2, 0)[0]) == 2 and held_out.choose(films[4:], 0, 0)[0] == []
    every = held_out.choose(films[4:], 1000, 0)[0]
    assert len(every) == 20 + 3 + 3  # of the long film every other one


def test_what_cannot_be_described_is_left_out(films, members, tmp_path):
    damaged = write(tmp_path / "dark-0.tar", {**members, "json": b"{"}, "dark", range(2))
    with tarfile.open(damaged, "w") as tar:
        header = tarfile.TarInfo("dark-000000.json")
        tar.addfile(header, io.BytesIO(b""))
    chosen, broken = held_out.choose([damaged, str(tmp_path / "none.tar"), *films[6:]], 5, 0)
    assert len(chosen) == 5 and set(broken) == {"dark-000000", str(tmp_path / "none.tar")}


def from_shards(paths, most, group=ALONE, **more):
    settings = dataclasses.replace(QUICK, loader=Loader(stream=True, held_out_clips=most), **more)
    return held_out.FromShards(paths, settings, 0, group)


def test_no_more_clips_are_decoded_than_asked_for_and_few_at_a_time(films, monkeypatch):
    decoded = []
    whole = held_out.decode_picture
    monkeypatch.setattr(held_out, "decode_picture", lambda *given: decoded.append(1) or whole(*given))
    windows = from_shards(films[4:], 7, engine=Engine(piece_clips=3))
    assert [len(piece.split) for piece in windows.pieces()] == [3, 3, 1] and len(decoded) == 7
    piece = next(windows.pieces())
    assert piece.pictures.shape == (3, 4, 18, 32, 3) and piece.sounds["original"].shape == (3, 16, 16)
    assert {split for piece in windows.pieces(("valid",)) for split in piece.split} == {"valid"}


def test_processes_share_the_clips(films):
    shares = [from_shards(films[4:], 7, Group(rank, 2, torch.device("cpu"))) for rank in (0, 1)]
    for share in shares:
        list(share.pieces())
    keys = [sample.key for share in shares for sample, _ in share.chosen]
    assert len(keys) == len(set(keys)) == 7 and len(shares[0].chosen) == 4


def train_on(monkeypatch, paths, out, settings=QUICK, more=()):
    told = ["--shards", *paths, "--run", "x", "--seed", "0", "--out", str(out), "--settings", dumps(settings)]
    monkeypatch.setattr("sys.argv", ["train", *told, *more])
    train.main()
    return [json.loads(line) for line in out.with_name("metrics.jsonl").read_text().splitlines()]


def test_a_broken_clip_is_named_and_counted_and_the_model_written(films, members, tmp_path, monkeypatch, capfd):
    bad = write(tmp_path / "bad-0.tar", members, "bad", range(0, 6, 2), broken=(2,))
    last = train_on(monkeypatch, [*films[:4], bad], tmp_path / "model.pt")[-1]
    assert last["held_out_broken"] == 1 and last["retrieval"]["valid"]["original"]["clips"] == 2
    said = capfd.readouterr().err
    assert said.count("left out of the retrieval: bad-000002") == 1 and "1 held-out clips are broken" in said
    assert (tmp_path / "model.pt").exists() and not (tmp_path / "checkpoint").exists()


def test_an_evaluation_that_fails_loses_no_step(films, tmp_path, monkeypatch):
    train_on(monkeypatch, films, tmp_path / "whole/model.pt")
    with monkeypatch.context() as patch, pytest.raises(MemoryError):
        patch.setattr(train, "evaluate", lambda *_: (_ for _ in ()).throw(MemoryError))
        train_on(patch, films, tmp_path / "parts/model.pt")
    with monkeypatch.context() as patch:
        patch.setattr(train.Loop, "step", None)  # all steps have been taken
        train_on(patch, films, tmp_path / "parts/model.pt")
    for name in ("model.pt", "metrics.jsonl", "retrieval.json"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "parts" / name).read_bytes(), name


def test_validation_on_the_way_is_recorded_and_changes_nothing(films, tmp_path, monkeypatch):
    plain = train_on(monkeypatch, films, tmp_path / "plain/model.pt")
    often = dataclasses.replace(QUICK, validation_steps=2)
    found = train_on(monkeypatch, films, tmp_path / "often/model.pt", often)
    assert [line["step"] for line in found] == [2, 2, 4, 4, 5, 5]
    assert [list(line) for line in found[1::2]] == [["step", "retrieval"]] * 3
    assert list(found[1]["retrieval"]) == ["valid"] and set(found[5]["retrieval"]) == {"valid", "test", "held_out"}
    assert found[0::2] + found[5:] == plain
    one, two = (torch.load(tmp_path / name / "model.pt", weights_only=True)["model"] for name in ("plain", "often"))
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_an_evaluation_draws_no_random_numbers(films):
    student, windows = learner.Learner(QUICK), from_shards(films[4:], 7)
    before = torch.get_rng_state(), np.random.get_state()[1].copy()
    weights = {name: value.clone() for name, value in student.state_dict().items()}
    found = retrieval.evaluate(student, windows, TINY.inputs, ALONE)
    assert torch.equal(torch.get_rng_state(), before[0]) and (np.random.get_state()[1] == before[1]).all()
    assert all(torch.equal(value, weights[name]) for name, value in student.state_dict().items())
    assert student.training and found["held_out"]["original"]["clips"] == 7


def test_recall_in_strips_is_that_of_the_whole_table(monkeypatch):
    rng = np.random.default_rng(0)
    audio, video = rng.normal(size=(2, 50, 4))
    whole = retrieval.recall(audio, video)
    similar = audio @ video.T
    slow = np.mean([(similar[n] > similar[n, n]).sum() < 10 for n in range(50)])
    assert whole["audio_to_video_recall_at_10_percent"] == 100 * slow
    monkeypatch.setattr(retrieval, "STRIP", 7)
    assert retrieval.recall(audio, video) == whole


def test_sounds_that_some_clips_lack_are_not_compared():
    """A split counts for the sound without speech only where every window of it has one."""
    student = SimpleNamespace(project=lambda _, batch: batch.flatten(1)[:, :4], log_scale=torch.zeros(()))
    student.eval = student.train = lambda: None
    sounds = np.random.default_rng(0).normal(size=(2, 6, 2, 2)).astype(np.float16)
    sounds[1, 0] = np.nan
    split = np.array(["valid"] * 3 + ["test"] * 3)
    heard = {"original": sounds[0], "speech_removed": sounds[1]}
    piece = held_out.Piece(split, heard, np.zeros((6, 4, 18, 32, 3), np.uint8))
    windows = SimpleNamespace(pieces=lambda splits: [piece])
    found = retrieval.evaluate(student, windows, TINY.inputs, ALONE)
    assert {name: list(kinds) for name, kinds in found.items()} == {
        "valid": ["original"],
        "test": ["original", "speech_removed"],
        "held_out": ["original"],
    }


def test_a_run_that_begins_with_another_says_which_file_is_missing(films, tmp_path, monkeypatch):
    settings = dataclasses.replace(QUICK, run=Run(start_from="b3"))
    with pytest.raises(train.UserError, match="'b3'") as refused:
        train_on(monkeypatch, films, tmp_path / "model.pt", settings)
    assert "--start-from work/pretrain/b3/0/model.pt" in str(refused.value)
    with pytest.raises(train.UserError, match="found no file") as refused:
        train_on(monkeypatch, films, tmp_path / "model.pt", settings, ["--start-from", "nothing.pt"])
    for content in (b"import sys", b""):
        (tmp_path / "text.pt").write_bytes(content)
        with pytest.raises(train.UserError, match="cannot begin with these towers") as refused:
            train_on(monkeypatch, films, tmp_path / "model.pt", settings, ["--start-from", str(tmp_path / "text.pt")])
        assert len(str(refused.value).splitlines()) < 8
