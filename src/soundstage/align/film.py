"""Alignment of two film-length signals: search, measure, draw the edges, decide.

Pure maths: the two signals in, a plain dict out (the keys of `soundstage.align.estimate`).
"""

from dataclasses import dataclass, replace

import numpy as np

from soundstage.align import coarse, edges, fine
from soundstage.align.features import ALIGN_HZ, band_features, decimate

SPEEDS = (24 / 25, 25 / 24)
NOMINAL_RATES = (1.0, 1.001, 1 / 1.001, 24 / 25, 25 / 24, 24 / 25.025, 25.025 / 24)
CLEAR_EVIDENCE = 10.0
CONTROL_FLOOR = 4.5  # what unrelated films reach; a short or steady one may seem to stay below it
STRONG_RATIO = 1.5
CONFIDENCE_WIDTH = 0.15
SAME_LINE_SECONDS = 0.003
AMBIGUOUS_SHARE = 0.85
KEPT_ERROR_SECONDS = 0.004


@dataclass(frozen=True)
class Sound:
    """A signal as both searches need it: 16 kHz samples, and features by band scale."""

    samples: np.ndarray
    features: dict
    seconds: float


@dataclass(frozen=True)
class Piece:
    """A stretch of the film on one line; times in seconds of the reference.

    coherent: measured on the wave form (sub-millisecond), not on the band levels alone.
    """

    start: float
    end: float
    offset: float
    rate: float
    rate_error: float
    residual: float
    score: float
    control: float
    evidence: float
    coherent: bool


def sound(samples, settings):
    """Return the Sound of 48 kHz mono samples (n,) float32."""
    low = decimate(samples)
    features = {1.0: band_features(low, settings.band_low_hz, settings.band_high_hz)}
    return Sound(low, features, len(samples) / 48000)


def scaled(sound_, rate, settings):
    """Return features whose bands moved with the pitch of a track at this rate."""
    if rate not in sound_.features:
        low, high = settings.band_low_hz / rate, settings.band_high_hz / rate
        sound_.features[rate] = band_features(sound_.samples, low, min(high, ALIGN_HZ / 2 * 0.99))
    return sound_.features[rate]


def hypotheses(reference, track, settings):
    """Return the best (Path, pitch_corrected) over the speeds, pitch moved or kept."""
    plain = coarse.search(reference.features[1.0], track.features[1.0], settings, (1.0,))[0]
    if plain.evidence.mean() >= CLEAR_EVIDENCE:
        return plain, False
    found = [(plain, False)]
    for rate in SPEEDS:
        for kept in (False, True):
            heard = track.features[1.0] if kept else scaled(track, rate, settings)
            path = coarse.search(reference.features[1.0], heard, settings, (rate,))[0]
            found.append((path, kept))
    return max(found, key=lambda pair: pair[0].evidence.mean())


def align(reference, track, settings):
    """Return what is known of how the track lies on the reference, as a dict.

    reference, track: (n,) float32 at 48 kHz, at least settings.short_seconds long. Keys: accepted,
    reason, rate, offset_seconds, segments, confidence, control, pitch_corrected, and `path` (the
    coarse lags, for the plot).
    """
    left, right = sound(reference, settings), sound(track, settings)
    path, kept = hypotheses(left, right, settings)
    heard = right.features[1.0] if kept or path.rate == 1.0 else scaled(right, path.rate, settings)
    chance = coarse.search(left.features[1.0], heard[::-1], settings, (path.rate,))[0]
    control = max(float(np.median(chance.evidence)), CONTROL_FLOOR)
    pieces = [
        measure(left, right, path, run, kept, settings)
        for run in coarse.runs(path)
        if path.evidence[run].mean() >= STRONG_RATIO * control
    ]
    pieces = bounded(joined(settled(pieces)), left, heard, settings)
    pieces = settled([again(left, right, piece, settings) for piece in pieces])
    return verdict(pieces, (left, right), path, control, kept, settings)


def measure(reference, track, path, run, kept, settings):
    """Return the Piece of one run of chunks: its line to a fraction of a millisecond.

    The wave forms are compared where the pitch moved with the speed; where it was kept, or where
    they do not cohere, the line through the band levels' lags stands.
    """
    centers, lags = path.centers[run], path.lags[run]
    half = settings.chunk_seconds / 2
    start, end = max(0.0, centers[0] - half), min(reference.seconds, centers[-1] + half)
    slope = _slope(centers, lags)
    offset = float(np.median(lags - slope * centers))
    evidence = float(path.evidence[run].mean())
    rough = Piece(
        start, end, offset, path.rate + slope, _rough_error(centers), 0.005, 0.0, 1.0, evidence, False
    )
    if kept:
        return rough
    found = refine(reference, track, rough, _slopes(start, end, len(run)), settings, quick=True)
    if found.score < STRONG_RATIO * found.control:
        return rough
    rate = nominal(found)
    return replace(
        found, rate=rate, offset=found.offset + (found.rate - rate) * (start + end) / 2
    )


