"""The studio's sounds, speech, mixing and plan against truths that are known in advance."""

import itertools
import subprocess
import sys

import numpy as np
import pytest

from soundstage.errors import UserError
from soundstage.settings import load
from soundstage.studio import lines, mix, plan, sound, speech, synth
from soundstage.studio.names import EVENTS, GENRES, LANGUAGES, LOCATIONS, MANNERS, POOLS
from soundstage.studio.settings import Settings
from soundstage.units import AUDIO_HZ, rng_of

SETTINGS = Settings()


def check(clip, seconds):
    assert clip.dtype == np.float32 and clip.shape == (int(seconds * AUDIO_HZ),)
    assert np.isfinite(clip).all() and 0.01 < np.abs(clip).max() < 0.96


def spectrum_peak_hz(clip):
    power = np.abs(np.fft.rfft(clip * np.hanning(len(clip))))
    return power.argmax() * AUDIO_HZ / len(clip)


@pytest.mark.parametrize("name", EVENTS)
def test_an_event_is_seeded_and_every_draw_is_another(name):
    first, again, other = (sound.event(name, 1.5, rng_of(name, seed)) for seed in (1, 1, 2))
    check(first, 1.5)
    assert np.array_equal(first, again)
    assert not np.allclose(first, other, atol=1e-3)


@pytest.mark.parametrize("name", LOCATIONS)
def test_an_ambience_has_its_length_and_never_repeats(name):
    clip = sound.ambience(name, 8.0, rng_of(name))
    check(clip, 8.0)
    early, late = clip[: 3 * AUDIO_HZ], clip[4 * AUDIO_HZ :]
    spectra = np.fft.rfft(early, 2**19).conj() * np.fft.rfft(late, 2**19)
    spectra /= np.abs(spectra) + 1e-9
    assert np.fft.irfft(spectra).max() < 0.2  # 1 where a piece comes again


@pytest.mark.parametrize("name", GENRES)
def test_music_is_seeded(name):
    pieces = [sound.music(name, 3.0, rng_of(name, seed)) for seed in (1, 1, 2)]
    check(pieces[0], 3.0)
    assert np.array_equal(pieces[0], pieces[1]) and not np.allclose(pieces[0], pieces[2], atol=1e-3)


def test_unknown_names_are_refused():
    for make in (sound.event, sound.ambience, sound.music):
        with pytest.raises(KeyError):
            make("Nothing", 1.0, rng_of(1))


@pytest.mark.parametrize("hz", [82.4, 440.0, 1234.5])
def test_strings_and_oscillators_are_in_tune(hz):
    for tone in (synth.pluck(hz, 2.0, rng_of(1)), synth.harmonic(hz, 2 * AUDIO_HZ, [1.0, 0.2])):
        peak = spectrum_peak_hz(tone)
        assert abs(peak / round(peak / hz) - hz) / hz < 0.003


def test_level_brings_the_loud_parts_to_the_asked_rms():
    burst = np.zeros(AUDIO_HZ, np.float32)
    burst[:12000] = synth.sine(500.0, 12000)
    assert np.sqrt((synth.level(burst, 0.1)[960:11000] ** 2).mean()) == pytest.approx(0.1, rel=0.02)
    assert not synth.level(np.zeros(5000, np.float32)).any()


def test_the_shelf_tilts_high_frequencies_only():
    for hz, gain_db in ((100.0, 0.0), (18000.0, 6.0)):
        tone = synth.sine(hz, AUDIO_HZ)
        change = speech.tilted(tone, 6.0)[4800:].std() / tone[4800:].std()
        assert 20 * np.log10(change) == pytest.approx(gain_db, abs=0.5)


