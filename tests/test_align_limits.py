"""Where the aligner's answers end: short files, offsets beyond the limit, and what a refusal says."""

import json
from dataclasses import replace

import numpy as np
import pytest
import soundfile
from test_align import HZ, SETTINGS, aligned, command, pair, voice

from soundstage.align import coarse, estimate, listen, plot, stretch, timeline
from soundstage.media import read_audio, write_flac

FILES = ["--reference", "r.flac", "--track", "t.flac"]


@pytest.mark.parametrize(("seconds", "offset"), [(20.5, -0.3), (22, 3.0), (24, -3.0)])
def test_a_pair_a_little_longer_than_a_shot_is_found(seconds, offset):
    reference, track = pair(3, seconds, offset=offset)
    found = aligned(reference, track[: len(reference)])
    assert found["accepted"] and found["offset_seconds"] == pytest.approx(offset, abs=1e-3), found["reason"]


def test_a_short_track_is_found_in_a_longer_film():
    reference, track = pair(4, 90, offset=0.0)
    found = aligned(reference, track[33 * HZ : 54 * HZ])
    assert found["accepted"] and found["offset_seconds"] == pytest.approx(-33.0, abs=1e-3), found["reason"]


def test_chunks_stay_as_they_are_from_a_minute_on():
    assert coarse.fitted(SETTINGS, 60.0) is SETTINGS
    short = coarse.fitted(SETTINGS, 30.0)
    assert (short.chunk_seconds, short.chunk_hop_seconds) == (10.0, 2.5)


def test_a_track_that_falls_silent_is_not_called_dialogue_only():
    reference, track = pair(5, 90, offset=0.0)
    track[30 * HZ :] = 0
    found = aligned(reference, track)
    assert any(segment["accepted"] for segment in found["segments"])
    assert not found["accepted"] and "too little shared sound" in found["reason"]


def test_dialogue_alone_over_room_tone_is_not_said_to_be_another_film():
    reference, _ = pair(6, 50)
    words = voice(50, 60, 0.1) + 0.003 * np.random.default_rng(1).standard_normal(50 * HZ)
    found = aligned(reference, words)
    assert not found["accepted"] and "dialogue alone" in found["reason"], found["reason"]


def test_an_offset_beyond_the_limit_is_refused_and_edits_may_go_beyond_it():
    limited = replace(SETTINGS, max_offset_seconds=5.0)
    found = estimate.estimate([pair(7, 60, offset=20.0)], limited)
    assert not found["accepted"] and "+20.00 s was found, at most 5 s" in found["reason"]
    edited = pair(7, 90, offset=4.0, edits=[("insert", 40.0, 6.0)])
    found = estimate.estimate([edited], limited)
    offsets = [part["offset_seconds"] for part in found["segments"]]
    assert found["accepted"] and max(offsets) == pytest.approx(10, abs=1e-3)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a short pair, r.flac and t.flac, its alignment o.json, and files that are no alignment."""
    folder = tmp_path_factory.mktemp("pair")
    for name, samples in zip("rt", pair(2, 30), strict=True):
        write_flac(folder / f"{name}.flac", samples * 0.5)
    soundfile.write(folder / "silent.wav", np.zeros(30 * HZ), HZ)
    done = command(folder, "soundstage.align.estimate", *FILES, "--out", "o.json", "--plot", "o.svg")
    assert done.returncode == 0, done.stderr
    good = json.loads((folder / "o.json").read_text())
    for name, value in (("one", {"a": 1}), ("list", []), ("nan", good | {"segments": [{"rate": "x"}]})):
        (folder / f"{name}.json").write_text(json.dumps(value))
    return folder


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--out", "."], "found a folder"),
        (["--out", "r.flac/o.json"], "found a file"),
        (["--out", "p.json", "--plot", "p.bmp"], ".png or .jpg or .svg or .pdf"),
        (["--out", "p.json", "--plot", "p"], ".png or .jpg or .svg or .pdf"),
    ],
)
def test_what_cannot_be_written_is_said_before_the_work(folder, words, said):
    done = command(folder, "soundstage.align.estimate", *FILES, *words)
    assert done.returncode == 2 and said in done.stderr and "Traceback" not in done.stderr
    assert not (folder / "p.json").exists()


def test_a_picture_is_what_its_suffix_says(folder):
    assert "<svg" in (folder / "o.svg").read_text()[:2000]
    result = json.loads((folder / "o.json").read_text())
    for suffix, head in ((".png", b"\x89PNG"), (".JPG", b"\xff\xd8"), (".pdf", b"%PDF")):
        for name in ("a", "b"):
            plot.draw(result, folder / f"{name}{suffix}", [("r.flac", "t.flac")])
        data = (folder / f"a{suffix}").read_bytes()
        assert data.startswith(head) and data == (folder / f"b{suffix}").read_bytes()


def test_the_picture_of_a_silent_track_gives_no_warning(folder):
    words = ["--reference", "r.flac", "--track", "silent.wav", "--out", "s.json", "--plot", "s.png"]
    done = command(folder, "soundstage.align.estimate", *words)
    assert done.returncode == 0 and "Warning" not in done.stderr and "silent" in done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--alignment", "one.json", "--out", "b.flac"], "expected the JSON"),
        (["--alignment", "list.json", "--out", "b.flac"], "expected the JSON"),
        (["--alignment", "nan.json", "--out", "b.flac"], "expected the JSON"),
        (["--alignment", "o.json", "--out", "b.flac", "--seconds", "nan"], "expected a positive length"),
        (["--alignment", "o.json", "--out", "b.ogg"], ".flac or .wav"),
    ],
)
def test_listening_says_what_it_cannot_use(folder, words, said):
    done = command(folder, "soundstage.align.listen", *FILES, *words)
    assert done.returncode == 2 and said in done.stderr and "Traceback" not in done.stderr, done.stderr


def test_listening_writes_what_the_suffix_says(folder):
    for name, kind in (("b.wav", "WAV"), ("b.flac", "FLAC")):
        words = ["--alignment", "o.json", "--out", name, "--seconds", "5"]
        assert command(folder, "soundstage.align.listen", *FILES, *words).returncode == 0
        assert soundfile.info(folder / name).format == kind
    assert (soundfile.read(folder / "b.wav")[0] == soundfile.read(folder / "b.flac")[0]).all()


@pytest.mark.parametrize(("put", "rate"), [(timeline.cut, 1.0), (timeline.cut, 25 / 24), (stretch.cut_kept, 0.96)])
def test_a_passage_sounds_as_cut_out_of_the_whole_track(folder, put, rate):
    whole = read_audio(folder / "t.flac")
    for start in (0.0, 12.3456789):
        want = put(whole, start, 4.0, 0.1234567, rate)
        found = listen.side(folder / "t.flac", start, 4.0, 0.1234567, rate, put)
        assert len(found) == 4 * HZ and np.abs(found - want).max() < 1e-6