def again(reference, track, piece, settings):
    """Return a coherent piece measured once more, now that its true edges are known."""
    if not piece.coherent or piece.end - piece.start < 3 * settings.window_seconds:
        return piece
    level = piece.rate in NOMINAL_RATES
    slopes = np.zeros(1) if level else _slopes(piece.start, piece.end, 99)
    return refine(reference, track, piece, slopes, settings, level)


def _slope(centers, lags):
    """Return the slope of the lag over a run: zero when the run is too short to tell."""
    if len(centers) < 6:
        return 0.0
    return float(np.clip(np.polyfit(centers, lags, 1)[0], -0.0025, 0.0025))


def _rough_error(centers):
    """Return the standard error of a rate read off the band levels' lags."""
    if len(centers) < 6:
        return 0.0025
    return KEPT_ERROR_SECONDS / (centers.std() * np.sqrt(len(centers)))


def _slopes(start, end, chunks):
    """Return the slopes to try round a line: a wide fan when few chunks gave it."""
    half = (end - start) / 2
    reach = 0.0015 if chunks < 6 else 0.008 / half
    step = min(0.0005 / half, reach)
    count = int(np.ceil(reach / step))
    return np.arange(-count, count + 1) * step


def refine(reference, track, piece, slopes, settings, level=False, quick=False):
    """Return the piece measured again on the wave forms along its own line.

    slopes: what to try besides it; level: its rate is known; quick: a cheaper control.
    """
    margin = settings.window_seconds / 2
    centers = np.arange(
        piece.start + margin, piece.end - margin + 1e-6, settings.window_hop_seconds
    )
    lags = np.full(len(centers), piece.offset)
    pairing = fine.correlate(reference.samples, track.samples, (centers, lags), settings, piece.rate)
    line = fine.fit(pairing, slopes, level, shuffles=2 if quick else 5)
    return replace(
        piece,
        offset=line.offset_seconds,
        rate=piece.rate + line.slope,
        rate_error=line.slope_error,
        residual=line.residual_seconds,
        score=line.score,
        control=line.control,
        coherent=True,
    )


def nominal(piece):
    """Return a standard rate when the measured one cannot be told from it, else the measured.

    What the difference adds up to over the piece must stay under a quarter of a millisecond, or
    inside three standard errors.
    """
    half = max((piece.end - piece.start) / 2, 1.0)
    closest = min(NOMINAL_RATES, key=lambda rate: abs(rate - piece.rate))
    allowed = max(3 * piece.rate_error, 0.00025 / half)
    return closest if abs(closest - piece.rate) <= allowed else piece.rate


def settled(pieces):
    """Return the pieces with the longest one's rate wherever theirs cannot be told from it."""
    if not pieces:
        return []
    longest = max(pieces, key=lambda piece: piece.end - piece.start)
    rate = nominal(longest)
    result = []
    for piece in pieces:
        half = (piece.end - piece.start) / 2
        allowed = max(3 * piece.rate_error, 0.00025 / half)
        if abs(piece.rate - rate) <= allowed:
            moved = piece.offset + (piece.rate - rate) * (piece.start + half)
            piece = replace(piece, rate=rate, offset=moved)
        result.append(piece)
    return result


def joined(pieces):
    """Return the pieces with neighbours on the same line made one."""
    result = []
    for piece in pieces:
        if result and _same_line(result[-1], piece):
            last = result.pop()
            heavier = max(last, piece, key=lambda p: p.end - p.start)
            piece = replace(
                heavier,
                start=last.start,
                end=piece.end,
                evidence=max(last.evidence, piece.evidence),
            )
        result.append(piece)
    return result


def _same_line(one, other):
    middle = (one.end + other.start) / 2
    gap = (one.offset + one.rate * middle) - (other.offset + other.rate * middle)
    allowed = SAME_LINE_SECONDS if one.coherent and other.coherent else 0.03
    return abs(gap) <= allowed + abs(one.rate - other.rate) * abs(other.start - one.end)


