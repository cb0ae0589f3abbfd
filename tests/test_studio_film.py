"""The studio's picture: looks that move with their sound, films whose truth holds decoded."""

import itertools
import json
import subprocess
import sys

import numpy as np
import pytest
from scipy import signal

from soundstage import media
from soundstage.errors import UserError
from soundstage.files import read_json, sha256
from soundstage.studio import film, look, motion, plan, sheet, soundtrack, story
from soundstage.studio.draw_places import PLACES
from soundstage.studio.figure import person_of
from soundstage.studio.names import EVENTS, LOCATIONS
from soundstage.studio.settings import Settings

SIZE = (160, 90)
TINY = Settings(
    films_train=2,
    films_valid=1,
    films_test=1,
    film_seconds=30,
    width_pixels=160,
    height_pixels=90,
    films_with_speedup=4,
    films_with_cut=4,
    films_with_insert=4,
    films_with_ambiguous=1,
)
NAME = "film-001"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A finished tiny film: its folder."""
    folder = tmp_path_factory.mktemp("films") / NAME
    film.make(TINY, NAME, folder)
    return folder


def _empty(location, seed, count=10):
    return look.clip(
        "Dog", location, count / 25, 25, SIZE, np.random.default_rng(seed), visible=False
    )


def _moved(frames):
    """Share of pixel change from frame to frame, in grey levels."""
    return float(np.abs(np.diff(frames.astype(np.int16), axis=0)).mean())


def test_every_class_of_the_list_has_a_look():
    assert set(look.KINDS) == set(EVENTS)
    assert set(PLACES) == set(LOCATIONS)


@pytest.mark.parametrize("name", EVENTS)
def test_a_class_is_seen_and_moves_with_its_sound(name):
    still = look.Camera((0.5, 0.5, 1.0), (0.5, 0.5, 1.0))

    def shot(level):
        rng = np.random.default_rng(5)
        actor = look.actor_of(name, level, 25, SIZE, rng, x=0.0)
        return np.stack(
            list(look.shot_of("office", len(level), SIZE, rng, [actor], still).frames())
        )

    pulses = np.exp(-6 * ((np.arange(40) / 12) % 1.0))
    loud, silent = shot(pulses), shot(np.zeros(40))
    assert loud.shape == (40, 90, 160, 3) and loud.dtype == np.uint8
    assert np.array_equal(loud, shot(pulses))
    bare = np.stack(
        list(look.shot_of("office", 1, SIZE, np.random.default_rng(5), [], still).frames())
    )
    assert bare.shape == (1, 90, 160, 3)
    assert _moved(loud) > 2 * _moved(silent) and _moved(loud) > 0.1


@pytest.mark.parametrize("name", EVENTS)
def test_a_visible_class_covers_part_of_the_picture_in_most_frames(name):
    level = np.ones(50)
    seen = []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        actor = look.actor_of(name, level, 25, SIZE, rng)
        still = look.Camera((0.5, 0.5, 1.0), (0.5, 0.5, 1.0))
        shot = look.shot_of("office", 50, SIZE, np.random.default_rng(seed), [actor], still)
        empty = look.shot_of("office", 1, SIZE, np.random.default_rng(seed), [], still).frame(0)
        changed = [(shot.frame(i) != empty).any(-1).mean() for i in range(0, 50, 7)]
        seen += changed
    assert np.mean(np.array(seen) > 0.015) > 0.7


def test_looks_of_two_classes_are_far_apart_in_the_same_place():
    def middle(name):
        rng = np.random.default_rng(1)
        actor = look.actor_of(name, np.ones(3), 25, SIZE, rng, x=0.0)
        back = np.random.default_rng(2)
        still = look.Camera((0.5, 0.5, 1.0), (0.5, 0.5, 1.0))
        return look.shot_of("street", 3, SIZE, back, [actor], still).frame(1)

    frames = {name: middle(name) for name in EVENTS}
    for one, other in itertools.combinations(EVENTS, 2):
        difference = (np.abs(frames[one].astype(int) - frames[other]).max(-1) > 30).mean()
        assert difference > 0.02, (one, other)


def test_locations_differ_from_each_other_and_from_draw_to_draw():
    means = [np.mean([_empty(x, seed).mean((0, 1, 2)) for seed in range(3)], 0) for x in LOCATIONS]
    for one, other in itertools.combinations(means, 2):
        assert np.abs(one - other).max() > 4
    assert not np.array_equal(_empty("street", 0), _empty("street", 1))
    with pytest.raises(KeyError):
        _empty("moon", 0)


def test_an_invisible_class_leaves_the_place_empty():
    def shown(name, visible):
        rng = np.random.default_rng(3)
        return look.clip(name, "street", 0.4, 25, SIZE, rng, np.ones(10), visible)

    assert np.array_equal(shown("Car", False), shown("Dog", False))
    assert not np.array_equal(shown("Car", True), shown("Car", False))


def test_a_mouth_opens_with_the_voice():
    person = person_of(np.random.default_rng(0), "woman")

    def shot(level):
        rng = np.random.default_rng(4)
        actor = look.talker_of(person, np.full(2, level), 25, SIZE, rng, 0.0)
        return look.shot_of("office", 2, SIZE, rng, [actor]).frame(0)

    assert (shot(0.9) != shot(0.5)).any() and np.array_equal(shot(0.02), shot(0.0))


def test_envelope_and_onsets_follow_planted_pulses():
    sound = np.zeros(48000)
    for start in (4800, 19200, 33600):
        sound[start : start + 2000] = 0.5
    level = motion.envelope_of(sound, 25, 25)
    assert level.shape == (25,) and level.max() == 1.0
    assert motion.onsets_of(level, 25).tolist() == [2, 10, 17]
    cues = motion.cues(level, 25)
    assert cues[10].beat == 0.0 and cues[0].beat == 1.0 and cues[10].on and not cues[6].on
    assert motion.envelope_of(np.zeros(100), 4, 25).tolist() == [0, 0, 0, 0]


def test_a_story_fills_the_film_with_takes_of_the_right_length():
    settings = Settings()
    shares, names = [], set()
    for row in plan.films(settings)[:12]:
        told = story.story_of(settings, row["film"])
        assert told == story.story_of(settings, row["film"])
        edges = [take.start_frame for take in told.takes] + [told.takes[-1].end_frame]
        assert edges[0] == 0 and edges[-1] == told.frames == 90 * told.fps
        assert all(
            take.end_frame == nxt.start_frame for take, nxt in itertools.pairwise(told.takes)
        )
        lengths = np.diff(edges) / told.fps
        assert lengths.min() >= 3.1 and lengths.max() <= 7.1
        assert all(a.location != b.location for a, b in itertools.pairwise(told.takes))
        for line in told.lines:
            assert 0 <= line.start_seconds < line.end_seconds <= 90
        shares.append(sum(line.end_seconds - line.start_seconds for line in told.lines) / 90)
        names |= {source.name for source in told.sources}
    assert 0.38 < np.mean(shares) < 0.58
    assert names == set(EVENTS[1:])


def test_train_and_test_films_use_other_voices_and_lines():
    pools = {row["split"]: story.story_of(TINY, row["film"]).pool for row in plan.films(TINY)}
    assert pools["test"] not in (pools["train"], pools["valid"])


def test_a_character_keeps_its_voice_and_has_another_actor_in_each_language():
    told = story.story_of(TINY, NAME)
    languages = ["en", "es", "fr", "de", "it", "ja"]
    voices = [soundtrack.voice_of(TINY, told, 0, language) for language in languages]
    assert len({soundtrack.kind_of_voice(voice) for voice in voices}) == 1
    assert voices == [soundtrack.voice_of(TINY, told, 0, language) for language in languages]
    assert len(set(voices)) >= 5


def test_a_film_has_the_planned_files_and_streams(made):
    rows = [row for row in plan.tracks(TINY) if row["film"] == NAME]
    expected = {row["path"].rsplit("/", 1)[1] for row in rows} | {f"{NAME}.mkv", "truth.json"}
    assert {path.name for path in made.iterdir()} == expected
    streams = media.probe(made / f"{NAME}.mkv")["streams"]
    assert [x["codec_name"] for x in streams if x["codec_type"] == "video"] == ["h264"]
    inside = sum(row["path"].endswith(".mkv") for row in rows)
    assert sum(x["codec_type"] == "audio" for x in streams) == inside


def test_a_film_is_made_of_the_same_bytes_again(made, tmp_path):
    film.make(TINY, NAME, tmp_path)
    for path in made.iterdir():
        assert sha256(path) == sha256(tmp_path / path.name), path.name


def test_truth_says_what_the_plan_says(made):
    truth = read_json(made / "truth.json")
    assert truth["film"] == NAME and truth["original_language"] == "es"
    assert truth["shots"][0][0] == 0 and truth["shots"][-1][1] == 30
    for language, found in truth["languages"].items():
        assert found == json.loads(json.dumps(plan.dub_plan(TINY, NAME, language)))
    assert set(truth["speech"]) == set(truth["languages"])
    for event in truth["events"]:
        assert event["class"] in EVENTS and 0 <= event["start"] < event["end"] <= 30
        assert event["visible"] or event["audible"]


def _lag(one, other):
    """Samples by which `other` is later than `one`: whitened correlation from 150 to 6000 Hz."""
    size = 2 ** int(np.ceil(np.log2(2 * max(len(one), len(other)))))
    cross = np.fft.rfft(other, size) * np.conj(np.fft.rfft(one, size))
    hz = np.fft.rfftfreq(size, 1 / 48000)
    cross = np.where((hz > 150) & (hz < 6000), cross / (np.abs(cross) + 1e-9), 0)
    peak = int(np.fft.irfft(cross, size).argmax())
    return peak if peak < size // 2 else peak - size


@pytest.mark.parametrize("name", ["film-000", "film-001"])
def test_decoded_tracks_lie_where_they_were_put(name, made, tmp_path):
    """The samples of every stream, decoded, against those that went to the codec: within 1 ms."""
    folder = made if name == NAME else tmp_path
    if name != NAME:
        film.make(TINY, name, folder)
    told = story.story_of(TINY, name)
    bed = soundtrack.bed_in_reference(TINY, told, soundtrack.event_sounds(TINY, told))
    rows = [row for row in plan.tracks(TINY) if row["film"] == name]
    for row in rows:
        lines = soundtrack.line_sounds(TINY, told, row["language"])
        talk = soundtrack.talk_in_reference(TINY, told, lines)
        sent = soundtrack.finished(TINY, told, row["language"], talk, bed)
        decoded = media.read_audio(folder / row["path"].rsplit("/", 1)[1], row["stream"])
        assert abs(_lag(sent, decoded)) <= 4, row
        assert abs(len(decoded) - len(sent)) < 2048


def test_segments_of_the_truth_map_the_bed_of_every_dub_onto_the_original():
    """Each segment, cut from a dub's bed by the truth's formula, matches the original's bed."""
    checked = set()
    for name in ("film-000", "film-001", "film-002"):
        original = plan.film_row(TINY, name)["original_language"]
        reference = soundtrack.bed_of(name, TINY, original)
        for language in plan.dub_languages(TINY, name):
            made_as = plan.dub_plan(TINY, name, language)
            if made_as["ambiguous"]:
                continue
            track = soundtrack.bed_of(name, TINY, language)
            for segment in made_as["segments"]:
                _assert_segment_matches(reference, track, segment)
            checked |= {edit["kind"] for edit in made_as["edits"]} | {made_as["rate"]}
    assert checked == {"cut", "insert", 1.0, 24 / 25}


