"""How much of a window is speech, estimated without a model and without being told.

Pure maths on band levels, 100 frames a second. Where an original and its dubs are aligned, music
and effects are the same in both and the voices are not: a frame in which their levels in the
speech band differ clearly is a frame in which somebody speaks. A film without any accepted dub
falls back on loudness: frames well above the quiet ones of the film.
"""

import numpy as np

from soundstage.align.features import ALIGN_HZ, FFT_SAMPLES, FRAMES_PER_SECOND

EDGES_HZ = (300, 500, 750, 1050, 1450, 2000, 2700, 3500)
DIFFERENT_DB = 4.0
LOUD_DB = 12.0
FLOOR_DB = 50.0
SPOKEN_SHARE = 0.2
SMOOTH_FRAMES = 15


def levels(samples):
    """Return (frames, 7) float32 levels in dB of bands from 300 to 3500 Hz; samples at 16 kHz."""
    hop = ALIGN_HZ // FRAMES_PER_SECOND
    padded = np.pad(samples, FFT_SAMPLES // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, FFT_SAMPLES)[::hop]
    edges = np.round(np.array(EDGES_HZ) / ALIGN_HZ * FFT_SAMPLES).astype(int)
    taper = np.hanning(FFT_SAMPLES).astype(np.float32)
    parts = []
    for start in range(0, len(frames), 8192):
        spectrum = np.fft.rfft(frames[start : start + 8192] * taper)[:, : edges[-1]]
        power = spectrum.real**2 + spectrum.imag**2
        parts.append(10 * np.log10(np.add.reduceat(power, edges[:-1], axis=1) + 1e-10))
    return np.concatenate(parts)


def different(original, dub, places):
    """Return (frames,) share of the bands, 0 to 1, in which original and dub differ; NaN: no dub.

    original, dub: (frames, bands) levels in dB; places: (frames,) frame of the dub that belongs to
    each frame of the original, negative where there is none. The median difference of each band
    (another mix, another equaliser) does not count, nor what lies 50 dB below the loudest.
    """
    inside = (places >= 0) & (places < len(dub))
    if not inside.any():
        return np.full(len(original), np.nan)
    heard = dub[np.clip(places, 0, len(dub) - 1)]
    floor = max(original.max(), heard[inside].max()) - FLOOR_DB
    gap = np.maximum(original, floor) - np.maximum(heard, floor)
    gap = gap - np.median(gap[inside], axis=0)
    share = (np.abs(gap) > DIFFERENT_DB).mean(axis=1)
    return np.where(inside, share, np.nan)


def talking(shares):
    """Return (frames,) bool: does somebody speak? shares: list of (frames,) from `different`.

    A frame counts when, over 150 ms, more than a fifth of the bands differ in the mean dub.
    """
    known = np.array(shares)
    count = np.isfinite(known).sum(axis=0)
    mean = np.nansum(known, axis=0) / np.maximum(count, 1)
    smooth = np.convolve(mean, np.ones(SMOOTH_FRAMES) / SMOOTH_FRAMES, "same")
    return smooth > SPOKEN_SHARE


def loud(original):
    """Return (frames,) bool: is the speech band well above the quiet frames of the film?"""
    level = original.mean(axis=1)
    return level > np.percentile(level, 10) + LOUD_DB


def fraction(frames, start_seconds, end_seconds):
    """Return the share of a window's frames that are marked, 0 to 1."""
    low, high = (round(second * FRAMES_PER_SECOND) for second in (start_seconds, end_seconds))
    part = frames[low:high]
    return float(part.mean()) if len(part) else 0.0
