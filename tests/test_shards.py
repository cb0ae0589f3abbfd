"""Stage 5: clips as WebDataset tars."""

import hashlib
import json
import subprocess
import sys

import numpy as np
import pandas
import pytest
import webdataset

from soundstage.errors import UserError
from soundstage.media import decode_clip, decode_flac, encode, stretched, write_flac
from soundstage.shards import plan
from soundstage.shards.settings import Settings
from soundstage.shards.write import cut_file, main

FILM_SECONDS = 10
DELAY_SAMPLES = 4811


def noise(seed, samples=FILM_SECONDS * 48000):
    return np.random.default_rng(seed).uniform(-0.5, 0.5, samples).astype(np.float32)


def numbered(number):
    """Return a picture that says its number: eight black or white columns, the lowest bit first."""
    bits = (number >> np.arange(8)) & 1
    return np.repeat(np.tile(bits[None, :, None] * 255, (72, 1, 3)), 16, axis=1).astype(np.uint8)


def number_of(frame):
    """Return the number that a picture of `numbered` says after scaling and coding."""
    columns = frame.mean((0, 2)).reshape(8, -1)[:, 8:-8].mean(1)
    return int(((columns > 127) << np.arange(8)).sum())


def clip_row(clip, start_seconds, kept=True, reason=""):
    return {
        "film": "tiny",
        "clip": clip,
        "start_seconds": start_seconds,
        "end_seconds": start_seconds + 3.0,
        "shot": 0,
        "kept": kept,
        "reason": reason,
        "languages": ["en", "fr"],
        "offset_seconds": [0.0, DELAY_SAMPLES / 48000],
        "rate": [1.0, 1.0],
        "pitch_corrected": [False, False],
        "speech_fraction": 0.25,
        "confidence": 0.9,
        "has_dub": True,
    }


ROWS = [
    clip_row(0, 0.0),
    clip_row(1, 1.52),
    clip_row(-1, 3.0, kept=False, reason="the tracks disagree"),
    clip_row(2, 3.4),
    clip_row(3, 6.96),  # the dub ends before this window does
    clip_row(4, 8.0),  # the picture ends before this window does
]


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    """A film of 10 s whose picture tells the frame number and whose dub is a delayed original."""
    folder = tmp_path_factory.mktemp("film with 'quotes'; and spaces")
    frames = map(numbered, range(FILM_SECONDS * 25))
    encode(folder / "-tiny.mkv", frames, (128, 72), 25)
    write_flac(folder / "en.flac", noise(0))
    dub = np.concatenate([noise(9, DELAY_SAMPLES), noise(0)])[: FILM_SECONDS * 48000]
    write_flac(folder / "fr.flac", dub)
    write_flac(folder / "en.nospeech.flac", noise(2))
    pandas.DataFrame(ROWS).to_parquet(folder / "clips.parquet")
    return folder


def command(film, out, settings=None, clips="clips.parquet", name="tiny"):
    return [
        "--film", name, f"--picture={film / '-tiny.mkv'}", "--clips", str(film / clips),
        "--original", "en", "--audio", f"en={film / 'en.flac'}", f"fr={film / 'fr.flac'}",
        "--nospeech", f"en={film / 'en.nospeech.flac'}", "--split", "train",
        "--out-prefix", str(out / "tiny"), "--index", str(out / "tiny.json"),
        "--settings", json.dumps(settings or {}),
    ]  # fmt: skip


def write(film, out, monkeypatch, **options):
    monkeypatch.setattr(sys, "argv", ["write", *command(film, out, **options)])
    main()
    return json.loads((out / "tiny.json").read_text())


def read(*paths):
    """Return the samples of shards as anyone would read them, without our code."""
    dataset = webdataset.WebDataset([str(path) for path in paths], shardshuffle=False).decode()
    return {sample["__key__"]: sample for sample in dataset}