def _assert_segment_matches(reference, track, segment):
    start = segment["reference_start_seconds"] + max(0.0, -segment["offset_seconds"]) + 0.1
    start = max(start, segment["reference_start_seconds"] + 0.1)
    end = segment["reference_end_seconds"] - 0.2
    if end - start < 2:
        return
    first = round((segment["offset_seconds"] + segment["rate"] * start) * 48000)
    if first < 0:
        return
    part = track[first : first + round((end - start) * segment["rate"] * 48000)]
    if segment["rate"] != 1.0:
        part = signal.resample_poly(part, 25, 24)
    wanted = reference[round(start * 48000) : round(end * 48000)]
    assert abs(_lag(wanted, part)) <= 1, segment


def test_the_bed_is_the_track_without_its_speech():
    language = plan.film_row(TINY, NAME)["original_language"]
    told = story.story_of(TINY, NAME)
    lines = soundtrack.line_sounds(TINY, told, language)
    bed = soundtrack.bed_in_reference(TINY, told, soundtrack.event_sounds(TINY, told))
    talk = soundtrack.talk_in_reference(TINY, told, lines)
    track = soundtrack.finished(TINY, told, language, talk, bed)
    speech_only = track - soundtrack.bed_of(NAME, TINY, language)
    inside = np.zeros(len(track), bool)
    for start, end in soundtrack.speech_intervals(NAME, TINY, language):
        inside[int(start * 48000) - 300 : int(end * 48000) + 300] = True
    assert 0.1 < inside.mean() < 0.9
    assert np.sqrt(np.mean(speech_only[inside] ** 2)) > 100 * np.sqrt(
        np.mean(speech_only[~inside] ** 2)
    )


