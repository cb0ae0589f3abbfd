"""Decoding and embedding in bounded memory: windows bit by bit, five crops, interrupted work, long files."""

import dataclasses
import subprocess
import sys
import threading

import numpy as np
import pyarrow.parquet
import pytest
import soundfile
import torch

from soundstage import media
from soundstage.errors import UserError
from soundstage.evaluate import benchmarks, crops, decode, embed, embeddings, frozen, prepare, resume, store
from soundstage.evaluate.ahead import ahead
from soundstage.evaluate.roles import TEST, TRAIN, VALID
from soundstage.evaluate.settings import Settings
from soundstage.model.inputs import audio_windows, video_windows
from soundstage.model.lssd_inputs import PAPER, SHORT_SIDES, evaluation_pictures
from soundstage.model.settings import Inputs, Model
from soundstage.model.towers import build

INPUTS = Inputs()


# Windows


@pytest.mark.parametrize("seconds", [0.2, 3.0, 4.4, 4.6, 6.0, 7.6, 31.3])
def test_windows_cut_bit_by_bit_are_those_of_the_whole_sound(tmp_path, seconds):
    path = tmp_path / "a.wav"
    soundfile.write(path, 0.1 * np.random.default_rng(0).normal(size=int(48000 * seconds)), 48000)
    sound = decode.Sound(path, INPUTS)
    found = np.stack(list(sound.windows()))
    whole = decode.read_sound(path)
    assert (found == audio_windows(whole, INPUTS)).all()
    assert sound.samples == len(whole) and sound.peak == np.abs(whole).max()
    blocks = list(decode.Sound(path, INPUTS).blocks())
    assert max(map(len, blocks)) <= decode.BLOCK_WINDOWS
    assert np.abs(np.concatenate(blocks) - decode.sound_windows(whole, INPUTS)).max() < 1e-4


