import json
import subprocess
import sys

import numpy as np
import pytest
import soundfile

from soundstage.align import coarse, estimate, film, fine, listen, timeline, trust
from soundstage.align.features import decimate
from soundstage.align.settings import Settings
from soundstage.media import read_audio, read_flac, stretched, write_flac

HZ = 48000
SETTINGS = Settings()


def bed(seconds, seed):
    """Music and effects that never repeat, over a quiet noise, (samples,) float64."""
    rng = np.random.default_rng((seed, 1))
    sound = 0.01 * rng.standard_normal(int(seconds * HZ))
    for _ in range(int(1.5 * seconds)):
        length = int(rng.uniform(0.1, 2) * HZ)
        start, time = rng.integers(0, len(sound) - length), np.arange(length) / HZ
        if rng.random() < 0.5:
            tone = rng.uniform(150, 3000)
            event = sum(np.sin(2 * np.pi * tone * k * time) / k for k in range(1, 5))
        else:
            event = np.convolve(rng.standard_normal(length), rng.standard_normal(32), "same") / 6
        fade = np.exp(-time * HZ / length * rng.uniform(1, 12)) * np.minimum(1, time / 0.01)
        sound[start : start + length] += event * fade * 10 ** (rng.uniform(-30, -10) / 20)
    return sound


def voice(seconds, seed, level):
    """Harmonic syllables with pauses, the words of one language, (samples,) float64."""
    rng = np.random.default_rng((seed, 2))
    sound, at = np.zeros(int(seconds * HZ)), 0.0
    while at < seconds - 3:
        length = int(rng.uniform(1, 3) * HZ)
        time = np.arange(length) / HZ
        pitch = rng.uniform(90, 250) * (1 + 0.1 * np.sin(2 * np.pi * time * rng.uniform(0.5, 3)))
        phase = 2 * np.pi * np.cumsum(pitch) / HZ
        event = sum(np.sin(phase * k) * rng.uniform(0.1, 1) / k**0.5 for k in range(1, 20))
        event = event * np.abs(np.sin(2 * np.pi * rng.uniform(1.5, 3) * time)) * np.hanning(length)
        sound[int(at * HZ) : int(at * HZ) + length] = event / event.std() * level
        at += length / HZ + rng.uniform(0.2, 2.5)
    return sound


def pair(seed, seconds=50, rate=1.0, offset=0.3, edits=()):
    """Return (reference, track): one bed, two voices 3 dB louder, the track edited and moved."""
    shared = bed(seconds, seed)
    level = 1.4 * shared.std()
    reference = shared + voice(seconds, seed, level)
    track = 0.7 * shared + voice(seconds, seed + 1000, level)
    for kind, at, length in sorted(edits, key=lambda edit: -edit[1]):
        first, last = int(at * HZ), int((at + length) * HZ)
        black = np.zeros(last - first)
        track = np.delete(track, slice(first, last)) if kind == "cut" else np.insert(track, first, black)
    length = len(track) / HZ * rate + max(offset, 0)
    track = timeline.cut(track, 0, length, -offset / rate, 1 / rate)
    return reference.astype(np.float32), track.astype(np.float32)


def aligned(reference, track):
    return estimate.estimate([(np.float32(reference), np.float32(track))], SETTINGS)


@pytest.mark.parametrize(("offset", "rate"), [(0.5, 1.0), (0.1234567, 1.0), (0.3, 25 / 24), (0.2, 0.96)])
def test_cut_reads_the_track_where_it_should(offset, rate):
    hertz = np.array([[100.0], [997.0], [5000.0], [12000.0], [17000.0]])
    track = np.sin(2 * np.pi * hertz * np.arange(8 * HZ) / HZ).sum(axis=0).astype(np.float32)
    window = timeline.cut(track, 2.0, 3.0, offset, rate)
    heard = offset + rate * (2.0 + np.arange(3 * HZ) / HZ)
    want = np.sin(2 * np.pi * hertz * heard).sum(axis=0)
    assert len(window) == 3 * HZ and window.dtype == np.float32
    assert np.sqrt(np.mean((window - want) ** 2)) < 1e-4 * want.std()


