"""Shots, alone and pooled, and several pairs on one command line."""

import json
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
from test_align import HZ, aligned, bed, pair, voice

from soundstage.align import estimate, shots
from soundstage.align.features import decimate
from soundstage.align.settings import RANGES, Settings
from soundstage.errors import UserError
from soundstage.media import read_audio, write_flac

SETTINGS = Settings()
TITLE = "81056348"


@pytest.fixture(scope="module")
def sounds(shared):
    """Return {(title, shot, language): (n,) at 16 kHz} of the real shots."""
    paths = sorted((shared / "media" / "dubs").glob("*.mp4"))
    return {tuple(path.stem.split("_")): decimate(read_audio(path)) for path in paths}


@pytest.fixture(scope="module")
def lags(shared):
    return json.loads((shared / "reference" / "dub_lags.json").read_text())


def run(folder, *words):
    """Return (process, what it wrote) of the command line in a folder."""
    command = [sys.executable, "-m", "soundstage.align.estimate", *map(str, words), "--out", "o.json"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    return done, json.loads((folder / "o.json").read_text()) if done.returncode == 0 else None


def test_a_pooled_shot_of_another_film_is_refused(shared, tmp_path):
    folder = shared / "media" / "dubs"
    names = [(f"{TITLE}_114_en", f"{TITLE}_114_es"), (f"{TITLE}_380_en", f"{TITLE}_380_es")]
    names.insert(1, ("1445350_26_en", "1691815_148_es"))
    words = [word for a, b in names for word in ("--pair", folder / f"{a}.mp4", folder / f"{b}.mp4")]
    done, found = run(tmp_path, *words, "--plot", "o.png")
    assert done.returncode == 0, done.stderr
    assert [part["pair"] for part in found["segments"]] == [0, 1, 2]
    assert [part["accepted"] for part in found["segments"]] == [True, False, True]
    assert [part["coherent"] for part in found["segments"]] == [True, False, True]
    stranger = found["segments"].pop(1)
    assert stranger["confidence"] < 0.1 and "too little shared sound" in stranger["reason"]
    ends = [part["reference_end_seconds"] for part in found["segments"]]
    assert ends == pytest.approx([3.46, 7.17], abs=0.05)
    assert all(0 < part["residual_seconds"] < 5e-5 for part in found["segments"])
    assert found["accepted"] and found["offset_seconds"] == pytest.approx(-0.02344, abs=1e-4)
    assert (tmp_path / "o.png").stat().st_size > 10000


def test_each_shot_of_a_title_is_judged_by_its_own_sound(sounds, lags):
    for language in ("de", "es", "fr", "it", "ja"):
        title = {shot for name, shot, tongue in sounds if name == "80145138" and tongue == language}
        both = [(sounds["80145138", shot, "en"], sounds["80145138", shot, language]) for shot in sorted(title)]
        found = estimate.estimate_low(both, SETTINGS)
        kept = [shot for shot, part in zip(sorted(title), found["segments"], strict=True) if part["accepted"]]
        assert found["accepted"] and kept == ["271"], (language, kept)
        assert 1000 * found["offset_seconds"] == pytest.approx(lags["80145138"][language], abs=1.0)
        assert found["confidence"] == found["segments"][sorted(title).index("271")]["confidence"]


@pytest.mark.parametrize(("seconds", "missed"), [(3, 1), (5, 0), (99, 0)])
def test_true_shots_are_found_whole_and_cut(sounds, lags, seconds, missed):
    whole = (TITLE, "114"), (TITLE, "380"), ("1445350", "26"), ("1691815", "148"), ("80145138", "271")
    refused = []
    for title, shot in whole:
        for language in lags[title].keys() & {"de", "es", "fr", "it", "ja"}:
            length = seconds * 16000
            both = sounds[title, shot, "en"][:length], sounds[title, shot, language][:length]
            found = estimate.estimate_low([both], SETTINGS)
            assert 1000 * found["offset_seconds"] == pytest.approx(lags[title][language], abs=1.0)
            refused += [] if found["accepted"] else [(title, shot, language)]
    assert len(refused) <= missed, refused


def test_slices_of_different_titles_are_refused(sounds):
    rng = np.random.default_rng(7)
    names = [name for name in sounds]
    for _ in range(150):
        one, other = (names[number] for number in rng.choice(len(names), 2, replace=False))
        if one[0] == other[0]:
            continue
        length = int(16000 * rng.uniform(0.6, 5))
        first, second = (rng.integers(0, max(1, len(sounds[name]) - length)) for name in (one, other))
        both = sounds[one][first : first + length], sounds[other][second : second + length]
        assert not estimate.estimate_low([both], SETTINGS)["accepted"], (one, other, first, second, length)


@pytest.mark.parametrize("at", [(23344, 29473, 23973, "148_es"), (5152, 41454, 34520, "148_it")])
def test_two_sharp_sounds_alone_do_not_make_a_match(sounds, at):
    left, right, length, name = at
    both = sounds["1691815", *name.split("_")][left : left + length], sounds["1445350", "26", "ja"]
    assert not estimate.estimate_low([(both[0], both[1][right : right + length])], SETTINGS)["accepted"]


def test_a_loud_click_on_each_side_is_no_evidence():
    sides = [0.01 * np.random.default_rng(seed).standard_normal(6 * HZ) for seed in (1, 2)]
    for side, place in zip(sides, (3.0, 3.1), strict=True):
        side[int(place * HZ) : int(place * HZ) + 20] += 0.9
    assert not aligned(*sides)["accepted"]


def test_an_unfit_pair_keeps_its_place_with_a_reason(tmp_path):
    for number, seconds in enumerate((8, 6)):
        for name, side in zip("rt", pair(30 + number, seconds, offset=0.1), strict=True):
            write_flac(tmp_path / f"{name}{number}.flac", 0.5 * side)
    write_flac(tmp_path / "s.flac", np.zeros(5 * HZ, np.float32))
    done, found = run(tmp_path, *"--pair r0.flac s.flac --pair r0.flac t0.flac --pair r1.flac t1.flac".split())
    assert done.returncode == 0, done.stderr
    assert [part["pair"] for part in found["segments"]] == [0, 1, 2]
    assert [part["accepted"] for part in found["segments"]] == [False, True, True]
    assert "silent" in found["segments"][0]["reason"] and found["segments"][0]["confidence"] == 0.0
    assert [part["reference_end_seconds"] for part in found["segments"]] == pytest.approx([8, 8, 6], abs=0.11)
    assert [shot["pair"] for shot in found["shots"]] == [1, 2] and "2 segment(s)" in done.stdout + done.stderr
    done, found = run(tmp_path, *"--pair r0.flac s.flac --pair s.flac t1.flac".split())
    assert done.returncode == 0 and not found["accepted"] and "silent" in found["reason"]
    assert ["silent" in part["reason"] for part in found["segments"]] == [True, True]


def test_long_pairs_are_each_aligned_as_films(tmp_path):
    moved, short = pair(33, 40, offset=-1.0), pair(34, 8, offset=0.1)
    other = bed(40, 35), voice(40, 36, 0.05)
    for number, both in enumerate((short, other, moved)):
        for name, side in zip("rt", both, strict=True):
            write_flac(tmp_path / f"{name}{number}.flac", 0.5 * np.float32(side))
    words = [word for number in range(3) for word in ("--pair", f"r{number}.flac", f"t{number}.flac")]
    done, found = run(tmp_path, *words, "--plot", "o.png")
    assert done.returncode == 0, done.stderr
    assert {part["pair"]: part["accepted"] for part in found["segments"]} == {0: True, 1: False, 2: True}
    assert found["pair"] == 2 and found["offset_seconds"] == pytest.approx(-1.0, abs=1e-3)
    assert found["segments"][0]["offset_seconds"] == pytest.approx(0.1, abs=1e-3)
    assert found["segments"][1]["reason"] and (tmp_path / "o.png").stat().st_size > 10000


def test_the_memory_of_a_pool_does_not_grow_with_the_square_of_its_length():
    peaks = []
    for seconds in (8, 16):
        both = [tuple(decimate(side) for side in pair(37, seconds, offset=0.1))]
        tracemalloc.start()
        found = shots.align(both, SETTINGS)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert found["accepted"]
    assert peaks[1] < 2.3 * peaks[0] and peaks[1] < 3e8


@pytest.mark.parametrize("name", RANGES)
def test_a_setting_out_of_range_is_named_with_its_value_and_range(name):
    least, most = RANGES[name]
    for wrong in (least - 1, most + 1, float("nan")):
        with pytest.raises(UserError) as caught:
            Settings(**{name: wrong})
        assert f"expected {least:g} to {most:g}, found {wrong}" in str(caught.value)
        assert f"align.{name}" in str(caught.value)


def test_settings_that_cannot_work_end_with_exit_code_2(tmp_path):
    for name, side in zip("rt", pair(38, 5), strict=True):
        write_flac(tmp_path / f"{name}.flac", 0.5 * side)
    for words in ('{"margin_seconds": 0}', '{"short_max_offset_seconds": -0.2}', '{"band_low_hz": 6500}'):
        done, _ = run(tmp_path, "--reference", "r.flac", "--track", "t.flac", "--settings", words)
        assert done.returncode == 2 and "expected" in done.stderr and "Traceback" not in done.stderr, done.stderr
    assert set(RANGES) == set(Settings.__dataclass_fields__)