def test_plain_webdataset_reads_every_member(film, tmp_path, monkeypatch):
    write(film, tmp_path, monkeypatch)
    found = read(tmp_path / "tiny-0.tar")
    assert list(found) == [f"tiny-{clip:06d}" for clip in (0, 1, 2, 3)]
    sample = found["tiny-000001"]
    members = {name for name in sample if not name.startswith("__")}
    assert members == {"mp4", "en.flac", "fr.flac", "en.nospeech.flac", "json"}
    assert sample["json"]["start_seconds"] == 1.52 and sample["json"]["languages"] == ["en", "fr"]
    assert sample["json"]["has_dub"] is True and sample["json"]["split"] == "train"
    assert all(isinstance(sample[name], bytes) for name in members - {"json"})


def test_picture_is_cut_at_the_right_frames(film, tmp_path, monkeypatch):
    write(film, tmp_path, monkeypatch)
    sample = read(tmp_path / "tiny-0.tar")["tiny-000001"]
    frames = decode_clip(sample["mp4"], range(75))
    assert frames.shape == (75, 112, 200, 3)
    assert [number_of(frame) for frame in frames] == list(range(38, 113))


def test_every_language_is_on_the_picture_timeline(film, tmp_path, monkeypatch):
    write(film, tmp_path, monkeypatch)
    for key, start in (("tiny-000000", 0), ("tiny-000001", 72960), ("tiny-000002", 163200)):
        sample = read(tmp_path / "tiny-0.tar")[key]
        for member, seed in (("en.flac", 0), ("fr.flac", 0), ("en.nospeech.flac", 2)):
            sound, sample_rate_hz = decode_flac(sample[member])
            assert sample_rate_hz == 48000 and sound.shape == (144000,)
            assert np.abs(sound - noise(seed)[start : start + 144000]).max() < 1e-4


def test_index_counts_what_is_in_and_what_is_not(film, tmp_path, monkeypatch):
    index = write(film, tmp_path, monkeypatch)
    assert index["clips"] == 4 and index["languages"] == {"en": 4, "fr": 3}
    assert index["clips_with_dub"] == 3 and index["languages_dropped"] == {"fr": 1}
    assert index["dropped"] == {
        "the tracks disagree": 1,
        "the picture ends before the clip does": 1,
    }
    data = (tmp_path / "tiny-0.tar").read_bytes()
    part = index["parts"][0]
    assert part["sha256"] == hashlib.sha256(data).hexdigest() and part["bytes"] == len(data)
    assert read(tmp_path / "tiny-0.tar")["tiny-000003"]["json"]["has_dub"] is False


def test_shards_are_the_same_bytes_on_a_rerun_in_another_process(film, tmp_path, monkeypatch):
    first = write(film, tmp_path / "a", monkeypatch)
    module = [sys.executable, "-m", "soundstage.shards.write"]
    subprocess.run([*module, *command(film, tmp_path / "b")], check=True, capture_output=True)
    assert json.loads((tmp_path / "b/tiny.json").read_text()) == first
    assert (tmp_path / "a/tiny-0.tar").read_bytes() == (tmp_path / "b/tiny-0.tar").read_bytes()


def test_parts_hold_every_key_once_at_a_place_of_its_own(film, tmp_path, monkeypatch):
    index = write(film, tmp_path, monkeypatch, settings={"parts_per_film": 2})
    even, odd = read(tmp_path / "tiny-0.tar"), read(tmp_path / "tiny-1.tar")
    assert list(even) == ["tiny-000000", "tiny-000002"]
    assert list(odd) == ["tiny-000001", "tiny-000003"]
    assert [part["clips"] for part in index["parts"]] == [2, 2]


def test_pictures_can_be_stored_as_jpg(film, tmp_path, monkeypatch):
    write(film, tmp_path, monkeypatch, settings={"picture": "jpg", "short_side_pixels": 36})
    sample = read(tmp_path / "tiny-0.tar")["tiny-000000"]
    pictures = sorted(name for name in sample if name.endswith(".jpg"))
    assert pictures == [f"{n:03d}.jpg" for n in range(75)]
    assert sample["000.jpg"][:3] == b"\xff\xd8\xff"


def test_a_film_without_clips_makes_an_empty_shard(film, tmp_path, monkeypatch):
    table = pandas.read_parquet(film / "clips.parquet")
    table[~table["kept"]].to_parquet(tmp_path / "none.parquet")
    index = write(film, tmp_path, monkeypatch, clips=tmp_path / "none.parquet")
    assert index["clips"] == 0 and index["dropped"] == {"the tracks disagree": 1}
    assert (tmp_path / "tiny-0.tar").stat().st_size > 0


