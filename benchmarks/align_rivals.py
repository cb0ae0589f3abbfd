"""What others answer for one pair: a plain windowed GCC-PHAT, and peers from PyPI.

    python benchmarks/align_rivals.py METHOD REFERENCE TRACK OUT.json

Each peer is called as its documentation says; one offset counts for the whole film.
"""

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

HZ = 8000
RATES = (1.0, 1.001, 1 / 1.001, 24 / 25, 25 / 24, 960 / 1001, 1001 / 960)


# --- the rival: 60 lines of windowed GCC-PHAT with a rate search, as one would write it in an hour


def decode(path):
    words = ["ffmpeg", "-nostdin", "-v", "error", "-i", path, "-ac", "1", "-ar", str(HZ), "-f", "f32le", "-"]
    return np.frombuffer(subprocess.run(words, capture_output=True, check=True).stdout, np.float32)


def gcc(window, spectrum, size):
    """Return the lag in samples and its z of a window against a whole track's transform."""
    cross = np.conj(np.fft.rfft(window, size)) * spectrum
    hertz = np.fft.rfftfreq(size, 1 / HZ)
    cross = np.where((hertz > 150) & (hertz < 3500), cross / (np.abs(cross) + 1e-12), 0)
    curve = np.fft.irfft(cross, size)
    top = int(np.argmax(curve))
    return (top if top < size // 2 else top - size), float(curve[top] / curve.std())


def resampled(track, rate):
    place = np.arange(int(len(track) / rate)) * rate
    return np.interp(place, np.arange(len(track)), track).astype(np.float32)


def local(reference, track, start, length, reach, size):
    """Return (lag in samples, z) of one window of the reference, looked for within reach."""
    low = max(0, start - reach)
    part = track[low : start + length + reach]
    lag, z = gcc(reference[start : start + length], np.fft.rfft(part, size), size)
    return lag + low - start, z


def rival(reference, track, window_seconds=20.0, reach_seconds=60.0, threshold=12.0):
    reference, track = decode(reference), decode(track)
    length, reach = int(window_seconds * HZ), int(reach_seconds * HZ)
    size = 1 << (2 * length + 2 * reach).bit_length()
    probes = np.linspace(0, max(0, len(reference) - length), 8).astype(int)
    best = None
    for rate in RATES:
        moved = resampled(track, rate)
        total = sum(local(reference, moved, p, length, reach, size)[1] for p in probes)
        if best is None or total > best[0]:
            best = (total, rate, moved)
    _, rate, moved = best
    segments = []
    for start in range(0, len(reference) - length + 1, length):
        lag, z = local(reference, moved, start, length, reach, size)
        if z < threshold:
            continue
        offset, low, high = rate * lag / HZ, start / HZ, (start + length) / HZ
        if segments and abs(segments[-1]["offset_seconds"] - offset) < 0.002:
            segments[-1]["reference_end_seconds"] = high
            continue
        edges = {"reference_start_seconds": low, "reference_end_seconds": high}
        segments.append({**edges, "offset_seconds": offset, "rate": rate})
    return {"segments": segments, "rate": rate, "reason": "no window above the threshold"}


# --- the peers


def whole(offset_seconds, rate=1.0):
    edges = {"reference_start_seconds": 0.0, "reference_end_seconds": 1e9}
    return {"segments": [{**edges, "offset_seconds": offset_seconds, "rate": rate}], "rate": rate}


def audio_offset_finder(reference, track):
    from audio_offset_finder.audio_offset_finder import find_offset_between_files

    found = find_offset_between_files(track, reference, trim=60 * 60 * 3)
    if found["standard_score"] < 5:  # its README: below 5 an answer is unlikely to be right
        return {"segments": [], "reason": "score below 5"}
    return whole(float(found["time_offset"]))


def syncstart(reference, track):
    words = [Path(sys.executable).with_name("syncstart"), track, reference, "--quiet", "--show"]  # its --show hides
    said = subprocess.run([*map(str, words)], capture_output=True, text=True).stdout
    file, seconds = said.strip().splitlines()[-1].rsplit(",", 1)
    late = float(seconds) if Path(file.strip()).name == Path(track).name else -float(seconds)
    return whole(late)


def audalign(reference, track):
    import audalign

    with tempfile.TemporaryDirectory() as folder:
        waves = []
        for name, path in (("reference", reference), ("track", track)):
            waves.append(f"{folder}/{name}.wav")
            words = ["ffmpeg", "-nostdin", "-v", "error", "-i", path, "-ac", "1", "-ar", "8000", waves[-1]]
            subprocess.run(words, check=True)
        recognizer = audalign.CorrelationRecognizer()
        recognizer.config.multiprocessing = False
        found = audalign.recognize(waves[0], waves[1], recognizer=recognizer)
    matches = (found or {}).get("match_info", {})
    if not matches:
        return {"segments": [], "reason": "no match"}
    (match,) = matches.values()
    return whole(float(match["offset_seconds"][0]))


def ffsubsync(reference, track):
    """Its voice activity of both tracks: it wants a subtitle, so the track's speech is made one."""
    from ffsubsync.ffsubsync import make_parser
    from ffsubsync.ffsubsync import run as sync

    with tempfile.TemporaryDirectory() as folder:
        source, target = f"{folder}/in.srt", f"{folder}/out.srt"
        speech_as_subtitle(track, source)
        words = [reference, "-i", source, "-o", target, "--vad", "webrtc", "--max-offset-seconds", "600"]
        result = sync(make_parser().parse_args(words))
        if not result.get("sync_was_successful"):
            return {"segments": [], "reason": "no sync"}
    factor = float(result["framerate_scale_factor"])  # reference seconds per subtitle second
    return whole(-float(result["offset_seconds"]) / factor, 1 / factor)


def speech_as_subtitle(track, path):
    import webrtcvad

    samples = (np.clip(decode(track), -1, 1) * 32767).astype("<i2")
    detector, step = webrtcvad.Vad(3), HZ // 100
    flags = [detector.is_speech(samples[i : i + step].tobytes(), HZ) for i in range(0, len(samples) - step, step)]
    smooth = np.convolve(flags, np.ones(20) / 20, "same") > 0.5
    turns = np.flatnonzero(np.diff(np.concatenate([[0], smooth.astype(int), [0]])))
    lines = []
    for number, (start, end) in enumerate(zip(turns[::2], turns[1::2], strict=True), 1):
        lines.append(f"{number}\n{clock(start / 100)} --> {clock(end / 100)}\nspeech\n")
    Path(path).write_text("\n".join(lines))


def clock(seconds):
    whole_seconds, milli = divmod(round(1000 * seconds), 1000)
    return f"{whole_seconds // 3600:02d}:{whole_seconds // 60 % 60:02d}:{whole_seconds % 60:02d},{milli:03d}"


def main():
    method, reference, track, out = sys.argv[1:]
    found = globals()[re.sub("-", "_", method)](reference, track)
    Path(out).write_text(json.dumps(found))


if __name__ == "__main__":
    main()