def test_cut_copies_whole_samples_and_pads_with_silence():
    track = np.arange(HZ, dtype=np.float32)
    assert (timeline.cut(track, 0.25, 0.5, 0.125) == track[18000:42000]).all()
    late = timeline.cut(track, 0.75, 0.5)
    assert (late[:12000] == track[36000:]).all() and not late[12000:].any()
    assert timeline.covers(HZ, 0.5, 0.5, 0.0, 1.0) and not timeline.covers(HZ, 0.5, 0.5, 1e-3, 1.0)
    for wrong in ({"rate": 0.0}, {"rate": float("nan")}, {"offset_seconds": float("inf")}):
        with pytest.raises(ValueError):
            timeline.cut(track, 0.0, 0.5, **wrong)


def test_decimation_keeps_time():
    time = np.arange(2 * HZ) / HZ
    low = decimate(np.sin(2 * np.pi * 3000 * time).astype(np.float32))
    want = np.sin(2 * np.pi * 3000 * np.arange(len(low)) / 16000)
    assert len(low) == 32000 and np.abs(low - want)[200:-200].max() < 1e-3
    assert np.abs(decimate(np.sin(2 * np.pi * 9000 * time).astype(np.float32)))[200:-200].max() < 1e-3


LINES = {
    "late": (0.3, 1.0),
    "early, between two samples": (-1.2345678, 1.0),
    "25/24 speed-up": (0.5, 24 / 25),
    "slowed from 25 to 23.976": (-0.4, 25.025 / 24),
    "24 against 23.976": (0.2, 1.001),
    "145 ppm of drift": (0.2, 1.000145),
    "500 ppm of drift": (-0.2, 0.9995),
}


@pytest.mark.parametrize("name", LINES)
def test_planted_line_is_found(name):
    offset, rate = LINES[name]
    found = aligned(*pair(1, offset=offset, rate=rate))
    (segment,) = found["segments"]
    assert found["accepted"] and not found["pitch_corrected"] and found["confidence"] > 0.9
    assert segment["rate"] == pytest.approx(rate, abs=1e-6 if name.endswith("drift") else 0)
    for moment in (2.0, 25.0, 48.0):
        heard = segment["offset_seconds"] + segment["rate"] * moment
        assert heard == pytest.approx(offset + rate * moment, abs=1e-4)
    assert segment["reference_start_seconds"] <= max(0, -offset / rate) + 0.01
    assert segment["reference_end_seconds"] > 46


def test_cut_and_insertion_are_found():
    edits = [("insert", 30.0, 4.0), ("cut", 60.0, 5.0)]
    found = aligned(*pair(3, 90, offset=0.1, edits=edits))
    want = [(0.0, 30.0, 0.1), (30.0, 60.0, 4.1), (65.0, 90.0, -0.9)]
    assert found["accepted"] and len(found["segments"]) == 3
    for segment, (start, end, offset) in zip(found["segments"], want, strict=True):
        assert segment["reference_start_seconds"] == pytest.approx(start, abs=0.5)
        assert segment["reference_end_seconds"] == pytest.approx(end, abs=0.5)
        assert segment["offset_seconds"] == pytest.approx(offset, abs=1e-3) and segment["rate"] == 1.0


def test_where_the_tracks_share_nothing_for_a_while_the_line_holds():
    reference, track = pair(12, 90, offset=0.4)
    alone = voice(90, 13, 0.05)[: len(track)]
    first, last = 25 * HZ, 60 * HZ
    track[first:last] = alone[first:last]
    found = aligned(reference, track)
    assert found["accepted"] and found["shared_share"] > 0.95
    assert found["offset_seconds"] == pytest.approx(0.4, abs=1e-4)


def strange(track, first, last, seed):
    """Put another film into a track, between seconds first and last."""
    other = bed(last - first, seed) + voice(last - first, seed, 0.1)
    track[first * HZ : last * HZ] = other[: (last - first) * HZ]
    return track