@pytest.mark.parametrize("count", [1, 40, 75, 100, 130, 400])
def test_pictures_gathered_as_they_come_are_those_chosen_and_few_are_held(count):
    wanted = video_windows(count, INPUTS)
    held = set()

    def pictures():
        for index in range(count):
            held.add(index)
            yield index, np.full((1, 1, 3), index, np.int64)

    found = list(decode.gathered(wanted.tolist(), pictures()))
    assert (np.stack(found)[..., 0, 0, 0] == wanted).all()
    cut_short = list(decode.gathered(wanted.tolist(), ((i, np.full((1, 1, 3), i)) for i in range((count + 1) // 2))))
    assert (np.stack(cut_short)[..., 0, 0, 0] == np.minimum(wanted, (count + 1) // 2 - 1)).all()
    assert list(decode.gathered(wanted.tolist(), iter(()))) == []


# Crops


def test_five_crops_of_a_scaled_picture_are_paper_as():
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (16, 90, 160, 3), dtype=np.uint8)
    seen = crops.seen(frames, PAPER, SHORT_SIDES[0])
    assert seen.shape == (16, 256, 455, 3)
    found = crops.cut(seen, PAPER, "five", SHORT_SIDES[0])
    expected = evaluation_pictures(frames).permute(0, 2, 3, 4, 1).numpy()
    assert found.shape == (5, 16, 224, 224, 3) and np.abs(found / 255 - expected).max() < 0.51 / 255


def test_one_crop_of_a_whole_picture_is_its_centre():
    pictures = np.random.default_rng(0).integers(0, 256, (8, 44, 78, 3), dtype=np.uint8)
    one, five = (crops.cut(pictures, INPUTS, name) for name in ("centre", "five"))
    assert (one[0] == pictures[:, 2:42, 3:75]).all() and (five[4] == one[0]).all()
    assert (five[0] == pictures[:, :40, :72]).all() and (five[3] == pictures[:, 4:, 6:]).all()


def make_video(path, seconds, size=(64, 36), audio=True):
    """Write a video of moving noise, with noise for sound."""
    rng = np.random.default_rng(len(path.name))
    tile = rng.integers(0, 256, (size[1], 2 * size[0], 3), dtype=np.uint8)
    frames = (tile[:, i % size[0] : i % size[0] + size[0]] for i in range(int(seconds * 25)))
    tracks = []
    if audio:
        media.write_flac(path.with_suffix(".flac"), 0.1 * rng.normal(size=int(seconds * 48000)))
        tracks = [(path.with_suffix(".flac"), {"acodec": "pcm_s16le"})]
    media.encode(path, frames, size, 25, tracks)
    return path


def write_model(path):
    torch.manual_seed(0)
    weights = {f"backbone.{key}": value for key, value in build(Model()).state_dict().items()}
    settings = {"model": dataclasses.asdict(Model())}
    torch.save({"model": weights, "settings": settings, "run": "dubs", "seed": 0}, path)
    return path


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    """Seven videos, one of them mute, one broken, a benchmark of them, and a model."""
    folder = tmp_path_factory.mktemp("videos")
    paths = [make_video(folder / f"{'x' * i}.avi", 1 + i, audio=i != 3) for i in range(1, 7)]
    broken = folder / "broken.avi"
    broken.write_bytes(paths[0].read_bytes()[:700])
    paths.insert(2, broken)
    clips = [benchmarks.Clip(path.name, path, (n % 2,), path.name) for n, path in enumerate(paths)]
    roles = np.array([[TRAIN, TRAIN, TRAIN, VALID, VALID, TEST, TEST]], np.int8)
    about = ("ucf101", "audiovisual", "accuracy_percent", ("x", "y"))
    return benchmarks.Benchmark(*about, clips, roles), frozen.load(write_model(folder / "model.pt"))


def decoded(benchmark, folder=None, workers=1, **settings):
    return prepare.decode_all(benchmark, "u", "audiovisual", INPUTS, Settings(**settings), folder, workers)


def test_five_crops_are_averaged_with_the_windows(videos, tmp_path):
    benchmark, towers = videos
    five, one = (decoded(benchmark, crops=name) for name in ("five", "centre"))
    assert len(five.frames) == 5 * len(one.frames) and five.about["view"] == ["five", 0]
    assert (five.frames[4::5] == one.frames).all()
    found = embeddings.embed(towers, five, ("a",), tmp_path, Settings())["video"]
    every = frozen.embed_pictures(towers, five.frames, np.arange(len(five.frames)), len(five.frames), 64)
    for clip in range(len(five.clips)):
        assert np.allclose(found[clip], every[five.frames_clip == clip].mean(0), rtol=1e-4, atol=1e-5)


def test_a_shorter_side_than_the_crop_is_refused(videos):
    with pytest.raises(UserError, match="no less than the crop has, found 50"):
        decoded(videos[0], short_side_pixels=50)
    assert decoded(videos[0], short_side_pixels=80).frames.shape[1:] == (8, 40, 72, 3)


# Kept on the disk, or decoded by each run


def test_what_is_not_kept_is_decoded_again_and_embeds_alike(videos, tmp_path, monkeypatch):
    benchmark, towers = videos
    monkeypatch.setattr(resume, "SAVED_CLIPS", 2)
    found = []
    for number, (megabytes, workers) in enumerate(((8000, 1), (0, 1), (0, 3))):
        one = decoded(benchmark, keep_megabytes=megabytes, workers=workers)
        store.save(tmp_path / f"{number}.npz", one)
        one = store.load(tmp_path / f"{number}.npz")
        assert ("paths" in one.about) == (not megabytes) and len(one.frames) == 9 * bool(megabytes)
        assert [row["clip"] for row in one.about["dropped"]] == ["broken.avi"]
        assert one.about["flagged"][0]["reason"].startswith("no audio stream")
        found.append(embeddings.embed(towers, one, ("a",), tmp_path / str(number), Settings(batch_windows=4), workers))
    assert np.isnan(found[0]["audio"]).all(1).sum() == 1
    for other in found[1:]:
        for part in ("audio", "video"):
            assert np.array_equal(found[0][part], other[part], equal_nan=True)


def test_decoding_and_embedding_go_on_after_an_interruption(videos, tmp_path, monkeypatch):
    benchmark, towers = videos
    monkeypatch.setattr("soundstage.evaluate.windows.SAVED_CLIPS", 2)
    monkeypatch.setattr(resume, "SAVED_CLIPS", 2)
    whole, seen = decoded(benchmark), []
    read = prepare.read_clip

    def interrupted(path, *more):
        seen.append(path.name)
        if len(seen) == 5:
            raise KeyboardInterrupt
        return read(path, *more)

    monkeypatch.setattr(prepare, "read_clip", interrupted)
    with pytest.raises(KeyboardInterrupt):
        decoded(benchmark, tmp_path / "part")
    again = decoded(benchmark, tmp_path / "part")
    assert seen[5:] == [clip.name for clip in benchmark.clips[4:]]
    assert again.about == whole.about
    for name in ("frames", "frames_clip", "log_mel", "log_mel_clip", "labels", "roles"):
        assert np.array_equal(getattr(again, name), getattr(whole, name))
    other = dataclasses.replace(benchmark, clips=benchmark.clips[::-1])
    decoded(other, tmp_path / "part")  # of other clips: nothing is taken over
    assert seen[-7:] == [clip.name for clip in other.clips]

    expected = embeddings.embed(towers, whole, ("a",), tmp_path / "one", Settings())
    leave, saved = resume.leave, []

    def killed(*arguments):
        leave(*arguments)
        saved.append(arguments[-1])
        if len(saved) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(resume, "leave", killed)
    with pytest.raises(KeyboardInterrupt):
        embeddings.embed(towers, whole, ("a",), tmp_path / "two", Settings())
    found = embeddings.embed(towers, whole, ("a",), tmp_path / "two", Settings())
    assert saved == [2, 4, 6]
    assert all(np.array_equal(found[part], expected[part], equal_nan=True) for part in expected)
    assert [path.name for path in (tmp_path / "two").iterdir()] == ["u.npz"]


def embedded(model, files, out, monkeypatch, stop=None):
    """Call the program; return the names of the files that it read. stop: which of them is interrupted."""
    read, seen = embed.read_file, []

    def reading(path, *more):
        seen.append(path.name)
        if len(seen) == stop:
            raise KeyboardInterrupt
        yield from read(path, *more)

    flags = ["--model", model, "--files", *files, "--out", out, "--settings", '{"batch_windows": 3}']
    with monkeypatch.context() as patched:
        patched.setattr(embed, "read_file", reading)
        patched.setattr("sys.argv", ["embed", *map(str, flags)])
        if stop is None:
            embed.main()
        else:
            pytest.raises(KeyboardInterrupt, embed.main)
    return seen


@pytest.mark.parametrize("moments", [{"SAVED_CLIPS": 2}, {"SAVED_WINDOWS": 3}])
def test_embedding_a_folder_goes_on_after_an_interruption(videos, tmp_path, monkeypatch, moments):
    files = [clip.path for clip in videos[0].clips]
    model, part = files[0].with_name("model.pt"), tmp_path / "two.parquet.part"
    for name, value in moments.items():
        monkeypatch.setattr(resume, name, value)
    embedded(model, files, tmp_path / "one.parquet", monkeypatch)
    embedded(model, files, tmp_path / "two.parquet", monkeypatch, stop=5)
    assert part.is_dir() and not (tmp_path / "two.parquet").exists()
    embedded(model, files, tmp_path / "two.parquet", monkeypatch, stop=2)  # and once more
    assert len(embedded(model, files, tmp_path / "two.parquet", monkeypatch)) <= 5  # of 7
    one, two = (pyarrow.parquet.read_table(tmp_path / f"{name}.parquet").to_pylist() for name in ("one", "two"))
    assert one == two and not part.exists()
    assert "picture:" in two[2]["reason"] and "sound:" in two[3]["reason"]  # the broken file and the mute one


def test_what_another_work_left_is_not_used(videos, tmp_path, monkeypatch):
    files = [clip.path for clip in videos[0].clips][3:]
    model, out = files[0].with_name("model.pt"), tmp_path / "e.parquet"
    monkeypatch.setattr(resume, "SAVED_CLIPS", 2)
    embedded(model, files, out, monkeypatch, stop=4)
    other = tmp_path / "other.pt"
    torch.save({**torch.load(model), "seed": 1}, other)
    assert len(embedded(other, files, out, monkeypatch, stop=4)) == 4
    changed = tmp_path / "changed.avi"
    changed.write_bytes(files[0].read_bytes())
    files[0] = changed
    assert len(embedded(other, files, out, monkeypatch, stop=4)) == 4
    changed.write_bytes(files[1].read_bytes())
    assert len(embedded(other, files, out, monkeypatch)) == 4 and not list(tmp_path.glob("*.part"))


def test_a_map_of_a_decoded_benchmark_is_what_was_saved_and_a_broken_file_is_named(videos, tmp_path):
    one = decoded(videos[0])
    store.save(tmp_path / "a.npz", one)
    again = store.load(tmp_path / "a.npz")
    assert isinstance(again.frames, np.memmap) and not again.frames.flags.writeable
    assert np.array_equal(again.frames, one.frames) and np.array_equal(again.log_mel, one.log_mel)
    (tmp_path / "b.npz").write_bytes((tmp_path / "a.npz").read_bytes()[:-100])
    with pytest.raises(UserError, match="expected a decoded benchmark"):
        store.load(tmp_path / "b.npz")


# Ahead


def test_blocks_come_in_order_whatever_the_threads():
    def work(item):
        for block in range(item % 5):
            yield item, block

    for workers in (1, 3):
        found = [(item, list(blocks)) for item, blocks in ahead(range(40), work, workers)]
        assert found == [(item, [(item, block) for block in range(item % 5)]) for item in range(40)]


def test_an_error_is_raised_where_its_blocks_are_taken_and_the_rest_goes_on():
    def work(item):
        yield item
        if item == 3:
            raise UserError("broken")
        yield from range(20)

    found = []
    for item, blocks in ahead(range(6), work, 2):
        try:
            found.append(len([*blocks]))
        except UserError:
            found.append(item)
    assert found == [21, 21, 21, 3, 21, 21]
    before = threading.active_count()
    for _, blocks in ahead(range(6), work, 3):
        next(blocks)
        break  # left early: no thread stays
    assert threading.active_count() <= before


# Memory

LONG = """
import dataclasses, resource, sys
from pathlib import Path
import torch
from soundstage.evaluate import embed, frozen
from soundstage.evaluate.settings import Settings
torch.set_num_threads(1)
rows = embed.embed_files(frozen.load(sys.argv[1]), [Path(sys.argv[2])], Settings(batch_windows=8))
assert rows[0]["audio"] is not None and rows[0]["video"] is not None, rows
print(rows[0]["audio_windows"], rows[0]["video_windows"], resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def test_half_an_hour_takes_no_more_memory_than_ten_seconds(tmp_path):
    model = write_model(tmp_path / "model.pt")
    found = []
    for seconds in (30, 1800):
        path = tmp_path / f"{seconds}.mkv"
        command = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", f"testsrc=s=64x36:r=5:d={seconds}"]
        command += ["-f", "lavfi", "-i", f"sine=d={seconds}", "-c:v", "mpeg4", "-c:a", "aac", str(path)]
        subprocess.run(command, check=True)
        done = subprocess.run([sys.executable, "-c", LONG, model, path], capture_output=True, text=True, check=True)
        found.append([int(word) for word in done.stdout.split()])
    (short, _, before), (long, _, after) = found
    assert (short, long) == (10, 600)
    assert after < before + 25  # MB; the sound alone has 346, its pictures at once 49
