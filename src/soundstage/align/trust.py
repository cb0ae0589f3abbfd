"""What an alignment may be trusted for: evidence against chance, confidence, the verdict.

Pure maths. Chance is measured on the same two files: the track played backwards has the same
levels, bands and pauses, and shares nothing.
"""

import numpy as np

from soundstage.align import coarse
from soundstage.align.features import ALIGN_HZ

CHANCE_MEAN = 1.4  # z of a chunk that follows a line where nothing is shared: the best of 7 columns
CONTROL_FLOOR = 6.0  # strength that five unrelated minutes reach at most; the control may seem to stay below it
FLOOR_SECONDS, FLOOR_GROWTH = 300, 0.75  # a longer film has more chances: so much more for e times the length
WORTH_A_LOOK = 0.5  # share of the control from which on a run is measured
STRONG_RATIO = 1.5  # wave forms that agree so much more than shuffled ones give the line
# (a confidence of a half, width) of the strength of the band levels over its control: fitted to planted
# pairs by benchmarks/align_calibration.py.
LEVELS_LOGISTIC = (0.76, 0.07)
# The same of the agreement of the wave forms over its own: set by hand; that script's counts hold for both.
WAVES_LOGISTIC = (1.45, 0.10)
AMBIGUOUS_SHARE = 0.85
OFFSET_SLACK_SECONDS = 0.1  # a codec's delay does not take an offset beyond the limit
BARE_SHARE = 0.12  # so much silence in a track, and half as much in the other, says dialogue only


def strength(evidence, centers, settings):
    """Return how far a run of chunks stands above chance, in standard deviations, at its best part.

    evidence: (chunks,) z; centers: (chunks,) seconds. Chunks that overlap count less than their
    number. The best part is taken so that a passage without shared sound cannot hide the rest.
    """
    step = float(np.median(np.diff(centers))) if len(centers) > 1 else settings.chunk_seconds
    overlap = max(1.0, settings.chunk_seconds / step)
    total = np.concatenate([[0.0], np.cumsum(evidence - CHANCE_MEAN)])
    first, last = np.triu_indices(len(total), 1)
    count = last - first
    return float(((total[last] - total[first]) / np.sqrt(count * np.minimum(count, overlap))).max())


def control(path, settings, seconds=0.0):
    """Return the strength that the best run of an unrelated path reaches; seconds: the reference's length."""
    found = [strength(path.evidence[run], path.centers[run], settings) for run in coarse.runs(path)]
    floor = CONTROL_FLOOR + FLOOR_GROWTH * np.log(max(1.0, seconds / FLOOR_SECONDS))
    return float(max([floor, *found]))


def confidence(piece, chance):
    """Return 0 to 1: how likely a piece's line is right, from what unrelated sound reaches (chance).

    The band levels speak for it, or the wave forms, whichever says more.
    """
    said = [(piece.evidence / chance - LEVELS_LOGISTIC[0]) / LEVELS_LOGISTIC[1]]
    if piece.coherent:
        said.append((piece.score / max(piece.control, 1e-6) - WAVES_LOGISTIC[0]) / WAVES_LOGISTIC[1])
    return float(1 / (1 + np.exp(-min(max(said), 50.0))))


def verdict(pieces, sounds, path, chance, kept, settings):
    """Return the dict that the command line writes."""
    reference, track = sounds
    segments = [_segment(piece, chance, settings) for piece in pieces]
    good = [segment for segment in segments if segment["accepted"]]
    length = sum(_length(segment) for segment in good)
    possible = min(reference.seconds, track.seconds / path.rate)
    share = min(1.0, float(length / possible))
    reason = _reason(good, share, sounds, path, chance, settings)
    longest = max(good or segments, key=_length, default=None)
    return {
        "accepted": reason == "",
        "reason": reason,
        "rate": longest["rate"] if longest else path.rate,
        "offset_seconds": longest["offset_seconds"] if longest else float(np.median(path.lags)),
        "segments": segments,
        "confidence": longest["confidence"] if longest else 0.0,
        "control": round(chance, 3),
        "pitch_corrected": bool(kept and longest),
        "shared_share": round(share, 4),
        "path": {
            "rate": path.rate,
            "centers_seconds": path.centers.tolist(),
            "lags_seconds": path.lags.tolist(),
            "evidence": [round(float(value), 2) for value in path.evidence],
        },
    }


