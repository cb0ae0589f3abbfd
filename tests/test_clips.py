import subprocess
import sys

import numpy as np
import pandas
import pytest

from soundstage import media
from soundstage.clips import select, shots, speech, windows
from soundstage.clips.settings import Settings
from soundstage.errors import UserError
from soundstage.files import write_json

HZ = 48000
SETTINGS = Settings()
SIZE = (96, 54)


def segment(start, end, offset=0.0, rate=1.0, **more):
    base = {"confidence": 0.9, "accepted": True, "residual_seconds": 1e-5}
    place = {"reference_start_seconds": start, "reference_end_seconds": end}
    return {**base, **place, "offset_seconds": offset, "rate": rate, **more}


def alignment(*segments, accepted=True, kept=False):
    said = "" if accepted else "no shared sound"
    return {
        "accepted": accepted, "reason": said, "segments": list(segments), "pitch_corrected": kept
    }


def test_windows_lie_in_the_middle_of_shots_and_overlap_by_half():
    found = windows.candidates([(0, 160), (160, 200), (200, 275)], SETTINGS)
    fits = [(c["first_frame"], c["last_frame"], c["shot"]) for c in found if c["fits"]]
    assert fits == [(4, 79, 0), (42, 117, 0), (80, 155, 0), (200, 275, 2)]
    assert [(c["first_frame"], c["last_frame"]) for c in found if not c["fits"]] == [(160, 200)]


def agree(dub, start, end, samples=20 * HZ, level=-20.0, settings=SETTINGS):
    sound = {"samples": {"fr": samples}, "level_db": {"fr": lambda first, last: level if first < 14 else -90.0}}
    return list(windows.agreeing({"fr": dub}, sound, start, end, settings)) == ["fr"]


def test_a_language_agrees_only_inside_one_accepted_segment():
    dub = alignment(segment(0, 8, 0.1), segment(10, 20, -1.9))
    assert agree(dub, 0, 3) and agree(dub, 4.5, 7.5) and agree(dub, 10.5, 13.5)
    assert not agree(dub, 6, 9), "reaches beyond the segment"
    assert not agree(dub, 5, 8), "touches the edit"
    assert not agree(dub, 8.5, 9.5), "between the segments"
    assert agree(alignment(segment(0, 20)), 13, 16) and not agree(alignment(segment(0, 20)), 14, 17), "a silent dub"
    assert agree(dub, 15, 18) and not agree(dub, 16, 19), "the dub is silent where it is heard: 1.9 s earlier"
    assert agree(dub, 15, 18, 17 * HZ) and not agree(dub, 15, 18, 16 * HZ), "the track is too short"
    assert not agree(alignment(segment(0, 20, -0.5)), 0, 3), "the dub starts after the window"
    assert not agree(alignment(segment(0, 20), accepted=False), 0, 3)
    assert not agree(alignment(segment(0, 20, accepted=False)), 0, 3)
    assert not agree(alignment(segment(0, 20, residual_seconds=0.05)), 0, 3)


def test_stretches_that_share_nothing_are_left_out_on_demand():
    dub, strict = alignment(segment(0, 20, unheard_seconds=[[3.0, 9.0]])), Settings(keep_unheard=False)
    assert agree(dub, 2, 5) and not agree(dub, 2, 5, settings=strict)
    assert agree(dub, 0, 3, settings=strict) and agree(dub, 9, 12, settings=strict)


def make_row(dubs, first=0, last=75, level=-20.0, bright=100.0, change=1.0, settings=SETTINGS):
    picture = shots.Picture([(0, 500)], np.full(500, bright), np.full(500, change))
    samples = {"en": 15 * HZ, **{language: 20 * HZ for language in dubs}}
    sound = {"original": "en", "samples": samples, "level_db": dict.fromkeys(samples, lambda start, end: level)}
    candidate = {"shot": 0, "first_frame": first, "last_frame": last, "fits": last - first == 75}
    return windows.row("f", candidate, picture, sound, dubs, settings)


def test_rows_say_what_is_needed_to_cut_and_why_a_window_is_dropped():
    dubs = {
        "fr": alignment(segment(0, 20, 0.25, 0.96, confidence=0.7), kept=True),
        "de": alignment(segment(0, 20, 0.5)),
        "ja": alignment(accepted=False),
    }
    row = make_row(dubs)
    assert row["kept"] and row["has_dub"] and row["languages"] == ["en", "de", "fr"]
    assert row["offset_seconds"] == [0.0, 0.5, 0.25] and row["rate"] == [1.0, 1.0, 0.96]
    assert row["pitch_corrected"] == [False, False, True] and row["confidence"] == 0.7
    alone = make_row({})
    assert alone["kept"] and not alone["has_dub"] and alone["languages"] == ["en"]
    assert make_row({}, settings=Settings(require_dub=True))["reason"] == "no accepted dub"
    assert make_row(dubs, level=-90)["reason"] == "silent original"
    assert make_row(dubs, bright=3)["reason"] == "black picture"
    assert make_row(dubs, change=0)["reason"] == "still picture"
    assert make_row(dubs, last=40)["reason"] == "shot shorter than a window"
    assert make_row(dubs, 350, 425)["reason"] == "original track ends before the window"


