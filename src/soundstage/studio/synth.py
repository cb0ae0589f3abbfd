"""Building blocks of synthetic sound: noise, tones, strings, throats, envelopes.

All signals are float32 mono arrays of shape (samples,) at 48 kHz; all functions are pure given
their numpy Generator `rng`. Transforms run on one thread, so results do not depend on the machine's
number of cores.
"""

import numpy as np
from scipy import fft, signal

from soundstage.units import AUDIO_HZ

TABLE_LENGTH = 2048


def samples(seconds):
    """Return seconds as a whole number of samples at 48 kHz, at least 1."""
    return max(1, int(seconds * AUDIO_HZ + 0.5))


def time(count):
    """Return (count,) float32 seconds of each sample."""
    return np.arange(count, dtype=np.float32) / AUDIO_HZ


def curve(points, count):
    """Return (count,) float32 linear interpolation of `points` spread evenly over the samples."""
    points = np.asarray(points, dtype=np.float64)
    at = np.linspace(0, len(points) - 1, count)
    return np.interp(at, np.arange(len(points)), points).astype(np.float32)


def wander(count, rng, centre, spread, per_second):
    """Return (count,) float32 of a smooth random walk around `centre`, relative spread `spread`."""
    points = max(2, int(count / AUDIO_HZ * per_second) + 2)
    return curve(centre * (1 + spread * rng.standard_normal(points).clip(-2.5, 2.5)), count)


def noise(count, rng):
    """Return (count,) float32 white noise of unit variance."""
    return rng.standard_normal(count, dtype=np.float32)


def shaped_noise(count, rng, points_hz, points_db):
    """Return (count,) float32 noise of unit variance with a spectrum in dB over log frequency.

    points_hz: rising frequencies; points_db: level at each, interpolated between and held beyond.
    """
    size = fft.next_fast_len(count, real=True)
    frequencies = np.fft.rfftfreq(size, 1 / AUDIO_HZ)
    grid = np.linspace(0, AUDIO_HZ / 2, 1025)
    gains_db = np.interp(np.log(np.maximum(grid, 1.0)), np.log(points_hz), points_db)
    gains = np.interp(frequencies, grid, 10 ** (gains_db / 20)).astype(np.float32)
    spectrum = rng.standard_normal(2 * len(gains), dtype=np.float32).view(np.complex64) * gains
    shaped = fft.irfft(spectrum, size, workers=1)[:count]
    return (shaped / (shaped.std() + 1e-9)).astype(np.float32)


def band_noise(count, rng, low_hz, high_hz, slope_db=40.0):
    """Return (count,) float32 unit noise between two frequencies, falling slope_db per octave."""
    points_hz = (low_hz / 4, low_hz, high_hz, high_hz * 4)
    return shaped_noise(count, rng, points_hz, (-2 * slope_db, 0, 0, -2 * slope_db))


def phase(frequency_hz, count, start=0.0):
    """Return (count,) float64 cycles of an oscillator with a constant or per-sample frequency."""
    if np.ndim(frequency_hz) == 0:
        return start + np.arange(count) * (float(frequency_hz) / AUDIO_HZ)
    return start + np.cumsum(frequency_hz, dtype=np.float64) / AUDIO_HZ


def sine(frequency_hz, count, start=0.0):
    """Return (count,) float32 sine of constant or per-sample frequency."""
    cycles = phase(frequency_hz, count, start)
    cycles -= np.floor(cycles)
    return np.sin(cycles.astype(np.float32) * np.float32(2 * np.pi))


