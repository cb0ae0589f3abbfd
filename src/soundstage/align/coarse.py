"""The coarse search: which lag, at which speed, in which part of the film.

Pure maths on the band features. The reference is cut into overlapping chunks; each is correlated
with the track at all lags; a beam search follows the lag through the film, where staying on a
line is free and a jump must be paid for by evidence. So cuts, insertions and stretches in which
the tracks share nothing are found without being looked for one by one.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy import fft

from soundstage.align.features import FRAMES_PER_SECOND, stretch

PEAKS = 6
BEAM = 24
NEAR_FRAMES = 3
APART_FRAMES = 10
TOP_EVIDENCE = 15.0
TOP_CHANCE = 6.5  # z of a chunk that unrelated sound hardly reaches at any lag
LONG_SECONDS = 1200
LEAST_CHUNKS = 3  # so many, laid end to end, must fit into the shorter file
PROBE_GROUPS, PROBE_CHUNKS = 12, 4
EDITS_SECONDS = 120  # cuts and insertions may carry the lag this far beyond the largest offset


@dataclass(frozen=True)
class Path:
    """The lag through the film at one speed.

    centers: (chunks,) seconds of the reference; lags: (chunks,) seconds, track - rate * reference;
    evidence: (chunks,) z of the correlation at that lag; rival: (chunks,) z of the best other lag.
    """

    rate: float
    centers: np.ndarray
    lags: np.ndarray
    evidence: np.ndarray
    rival: np.ndarray


def search(reference, track, settings, rate=1.0, probe=False):
    """Return the Path through the film at one speed.

    reference, track: (frames, BANDS) float32 band features. probe: look at a few stretches of a
    long film only, to compare speeds by.
    """
    return follow(correlations(reference, track, rate, settings, probe), settings)


def fitted(settings, seconds):
    """Return the settings with chunks short enough for a pair whose shorter file has so many seconds.

    A chunk is only compared where all of it lies inside the track: in 22 s a chunk of 20 s could not
    see an offset of 3 s. From three chunks on, a minute, the settings stay as they are.
    """
    share = seconds / (LEAST_CHUNKS * settings.chunk_seconds)
    if share >= 1:
        return settings
    length, hop = (share * value for value in (settings.chunk_seconds, settings.chunk_hop_seconds))
    return replace(settings, chunk_seconds=length, chunk_hop_seconds=hop)


def hop_seconds(frames, settings):
    """Return the step of the chunks: twice the setting in a film of more than 20 minutes."""
    return settings.chunk_hop_seconds * (2 if frames > LONG_SECONDS * FRAMES_PER_SECOND else 1)


def starts_of(frames, length, hop, probe):
    """Return the first frames of the chunks; to probe, groups of neighbours all over the film."""
    starts = np.arange(0, frames - length + 1, hop)
    if not probe or len(starts) <= PROBE_GROUPS * PROBE_CHUNKS:
        return starts
    groups = np.linspace(0, len(starts) - PROBE_CHUNKS, PROBE_GROUPS).astype(int)
    return starts[(groups[:, None] + np.arange(PROBE_CHUNKS)).ravel()]


def correlations(reference, track, rate, settings, probe=False):
    """Return (rate, centers, first lag in frames, rows) of every chunk at every lag.

    rows yields (lags,) float32 for one chunk after the other: the correlation over its standard
    deviation over the lags; the lag of column k is first + k frames. Lags run over all that leave a
    chunk inside the track, at most settings.max_offset_seconds and what edits may add either way.
    """
    warped = stretch(reference, rate)
    length = min(round(settings.chunk_seconds * FRAMES_PER_SECOND), len(warped))
    hop = max(1, round(hop_seconds(len(reference), settings) * FRAMES_PER_SECOND * rate))
    starts = starts_of(len(warped), length, hop, probe)
    limit = round((settings.max_offset_seconds + EDITS_SECONDS) * FRAMES_PER_SECOND)
    first = -min(limit, len(warped))
    lags = min(limit, len(track)) - first + 1
    pages = _pages(track, length)
    rows = (_correlate(warped[at : at + length], pages, at + first, lags, len(track)) for at in starts)
    centers = (starts + length / 2) / rate / FRAMES_PER_SECOND
    return rate, centers, first, rows


def _pages(track, length):
    """Return (pages, BANDS, bins) complex64: transforms of the track in pages that overlap by half.

    Page p holds the frames from (p - 1) * length on, two chunks long, silence outside the track.
    """
    pages = -(-len(track) // length) + 1
    padded = np.zeros(((pages + 1) * length, track.shape[1]), np.float32)
    padded[length : length + len(track)] = track
    result = np.empty((pages, track.shape[1], length + 1), np.complex64)
    for page in range(pages):
        result[page] = fft.rfft(padded[page * length : (page + 2) * length].T)
    return result


def _correlate(chunk, pages, first, lags, frames):
    """Return z (lags,): row k is the chunk laid on the track with its start at first + k.

    frames: length of the track. Lags at which the chunk would lie outside the track hold zero.
    """
    length = len(chunk)
    low, high = max(0, first), min(frames - length + 1, first + lags)
    result = np.zeros(lags, np.float32)
    if high <= low:
        return result
    page, last = low // length + 1, (high - 1) // length + 2
    spectrum = np.conj(fft.rfft(chunk.T, 2 * length))
    product = np.einsum("bf,pbf->pf", spectrum, pages[page:last])
    whole = fft.irfft(product, 2 * length)[:, :length].ravel()
    part = whole[low - (page - 1) * length :][: high - low]
    spread = part.std()
    if spread > 0:
        result[low - first : high - first] = (part - part.mean()) / spread
    return result


def follow(correlated, settings):
    """Return the Path of the most evidence through the chunks' correlations, by beam search."""
    rate, centers, first, rows = correlated
    beam, history, looks = [], [], []
    for row in rows:
        peaks = _top(row)
        beam = _step(beam, row, peaks, settings.jump_penalty)
        history.append(beam)
        looks.append({column: _look(row, peaks, column) for column, _, _ in beam})
    columns = [state[0] for state in _trace(history)]
    found = [look[column] for look, column in zip(looks, columns, strict=True)]
    lags, evidence, rival = (np.array(values) for values in zip(*found, strict=True))
    return Path(rate, centers, (lags + first) / FRAMES_PER_SECOND, evidence, rival)


