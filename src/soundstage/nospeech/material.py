"""What the studio's separator learns from: speech and beds made for that alone, mixed anew each time.

A pool of film-like scenes is rendered once and kept in memory at the model's rate. Each training
example draws an excerpt of speech and one of a bed, not always of the same scene, changes speed,
equalisation and level of both, and sometimes leaves one of them out.
"""

import numpy as np
from scipy import signal

from soundstage.cli import progress
from soundstage.errors import UserError
from soundstage.studio import mix
from soundstage.units import AUDIO_HZ, rng_of

SCENE_SECONDS = 30
EQUALISER_HZ = (60, 200, 600, 1800, 5000, 11000)
EQUALISER_DB = 5.0  # spread of the random equaliser
SPEED = (0.85, 1.18)  # range of the change of speed and pitch
LEVEL_DB = 6.0  # range, either way, of the change of level of speech against the bed
CODED = (0.02, 0.12)  # range of a codec's error relative to each spectral bin
SPEECH_FREE, SPEECH_ONLY, SAME_SCENE, SPED, CODED_SHARE = 0.1, 0.03, 0.3, 0.5, 0.4


def scenes(count, sample_rate_hz, seed, pool):
    """Return (speech, bed), each (count, samples) float16, of rendered scenes of 30 s.

    pool: whose voices and lines speak (`soundstage.studio.names.POOLS`).
    """
    if AUDIO_HZ % sample_rate_hz:
        raise UserError(f"expected a rate that divides {AUDIO_HZ} Hz, found {sample_rate_hz}")
    shape = count, SCENE_SECONDS * sample_rate_hz
    speech, bed = np.zeros(shape, np.float16), np.zeros(shape, np.float16)
    for number in progress(range(count), count, "scenes", "scenes"):
        pair = mix.example(float(SCENE_SECONDS), rng_of("separator", seed, number), pool)
        for target, sound in zip((speech, bed), pair, strict=True):
            low = signal.resample_poly(sound, 1, AUDIO_HZ // sample_rate_hz)
            target[number] = low[: shape[1]]
    return speech, bed


def batch(speech, bed, size, samples, sample_rate_hz, rng):
    """Return (mixtures, speech, bed), each (size, samples) float32, of random examples."""
    rows = [example(speech, bed, samples, sample_rate_hz, rng) for _ in range(size)]
    return tuple(np.stack(column).astype(np.float32) for column in zip(*rows, strict=True))


def example(speech, bed, samples, sample_rate_hz, rng):
    """Return (mixture, speech, bed), (samples,) each, of one example scaled to an RMS of 1.

    The mixture is the sum of the two, plus now and then an error like a codec's.
    """
    scene, start = rng.integers(len(speech)), rng.integers(speech.shape[1] - 2 * samples)
    same = rng.random() < SAME_SCENE
    other = scene if same else rng.integers(len(bed))
    at = start if same else rng.integers(bed.shape[1] - 2 * samples)
    kind = rng.random()
    talk = changed(speech[scene], start, samples, sample_rate_hz, rng)
    talk = talk * 10 ** (rng.uniform(-LEVEL_DB, LEVEL_DB) / 20) * (kind >= SPEECH_FREE)
    rest = changed(bed[other], at, samples, sample_rate_hz, rng)
    rest = rest * (kind <= 1 - SPEECH_ONLY)
    mixture = talk + rest
    if rng.random() < CODED_SHARE:
        mixture = coded(mixture, rng)
    scale = 1 / (np.sqrt(np.mean(mixture**2)) + 1e-5)
    return mixture * scale, talk * scale, rest * scale


def changed(sound, start, samples, sample_rate_hz, rng):
    """Return (samples,) of `sound` from `start` at a drawn speed through a drawn equaliser."""
    speed = rng.uniform(*SPEED) if rng.random() < SPED else 1.0
    length = round(samples * speed)
    spectrum = np.fft.rfft(sound[start : start + length].astype(np.float32))
    count = samples // 2 + 1
    spectrum = np.pad(spectrum[:count], (0, max(0, count - len(spectrum))))
    hz = np.arange(count) * (sample_rate_hz / samples)
    gains_db = rng.normal(0, EQUALISER_DB / 2, len(EQUALISER_HZ))
    gain = 10 ** (np.interp(np.log(hz.clip(1)), np.log(EQUALISER_HZ), gains_db) / 20)
    return np.fft.irfft(spectrum * gain, samples) * (samples / length)


def coded(mixture, rng):
    """Return `mixture` with an error in proportion to each bin of its short spectra."""
    _, _, spectrum = signal.stft(mixture, nperseg=512)
    error = rng.standard_normal((2, *spectrum.shape)) * rng.uniform(*CODED)
    _, result = signal.istft(spectrum * (1 + error[0] + 1j * error[1]), nperseg=512)
    return result[: len(mixture)]