def bounded(pieces, reference, heard, settings):
    """Return the pieces with their true starts and ends; those without shared sound fall out.

    reference: Sound; heard: (frames, BANDS) features of the track.
    """
    features = reference.features[1.0]
    values = [edges.agreement(features, heard, piece.rate, piece.offset) for piece in pieces]
    spread = edges.chance_spread(features, heard)
    limits = [_inside(piece, reference.seconds, len(heard) / 100) for piece in pieces]
    for index in range(len(pieces) - 1):
        here, after = pieces[index], pieces[index + 1]
        jump = (after.offset - here.offset) + (after.rate - here.rate) * here.end
        missing = max(0.0, -jump / here.rate)
        low = max(limits[index][0], here.end - settings.chunk_seconds)
        high = min(limits[index + 1][1], after.start + settings.chunk_seconds + missing)
        place = edges.switch(values[index], values[index + 1], low, high, missing)
        limits[index] = (limits[index][0], min(limits[index][1], place))
        limits[index + 1] = (max(limits[index + 1][0], place + missing), limits[index + 1][1])
    result = []
    for piece, value, (start, end) in zip(pieces, values, limits, strict=True):
        kept = edges.extent(edges.supported(value, spread), start, end, settings.extend_seconds)
        if kept and kept[1] > kept[0]:
            result.append(replace(piece, start=kept[0], end=kept[1]))
    return result


def _inside(piece, reference_seconds, track_seconds):
    """Return the part of the reference, in seconds, that the track can hold on this line."""
    low = max(0.0, -piece.offset / piece.rate)
    return low, min(reference_seconds, (track_seconds - piece.offset) / piece.rate)


def confidence(piece, control):
    """Return 0 to 1: how far the evidence stands above what unrelated sound reaches.

    A half where it is STRONG_RATIO times the control, 0.97 at twice it.
    """
    ratio = piece.evidence / max(control, 1e-6)
    if piece.coherent:
        ratio = max(ratio, piece.score / max(piece.control, 1e-6))
    return float(1 / (1 + np.exp(-(ratio - STRONG_RATIO) / CONFIDENCE_WIDTH)))


def verdict(pieces, sounds, path, control, kept, settings):
    """Return the dict that the command line writes."""
    reference, track = sounds
    segments = [_segment(piece, control, settings) for piece in pieces]
    good = [segment for segment in segments if segment["accepted"]]
    length = sum(s["reference_end_seconds"] - s["reference_start_seconds"] for s in good)
    possible = min(reference.seconds, track.seconds / path.rate)
    share = min(1.0, float(length / possible))
    reason = _reason(good, share, path, control, settings)
    longest = max(
        good or segments,
        key=lambda s: s["reference_end_seconds"] - s["reference_start_seconds"],
        default=None,
    )
    return {
        "accepted": reason == "",
        "reason": reason,
        "rate": longest["rate"] if longest else path.rate,
        "offset_seconds": longest["offset_seconds"] if longest else float(np.median(path.lags)),
        "segments": segments,
        "confidence": longest["confidence"] if longest else 0.0,
        "control": control,
        "pitch_corrected": bool(kept and longest),
        "shared_share": round(share, 4),
        "path": {
            "rate": path.rate,
            "centers_seconds": path.centers.tolist(),
            "lags_seconds": path.lags.tolist(),
            "evidence": [round(float(value), 2) for value in path.evidence],
        },
    }


def _segment(piece, control, settings):
    sure = confidence(piece, control)
    return {
        "reference_start_seconds": round(float(piece.start), 4),
        "reference_end_seconds": round(float(piece.end), 4),
        "offset_seconds": round(float(piece.offset), 7),
        "rate": float(piece.rate),
        "confidence": round(sure, 4),
        "accepted": sure >= settings.accept_confidence,
        "residual_seconds": round(float(piece.residual), 7),
        "coherent": piece.coherent,
    }


def _reason(good, share, path, control, settings):
    """Return why a track is refused, or "" when it is not."""
    strong = path.evidence >= STRONG_RATIO * control
    doubtful = strong & (path.rival >= AMBIGUOUS_SHARE * path.evidence)
    if good and share >= settings.min_shared_share:
        return ""
    if strong.any() and doubtful.sum() >= 0.5 * strong.sum():
        return (
            f"ambiguous: in {doubtful.sum()} of {strong.sum()} chunks that fit at all, another lag "
            "fits as well (the sound repeats)"
        )
    if not good:
        best = float(path.evidence.max(initial=0.0))
        return (
            "no shared sound: the best agreement is no better than that of unrelated sound "
            f"(z {best:.1f}, unrelated {control:.1f})"
        )
    return (
        f"too little shared sound: {100 * share:.0f} % of the film, "
        f"at least {100 * settings.min_shared_share:.0f} % wanted"
    )