@pytest.mark.parametrize("name", ["tiny.fr", "../tiny", "Tiny", "a b", ""])
def test_film_ids_that_would_break_a_key_are_refused(film, tmp_path, monkeypatch, name):
    with pytest.raises(UserError, match="letters"):
        write(film, tmp_path, monkeypatch, name=name)


def test_language_names_are_checked():
    assert plan.named_files(["en=a=b.flac"], "--audio") == {"en": "a=b.flac"}
    for bad in ("en", "=x.flac", "en=", "e.n=x.flac", "en/..=x.flac"):
        with pytest.raises(UserError, match="LANGUAGE=FILE"):
            plan.named_files([bad], "--audio")
    with pytest.raises(UserError, match="twice"):
        plan.named_files(["en=a", "en=b"], "--audio")


def test_one_pass_gives_every_window_and_holds_only_what_is_open():
    generator = np.random.default_rng(0)
    starts = generator.integers(0, 400, 60)
    ranges = [(int(s), int(s + generator.integers(1, 30))) for s in starts]
    decoded = []

    def frames():
        for index in range(500):
            decoded.append(index)
            yield index

    found = dict(plan.take_windows(frames(), ranges))
    assert found == {number: list(range(*span)) for number, span in enumerate(ranges)}
    assert decoded[-1] <= max(end for _, end in ranges)
    assert dict(plan.take_windows(iter(range(50)), [(10, 20), (40, 60)])) == {0: list(range(10, 20))}


def test_picture_size_keeps_the_shape_and_is_even():
    assert plan.picture_size({"width": 320, "height": 180}, 112) == (200, 112)
    assert plan.picture_size({"width": 180, "height": 320}, 112) == (112, 200)
    wide = {"width": 720, "height": 576, "sample_aspect_ratio": "64:45"}
    assert plan.picture_size(wide, 112) == (200, 112)


def test_settings_refuse_what_cannot_be():
    for bad in (
        {"parts_per_film": 0},
        {"picture": "gif"},
        {"short_side_pixels": 111},
        {"jpeg_quality": 0},
    ):
        with pytest.raises(UserError):
            Settings(**bad)


def tone_db(sound, hertz):
    """Return the level within 8 Hz of a tone of 3 s of sound."""
    power = np.abs(np.fft.rfft(sound * np.hanning(len(sound)))) ** 2
    return 10 * np.log10(power[round(3 * (hertz - 8)) : round(3 * (hertz + 8))].sum())


def test_a_dub_that_kept_its_pitch_is_stretched_back(tmp_path):
    rate, offset, seconds = 24 / 25, 0.4, 12
    time = np.arange(seconds * 48000) / 48000
    tone = 0.1 * np.sin(2 * np.pi * 440 * time)
    clicks = np.zeros(len(time))
    for moment in np.arange(0.5, seconds, 0.7):
        at = int(moment * 48000)
        clicks[at : at + 400] = 0.6 * np.random.default_rng(at).standard_normal(400)[: len(clicks) - at]
    film = (tone + clicks).astype(np.float32).clip(-1, 1)
    dub = np.concatenate([np.zeros(int(offset * 48000), np.float32), stretched(film, 1 / rate)])
    write_flac(tmp_path / "fr.flac", dub)
    row = {"start_seconds": 4.2, "end_seconds": 7.2}
    heard = cut_file(tmp_path / "fr.flac", row, offset, rate, pitch_corrected=True)
    want = film[round(4.2 * 48000) :][: 3 * 48000]
    assert len(heard) == 3 * 48000
    assert tone_db(heard, 440) > tone_db(heard, 440 * rate) + 10
    loud = [np.flatnonzero(np.abs(x) > 0.25) for x in (heard, want)]
    starts = [x[np.diff(x, prepend=-9999) > 4800] / 48000 for x in loud]
    assert starts[0] == pytest.approx(starts[1], abs=0.01)
    moved = cut_file(tmp_path / "fr.flac", row, offset, rate)
    assert tone_db(moved, 440) < tone_db(moved, 440 * rate) - 10