def harmonic(frequency_hz, count, amplitudes, start=0.0):
    """Return (count,) float32 tone: harmonics 1, 2, ... with the given amplitudes, by table look-up.

    Harmonics above 20 kHz at the highest frequency are left out.
    """
    top = float(np.max(frequency_hz))
    amplitudes = np.asarray(amplitudes, dtype=np.float64)[: max(1, int(20000 / max(top, 1.0)))]
    spectrum = np.zeros(TABLE_LENGTH // 2 + 1, dtype=np.complex128)
    spectrum[1 : len(amplitudes) + 1] = -0.5j * TABLE_LENGTH * amplitudes
    table = np.fft.irfft(spectrum).astype(np.float32)
    steps = (phase(frequency_hz, count, start) * TABLE_LENGTH).astype(np.int64)
    return table[steps & (TABLE_LENGTH - 1)]


def saw_amplitudes(count, tilt=1.0):
    """Return (count,) amplitudes 1 / k**tilt of harmonics k = 1 ... count."""
    return 1.0 / np.arange(1, count + 1) ** tilt


def envelope(count, attack_seconds, release_seconds):
    """Return (count,) float32 in [0, 1]: half-cosine rise and fall, shortened to fit."""
    attack = min(samples(attack_seconds), count // 2)
    release = min(samples(release_seconds), count - attack)
    result = np.ones(count, dtype=np.float32)
    result[:attack] = 0.5 - 0.5 * np.cos(np.pi * np.arange(attack) / max(attack, 1))
    result[count - release :] = 0.5 + 0.5 * np.cos(np.pi * np.arange(release) / max(release, 1))
    return result


def decay(count, half_seconds):
    """Return (count,) float32 exponential fall from 1, halved every half_seconds."""
    return np.exp2(-time(count) / np.float32(half_seconds))


def resonate(sound, peaks_hz, widths_hz, gains, dry=0.0):
    """Return `sound` through parallel two-pole resonators (formants, a body, a bell)."""
    result = dry * sound
    for peak_hz, width_hz, gain in zip(peaks_hz, widths_hz, gains, strict=True):
        radius = np.exp(-np.pi * width_hz / AUDIO_HZ)
        angle = 2 * np.pi * min(peak_hz, 0.45 * AUDIO_HZ) / AUDIO_HZ
        denominator = np.array([1, -2 * radius * np.cos(angle), radius**2], dtype=np.float32)
        scale = np.array([gain * (1 - radius)], dtype=np.float32)
        result = result + signal.lfilter(scale, denominator, sound).astype(np.float32)
    return result.astype(np.float32)


def filtered(sound, cutoff_hz, kind, order=2):
    """Return `sound` through a Butterworth filter; kind lowpass, highpass or bandpass (a pair)."""
    sections = signal.butter(order, cutoff_hz, kind, fs=AUDIO_HZ, output="sos")
    return signal.sosfilt(sections.astype(np.float32), sound).astype(np.float32)


def pluck(frequency_hz, seconds, rng, brightness=0.5, sustain=0.996):
    """Return a plucked string (Karplus-Strong), float32, tuned by resampling to frequency_hz.

    brightness in (0, 1]: share of the excitation's high frequencies kept; sustain: loop gain.
    """
    period = max(8, round(AUDIO_HZ / frequency_hz))
    burst = rng.uniform(-1, 1, period).astype(np.float32)
    burst = signal.lfilter([brightness], [1, brightness - 1], burst).astype(np.float32)
    burst -= burst.mean()  # a constant would not decay
    rounds = samples(seconds) // period + 2
    loops = np.empty((rounds, period), dtype=np.float32)
    for index in range(rounds):
        loops[index] = burst
        burst = (0.5 * sustain) * (burst + np.concatenate((burst[-1:], burst[:-1])))
    flat = loops.reshape(-1)
    # The average of neighbours delays every round by half a sample.
    at = np.arange(samples(seconds)) * ((period + 0.5) * frequency_hz / AUDIO_HZ)
    sound = np.interp(at, np.arange(len(flat)), flat).astype(np.float32)
    return sound * envelope(len(sound), 0.001, 0.02)


def place(target, sound, start, gain=1.0):
    """Add `sound` into `target` in place from sample `start`, cut at both ends."""
    first = max(0, -start)
    last = min(len(sound), len(target) - start)
    if last > first:
        target[start + first : start + last] += np.float32(gain) * sound[first:last]


def room(sound, rng, seconds, wet):
    """Return `sound` with a diffuse reverberation of `seconds` (to -60 dB) at share `wet`."""
    tail = samples(seconds)
    impulse = noise(tail, rng) * decay(tail, seconds / 10)
    impulse *= wet / np.sqrt((impulse**2).sum())
    echo = signal.oaconvolve(sound, impulse)[: len(sound)]
    return (sound + echo).astype(np.float32)


def level(sound, rms=0.1, peak=0.95):
    """Return `sound` at the given RMS of its louder parts, its peak held below `peak`.

    Silence comes back as silence. The louder parts are the 20 ms frames within 20 dB of the loudest.
    """
    frame = AUDIO_HZ // 50
    whole = len(sound) // frame * frame
    power = (sound[:whole].reshape(-1, frame) ** 2).mean(1) if whole else np.mean(sound**2)
    loud = np.max(power)
    if not loud > 1e-12:
        return sound.astype(np.float32)
    active = np.atleast_1d(power)[np.atleast_1d(power) > loud / 100].mean()
    scaled = sound * (rms / np.sqrt(active))
    top = np.abs(scaled).max()
    return (scaled * min(1.0, peak / top)).astype(np.float32)