def test_an_opening_and_an_ending_do_not_speak_for_what_lies_between():
    reference, track = pair(40, 150, offset=0.0)
    found = aligned(reference, strange(track, 30, 125, 41))
    assert not found["accepted"] and "too little shared sound" in found["reason"]
    inside = [(s["reference_start_seconds"], s["reference_end_seconds"]) for s in found["segments"] if s["accepted"]]
    assert inside and all(end < 35 or start > 120 for start, end in inside)


def test_a_segment_ends_where_another_intro_begins_and_crosses_no_silence():
    reference, track = pair(42, 150, offset=0.2)
    track = strange(track, 0, 25, 43)
    track[70 * HZ : 110 * HZ] = 0
    found = aligned(reference, track)
    places = [(s["reference_start_seconds"], s["reference_end_seconds"]) for s in found["segments"] if s["accepted"]]
    assert found["accepted"] and found["shared_share"] < 0.65
    assert places == [pytest.approx((24.8, 69.8), abs=1.4), pytest.approx((109.8, 150), abs=0.6)]


def test_what_a_line_crosses_without_evidence_is_said():
    reference, track = pair(44, 120, offset=0.0)
    (segment,) = aligned(reference, strange(track, 40, 65, 45))["segments"]
    ((start, end),) = segment["unheard_seconds"]
    assert 40 <= start <= 50 and 55 <= end <= 66
    (whole,) = aligned(*pair(44, 120, offset=0.0))["segments"]
    assert whole["unheard_seconds"] == []


def test_a_track_that_stops_half_way_is_taken_as_far_as_it_goes():
    reference, track = pair(14, 60, offset=0.2)
    found = aligned(reference, track[: 30 * HZ])
    (segment,) = found["segments"]
    assert found["accepted"] and segment["reference_end_seconds"] == pytest.approx(29.8, abs=0.01)


def test_a_long_film_is_followed_over_a_cut_and_probed_in_a_few_places():
    frames, lost = 150000, (60000, 67000)
    rng = np.random.default_rng(4)
    reference = rng.standard_normal((frames, 16)).astype(np.float32)
    track = np.delete(reference, slice(*lost), axis=0) + 4 * rng.standard_normal((frames - 7000, 16)).astype(np.float32)
    path = coarse.search(reference, np.concatenate([track[:5000], track]), SETTINGS)
    early, late = path.centers < lost[0] / 100 - 10, path.centers > lost[1] / 100 + 10
    assert np.abs(path.lags[early & (path.centers > 70)] - 50.0).max() < 0.011
    assert np.abs(path.lags[late] + 20.0).max() < 0.011 and path.evidence[late].min() > 8
    assert (np.diff(path.centers) == 10.0).all()
    probed = coarse.starts_of(frames, 2000, 1000, True)
    assert len(probed) == coarse.PROBE_GROUPS * coarse.PROBE_CHUNKS and probed[-1] > 0.95 * (frames - 2000)


def test_sound_at_a_lower_rate_starts_with_the_picture_too(tmp_path):
    reference, _ = pair(2, 5)
    write_flac(tmp_path / "a.flac", reference * 0.5)
    subprocess.run(["ffmpeg", "-v", "error", "-i", tmp_path / "a.flac", tmp_path / "a.mp3"], check=True)
    low, high = estimate.load(tmp_path / "a.mp3"), decimate(read_audio(tmp_path / "a.mp3"))
    size = min(len(low), len(high))
    cross = np.fft.irfft(np.conj(np.fft.rfft(high[:size])) * np.fft.rfft(low[:size]))
    assert np.argmax(cross) == 0 and abs(len(low) - len(high)) <= 1


