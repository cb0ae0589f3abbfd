"""Speech of the studio: espeak-ng voices of characters, in six languages and manners.

Voices are drawn from pools that share no synthesizer variant, lines from pools that share no line.
espeak-ng has no state and no clock, so the same request gives the same samples.
"""

import functools
import subprocess
from dataclasses import dataclass

import numpy as np
from scipy import ndimage, signal

from soundstage.errors import UserError
from soundstage.studio import synth
from soundstage.studio.lines import line
from soundstage.studio.names import POOLS
from soundstage.units import AUDIO_HZ, rng_of

ESPEAK_HZ = 22050
TIMEOUT_SECONDS = 30

_VARIANTS = {
    "corpus_train": "f1 f3 m1 m3 m5 m7 klatt klatt3 Andy Annie belinda boris david Denis Diogo"
    " linda Lee Marco michel pablo paul robert steph steph3 travis aunty Jacky antonio",
    "corpus_test": "f2 m2 m8 klatt2 Alex Alicia benjamin RicishayMax john quincy steph2 Gene",
    "benchmarks": "f4 m4 m6 klatt4 Andrea adam ed edward Gustave Hugo Henrique anika max miguel"
    " pedro rob sandro victor zac grandma Mario iven",
    "separator": "f5 croak klatt5 Michael Nguyen norbert shelby Storm grandpa edward2 Gene2"
    " iven2 iven3 kaukovalta marcelo",
}

# Letters that a voice of 165 words a minute says in a second, to guess how much text is needed.
_LETTERS_PER_SECOND = {"en": 17.6, "es": 16.4, "fr": 21.0, "de": 17.0, "it": 16.4, "ja": 8.3}


@dataclass(frozen=True)
class Voice:
    """A character's voice; the same fields always give the same voice."""

    variant: str  # espeak-ng variant
    pitch: int  # espeak-ng pitch, 0 to 99
    range_percent: int  # change of the pitch range
    words_per_minute: int  # tempo in the neutral manner
    size: float  # all frequencies times this: below 1 a larger throat
    tilt_db: float  # level at 6 kHz against 300 Hz, added by the character's equalisation


@dataclass(frozen=True)
class _Manner:
    pitch: int  # added to the voice's pitch
    range_percent: int  # added to the voice's range
    tempo: float  # times the voice's tempo
    gain_db: float
    tilt_db: float


_MANNERS = {
    "neutral": _Manner(0, 0, 1.0, 0.0, 0.0),
    "whisper": _Manner(0, -30, 0.9, -5.0, 5.0),
    "excited": _Manner(25, 80, 1.25, 2.0, 2.0),
    "sad": _Manner(-14, -70, 0.72, -3.0, -8.0),
    "angry": _Manner(8, 30, 1.12, 4.0, 6.0),
    "afraid": _Manner(18, -20, 1.05, -1.0, 0.0),
}


def voice(pool, index):
    """Return voice number `index` (any int) of a pool; no two pools share a variant."""
    variants = _VARIANTS[pool].split()
    rng = rng_of("voice", pool, index)
    return Voice(
        variant=variants[index % len(variants)],
        pitch=int(rng.integers(25, 80)),
        range_percent=int(rng.integers(-30, 50)),
        words_per_minute=int(rng.integers(140, 190)),
        size=float(rng.uniform(0.86, 1.18)),
        tilt_db=float(rng.uniform(-5, 5)),
    )


def variants(pool):
    """Return the list of espeak-ng variants of a pool of POOLS."""
    return _VARIANTS[pool].split()


def say(text, language, voice, manner="neutral", tempo=1.0):
    """Return `text` spoken: float32 (samples,) at 48 kHz, silence at both ends removed.

    The level is that of the manner: RMS 0.1 in the louder parts when neutral. tempo multiplies the
    speed (clipped to what the synthesizer can do). UserError when espeak-ng is missing or fails.
    """
    raw = _raw(text, language, voice, manner, tempo)
    return _finish(_colour(raw, manner), voice, _MANNERS[manner])


def _raw(text, language, voice, manner, tempo):
    """Return what the synthesizer makes at 22.05 kHz before size, colour and level, trimmed."""
    style = _MANNERS[manner]
    data = _espeak(
        text,
        f"{language}+{voice.variant}",
        int(np.clip(voice.pitch + style.pitch, 0, 99)),
        int(np.clip(voice.words_per_minute * style.tempo * tempo / voice.size, 80, 400)),
        int(np.clip(voice.range_percent + style.range_percent, -95, 150)),
    )
    return _trim(np.frombuffer(data, dtype="<i2").astype(np.float32) / 32768)


def _finish(sound, voice, style):
    """Return sound at 48 kHz in the voice's size, equalisation and the manner's level."""
    up, down = AUDIO_HZ // 150, round(ESPEAK_HZ * voice.size) // 150
    sound = signal.resample_poly(sound, up, down).astype(np.float32)
    sound = tilted(sound, voice.tilt_db + style.tilt_db)
    return synth.level(sound, 0.1 * 10 ** (style.gain_db / 20))