def test_cuts_of_the_picture_are_where_the_truth_has_them(made):
    truth = read_json(made / "truth.json")
    frames = media.read_frames(made / f"{NAME}.mkv", (80, 45), truth["fps"])
    grey = np.stack([frame.mean(-1) for frame in frames])
    assert len(grey) == 30 * truth["fps"]
    change = np.abs(np.diff(grey, axis=0)).mean((1, 2))
    cuts = [round(start * truth["fps"]) - 1 for start, _ in truth["shots"][1:]]
    others = np.delete(change, cuts)
    assert len(cuts) >= 2 and change[cuts].min() > 2 * others.max()


def test_an_unknown_film_is_named_on_one_screen(tmp_path):
    with pytest.raises(UserError, match="film-000 to film-003, found film-9"):
        film.make(TINY, "film-9", tmp_path)
    command = [sys.executable, "-m", "soundstage.studio.film", "--film", "-x"]
    command[-1:] = ["film-999", "--out-folder", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2 and "film-999" in done.stderr and "Traceback" not in done.stderr


def test_a_tone_is_drawn_at_its_pitch():
    seconds = np.arange(48000) / 48000
    rows = [
        int(sheet.log_mel_picture(np.sin(2 * np.pi * hz * seconds), (60, 120)).sum((1, 2)).argmax())
        for hz in (8000, 1000, 150)
    ]
    assert rows[0] < rows[1] < rows[2]
    bands = sheet.mel_bands(48000, 1025)
    assert np.allclose(bands.sum(1), 1) and bands.shape == (sheet.MEL_BANDS, 1025)


def test_a_page_of_the_sheet_is_as_wide_as_its_rows():
    tile = np.zeros((30, sheet.TILE[0], 3), np.uint8)
    page = sheet.stacked([("head", [("a", tile), ("b", tile)]), ("", [("c", tile)])])
    assert page.shape == (
        40 + 2 * (30 + 20 + sheet.GAP),
        sheet.COLUMNS * (sheet.TILE[0] + 6) + 6,
        3,
    )
    tiles = sheet.event_tiles("Cat", 1, TINY)
    assert [x.shape for x in tiles] == [(*sheet.TILE[::-1], 3)] * 4
