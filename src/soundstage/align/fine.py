"""The fine measurement: a generalised cross-correlation with phase transform in short windows.

Pure maths on 16 kHz audio. Whitening is limited to a band that every codec keeps, under a Hann
weight: over the full band a lossy codec's empty bins make any two files "agree" at lag zero. The
windows are short, because a bed that is masked by speech in one second is heard in the next, and
a sum over many short looks keeps the good ones. A change of speed costs nothing: the track's
window is longer by the rate, and bin k of its transform then is bin k of the reference's.
"""

from dataclasses import dataclass

import numpy as np
from scipy import fft

from soundstage.align.features import ALIGN_HZ

NEAR_SECONDS = 0.00075
TOP_Z = 8.0
APART_SECONDS = 3.0


@dataclass(frozen=True)
class Curves:
    """Correlation of each window over the lags round a line.

    centers: (windows,) seconds of the reference; base: (windows,) lag in seconds at column 0's
    middle; steps: (lags,) seconds to add to base; z: (windows, lags) float32 over their spread.
    """

    centers: np.ndarray
    base: np.ndarray
    steps: np.ndarray
    z: np.ndarray


@dataclass(frozen=True)
class Line:
    """lag = offset + slope * seconds, and how well the sound supports it.

    offset_seconds is at reference time 0; slope_error: its standard error; residual_seconds: the
    spread of the windows round the line, or how far its first or last third is off;
    score: pooled z; control: what shuffled windows of the same files reach.
    """

    offset_seconds: float
    slope: float
    slope_error: float
    residual_seconds: float
    score: float
    control: float


def spectra(samples, centers, length, taper):
    """Return ((windows, bins) complex64, (windows,) centres in samples) of windows of a signal.

    samples: (n,) at 16 kHz; centers: (windows,) in samples, rounded; taper: (length,) or shorter,
    laid in the middle. What lies outside the signal is silence.
    """
    middle = np.rint(centers).astype(np.int64)
    first = middle - length // 2
    inset = (length - len(taper)) // 2
    windows = np.zeros((len(middle), length), np.float32)
    for row, start in zip(windows, first + inset, strict=True):
        low, high = max(0, start), min(len(samples), start + len(taper))
        if high > low:
            row[inset + low - start : inset + high - start] = samples[low:high] * taper[low - start : high - start]
    return fft.rfft(windows), middle


