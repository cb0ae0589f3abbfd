"""Pairs of tracks with a planted truth, to measure the aligner: film-length ones and short ones.

    python benchmarks/align_cases.py bank --work FOLDER [--scenes 400]
    python benchmarks/align_cases.py pairs --work FOLDER --kind KIND --number N --seconds S

A bank of studio scenes (music, effects, two languages' speech as separate stems) is rendered once;
a case takes scenes in a drawn order, none twice, mixes the real shots of --shots in once each, and
gives the second track other words, another mix, edits, a speed and a codec. What is planted is
checked on decoded samples: a chain of filter and codec is first sent clicks, whose places in the
decoded file say what the chain adds. Every step is seeded and skips what is already there.
"""

import argparse
import json
import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import soundfile

from soundstage.studio import mix, sound, speech
from soundstage.studio.names import EVENTS, GENRES, LANGUAGES, LOCATIONS, MANNERS
from soundstage.units import AUDIO_HZ, rng_of

SCENE_SECONDS = 30
STEMS = ("music", "effects", "talk_a", "talk_b")
STEM_SCALE = 8192  # int16 units per 1.0
POOL = "benchmarks"
FULL_SCALE = 0.12  # level (RMS) of a finished track
FILM_SECONDS = 1200  # longer cases are film-length

# track seconds per reference second, and how ffmpeg's filters bring it about exactly
SPEEDS = {
    "25/24": (Fraction(25, 24), "aresample=50000,asetrate=48000"),
    "24/25": (Fraction(24, 25), "asetrate=50000,aresample=48000"),
    "1001/1000": (Fraction(1001, 1000), "aresample=48048,asetrate=48000"),
    "1000/1001": (Fraction(1000, 1001), "asetrate=48048,aresample=48000"),
    "25025/24000": (Fraction(1001, 960), "aresample=50050,asetrate=48000"),
    "24000/25025": (Fraction(960, 1001), "asetrate=50050,aresample=48000"),
}
CODECS = {
    "flac": ("flac", []),
    "aac128.m4a": ("m4a", ["-c:a", "aac", "-aac_coder", "fast", "-b:a", "128k"]),
    "aac64.adts": ("aac", ["-c:a", "aac", "-aac_coder", "fast", "-b:a", "64k"]),
    "mp3-64": ("mp3", ["-c:a", "libmp3lame", "-b:a", "64k"]),
    "opus48": ("mka", ["-c:a", "libopus", "-b:a", "48k", "-compression_level", "2"]),
    "ac3": ("ac3", ["-c:a", "ac3", "-b:a", "128k"]),
    "vorbis": ("ogg", ["-c:a", "libvorbis", "-q:a", "2"]),
    "aac44": ("m4a", ["-c:a", "aac", "-aac_coder", "fast", "-b:a", "96k", "-ar", "44100"]),
}
TRUE_KINDS = (
    "offset",
    "far_offset",
    "rate",
    "rate_kept",
    "drift",
    "edits",
    "remix",
    "codec",
    "squashed",
    "dialogue",
    "songs",
    "loud_speech",
    "everything",
)
BOOKEND_SECONDS = 20  # of opening and of ending, in kind episode
FALSE_KINDS = ("unrelated", "theme", "episode", "silence", "dialogue_only", "little")


# --- the bank


def render_scene(number):
    """Return {stem: (samples,) float32} of one scene: music and effects shared, two languages."""
    rng = rng_of("align bank", number)
    seconds, count = SCENE_SECONDS, SCENE_SECONDS * AUDIO_HZ
    music = [(0, sound.music(str(rng.choice(GENRES)), seconds, rng), mix.layer_db("music", rng))]
    effects = [(0, sound.ambience(str(rng.choice(LOCATIONS)), seconds, rng), mix.layer_db("ambience", rng))]
    for _ in range(rng.poisson(seconds / 4)):
        event = sound.event(str(rng.choice(EVENTS[1:])), float(rng.uniform(1, 5)), rng)
        effects.append((int(rng.uniform(0, count)), event, mix.layer_db("event", rng)))
    talks = _talks(rng, seconds)
    stems = [mix.layered(count, music if rng.random() < 0.7 else []), mix.layered(count, effects), *talks]
    return dict(zip(STEMS, stems, strict=True))