def test_pools_share_neither_voice_nor_line():
    for first, second in itertools.combinations(POOLS, 2):
        assert not set(speech.variants(first)) & set(speech.variants(second))
        for language in LANGUAGES:
            assert not set(lines.cores(language, first)) & set(lines.cores(language, second))
    drawn = {pool: {lines.line("en", rng_of(i), pool) for i in range(200)} for pool in POOLS}
    assert all(not drawn[a] & drawn[b] for a, b in itertools.combinations(POOLS, 2))


def test_every_variant_is_a_voice_of_its_own():
    """An unknown variant would silently fall back to the default voice."""
    names = [variant for pool in POOLS for variant in speech.variants(pool)]
    said = {speech._espeak("my good friend", f"en+{name}", 50, 160, 0) for name in names}
    assert len(said) == len(names)


@pytest.mark.parametrize("language", LANGUAGES)
def test_speech_fills_the_time_in_every_manner(language):
    voice = speech.voice("benchmarks", 3)
    clips = {}
    for manner in MANNERS:
        text, clips[manner] = speech.speak(language, voice, manner, 2.5, rng_of(7), "benchmarks")
        assert text
        check(clips[manner], 2.5)
        assert np.flatnonzero(np.abs(clips[manner]) > 1e-3)[-1] > 0.6 * 2.5 * AUDIO_HZ
    assert not np.allclose(clips["neutral"], clips["angry"], atol=1e-3)


def test_a_whisper_has_no_pitch():
    """The strongest periodicity of a voice between 70 and 400 Hz is lost in a whisper."""

    def periodicity(manner):
        clip = speech.say("Our aunt will know more.", "en", speech.voice("benchmarks", 1), manner)
        windows = np.lib.stride_tricks.sliding_window_view(clip, 4096)[::2048]
        correlation = np.fft.irfft(np.abs(np.fft.rfft(windows * np.hanning(4096), 8192)) ** 2)
        return np.median(correlation[:, 120:685].max(1) / correlation[:, 0])

    assert periodicity("whisper") < 0.8 * periodicity("neutral")


def test_text_reaches_the_synthesizer_as_text():
    voice = speech.voice("benchmarks", 0)
    plain = speech.say("fish and chips", "en", voice)
    assert len(speech.say("fish & <chips>", "en", voice)) > 0.5 * len(plain)
    assert len(speech.say("-v de --help", "en", voice)) > 0.2 * AUDIO_HZ


def test_the_mouth_is_open_while_somebody_speaks():
    clip = np.concatenate([np.zeros(AUDIO_HZ, np.float32), synth.sine(200.0, AUDIO_HZ)])
    mouth = speech.mouth(clip)
    assert mouth.shape == (50,) and not mouth[:25].any() and (mouth[26:] > 0.9).all()


def test_speech_is_levelled_against_the_bed():
    talk, bed = mix.example(8.0, rng_of("example"), "separator")
    assert talk.shape == bed.shape == (8 * AUDIO_HZ,)
    louder = mix.balanced(talk, bed, 3.0)
    mixture = louder + bed
    share = (mixture @ bed) / (bed @ bed) * bed
    si_sdr_db = 10 * np.log10((share @ share) / ((mixture - share) @ (mixture - share)))
    assert si_sdr_db == pytest.approx(-3.0, abs=0.3)


def test_the_equaliser_moves_nothing_in_time_and_does_what_it_says():
    click = np.zeros(9600, np.float32)
    click[4800] = 1.0
    gains_db = (-6.0, -6.0, 0.0, 6.0, 6.0)
    shaped = mix.equalised(click, gains_db)
    assert np.abs(shaped).argmax() == 4800
    assert np.allclose(shaped[4800 - 200 : 4800], shaped[4801:5001][::-1], atol=1e-5)
    power_db = 20 * np.log10(np.abs(np.fft.rfft(shaped)))
    for hz, gain_db in zip(plan.EQUALISER_HZ[1:], gains_db[1:], strict=True):
        assert power_db[round(hz * 9600 / AUDIO_HZ)] == pytest.approx(gain_db, abs=1.0)


