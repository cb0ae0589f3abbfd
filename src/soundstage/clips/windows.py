"""Which windows of a film become clips, and why the others do not.

Pure functions. A window lies inside one shot; a language belongs to it when the whole window lies
inside one accepted segment of its alignment, clear of edits, with a residual below one video frame
at both ends, and its track is long enough and not silent there.
"""

import math

from soundstage.align.timeline import covers
from soundstage.units import VIDEO_FPS, frames_to_seconds, seconds_to_frames


def candidates(shots, settings):
    """Return the list of dicts shot, first_frame, last_frame (one past), fits of a film's windows.

    The windows sit in the middle of their shot, clear of its cuts as far as its length allows. A
    shot shorter than a window gives one entry that does not fit: the shot itself.
    """
    length = seconds_to_frames(settings.window_seconds)
    hop = max(1, seconds_to_frames(settings.hop_seconds))
    found = []
    for shot, (start, end) in enumerate(shots):
        if end - start < length:
            found.append(_candidate(shot, start, end, False))
            continue
        start += (end - start - length) % hop // 2
        found += [
            _candidate(shot, first, first + length, True)
            for first in range(start, end - length + 1, hop)
        ]
    return found


def _candidate(shot, first, last, fits):
    return {"shot": shot, "first_frame": first, "last_frame": last, "fits": fits}


def row(film, candidate, picture, sound, dubs, settings):
    """Return one row of clips.parquet, but for its number.

    picture: soundstage.clips.shots.Picture; sound: dict with `original` (language), `samples`
    {language: track length at 48 kHz} and `level_db` {language: function of (start, end) seconds of the
    track}; dubs: {language: alignment}.
    """
    start, end = (
        frames_to_seconds(candidate[key]) for key in ("first_frame", "last_frame")
    )
    parts = agreeing(dubs, sound, start, end, settings)
    reason = trouble(candidate, picture, sound, bool(parts), settings)
    languages = [sound["original"], *parts]
    return {
        "film": film,
        "start_seconds": start,
        "end_seconds": end,
        "shot": candidate["shot"],
        "kept": reason == "",
        "reason": reason,
        "has_dub": bool(parts),
        "languages": languages,
        "offset_seconds": [0.0, *(part["offset_seconds"] for part in parts.values())],
        "rate": [1.0, *(part["rate"] for part in parts.values())],
        "pitch_corrected": [False, *(dubs[name]["pitch_corrected"] for name in parts)],
        "confidence": min((part["confidence"] for part in parts.values()), default=math.nan),
    }


def agreeing(dubs, sound, start, end, settings):
    """Return {language: segment} of the dubs that agree with the picture all through a window.

    dubs: {language: the dict of soundstage.align}; sound: `samples` and `level_db` as of `row`.
    """
    found = {}
    for language in sorted(dubs):
        alignment = with_edits(dubs[language])
        for segment in alignment["segments"] if alignment["accepted"] else []:
            if (
                segment["accepted"]
                and _holds(segment, start, end, settings)
                and covers(sound["samples"][language], start, end - start, segment["offset_seconds"], segment["rate"])
                and _level_db(sound, language, segment, start, end) >= settings.silence_db
            ):
                found[language] = segment
    return found


def _level_db(sound, language, segment, start, end):
    """Return the level of a dub in a window of the film, dB full scale."""
    place = (segment["offset_seconds"] + segment["rate"] * second for second in (start, end))
    return sound["level_db"][language](*place)


def _holds(segment, start, end, settings):
    """Return True when a window lies inside a segment, clear of edits, and the fit is close enough.

    The film's own ends are no edits: a segment from 0, or to the last second that the track has,
    needs no margin there; `edits` says which sides are (from `with_edits`).
    """
    low, high = segment["reference_start_seconds"], segment["reference_end_seconds"]
    before, after = (settings.edge_margin_seconds * edit for edit in segment["edits"])
    close = segment["residual_seconds"] < 1 / VIDEO_FPS
    unheard = [] if settings.keep_unheard else segment.get("unheard_seconds", [])
    if any(start < last and end > first for first, last in unheard):
        return False
    return close and start >= low + before and end <= high - after


def with_edits(alignment):
    """Return an alignment whose segments say which of their sides border on another segment."""
    segments = sorted(alignment["segments"], key=lambda s: s["reference_start_seconds"])
    last = len(segments) - 1
    marked = [{**s, "edits": (i > 0, i < last)} for i, s in enumerate(segments)]
    return {**alignment, "segments": marked}


def trouble(candidate, picture, sound, has_dub, settings):
    """Return why a window is dropped, or "" when it is kept."""
    if not candidate["fits"]:
        return "shot shorter than a window"
    first, last = candidate["first_frame"], candidate["last_frame"]
    start, end = frames_to_seconds(first), frames_to_seconds(last)
    if not covers(sound["samples"][sound["original"]], start, end - start, 0.0, 1.0):
        return "original track ends before the window"
    if picture.brightness[first:last].max() < settings.black_level:
        return "black picture"
    if picture.change[first + 1 : last].max(initial=0.0) < settings.static_change:
        return "still picture"
    if sound["level_db"][sound["original"]](start, end) < settings.silence_db:
        return "silent original"
    if settings.require_dub and not has_dub:
        return "no accepted dub"
    return ""


def numbered(rows):
    """Return the rows with `clip`: kept ones counted from 0 in order of time, others -1."""
    rows = sorted(rows, key=lambda r: (r["start_seconds"], r["shot"]))
    clip = 0
    for entry in rows:
        entry["clip"] = clip if entry["kept"] else -1
        clip += entry["kept"]
    return rows