def test_a_longer_film_must_show_more_to_be_trusted():
    path = coarse.Path(1.0, np.arange(3) * 5.0, np.zeros(3), np.full(3, 2.0), np.zeros(3))
    controls = [trust.control(path, SETTINGS, seconds) for seconds in (60, 300, 5400)]
    assert controls[0] == controls[1] == trust.CONTROL_FLOOR and controls[2] == pytest.approx(8.17, abs=0.01)


def test_residual_says_how_far_the_worse_end_is_off():
    gaps = np.concatenate([np.full(10, 0.001), np.zeros(10), np.full(10, -0.05)])
    assert fine.end_gap(gaps, np.ones(30)) == pytest.approx(0.05)


def test_pitch_kept_speed_up_is_recorded(tmp_path):
    reference, track = pair(5, 60, offset=0.0)
    write_flac(tmp_path / "a.flac", track * 0.5)
    words = ["ffmpeg", "-v", "error", "-i", tmp_path / "a.flac", "-af", f"atempo={25 / 24}"]
    subprocess.run([*words, tmp_path / "b.flac"], check=True)
    found = aligned(reference, read_audio(tmp_path / "b.flac"))
    assert found["accepted"] and found["pitch_corrected"] and found["rate"] == 24 / 25
    assert found["offset_seconds"] == pytest.approx(0.0, abs=0.035)


@pytest.mark.parametrize("kept", [True, False])
def test_a_speed_up_of_one_in_a_thousand_tells_if_it_kept_the_pitch(kept):
    reference, track = pair(5, 60)
    rate = 1 / 1.001
    track = stretched(track, 1 / rate) if kept else timeline.cut(track, 0, len(track) / HZ * rate, 0.0, 1 / rate)
    found = aligned(reference, track)
    assert found["accepted"] and found["pitch_corrected"] == kept
    assert found["rate"] == pytest.approx(rate, abs=1e-9)


def test_a_short_piece_takes_the_speed_of_the_longest():
    reference, track = pair(7, 90, 25 / 24, 0.2)
    sides = [film.sound(decimate(side), SETTINGS) for side in (reference, track)]
    middle = {"score": 0.0, "control": 4.0, "residual": 0.0, "rate_error": 1e-5, "evidence": 9.0}
    longest = film.Piece(0, 60, 0.2, 25 / 24, coherent=True, **middle)
    astray = film.Piece(60, 88, 0.2 - 4e-4 * 74, 25 / 24 + 4e-4, coherent=True, **middle)
    rough = film.Piece(60, 88, 0.21, 25 / 24, coherent=False, **middle)
    for piece in (astray, rough):
        found = film.at_one_rate(*sides, [longest, piece], SETTINGS)
        assert found[0] == longest
        assert found[1].rate == 25 / 24 and found[1].coherent and found[1].offset == pytest.approx(0.2, abs=1e-4)
    sure = film.Piece(60, 88, 0.2, 25 / 24 + 4e-4, coherent=True, **{**middle, "score": 1000.0})
    assert film.at_one_rate(*sides, [longest, sure], SETTINGS)[1] == sure


@pytest.mark.parametrize("off", [-11.0, 0.5, 7.0])
def test_an_edit_is_found_on_the_wave_forms_far_from_where_the_levels_put_it(off):
    reference, track = pair(9, 100, offset=0.0, edits=[("cut", 40.0, 20.0)])
    sides = [film.sound(decimate(side), SETTINGS) for side in (reference, track)]
    kind = {"rate_error": 1e-5, "residual": 0.0, "score": 9.0, "control": 4.0, "evidence": 90.0, "coherent": True}
    pieces = film.Piece(0, 40, 0.0, 1.0, **kind), film.Piece(60, 100, -20.0, 1.0, **kind)
    found = film.sharper(pieces, 40.0 + off, 20.0, *sides, sides[1].features[1.0], SETTINGS)
    assert found == pytest.approx(40.0, abs=0.5)


