"""The coarse search: which lag, at which speed, in which part of the film.

Pure maths on the band features. The reference is cut into overlapping chunks; each is correlated
with the track at all lags; a beam search follows the lag through the film, where staying on a
line is free and a jump must be paid for by evidence. So cuts, insertions and stretches in which
the tracks share nothing are found without being looked for one by one.
"""

from dataclasses import dataclass

import numpy as np

from soundstage.align.features import FRAMES_PER_SECOND, stretch

RATE_GROUPS = (1.0, 24 / 25, 25 / 24)
PEAKS = 6
BEAM = 24
NEAR_FRAMES = 3
TOP_EVIDENCE = 15.0


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

    @property
    def score(self):
        """The sum of the evidence, capped per chunk: what the speeds are compared by."""
        return float(np.minimum(self.evidence, TOP_EVIDENCE).sum())


def search(reference, track, settings, rates=RATE_GROUPS):
    """Return a list of Path, best first: one for each speed.

    reference, track: (frames, BANDS) float32 band features.
    """
    paths = [follow(correlations(reference, track, rate, settings), settings) for rate in rates]
    return sorted(paths, key=lambda path: -path.score)


def correlations(reference, track, rate, settings):
    """Return (rate, centers, first lag in frames, (chunks, lags) z) of every chunk at every lag.

    z is the correlation over its standard deviation over the lags; the lag of column k is
    first + k frames. Lags run over all that leave a chunk inside the track, at most
    settings.max_offset_seconds either way.
    """
    warped = stretch(reference, rate)
    length = min(round(settings.chunk_seconds * FRAMES_PER_SECOND), len(warped))
    hop = max(1, round(settings.chunk_hop_seconds * FRAMES_PER_SECOND * rate))
    starts = np.arange(0, len(warped) - length + 1, hop)
    limit = round(settings.max_offset_seconds * FRAMES_PER_SECOND)
    first = -min(limit, len(warped))
    lags = min(limit, len(track)) - first + 1
    size = _fast_size(len(track) + 2 * length)
    spectra = np.fft.rfft(np.pad(track, ((length, 0), (0, 0))).T, size)
    rows = [
        _correlate(warped[start : start + length], spectra, size, start + first + length, lags)
        for start in starts
    ]
    centers = (starts + length / 2) / rate / FRAMES_PER_SECOND
    return rate, centers, first, np.stack(rows)


def _correlate(chunk, spectra, size, first, lags):
    """Return z (lags,): row k is the chunk laid on the track with its start at first + k.

    Lags at which the chunk would lie outside the track hold zero.
    """
    product = (np.conj(np.fft.rfft(chunk.T, size)) * spectra).sum(axis=0)
    whole = np.fft.irfft(product, size)[: size - len(chunk)]
    result = np.zeros(lags, np.float32)
    low, high = max(0, first), min(len(whole), first + lags)
    if high > low:
        part = whole[low:high]
        spread = part.std()
        if spread > 0:
            result[low - first : high - first] = (part - part.mean()) / spread
    return result


def _fast_size(samples):
    """Return a transform length of at least `samples` with small factors only."""
    best = 1 << (samples - 1).bit_length()
    for odd in (3, 5, 9, 15):
        size = odd << max(0, (-(-samples // odd) - 1).bit_length())
        if samples <= size < best:
            best = size
    return best


def follow(correlated, settings):
    """Return the Path of the most evidence through the chunks' correlations, by beam search."""
    rate, centers, first, z = correlated
    beam, history = [], []
    for row in z:
        beam = _step(beam, row, settings.jump_penalty)
        history.append(beam)
    states = _trace(history)
    columns = np.array([state[0] for state in states])
    lags = np.array([_peak(row, column) for row, column in zip(z, columns, strict=True)])
    rival = np.array([_rival(row, column) for row, column in zip(z, columns, strict=True)])
    evidence = z[np.arange(len(z)), columns]
    return Path(rate, centers, (lags + first) / FRAMES_PER_SECOND, evidence, rival)


def _step(beam, row, penalty):
    """Return the next beam: (column, score, index of the parent in the last beam), best first."""
    value = np.minimum(row, TOP_EVIDENCE)
    start = max((score for _, score, _ in beam), default=penalty) - penalty
    parent = max(range(len(beam)), key=lambda i: beam[i][1], default=-1)
    found = [(int(column), start + value[column], parent) for column in _top(row)]
    for index, (column, score, _) in enumerate(beam):
        low = max(0, column - NEAR_FRAMES)
        near = low + int(np.argmax(row[low : column + NEAR_FRAMES + 1]))
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


def _rival(row, column):
    """Return the highest z away from a column: what another lag has to say for itself."""
    rest = row.copy()
    rest[max(0, column - 10) : column + 11] = -np.inf
    return rest.max()


def runs(path, tolerance_seconds=0.06):
    """Return a list of index arrays: the stretches of chunks that stay on one line."""
    breaks = np.nonzero(np.abs(np.diff(path.lags)) > tolerance_seconds)[0] + 1
    return np.split(np.arange(len(path.lags)), breaks)