def _look(row, peaks, column):
    """Return (place between columns, z there, z of the best lag elsewhere) of one state."""
    others = [row[peak] for peak in peaks if abs(peak - column) > APART_FRAMES]
    return _peak(row, column), float(row[column]), float(max(others, default=0.0))


def _step(beam, row, peaks, penalty):
    """Return the next beam: (column, score, index of the parent in the last beam), best first."""
    value = np.minimum(row, TOP_EVIDENCE)
    start = max((score for _, score, _ in beam), default=penalty) - penalty
    parent = max(range(len(beam)), key=lambda i: beam[i][1], default=-1)
    found = [(int(column), start + value[column], parent) for column in peaks]
    for index, (column, score, _) in enumerate(beam):
        low = max(0, column - NEAR_FRAMES)
        window = row[low : column + NEAR_FRAMES + 1]
        near = low + int(np.argmax(window)) if window.any() else column
        found.append((near, score + value[near], index))
    kept = []
    for state in sorted(found, key=lambda state: -state[1]):
        if all(abs(state[0] - other[0]) > 1 for other in kept):
            kept.append(state)
        if len(kept) == BEAM:
            break
    return kept


def _top(row):
    """Return the columns of the PEAKS highest separate peaks."""
    rest, columns = row.copy(), []
    for _ in range(PEAKS):
        column = int(np.argmax(rest))
        columns.append(column)
        rest[max(0, column - 2 * NEAR_FRAMES) : column + 2 * NEAR_FRAMES + 1] = -np.inf
    return columns


def _trace(history):
    """Return the states of the best hypothesis of the last beam, first chunk first."""
    index, states = 0, []
    for beam in reversed(history):
        states.append(beam[index])
        index = beam[index][2]
    return states[::-1]


def _peak(row, column):
    """Return the position of a peak between the columns, by a parabola through three of them."""
    if not 0 < column < len(row) - 1:
        return float(column)
    before, here, after = row[column - 1 : column + 2].astype(float)
    bend = before - 2 * here + after
    return column + (0.5 * (before - after) / bend if bend < 0 else 0.0)


def runs(path, tolerance_seconds=0.06):
    """Return a list of index arrays: the stretches of chunks that stay on one line."""
    breaks = np.nonzero(np.abs(np.diff(path.lags)) > tolerance_seconds)[0] + 1
    return np.split(np.arange(len(path.lags)), breaks)