def correlate(reference, track, lines, settings, rate, margin_seconds=None):
    """Return a function pairing -> Curves for windows along a line.

    reference, track: (n,) float32 at 16 kHz; lines: (centers, lags) in seconds, what
    track - rate * reference is expected to be at each centre. pairing(shift) compares window w of
    the reference with the track's window w + shift: 0 is the measurement, others are a control.
    """
    centers, lags = lines
    margin = settings.margin_seconds if margin_seconds is None else margin_seconds
    inner = round(settings.window_seconds * ALIGN_HZ)
    length = inner + 2 * round(margin * ALIGN_HZ)
    longer = round(length * rate)
    taper = np.hanning(inner).astype(np.float32)
    left, at = spectra(reference, centers * ALIGN_HZ, length, taper)
    wanted = (rate * at / ALIGN_HZ + lags) * ALIGN_HZ
    right, there = spectra(track, wanted, longer, np.ones(longer, np.float32))
    left, right = _white(left, length, settings), _white(right, length, settings)
    reach = round(margin * ALIGN_HZ)
    skew = (longer // 2) * length / longer - length // 2

    def pairing(shift=0):
        product = np.conj(left) * np.roll(right, -shift, axis=0)
        whole = fft.irfft(product, length)
        z = np.concatenate([whole[:, -reach:], whole[:, : reach + 1]], axis=1)
        spread = z.std(axis=1, keepdims=True)
        z = (z / np.where(spread > 1e-9, spread, np.inf)).astype(np.float32)
        steps = (np.arange(-reach, reach + 1) - skew) * rate / ALIGN_HZ
        return Curves(at / ALIGN_HZ, (there - rate * at) / ALIGN_HZ, steps, z)

    return pairing


def _white(spectrum, length, settings):
    """Return unit-modulus bins under a Hann weight over the band; zeros elsewhere."""
    hertz = np.arange(length // 2 + 1) * (ALIGN_HZ / length)
    low, high = settings.band_low_hz, settings.band_high_hz
    inside = (hertz > low) & (hertz < high)
    weight = np.where(inside, np.sin(np.pi * (hertz - low) / (high - low)), 0).astype(np.float32)
    result = np.zeros((len(spectrum), len(hertz)), np.complex64)
    bins = min(spectrum.shape[1], len(hertz))
    part = spectrum[:, :bins]
    result[:, :bins] = part / (np.abs(part) + 1e-6) * weight[:bins]
    return result


def fit(pairing, slopes, level=False, shuffles=5):
    """Return the Line that the windows agree on, and its control.

    pairing: from correlate; slopes: (s,) slopes of the lag to try against the curves' own line;
    level: keep the slope at zero, because the rate is already known;
    shuffles: how many times the windows are paired wrongly for the control, which is the median.
    """
    curves = pairing(0)
    score, slope, column = best_line(curves, slopes)
    coarse = curves.steps[column] + slope * (curves.centers - curves.centers.mean())
    offset, tilt, error, residual = _refine(curves, coarse, level)
    others = [best_line(pairing(shift), slopes)[0] for shift in _shifts(curves, shuffles)]
    control = float(np.median(others)) if others else 0.0
    return Line(offset, tilt, error, residual, score, control)


def _shifts(curves, shuffles):
    """Return by how many windows the track is moved for the control, well apart from zero."""
    count = len(curves.centers)
    step = np.median(np.diff(curves.centers)) if count > 1 else 1.0
    least = int(np.ceil(APART_SECONDS / step))
    if count < 2 * least + 2:
        return [count // 2] if count > 1 else []
    return [int(x) for x in np.linspace(least, count - least, shuffles + 2)[1:-1]]


def best_line(curves, slopes):
    """Return (score, slope, column): the line along which the clipped z's add up highest.

    score is in standard deviations of the sums over all columns at that slope.
    """
    clipped = np.clip(curves.z, 0, TOP_Z)
    if len(slopes) > 1:
        clipped = _widened(clipped)
    step = curves.steps[1] - curves.steps[0]
    drift = np.outer(slopes, curves.centers - curves.centers.mean()) / step
    best = (-np.inf, 0.0, 0)
    columns = np.arange(clipped.shape[1])
    for slope, moved in zip(slopes, np.rint(drift).astype(int), strict=True):
        total = np.zeros(len(columns))
        for row, by in zip(clipped, moved, strict=True):
            low, high = max(0, -by), min(len(columns), len(columns) - by)
            total[low:high] += row[low + by : high + by]
        spread = total.std()
        if spread > 0:
            z = (total - total.mean()) / spread
            column = int(np.argmax(z))
            if z[column] > best[0]:
                best = (float(z[column]), float(slope), column)
    return best


def _widened(values):
    """Return the running maximum over a quarter of a millisecond, so that near lines count."""
    reach = round(0.00025 * ALIGN_HZ)
    padded = np.pad(values, ((0, 0), (reach, reach)))
    return np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1, axis=1).max(axis=2)


def near(curves, lag, reach_seconds=NEAR_SECONDS):
    """Return (lags, z) of each window's highest point within reach of a line.

    lag: (windows,) seconds. The peak's place is read between samples by a parabola.
    """
    step = curves.steps[1] - curves.steps[0]
    column = np.rint((lag - curves.base - curves.steps[0]) / step).astype(int)
    reach = int(np.ceil(reach_seconds / step))
    grid = column[:, None] + np.arange(-reach, reach + 1)
    inside = (grid >= 1) & (grid < len(curves.steps) - 1)
    rows = np.arange(len(grid))
    values = np.where(inside, curves.z[rows[:, None], np.clip(grid, 0, len(curves.steps) - 1)], 0)
    top = np.clip(grid[rows, values.argmax(axis=1)], 1, len(curves.steps) - 2)
    before, here, after = (curves.z[rows, top + shift].astype(float) for shift in (-1, 0, 1))
    bend = before - 2 * here + after
    move = np.where(bend < 0, 0.5 * (before - after) / np.where(bend < 0, bend, 1), 0)
    place = curves.base + curves.steps[0] + step * (top + np.clip(move, -0.5, 0.5))
    return place, values.max(axis=1)


def _refine(curves, coarse, level):
    """Return (offset at time 0, slope, slope error, residual) of a robust line near a coarse one.

    coarse: (windows,) lag relative to the curves' base. Peaks count by their squared z; those far
    from the line fade out (Cauchy weights, three rounds). Errors in s/s and s.
    """
    place, strength = near(curves, curves.base + coarse, 2 * NEAR_SECONDS)
    time = curves.centers
    weight = np.maximum(strength - 2.0, 0) ** 2 + 1e-9
    middle = np.average(time, weights=weight)
    line = curves.base + coarse
    for _ in range(4):
        gap = place - line
        scale = max(np.sqrt(np.average(gap**2, weights=weight)), 2e-6)
        robust = weight / (1 + (gap / (0.5 * scale)) ** 2)
        middle = np.average(time, weights=robust)
        height = np.average(place, weights=robust)
        width = np.average((time - middle) ** 2, weights=robust)
        slope = np.average((place - height) * (time - middle), weights=robust) / max(width, 1e-9)
        if level or len(time) < 6:
            slope = 0.0
        line = height + slope * (time - middle)
    residual = np.sqrt(np.average((place - line) ** 2, weights=robust))
    ends = end_gap(place - line, robust)
    effective = robust.sum() ** 2 / (robust**2).sum()
    error = residual / np.sqrt(max(width * max(effective - 2, 1), 1e-9))
    return height - slope * middle, slope, float(error), max(float(residual), ends)


def end_gap(gaps, weight):
    """Return how far the first or the last third of the gaps lies from a line, the larger, seconds."""
    third = max(1, len(gaps) // 3)
    ends = [np.average(gaps[part], weights=weight[part]) for part in (slice(third), slice(-third, None))]
    return float(np.abs(ends).max())
