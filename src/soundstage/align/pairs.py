"""Pairs of one title and language, short and long, brought to one verdict.

Shots are pooled (soundstage.align.shots); a pair that is long enough to be aligned as a film is, with
its speed and its edits, is aligned by itself: scenes of a title may be cut and moved each in its own
way. One that cannot be compared at all keeps its place as a refused segment.
"""

from soundstage.align import shots
from soundstage.align.features import ALIGN_HZ


def align(pairs, unfit, film, settings):
    """Return what is known of several pairs, as a dict with the keys of soundstage.align.film.

    pairs: list of (reference, track), each (n,) at 16 kHz; unfit: for each, why it cannot be compared,
    or "" as for one at least; film: function (reference, track) -> dict for a long pair. Each segment
    names its `pair`, the place in the list from 0, and a `reason` when refused; a pair has one at least.
    The title is accepted when a segment is; its values are those of the part with the longest one.
    """
    fit = [index for index, reason in enumerate(unfit) if not reason]
    long = [index for index in fit if seconds(pairs[index]) >= settings.short_seconds]
    short = [index for index in fit if index not in long]
    parts = [_film(index, pairs[index], film(*pairs[index])) for index in long]
    if short:
        parts.insert(0, _shots(short, shots.align([pairs[index] for index in short], settings)))
    return _verdict(parts, lost(pairs, unfit))


def seconds(pair):
    """Return the length of a pair's shorter side."""
    return min(len(samples) for samples in pair) / ALIGN_HZ


def _shots(places, found):
    """Return a pool's verdict with each segment at its pair's own place in the list."""
    segments = [segment | {"pair": place} for place, segment in zip(places, found["segments"], strict=True)]
    shots_ = [shot | {"pair": place} for place, shot in zip(places, found["shots"], strict=True)]
    return found | {"segments": segments, "shots": shots_}


def _film(index, pair, found):
    """Return a long pair's verdict; where that refuses it, none of its segments stays accepted."""
    segments = [_placed(segment, index, found["reason"]) for segment in found["segments"]]
    reason = found["reason"] and f"pair {index}: {found['reason']}"
    segments = segments or [_refused(index, pair, found["reason"])]
    return found | {"segments": segments, "reason": reason, "pair": index}


def _placed(segment, index, reason):
    doubt = "" if segment["accepted"] else "its own evidence is too weak"
    reason = reason or doubt
    return segment | {"pair": index, "accepted": reason == "", "reason": reason}


def lost(pairs, unfit):
    """Return the refused segments of the pairs that cannot be compared; arguments as for align."""
    return [_refused(index, pairs[index], reason) for index, reason in enumerate(unfit) if reason]


def _refused(index, pair, reason):
    """Return the refused segment, over the whole reference, of a pair that has none of its own."""
    return {
        "pair": index,
        "reference_start_seconds": 0.0,
        "reference_end_seconds": round(len(pair[0]) / ALIGN_HZ, 4),
        "offset_seconds": 0.0,
        "rate": 1.0,
        "confidence": 0.0,
        "accepted": False,
        "residual_seconds": None,
        "coherent": False,
        "reason": reason,
    }


def _verdict(parts, refused):
    """Return the values of the part with the longest accepted segment, or of the surest, with all segments."""
    segments = [segment for part in parts for segment in part["segments"]] + refused
    segments.sort(key=lambda segment: (segment["pair"], segment["reference_start_seconds"]))
    chosen = max(parts, key=lambda part: (part["accepted"], _longest(part), part["confidence"]))
    return chosen | {"segments": segments}


def _longest(part):
    good = [segment for segment in part["segments"] if segment["accepted"]]
    return max((x["reference_end_seconds"] - x["reference_start_seconds"] for x in good), default=0.0)


def pictured(result, names, path):
    """Return the arguments of plot.draw: a long pair's picture shows that pair alone."""
    if "pair" not in result:
        return result, path, names
    mine = [segment for segment in result["segments"] if segment["pair"] == result["pair"]]
    return result | {"segments": mine}, path, [names[result["pair"]]]