def _length(segment):
    return segment["reference_end_seconds"] - segment["reference_start_seconds"]


def _segment(piece, chance, settings):
    sure = confidence(piece, chance)
    return {
        "reference_start_seconds": round(float(piece.start), 4),
        "reference_end_seconds": round(float(piece.end), 4),
        "offset_seconds": round(float(piece.offset), 7),
        "rate": float(piece.rate),
        "confidence": round(sure, 4),
        "accepted": sure >= settings.accept_confidence,
        "residual_seconds": round(float(piece.residual), 7),
        "coherent": piece.coherent,
        "evidence": round(piece.evidence, 3),
        "score": round(piece.score, 3),
        "score_control": round(piece.control, 3),
        "unheard_seconds": [[round(float(second), 3) for second in stretch] for stretch in piece.unheard],
    }


def _reason(good, share, sounds, path, chance, settings):
    """Return why a track is refused, or "" when it is not."""
    if good and share >= settings.min_shared_share:
        return _beyond(good, settings)
    strong = path.evidence >= coarse.TOP_CHANCE
    doubtful = strong & (path.rival >= AMBIGUOUS_SHARE * path.evidence)
    if strong.any() and doubtful.sum() >= 0.5 * strong.sum():
        return (
            f"ambiguous: in {doubtful.sum()} of {strong.sum()} chunks that fit at all, another lag "
            "fits as well (the sound repeats)"
        )
    if good:
        return _too_little(good, share, settings)
    bare = _bare(sounds)
    if bare:
        return bare
    best = float(path.evidence.max(initial=0.0))
    return (
        "no shared sound, as with another film or a track of dialogue alone: the best agreement is no better "
        f"than that of unrelated sound (z {best:.1f}, strength wanted {chance:.1f})"
    )


def _beyond(good, settings):
    """Return that all accepted segments lie farther off than an offset may be, or "".

    One inside the limit is enough: edits may carry the others beyond it.
    """
    nearest = min((segment["offset_seconds"] for segment in good), key=abs)
    if abs(nearest) <= settings.max_offset_seconds + OFFSET_SLACK_SECONDS:
        return ""
    return (
        f"too large an offset: {nearest:+.2f} s was found, at most {settings.max_offset_seconds:g} s are allowed "
        "(max_offset_seconds)"
    )


def _bare(sounds):
    """Return that one side is dialogue alone, or "": silence between the words, unlike the other side."""
    shares = [float(silent(x.samples, np.arange(0.5, x.seconds, 0.5)).mean()) for x in sounds]
    for name, mine, other in (("track", shares[1], shares[0]), ("reference", shares[0], shares[1])):
        if mine >= BARE_SHARE and other <= mine / 2:
            return (
                f"dialogue only: {100 * mine:.0f} % of the {name} is silence between sounds, of the other "
                f"{100 * other:.0f} %; no music or effects are shared"
            )
    return ""


def _too_little(good, share, settings):
    """Return the reason of a track that shares some passages only."""
    if len(good) == 1:
        start, end = (good[0][f"reference_{side}_seconds"] for side in ("start", "end"))
        where = f"one passage, {start:.0f} to {end:.0f} s, as with another episode that has the same theme music"
    else:
        where = f"{len(good)} passages"
    return (
        f"too little shared sound: {100 * share:.0f} % of the shorter file, in {where}; at least "
        f"{100 * settings.min_shared_share:.0f} % wanted"
    )


def silent(samples, centers):
    """Return (centers,) bool: where a signal is as good as silent, 45 dB below its louder parts.

    samples: (n,) at 16 kHz; centers: seconds, a tenth of a second is listened to round each.
    """
    half = round(0.05 * ALIGN_HZ)
    middles = np.rint(centers * ALIGN_HZ).astype(int)
    parts = (samples[max(0, at - half) : max(0, at + half)].astype(np.float32) for at in middles)
    power = np.array([np.mean(part**2) if len(part) else 0.0 for part in parts])
    return power < 10**-4.5 * np.quantile(power, 0.9)