def _talks(rng, seconds):
    """Return two languages' speech: the same speakers' turns, other words, starts a little apart."""
    languages = rng.choice(LANGUAGES, 2, replace=False)
    pieces, at = ([], []), float(rng.uniform(0, 2))
    while at < seconds - 1:
        length, manner = float(rng.uniform(1, 4)), str(rng.choice(MANNERS))
        for side, language in enumerate(languages):
            voice = speech.voice(POOL, int(rng.integers(0, 10**6)))
            line = speech.speak(str(language), voice, manner, length, rng, POOL)[1]
            start = max(0.0, at + float(rng.uniform(-0.25, 0.25)) * side)
            pieces[side].append((int(start * AUDIO_HZ), line, float(rng.uniform(-2, 2))))
        at += length + float(rng.exponential(0.8))
    return [mix.layered(seconds * AUDIO_HZ, side) for side in pieces]


def make_bank(work, scenes):
    """Render the scenes that are missing: bank/N.npy, (4, samples) int16."""
    (work / "bank").mkdir(parents=True, exist_ok=True)
    for number in range(scenes):
        path = work / "bank" / f"{number}.npy"
        if not path.exists():
            if number % 50 == 0:
                print(f"scene {number} of {scenes}", file=sys.stderr, flush=True)
            stems = np.stack(list(render_scene(number).values())) * STEM_SCALE
            part = path.with_suffix(".part.npy")
            np.save(part, np.clip(np.rint(stems), -32768, 32767).astype(np.int16))
            os.replace(part, path)


# --- what a case is: numbers only


