"""Alignment of shots of a few seconds, alone or pooled over one title and language.

Pure maths. A shot is too short for a search over minutes or speeds: the rate is taken as 1 and the
lag as small. Shots of one title share their lag, so their evidence is added; each window counts
by what it has to say, so that a shot whose bed is not shared cannot outvote one that locks.
"""

import numpy as np

from soundstage.align import fine
from soundstage.align.features import ALIGN_HZ

EVEN_RATIO = 1.27  # of the peak to what wrong pairings reach: a confidence of a half; 0.9 at 1.6
CONFIDENCE_WIDTH = 0.15
AMBIGUOUS_SHARE = 0.8
POWER = 2.0
GUARD_SECONDS = 0.005
# A few windows of one shot are too small a sample of wrong pairings. Of 456 pairs of unrelated real
# shots (2 to 9 s) the highest reached z 35, of those above 2 s 26; shots that share a bed start at 80.
CONTROL_FLOOR = 25.0
CURVE_POINTS = 1001  # of a picture's width


def align(pairs, settings):
    """Return what is known of the common lag of several shots, as a dict.

    pairs: list of (reference, track), each (n,) at 16 kHz. Keys as soundstage.align.film:
    accepted, reason, rate, offset_seconds, segments (one per shot), confidence, control,
    pitch_corrected; `shots` says for each shot what it has to say alone, `curve` what all say of
    each lag.
    """
    pairings = [_pairing(reference, track, settings) for reference, track in pairs]
    measured = [pairing(0) for pairing in pairings]
    steps = measured[0].steps
    total = sum(_summed(curves) for curves in measured)
    wrong = [_summed(curves) for curves in _controls(pairings)]
    heights = [_height(part)[0] for part in _pools(wrong, len(pairs))]
    control = max(float(np.median(heights or [0.0])), CONTROL_FLOOR)
    score, column = _height(total)
    lag = float(_peak(steps, total, column))
    rival = _height(np.where(np.abs(steps - lag) <= GUARD_SECONDS, total.min(), total), total)[0]
    sure = _confidence(score, control)
    reason = _reason(score, control, rival, sure, settings)
    shots = [_alone(curves, lag) for curves in measured]
    segments = [_segment(index, pair, lag, sure, reason == "") for index, pair in enumerate(pairs)]
    return {
        "accepted": reason == "",
        "reason": reason,
        "rate": 1.0,
        "offset_seconds": round(lag, 7),
        "segments": segments,
        "confidence": round(sure, 4),
        "control": round(control, 3),
        "score": round(score, 3),
        "pitch_corrected": False,
        "shots": shots,
        "curve": _curve(steps, total),
    }


def _curve(steps, total):
    """Return the evidence (z) for every lag, for the picture: the highest of each millisecond or so."""
    z = (total - total.mean()) / max(float(total.std()), 1e-12)
    parts = np.array_split(np.arange(len(steps)), min(len(steps), CURVE_POINTS))
    tops = [part[np.argmax(z[part])] for part in parts]
    return {
        "lags_seconds": [round(float(steps[top]), 5) for top in tops],
        "evidence": [round(float(z[top]), 2) for top in tops],
    }


def _pairing(reference, track, settings):
    """Return the pairing of fine.correlate for windows all over one shot."""
    seconds = min(len(reference), len(track)) / ALIGN_HZ
    margin = min(settings.window_seconds, seconds) / 2
    hop = settings.window_hop_seconds / 2
    centers = np.arange(margin, seconds - margin + 1e-6, hop)
    if len(centers) == 0:
        centers = np.array([seconds / 2])
    lines = (centers, np.zeros(len(centers)))
    return fine.correlate(reference, track, lines, settings, 1.0, settings.short_max_offset_seconds)


def _summed(curves):
    """Return (lags,) the windows' positive z to a power, added: loud evidence counts for more."""
    shifted = [_moved(row, base, curves.steps) for row, base in zip(curves.z, curves.base, strict=True)]
    return (np.clip(shifted, 0, 2 * fine.TOP_Z) ** POWER).sum(axis=0)


def _moved(row, base, steps):
    """Return a window's z on the common lag axis: its base is a whole number of samples or less."""
    by = round(base / (steps[1] - steps[0]))
    return np.roll(row, by)


def _controls(pairings):
    """Return Curves of wrongly paired windows: within each shot, moved by a second or more."""
    result = []
    for pairing in pairings:
        count = len(pairing(0).centers)
        result += [pairing(shift) for shift in range(4, count - 3, 2)]
    return result


def _pools(parts, shots):
    """Return sums of as many wrong pairings as there are shots."""
    shots = max(1, min(shots, len(parts)))
    return [sum(parts[i : i + shots]) for i in range(0, len(parts) - shots + 1)]


def _height(values, spread_of=None):
    """Return (z of the highest point, its column)."""
    base = values if spread_of is None else spread_of
    spread = base.std()
    column = int(np.argmax(values))
    return (float((values[column] - base.mean()) / spread) if spread > 0 else 0.0), column


def _peak(steps, values, column):
    """Return the lag of a peak in seconds, between samples by a parabola."""
    if not 0 < column < len(values) - 1:
        return steps[column]
    before, here, after = values[column - 1 : column + 2]
    bend = before - 2 * here + after
    return steps[column] + (steps[1] - steps[0]) * (0.5 * (before - after) / bend if bend else 0)


def _confidence(score, control):
    """Return 0 to 1: a half where the peak is EVEN_RATIO times what wrong pairings reach."""
    ratio = score / max(control, 1e-6)
    return float(1 / (1 + np.exp(-(ratio - EVEN_RATIO) / CONFIDENCE_WIDTH)))


def _reason(score, control, rival, sure, settings):
    """Return why the shots are refused, or "" when they are not."""
    if sure < settings.accept_confidence:
        return (
            "too little shared sound for so short a shot: the best lag is hardly better than that "
            f"of wrongly paired windows (z {score:.1f}, wrongly paired {control:.1f})"
        )
    if rival >= AMBIGUOUS_SHARE * score:
        return f"ambiguous: another lag fits as well (z {rival:.1f} beside {score:.1f})"
    return ""


def _alone(curves, lag):
    """Return what one shot says by itself, and how well it supports the common lag."""
    total = _summed(curves)
    score, column = _height(total)
    index = int(np.argmin(np.abs(curves.steps - lag)))
    here = total[max(0, index - 8) : index + 9].max()
    spread = total.std()
    return {
        "offset_seconds": round(float(_peak(curves.steps, total, column)), 7),
        "score": round(score, 3),
        "score_at_common": round(float((here - total.mean()) / spread) if spread > 0 else 0.0, 3),
    }


def _segment(index, pair, lag, sure, accepted):
    reference, track = pair
    end = min(len(reference) / ALIGN_HZ, len(track) / ALIGN_HZ - lag)
    return {
        "pair": index,
        "reference_start_seconds": round(max(0.0, -lag), 4),
        "reference_end_seconds": round(end, 4),
        "offset_seconds": round(lag, 7),
        "rate": 1.0,
        "confidence": round(sure, 4),
        "accepted": accepted,
        "residual_seconds": 0.0,
        "coherent": True,
    }