def scene(rng):
    """Return a function frame -> picture of a moving square on a background of its own."""
    back, front = rng.integers(0, 255, 3), rng.integers(0, 255, 3)

    def draw(number):
        picture = np.empty((SIZE[1], SIZE[0], 3), np.uint8)
        picture[:] = back
        left = 30 + round(25 * np.sin(number / 8))
        picture[10:40, left : left + 30] = front
        return picture

    return draw


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    """A film of shots of 5, 2, 4 and 4 seconds, the last black, with one dub 0.2 s late."""
    folder = tmp_path_factory.mktemp("clips")
    rng = np.random.default_rng(4)
    lengths = (125, 50, 100)
    frames = [scene_(i) for n in lengths for scene_ in [scene(rng)] for i in range(n)]
    frames += [np.zeros((SIZE[1], SIZE[0], 3), np.uint8)] * 100
    media.encode(folder / "film.mkv", frames, SIZE, 25)
    sound = (0.1 * rng.standard_normal(15 * HZ)).astype(np.float32)
    time = np.arange(15 * HZ) / HZ
    talk = 0.3 * np.sin(2 * np.pi * 600 * time) + 0.3 * np.sin(2 * np.pi * 1700 * time)
    talk += 0.3 * np.sin(2 * np.pi * 1200 * time) + 0.3 * np.sin(2 * np.pi * 2500 * time)
    media.write_flac(folder / "en.flac", np.clip(sound + talk * (time < 3), -1, 1))
    media.write_flac(folder / "fr.flac", np.concatenate([np.zeros(9600), sound]))
    write_json(folder / "fr.json", alignment(segment(0, 15, 0.2)))
    track = {"language": "en", "status": "ok", "reason": ""}
    write_json(folder / "probe.json", {"status": "ok", "reason": "", "tracks": [track]})
    return folder


def run(folder, *more, out="clips.parquet"):
    words = ["--film", "f", "--picture=film.mkv", "--probe", "probe.json", "--original", "en"]
    words += ["--alignment", "fr=fr.json", "--audio", "en=en.flac", "fr=fr.flac", "--out", out]
    return subprocess.run(
        [sys.executable, "-m", "soundstage.clips.select", *words, *more],
        cwd=folder, capture_output=True, text=True,
    )


def test_a_film_from_end_to_end(film):
    done = run(film)
    assert done.returncode == 0, done.stderr
    table = pandas.read_parquet(film / "clips.parquet")
    kept = table[table.kept]
    assert kept.start_seconds.tolist() == [0.24, 1.76, 7.48] and kept["clip"].tolist() == [0, 1, 2]
    assert table[~table.kept].reason.tolist() == ["shot shorter than a window", "black picture"]
    assert [list(x) for x in kept.languages] == [["en", "fr"]] * 3
    assert [list(x) for x in kept.offset_seconds] == [[0.0, 0.2]] * 3
    assert kept.speech_fraction.iloc[0] > 0.85 and kept.speech_fraction.iloc[2] < 0.1
    assert "5 windows, 3 kept, 3 of them with a dub" in done.stderr
    assert "1  black picture" in done.stderr
    run(film, out="again.parquet")
    assert (film / "again.parquet").read_bytes() == (film / "clips.parquet").read_bytes()


def test_a_dropped_film_gives_an_empty_table_with_all_columns(film):
    write_json(film / "gone.json", {"status": "dropped", "reason": "truncated", "tracks": []})
    done = run(film, "--probe", "gone.json", out="none.parquet")
    assert done.returncode == 0 and "dropped (truncated)" in done.stderr
    table = pandas.read_parquet(film / "none.parquet")
    assert len(table) == 0 and list(table.columns) == [name for name, _ in select.COLUMNS]


@pytest.mark.parametrize("detector", ["content", "adaptive"])
def test_cuts_are_found_on_their_frame(film, detector):
    threshold = {"content": 27.0, "adaptive": 3.0}[detector]
    settings = Settings(detector=detector, cut_threshold=threshold)
    assert shots.look(film / "film.mkv", settings).shots == [(0, 125), (125, 175), (175, 275), (275, 375)]


def test_speech_is_where_original_and_dub_differ_whatever_the_mix():
    rng = np.random.default_rng(0)
    bed = rng.normal(-30, 6, (1000, 7)).astype(np.float32)
    original, dub = bed.copy(), bed - 7 + np.linspace(0, 5, 7)
    original[200:400] += rng.uniform(5, 20, (200, 7))
    dub[300:500] += rng.uniform(5, 20, (200, 7))
    places = np.arange(1000)
    marks = speech.talking([speech.different(original, dub, places)])
    assert marks[220:480].mean() > 0.9 and marks[:180].mean() < 0.05 and marks[520:].mean() < 0.05
    assert np.isnan(speech.different(original, dub, np.full(1000, -1))).all()
    assert speech.fraction(marks, 2.2, 4.8) > 0.9 and speech.fraction(marks, 9.99, 9.99) == 0.0


def test_wrong_words_are_named():
    with pytest.raises(UserError, match="LANG=PATH"):
        select.named(["fr"], "--audio")
    with pytest.raises(UserError, match="once"):
        select.named(["fr=a", "fr=b"], "--audio")
    for wrong in ({"detector": "magic"}, {"hop_seconds": 0.0}, {"edge_margin_seconds": -1.0}):
        with pytest.raises(UserError):
            Settings(**wrong)