def plan(kind, number, seconds, scenes):
    """Return the description of a case, drawn from its kind, number and length; nothing is made.

    seconds: length of the reference; scenes: how many the bank holds. Keys: order (of scenes),
    foreign (scenes that only the track has), edits, rate, filter, kept, codec, speech_db, and more
    that `make` reads. Times in samples of the reference at 48 kHz.
    """
    rng = rng_of("align case", kind, number, seconds)
    wanted = -(-seconds // SCENE_SECONDS)
    order = [int(x) for x in rng.permutation(scenes)]
    case = {
        "kind": kind,
        "number": number,
        "seconds": seconds,
        "order": order[:wanted],
        "foreign": order[wanted:],
        "edits": [],
        "rate": "1",
        "filter": "",
        "kept": False,
        "lead_seconds": 0.0,
        "codec": "flac",
        "reference_codec": "flac",
        "speech_db": 3.0,
        "music_db": 0.0,
        "room": False,
        "lonely": [],
        "songs": 0.0,
        "mask_db": None,
    }
    case["language"] = str(rng.choice(["de", "es", "fr", "it", "ja"]))
    case["lead_seconds"] = round(float(rng.uniform(-2, 2)), 6)
    case["speech_db"] = round(float(rng.uniform(0, 6)), 2)
    case["codec"] = str(rng.choice(["flac", "aac128.m4a", "opus48"])) if seconds <= FILM_SECONDS else "flac"
    drawn = {name: globals()[f"_{name}"] for name in PLANS}
    return drawn.get(kind, lambda case, rng: case)(case, rng)


PLANS = (
    "far_offset",
    "rate",
    "rate_kept",
    "drift",
    "edits",
    "remix",
    "codec",
    "squashed",
    "dialogue",
    "songs",
    "loud_speech",
    "everything",
    "hard",
)


def _far_offset(case, rng):
    most = min(600.0, 0.6 * case["seconds"])
    case["lead_seconds"] = round(float(rng.choice([-1, 1]) * rng.uniform(0.3, 1) * most), 6)
    if case["lead_seconds"] < 0:
        case["lead_seconds"] = max(case["lead_seconds"], -0.4 * case["seconds"])
    return case


def _rate(case, rng):
    name = list(SPEEDS)[case["number"] % len(SPEEDS)]
    case["rate"], case["filter"] = str(SPEEDS[name][0]), SPEEDS[name][1]
    return case


def _rate_kept(case, rng):
    name = list(SPEEDS)[case["number"] % len(SPEEDS)]
    rate = SPEEDS[name][0]
    plain = case["number"] % 2 == 0 or case["seconds"] > FILM_SECONDS  # rubberband takes minutes for a film
    tool = "atempo={:.9f}" if plain else "rubberband=tempo={:.9f}"
    case |= {"rate": str(rate), "filter": tool.format(float(1 / rate)), "kept": True}
    return case


def _drift(case, rng):
    hertz = AUDIO_HZ + int(rng.choice([-1, 1]) * rng.integers(4, 25))
    case["rate"], case["filter"] = str(Fraction(hertz, AUDIO_HZ)), f"aresample={hertz},asetrate={AUDIO_HZ}"
    return case


def _edits(case, rng):
    most = 10 if case["seconds"] > FILM_SECONDS else max(1, min(10, case["seconds"] // 60))
    count = most if case["seconds"] > FILM_SECONDS else int(rng.integers(1, most + 1))
    case["edits"] = _drawn_edits(case, rng, count)
    return case


def _drawn_edits(case, rng, count):
    """Return [kind, at, seconds], in order, well apart; a cut or insertion of 1 to 60 s."""
    room = case["seconds"] / (count + 1)
    longest = min(60.0, room / 3)
    edits = []
    for index in range(count):
        at = (index + 1) * room + float(rng.uniform(-0.2, 0.2)) * room
        kind = str(rng.choice(["cut", "black", "insert"]))
        edits.append([kind, round(at, 4), round(float(np.exp(rng.uniform(0, np.log(longest)))), 4)])
    return edits


def _remix(case, rng):
    case |= {"room": True, "music_db": round(float(rng.uniform(-6, 6)), 2)}
    case["filter"] = "equalizer=f=300:t=q:w=0.7:g=4,equalizer=f=2500:t=q:w=0.7:g=-5"
    return case


def _codec(case, rng):
    names = [name for name in CODECS if name != "flac"]
    case["codec"] = names[case["number"] % len(names)]
    case["reference_codec"] = str(rng.choice(names[:4]))
    return case


def _squashed(case, rng):
    case["filter"] = "acompressor=threshold=0.03:ratio=8:attack=5:release=80:makeup=4"
    return case


def _dialogue(case, rng):
    """Long passages in which the tracks share nothing: the bed is missing from the track."""
    count = max(1, round(case["seconds"] / 240))
    length = 0.4 * case["seconds"] / count
    room = case["seconds"] / count
    starts = [i * room + float(rng.uniform(0, room - length)) for i in range(count)]
    case["lonely"] = [[round(s, 3), round(s + length, 3)] for s in starts]
    return case


def _songs(case, rng):
    case["songs"] = 0.3
    return case


def _loud_speech(case, rng):
    case["speech_db"] = round(float(rng.uniform(9, 15)), 2)
    return case


def _everything(case, rng):
    case = _edits(_rate(case, rng), rng)
    case["codec"] = str(rng.choice(["mp3-64", "aac44"]))
    return case | {"room": True, "music_db": round(float(rng.uniform(-4, 4)), 2)}


def _hard(case, rng):
    """The shared bed under another film's, from easy to hopeless, to see what confidence is worth."""
    case["mask_db"] = round(float(rng.uniform(0, 30)), 2)
    case["room"] = bool(rng.random() < 0.5)
    case["codec"] = str(rng.choice(["flac", "flac", "mp3-64", "opus48", "aac64.adts"]))
    if rng.random() < 0.3:
        case = _edits(case, rng)
    return case


# --- the sound of a case


class Studio:
    """Scenes of the bank by number, and the real shots, as a case wants them."""

    def __init__(self, work, shots=None, lags=None):
        self.work, self.room = Path(work), _room()
        self.shots = _kept_shots(self.work / "shots.npz", shots, lags) if shots else {}

    def scene(self, number):
        """Return (4, samples) float32: the stems of a scene."""
        return np.load(self.work / "bank" / f"{number}.npy").astype(np.float32) / STEM_SCALE


def _room():
    """Return the impulse response of a small room, 60 ms: a direct sound and a diffuse tail."""
    rng = np.random.default_rng(5)
    tail = rng.standard_normal(2880) * np.exp(-np.arange(2880) / 700) * 0.12
    tail[0] = 1.0
    return tail.astype(np.float32)


def _kept_shots(path, folder, lags):
    """Return _real_shots, decoded once and kept in a file."""
    if not path.exists():
        pairs = _real_shots(folder, lags)
        arrays = {f"{x}-{n}": np.stack(pair) for x, found in pairs.items() for n, pair in enumerate(found)}
        np.savez(path, **arrays)
    found = {}
    with np.load(path) as kept:
        for name in kept.files:
            found.setdefault(name.split("-")[0], []).append(tuple(kept[name]))
    return found


def _real_shots(folder, lags):
    """Return {language: [(english, dub)]}: real shots whose lag is known, the lag taken out."""
    from soundstage.media import read_audio

    found = {}
    known = json.loads(Path(lags).read_text())
    for path in sorted(Path(folder).glob("*_en.mp4")):
        title, shot, _ = path.stem.split("_")
        for language, lag in known[title].items():
            other = path.with_name(f"{title}_{shot}_{language}.mp4")
            if known[title].get("shot", shot) != shot or not other.exists():
                continue
            move = round(lag * AUDIO_HZ / 1000)
            english, dub = read_audio(path), read_audio(other)
            dub = dub[move:] if move > 0 else np.pad(dub, (-move, 0))
            length = min(len(english), len(dub))
            found.setdefault(language, []).append((english[:length], dub[:length]))
    return found


def scene_pair(studio, case, place):
    """Return (reference, track) of the scene at a place of the case, before edits, float32."""
    rng = rng_of("align mix", case["kind"], case["number"], place)
    number = case["order"][place]
    music, effects, talk_a, talk_b = studio.scene(number)
    bed = music + effects
    other = 10 ** (case["music_db"] / 20) * music + effects
    if rng.random() < case["songs"]:
        talk_b = talk_a
    if case["kind"] == "dialogue_only":
        other = 0 * bed
    loud = 10 ** (case["speech_db"] / 20) * max(float(bed.std()), 0.02)
    if case["room"]:
        other = _wet(other, studio.room)
    if case["mask_db"] is not None:
        stranger = studio.scene(case["foreign"][place])[:2].sum(axis=0)
        gain = float(bed.std()) / max(float(stranger.std()), 1e-3)
        other = 10 ** (-case["mask_db"] / 20) * other + gain * stranger
    other = other * _heard(case, place, len(bed))
    reference = bed + talk_a * (loud / max(float(talk_a.std()), 1e-3))
    track = other + talk_b * (loud / max(float(talk_b.std()), 1e-3))
    return _with_shot(studio, case, place, reference, track, rng)


def _heard(case, place, count):
    """Return 1 or (count,) float32: 0 where the track lacks the bed, in a scene of the case."""
    if not case["lonely"]:
        return np.float32(1)
    time = place * SCENE_SECONDS + np.arange(count) / AUDIO_HZ
    gone = np.zeros(count, bool)
    for start, end in case["lonely"]:
        gone |= (time >= start) & (time < end)
    return np.where(gone, 0, 1).astype(np.float32)


def _wet(signal, room):
    from scipy.signal import oaconvolve

    return oaconvolve(signal, room)[: len(signal)].astype(np.float32)


def _with_shot(studio, case, place, reference, track, rng):
    """Put a real shot into the scene, where the case has one there."""
    shots = studio.shots.get(case["language"], [])
    share = len(case["order"]) // (len(shots) + 1) if case["seconds"] > FILM_SECONDS else 2
    if not shots or place % max(share, 1) or place // max(share, 1) >= len(shots):
        return reference, track
    turn = 0 if case["seconds"] > FILM_SECONDS else case["number"]
    english, dub = shots[(place // max(share, 1) + turn) % len(shots)]
    start = int(rng.integers(0, len(reference) - len(english)))
    end = start + len(english)
    gain = float(reference.std()) / max(float(english.std()), 1e-3)
    reference[start:end] = gain * english
    if case["kind"] not in ("dialogue_only", "dialogue"):
        track[start:end] = gain * dub
    return reference, track


def foreign(studio, case, index):
    """Return a whole scene that only the track has."""
    number = case["foreign"][index % len(case["foreign"])]
    music, effects, _, talk = studio.scene(number)
    return music + effects + talk


def write_pair(studio, case, reference_path, track_path):
    """Write the two tracks as 16-bit WAV before filter and codec; returns the truth's segments.

    Segments: [reference_start, reference_end, track_start] in samples, before the speed.
    """
    count = case["seconds"] * AUDIO_HZ
    total = len(case["order"])
    theme = case["kind"] == "theme"
    unrelated = case["kind"] in ("unrelated", "theme", "episode")
    with soundfile.SoundFile(reference_path, "w", AUDIO_HZ, 1, "PCM_16") as left:
        with soundfile.SoundFile(track_path, "w", AUDIO_HZ, 1, "PCM_16") as right:
            tape = Tape(studio, case, right, count)
            tape.lead()
            for place in range(total):
                one, other = scene_pair(studio, case, place)
                room = count - place * SCENE_SECONDS * AUDIO_HZ
                one, other = one[:room], other[:room]
                if unrelated and not (theme and place == 0):
                    stranger = foreign(studio, case, place)[:room]
                    other = _bookended(other, stranger, place, total) if case["kind"] == "episode" else stranger
                if case["kind"] == "silence":
                    other = 0 * other
                if case["kind"] == "little" and place * SCENE_SECONDS >= 0.2 * case["seconds"]:
                    other = foreign(studio, case, place)[:room]
                left.write(finished(one))
                tape.add(place * SCENE_SECONDS * AUDIO_HZ, other)
            tape.close()
    return [] if unrelated else tape.segments


def _bookended(own, stranger, place, total):
    """Return a scene of another episode: the same opening and ending at the same times, all else strange."""
    result, length = stranger.copy(), BOOKEND_SECONDS * AUDIO_HZ
    if place == 0:
        result[:length] = own[:length]
    if place == total - 1:
        result[-length:] = own[-length:]
    return result


def finished(signal):
    """Return a scene at the level of a finished track, its peaks bent."""
    return np.tanh(signal * np.float32(1.6)) * np.float32(0.6)


class Tape:
    """Takes the track's scenes in reference time and writes them with lead, cuts and insertions."""

    def __init__(self, studio, case, file, count):
        self.studio, self.case, self.file, self.count = studio, case, file, count
        self.edits = [[k, round(a * AUDIO_HZ), round(s * AUDIO_HZ)] for k, a, s in case["edits"]]
        self.skip_until = max(0, -round(case["lead_seconds"] * AUDIO_HZ))
        self.at, self.written, self.used = 0, 0, 0
        self.segments, self.open = [], None

    def lead(self):
        """Write what stands before the film: another intro, or for a short lead silence."""
        self._other(max(0, round(self.case["lead_seconds"] * AUDIO_HZ)), self.case["lead_seconds"] < 3)

    def _other(self, length, black):
        while length > 0:
            piece = foreign(self.studio, self.case, len(self.case["foreign"]) - 1 - self.used)
            self.used += 1
            piece = (0 * piece if black else piece)[:length]
            self._write(finished(piece))
            length -= len(piece)

    def _write(self, piece):
        self.file.write(piece)
        self.written += len(piece)

    def add(self, start, piece):
        """Take the scene that begins at a sample of the reference."""
        while len(piece):
            stop = min([e[1] for e in self.edits if e[1] > start] + [start + len(piece)])
            for edit in [e for e in self.edits if e[1] == start]:
                self._edit(edit)
            part = piece[: stop - start]
            self._keep(start, part)
            start, piece = start + len(part), piece[len(part) :]

    def _edit(self, edit):
        kind, at, length = edit
        self._end(at)
        if kind == "cut":
            self.skip_until = max(self.skip_until, at + length)
        else:
            self._other(length, kind == "black")

    def _keep(self, start, part):
        drop = min(max(0, self.skip_until - start), len(part))
        start, part = start + drop, part[drop:]
        if not len(part):
            return
        if self.open is None:
            self.open = (start, self.written)
        self._write(finished(part))
        self.at = start + len(part)

    def _end(self, at):
        if self.open is not None:
            self.segments.append([self.open[0], min(at, self.at), self.open[1]])
            self.open = None

    def close(self):
        """Close the last segment."""
        self._end(self.at)


# --- filter and codec


def run(*words):
    """Run ffmpeg; its complaint is the error."""
    command = ["ffmpeg", "-nostdin", "-v", "error", "-y", "-threads", "1", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"ffmpeg: {done.stderr.strip()}")


def encode(source, target, chain, codec):
    """Send a WAV through a filter chain and a codec."""
    run("-i", source, *(["-af", chain] if chain else []), "-ac", 1, *CODECS[codec][1], target)


def chain_delay(chain, codec, rate, folder):
    """Return the delay in seconds that a chain adds on decoded samples, by clicks sent through it.

    A click of the source at second t is looked for round rate * t; the median gap is the delay.
    """
    from soundstage.media import read_audio

    kept = folder.parent / "delays.json"
    known = json.loads(kept.read_text()) if kept.exists() else {}
    key = f"{chain} {codec}"
    if key in known:
        return known[key]
    clicks = np.arange(1, 20) * AUDIO_HZ
    wave = np.zeros(21 * AUDIO_HZ, np.float32)
    shape = np.hanning(97) * np.cos(2 * np.pi * 2000 / AUDIO_HZ * (np.arange(97) - 48))
    for click in clicks:
        wave[click - 48 : click + 49] = 0.5 * shape
    source, target = folder / ".clicks.wav", folder / f".clicks.{CODECS[codec][0]}"
    soundfile.write(source, wave, AUDIO_HZ, subtype="PCM_16")
    encode(source, target, chain, codec)
    heard = read_audio(target)
    gaps = []
    for click in clicks:
        wanted = int(rate * click)
        window = heard[max(0, wanted - 4800) : wanted + 4800]
        matched = np.convolve(window, shape[::-1], "same")
        top = int(np.argmax(matched))
        if 0 < top < len(matched) - 1:
            a, b, c = (float(matched[top + i]) for i in (-1, 0, 1))
            top += 0.5 * (a - c) / (a - 2 * b + c) if a - 2 * b + c < 0 else 0.0
        gaps.append((max(0, wanted - 4800) + top - rate * click) / AUDIO_HZ)
    source.unlink()
    target.unlink()
    known[key] = float(np.median(gaps))
    part = folder / ".delays.part"  # another process may be at it too
    part.write_text(json.dumps(known, indent=1, sort_keys=True))
    os.replace(part, kept)
    return known[key]


def make(studio, case, folder, sound=True):
    """Make one case in its folder, unless it is there: reference, track and truth.json; return the truth.

    sound: the tracks must be there too, and are made again where they were deleted.
    """
    folder = Path(folder)
    truth_path = folder / "truth.json"
    if truth_path.exists():
        truth = json.loads(truth_path.read_text())
        if not sound or all((folder / truth[side]).exists() for side in ("reference", "track")):
            return truth
    folder.mkdir(parents=True, exist_ok=True)
    waves = folder / ".reference.wav", folder / ".track.wav"
    segments = write_pair(studio, case, *waves)
    rate = Fraction(case["rate"])
    names = [f"{name}.{CODECS[case[key]][0]}" for name, key in (("reference", "reference_codec"), ("track", "codec"))]
    encode(waves[0], folder / names[0], "", case["reference_codec"])
    encode(waves[1], folder / names[1], case["filter"], case["codec"])
    own = chain_delay("", case["reference_codec"], 1.0, folder)
    # a stretcher is held to its nominal line; a compressor adds no delay, but it bends clicks
    chain = "" if case["kept"] or "acompressor" in case["filter"] else case["filter"]
    late = chain_delay(chain, case["codec"], float(1 if case["kept"] else rate), folder)
    for wave in waves:
        wave.unlink()
    truth = {"case": case, "reference": names[0], "track": names[1], "delays": [own, late]}
    truth |= {"rate": float(rate), "kept": case["kept"], "related": case["kind"] in (*TRUE_KINDS, "hard")}
    truth["segments"] = [_truth_segment(s, float(rate), own, late) for s in segments]
    truth["lonely"] = case["lonely"]
    part = folder / ".truth.part"
    part.write_text(json.dumps(truth, indent=1))
    os.replace(part, truth_path)
    return truth


def _truth_segment(segment, rate, own, late):
    """Return a segment in seconds of the decoded reference; own, late: the chains' delays."""
    start, end, written = (value / AUDIO_HZ for value in segment)
    offset = rate * (written - start) + late - rate * own
    return {
        "reference_start_seconds": start + own,
        "reference_end_seconds": end + own,
        "offset_seconds": offset,
        "rate": rate,
    }


def main():
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("bank", "pairs"))
    parser.add_argument("--work", type=Path, required=True, help="folder for the bank and the cases")
    parser.add_argument("--scenes", type=int, default=400, help="scenes of the bank, 30 s each")
    parser.add_argument("--shots", default="../shared/media/dubs", help="folder of the real shots")
    parser.add_argument("--lags", default="../shared/reference/dub_lags.json")
    parser.add_argument("--kind", choices=(*TRUE_KINDS, *FALSE_KINDS, "hard"))
    parser.add_argument("--number", type=int, default=0)
    parser.add_argument("--seconds", type=int, default=180)
    options = parser.parse_args()
    if options.what == "bank":
        return make_bank(options.work, options.scenes)
    shots = options.shots if Path(options.shots).is_dir() else None
    case = plan(options.kind, options.number, options.seconds, options.scenes)
    folder = options.work / "pairs" / f"{options.kind}-{options.number}-{options.seconds}"
    make(Studio(options.work, shots, options.lags), case, folder)
    print(folder)


if __name__ == "__main__":
    main()