def test_another_mix_room_and_codec_are_no_obstacle(tmp_path):
    reference, track = pair(6, 50, offset=0.25)
    room = np.random.default_rng(1).standard_normal(2400) * np.exp(-np.arange(2400) / 600)
    room[0] = 8.0
    wet = np.fft.irfft(np.fft.rfft(track, 1 << 22) * np.fft.rfft(room, 1 << 22))[: len(track)]
    squashed = np.tanh(3 * wet / np.abs(wet).max())
    write_flac(tmp_path / "a.flac", 0.5 * squashed)
    words = ["ffmpeg", "-v", "error", "-i", tmp_path / "a.flac", "-c:a", "aac", "-b:a", "64k"]
    subprocess.run([*words, tmp_path / "b.m4a"], check=True)
    found = aligned(reference, read_audio(tmp_path / "b.m4a"))
    assert found["accepted"] and found["offset_seconds"] == pytest.approx(0.25, abs=1e-3)


def refusals():
    shared, other = bed(50, 7), bed(50, 8)
    words = voice(50, 9, shared.std())
    loop = np.tile(shared[10 * HZ : 18 * HZ], 7)[: len(shared)]
    theme = other.copy()
    theme[5 * HZ : 18 * HZ] = shared[2 * HZ : 15 * HZ]
    return {
        "another film": (shared, other, "no shared sound"),
        "voices alone": (shared + words, voice(50, 10, 0.1), "dialogue only"),
        "a loop of its own bed": (shared + words, loop + voice(50, 11, shared.std()), "ambiguous"),
        "another film with the same theme": (shared, theme, "too little shared sound"),
        "silence": (shared, 0 * shared, "silent"),
        "too short": (shared, shared[:9600], "too short"),
    }


def test_what_cannot_be_trusted_is_refused():
    for name, (reference, track, words) in refusals().items():
        found = aligned(reference, track)
        assert not found["accepted"] and words in found["reason"], (name, found["reason"])


def test_unrelated_pairs_are_never_accepted():
    beds = [bed(25, seed) + voice(25, seed, 0.03) for seed in range(20, 25)]
    for i, reference in enumerate(beds):
        for j, track in enumerate(beds):
            assert aligned(reference, track)["accepted"] == (i == j)


@pytest.fixture(scope="module")
def real_pairs(shared):
    """Return {(title, language): {shot: (English, dub)}} of the real shots."""
    folder = shared / "media" / "dubs"
    sound = {path.stem: read_audio(path) for path in sorted(folder.glob("*.mp4"))}
    pairs = {}
    for name, dub in sound.items():
        title, shot, language = name.split("_")
        if language != "en":
            pairs.setdefault((title, language), {})[shot] = (sound[f"{title}_{shot}_en"], dub)
    return pairs


def test_real_dubs_meet_their_measured_lags(shared, real_pairs):
    lags = json.loads((shared / "reference" / "dub_lags.json").read_text())
    for (title, language), group in real_pairs.items():
        found = estimate.estimate(list(group.values()), SETTINGS)
        assert found["accepted"], (title, language, found["reason"])
        assert 1000 * found["offset_seconds"] == pytest.approx(lags[title][language], abs=1.0)
        for shot, both in group.items():
            alone = estimate.estimate([both], SETTINGS)
            off = abs(1000 * alone["offset_seconds"] - lags[title][language])
            assert not alone["accepted"] or off < 1.0, (title, shot, language)
            assert not (title == "80145138" and shot in ("114", "392") and alone["accepted"])


def test_real_shots_of_different_titles_are_refused(real_pairs):
    pairs = list(real_pairs.items())
    for number, ((title, _), group) in enumerate(pairs):
        (other, _), strangers = pairs[(number + 7) % len(pairs)]
        if title == other:
            continue
        wrong = [(a[0], b[1]) for a, b in zip(group.values(), strangers.values(), strict=False)]
        assert not estimate.estimate(wrong, SETTINGS)["accepted"], (title, other)


def command(folder, *words):
    return subprocess.run([sys.executable, "-m", *map(str, words)], cwd=folder, capture_output=True, text=True)