def tilted(sound, tilt_db):
    """Return `sound` through a first-order shelf: unchanged far below 1.6 kHz, tilt_db far above."""
    gain, turn = 10 ** (tilt_db / 20), np.tan(np.pi * 1600 / AUDIO_HZ)
    scale = 1 / (1 + turn)
    coefficients = np.array([gain + turn, turn - gain]) * scale, np.array([1, (turn - 1) * scale])
    return signal.lfilter(*coefficients, sound).astype(np.float32)


@functools.lru_cache(maxsize=256)
def _espeak(text, name, pitch, speed, range_percent):
    """Return the 16-bit samples (bytes) that espeak-ng makes; text goes in by a pipe."""
    escaped = text.replace("&", "&amp;").replace("<", "&lt;")
    markup = f'<prosody range="{range_percent:+d}%">{escaped}</prosody>'
    command = ["espeak-ng", "-v", name, "-p", str(pitch), "-s", str(speed), "-m", "--stdin", "--stdout"]
    try:
        done = subprocess.run(command, input=markup.encode(), capture_output=True, timeout=TIMEOUT_SECONDS, check=True)
    except FileNotFoundError:
        raise UserError("espeak-ng is not installed", fix="apt-get install espeak-ng") from None
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        raise UserError(f"espeak-ng failed ({error})", f"voice {name}") from None
    return done.stdout[44:]  # a WAV header of fixed size comes first


def _trim(sound):
    """Return `sound` from its first to its last sample above 1 % of the peak."""
    loud = np.flatnonzero(np.abs(sound) > 0.01 * max(np.abs(sound).max(initial=0.0), 1e-6))
    return sound[loud[0] : loud[-1] + 1] if len(loud) else np.zeros(1, dtype=np.float32)


def _colour(sound, manner):
    """Return `sound` (22.05 kHz) with what a manner does to the voice beyond pitch and tempo."""
    if manner == "whisper":
        return whispered(sound)
    if manner == "angry":
        return np.tanh(6 * sound / (np.abs(sound).max() + 1e-9))
    if manner == "afraid":  # a trembling voice
        tremble = np.sin(2 * np.pi * 7.5 * np.arange(len(sound)) / ESPEAK_HZ)
        return sound * (1 + 0.7 * tremble).astype(np.float32)
    return sound


def whispered(sound):
    """Return `sound` (22.05 kHz) with its voicing replaced by noise under the same envelope."""
    rng = np.random.default_rng(len(sound))
    _, _, spectrum = signal.stft(sound, ESPEAK_HZ, nperseg=256, noverlap=192)
    hull = ndimage.uniform_filter1d(np.abs(spectrum), 7, axis=0)
    phases = rng.random(hull.shape, dtype=np.float32) * np.float32(2 * np.pi)
    whisper = signal.istft(hull * np.exp(1j * phases), ESPEAK_HZ, nperseg=256, noverlap=192)[1]
    return whisper[: len(sound)].astype(np.float32)


def speak(language, voice, manner, seconds, rng, pool):
    """Return (text, sound): lines of the pool that fill `seconds`, at exactly that length."""
    return spoken(language, voice, manner, seconds, lambda: line(language, rng, pool))


def spoken(language, voice, manner, seconds, write):
    """Return (text, sound): the lines that write() gives, spoken in exactly `seconds`.

    Lines are added until the time is filled; the speed is then adapted by at most a third, and what
    is left over is cut with a fade or filled with silence.
    """
    per_second = _LETTERS_PER_SECOND[language] * voice.words_per_minute / 165
    wanted = seconds * per_second * _MANNERS[manner].tempo
    text = write()
    while len(text) < 0.8 * wanted:
        text += " " + write()
    tempo = float(np.clip(len(text) / wanted, 0.8, 1.3))
    length = len(_raw(text, language, voice, manner, tempo)) / (ESPEAK_HZ * voice.size)
    if not 0.8 * seconds < length < 1.05 * seconds:
        tempo *= float(np.clip(length / seconds, 0.8, 1.3))
    return text, fitted(say(text, language, voice, manner, tempo), seconds)


def fitted(sound, seconds):
    """Return `sound` cut with a 30 ms fade, or followed by silence, to exactly `seconds`."""
    count = synth.samples(seconds)
    sound = sound[:count]
    sound = sound * synth.envelope(len(sound), 0.003, 0.03)
    return np.pad(sound, (0, count - len(sound))).astype(np.float32)


def mouth(sound, frames_per_second=25):
    """Return (frames,) float32 in [0, 1]: how far a mouth is open while `sound` is spoken."""
    step = AUDIO_HZ // frames_per_second
    frames = -(-len(sound) // step)
    padded = np.pad(sound, (0, frames * step - len(sound)))
    loud = np.sqrt((padded.reshape(frames, step) ** 2).mean(1))
    return (loud / max(np.percentile(loud, 95), 1e-6)).clip(0, 1).astype(np.float32)


__all__ = ["POOLS", "Voice", "fitted", "line", "mouth", "say", "speak", "spoken", "tilted", "variants", "voice"]