def test_a_dub_is_where_its_plan_says():
    """Clicks of the reference lie at offset + rate * reference in every segment."""
    track = np.zeros(30 * AUDIO_HZ, np.float32)
    seconds = (2.0, 8.0, 12.0, 22.0, 27.0)
    for at in seconds:
        track[int(at * AUDIO_HZ)] = 1.0
    edits = [
        {"kind": "insert", "at_seconds": 20.0, "seconds": 4.0},
        {"kind": "cut", "at_seconds": 10.0, "seconds": 4.0},
    ]
    for rate, offset in itertools.product((1.0, plan.SPEEDUP_RATE), (0.25, -0.5)):
        dub = {"edits": edits, "rate": rate, "offset_seconds": offset}
        made = mix.retimed(track, dub)
        found = []
        for part in plan.segments(dub, 30):
            start, end = part["reference_start_seconds"], part["reference_end_seconds"]
            for at in (at for at in seconds if start <= at < end):
                where = round((part["offset_seconds"] + rate * at) * AUDIO_HZ)
                assert np.abs(made[where - 20 : where + 21]).argmax() == 20
                found.append(at)
        assert found == [2.0, 8.0, 22.0, 27.0]


def test_a_looped_bed_fits_itself_at_many_lags():
    bed = rng_of(1).standard_normal(20 * AUDIO_HZ).astype(np.float32)
    looped = mix.looped(bed, 5.0, 4.0)
    assert len(looped) == len(bed) and np.array_equal(looped[: 4 * AUDIO_HZ], looped[4 * AUDIO_HZ : 8 * AUDIO_HZ])


def test_the_plan_is_a_pure_function_of_the_settings():
    assert plan.tracks(SETTINGS) == plan.tracks(Settings())
    assert plan.tracks(SETTINGS) != plan.tracks(Settings(seed=1))


def test_the_corpus_has_what_the_design_asks_for():
    films, tracks = plan.films(SETTINGS), plan.tracks(SETTINGS)
    assert [sum(f["split"] == s for f in films) for s in ("train", "valid", "test")] == [26, 5, 5]
    for split in (("train",), ("valid", "test")):
        assert {f["original_language"] for f in films if f["split"] in split} == set(LANGUAGES)
    for film in films:
        mine = [track for track in tracks if track["film"] == film["film"]]
        assert 4 <= len(mine) <= 6 and len({track["language"] for track in mine}) == len(mine)
        assert (mine[0]["language"], mine[0]["stream"]) == (film["original_language"], 0)
        inside = [track["stream"] for track in mine if track["path"] == film["path"]]
        assert inside == list(range(len(inside)))
    assert any(track["path"].endswith(".m4a") for track in tracks)
    plans = [plan.dub_plan(SETTINGS, t["film"], t["language"]) for t in tracks]
    kinds = [edit["kind"] for dub in plans for edit in dub["edits"]]
    assert sum(dub["ambiguous"] for dub in plans) == 1
    assert sum(dub["rate"] != 1.0 for dub in plans) == 5
    assert kinds.count("cut") == kinds.count("insert") == 5
    assert all(dub["codec"] == "aac" for dub in plans if dub["own_file"])


def test_an_original_has_no_edits_but_a_dress():
    for film in plan.films(SETTINGS):
        dub = plan.dub_plan(SETTINGS, film["film"], film["original_language"])
        assert (dub["rate"], dub["offset_seconds"], dub["edits"]) == (1.0, 0.0, [])
        assert len(dub["equaliser_db"]) == len(plan.EQUALISER_HZ) and not dub["ambiguous"]


def test_the_plan_needs_the_standard_library_only():
    code = "import sys; from soundstage.studio import plan; print('numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize("wrong", ['{"films": 3}', '{"dubs_min": 6}', '{"film_seconds": 5}', '{"width_pixels": 321}'])
def test_impossible_settings_are_refused(wrong):
    with pytest.raises(UserError):
        load(Settings, wrong)
