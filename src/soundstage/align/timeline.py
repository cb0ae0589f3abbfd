"""A track put on the reference's timeline: track_seconds = offset_seconds + rate * reference_seconds.

Pure maths. A window is cut out of a track in one interpolation with a windowed sinc, so that a
fraction of a sample of offset, a drift and a speed-up all cost one resampling and no rounding.
"""

import functools

import numpy as np

from soundstage.units import AUDIO_HZ, seconds_to_samples

HALF_TAPS = 24
PHASES = 512
BLOCK_SAMPLES = 16384
KAISER_BETA = 9.0


def track_seconds(reference_seconds, offset_seconds, rate):
    """Return where a moment of the reference is heard in the track, in track seconds."""
    return offset_seconds + rate * reference_seconds


def covers(track_samples, start_seconds, seconds, offset_seconds, rate, sample_rate_hz=AUDIO_HZ):
    """Return True when a track of so many samples holds the whole reference window."""
    first = track_seconds(start_seconds, offset_seconds, rate) * sample_rate_hz
    last = first + rate * (seconds_to_samples(seconds, sample_rate_hz) - 1)
    return first >= -0.5 and last <= track_samples - 0.5


def cut(track, start_seconds, seconds, offset_seconds=0.0, rate=1.0, sample_rate_hz=AUDIO_HZ):
    """Return the reference window [start, start + seconds) as it sounds in the track.

    track: (samples,) float, sample n at n / sample_rate_hz of its own time. Sample k of the result
    is the track at offset + rate * (start + k / sample_rate_hz), so the result sits on the
    reference's timeline. Returns exactly seconds * sample_rate_hz (half-up) float32 samples; what
    lies outside the track is silence. At a rate of 1 and a whole number of samples it is a plain
    copy; otherwise a sinc of 48 taps under a Kaiser window, its cut-off below both Nyquist
    frequencies. The pitch moves with the rate: stretch a pitch-kept track instead.
    Raises ValueError when rate or seconds is not positive, or a number is not finite.
    """
    if not np.isfinite([start_seconds, seconds, offset_seconds, rate]).all():
        raise ValueError(f"expected finite times, found {start_seconds, offset_seconds, rate}")
    if rate <= 0 or seconds <= 0:
        raise ValueError(f"expected a positive rate and length, found {rate}, {seconds}")
    samples = seconds_to_samples(seconds, sample_rate_hz)
    first = track_seconds(start_seconds, offset_seconds, rate) * sample_rate_hz
    if rate == 1.0:
        return _shift(np.asarray(track), first, samples)
    return _resample(np.asarray(track), first, rate, samples)


def _shift(track, first, samples):
    """Return `samples` of the track from the fractional position `first`."""
    whole = int(np.floor(first + 1e-6))
    fraction = first - whole
    if fraction < 2e-6:
        return _padded(track, whole, samples)
    wide = _padded(track, whole - HALF_TAPS + 1, samples + 2 * HALF_TAPS - 1)
    return np.convolve(wide, _kernel(fraction)[::-1], "valid").astype(np.float32)


def _resample(track, first, rate, samples):
    """Return `samples` of the track at positions first, first + rate, first + 2 rate, ..."""
    result = np.empty(samples, np.float32)
    table = _table(min(1.0, 1.0 / rate))
    for start in range(0, samples, BLOCK_SAMPLES):
        count = min(BLOCK_SAMPLES, samples - start)
        position = first + rate * np.arange(start, start + count)
        result[start : start + count] = _interpolate(track, position, table)
    return result


def _interpolate(track, position, table):
    """Return the track at rising fractional positions, by a table of sinc phases."""
    whole = np.floor(position).astype(np.int64)
    phase = (position - whole) * PHASES
    low = phase.astype(np.int64)
    share = (phase - low).astype(np.float32)
    origin = int(whole[0]) - HALF_TAPS + 1
    wide = _padded(track, origin, int(whole[-1]) - int(whole[0]) + 2 * HALF_TAPS)
    near = np.lib.stride_tricks.sliding_window_view(wide, 2 * HALF_TAPS)[whole - whole[0]]
    below = np.einsum("nk,nk->n", near, table[low])
    above = np.einsum("nk,nk->n", near, table[low + 1])
    return below + share * (above - below)


@functools.lru_cache(maxsize=8)
def _table(cutoff):
    """Return (PHASES + 1, 2 * HALF_TAPS) float32: the kernel at every fraction of a sample."""
    fractions = np.arange(PHASES + 1) / PHASES
    return np.stack([_kernel(fraction, cutoff) for fraction in fractions]).astype(np.float32)


def _kernel(fraction, cutoff=1.0):
    """Return the 2 * HALF_TAPS weights that read a signal `fraction` after its middle sample.

    Tap k weighs sample k - HALF_TAPS + 1. The sum is 1, so that a constant stays what it is.
    """
    distance = np.arange(2 * HALF_TAPS) - (HALF_TAPS - 1) - fraction
    window = np.i0(KAISER_BETA * np.sqrt(np.maximum(0, 1 - (distance / HALF_TAPS) ** 2)))
    weights = np.sinc(cutoff * distance) * window
    return weights / weights.sum()


def _padded(track, start, samples):
    """Return track[start : start + samples] as float32, with silence where there is no track."""
    result = np.zeros(samples, np.float32)
    low, high = max(0, start), min(len(track), start + samples)
    if high > low:
        result[low - start : high - start] = track[low:high]
    return result