def test_command_line_writes_json_a_plot_and_a_passage_to_listen_to(tmp_path):
    reference, track = pair(2, 40)
    write_flac(tmp_path / "r.flac", reference * 0.5)
    write_flac(tmp_path / "t.flac", track * 0.5)
    files = ["--reference", "r.flac", "--track", "t.flac"]
    done = command(tmp_path, "soundstage.align.estimate", *files, "--out", "o.json", "--plot", "o.png")
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "o.json").read_text())
    keys = {"accepted", "reason", "rate", "offset_seconds", "segments", "confidence", "control"}
    assert keys | {"pitch_corrected", "version", "settings"} <= set(found)
    assert (tmp_path / "o.png").stat().st_size > 10000
    heard = ["--alignment", "o.json", "--out", "both.flac", "--plot", "both.png"]
    assert command(tmp_path, "soundstage.align.listen", *files, *heard).returncode == 0
    assert (tmp_path / "both.png").stat().st_size > 10000
    both, _ = read_flac(tmp_path / "both.flac")
    assert both.shape == (20 * HZ, 2)
    start, part = listen.passage(found, 20.0)
    assert part["reference_start_seconds"] <= start <= part["reference_end_seconds"] - 19.99


def test_unusable_input_ends_with_exit_code_2(tmp_path):
    reference, _ = pair(2, 25)
    write_flac(tmp_path / "r.flac", reference * 0.5)
    (tmp_path / "text.mp4").write_text("no film\n" * 50)
    samples = reference.copy()
    samples[1000] = np.nan
    soundfile.write(tmp_path / "nan.wav", samples, HZ, subtype="FLOAT")
    out = ["--out", "o.json"]
    subprocess.run(
        ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "color=s=64x36:d=1", tmp_path / "mute.mp4"], check=True
    )
    soundfile.write(tmp_path / "whole.wav", reference, HZ, subtype="PCM_16")
    for whole, half in (("whole.wav", "half.wav"), ("r.flac", "half.flac")):
        data = (tmp_path / whole).read_bytes()
        (tmp_path / half).write_bytes(data[: len(data) // 2])
    for name, words in [
        ("mute.mp4", "found 0 audio"),
        ("text.mp4", "cannot read media"),
        ("absent.flac", "found nothing"),
        ("nan.wav", "NaN"),
        ("half.wav", "truncated"),
        ("half.flac", "truncated"),
        ("r.flac:a:3", "audio stream a:3"),
    ]:
        done = command(tmp_path, "soundstage.align.estimate", "--reference", "r.flac", "--track", name, *out)
        assert done.returncode == 2 and words in done.stderr, (name, done.stderr)
        assert "Traceback" not in done.stderr and not (tmp_path / "o.json").exists()


@pytest.mark.parametrize("name", ["t.aac", "t.ac3"])
def test_a_bare_stream_that_states_no_length_is_not_called_cut(tmp_path, name):
    quiet = np.zeros(8 * HZ, np.float32)  # so that a length guessed from the first packets is far too long
    sound = np.concatenate([quiet, pair(2, 6)[0]])
    soundfile.write(tmp_path / "t.wav", sound, HZ, subtype="PCM_16")
    rate = [] if name == "t.ac3" else ["-aac_coder", "fast", "-b:a", "64k"]
    subprocess.run(["ffmpeg", "-v", "error", "-i", tmp_path / "t.wav", *rate, tmp_path / name], check=True)
    assert len(estimate.load(tmp_path / name)) == pytest.approx(14 * 16000, abs=2000)


def test_too_short_a_file_is_an_honest_refusal(tmp_path):
    write_flac(tmp_path / "r.flac", 0.5 * pair(2, 5)[0])
    write_flac(tmp_path / "short.flac", 0.5 * pair(2, 5)[0][:9600])
    words = ["--reference", "r.flac", "--track", "short.flac", "--out", "o.json"]
    done = command(tmp_path, "soundstage.align.estimate", *words)
    found = json.loads((tmp_path / "o.json").read_text())
    assert done.returncode == 0 and not found["accepted"] and "too short: 0.20 s" in found["reason"]
