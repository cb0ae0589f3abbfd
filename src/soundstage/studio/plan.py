"""What the studio will make, known before anything is made: pure functions of the settings.

Standard library only, because the workflow reads this before it starts. The convention of every
number: inside a segment, track_seconds = offset_seconds + rate * reference_seconds, where the
reference is the original track (= picture time); a positive offset means that the track is late.
"""

import functools
import random

from soundstage.studio.names import BENCHMARKS, LANGUAGES
from soundstage.units import seed_of

SPEEDUP_RATE = 24 / 25  # a dub played 25/24 as fast lasts 24/25 as long

# (codec, kbit/s): one distribution for every track, the original's too.
CODECS = (("opus", 64), ("opus", 96), ("opus", 128), ("aac", 96), ("aac", 128), ("aac", 192))
EQUALISER_HZ = (60, 250, 1000, 4000, 12000)  # where a track's equaliser_db apply
EQUALISER_SD_DB = 2.0
GAIN_SD_DB = 2.0
GAIN_LIMIT_DB = 4.0
ROOT = "work/studio/films"


def films(settings):
    """Return a list of dicts film, path, original_language, split: the rows of films.tsv."""
    splits = ["train"] * settings.films_train + ["valid"] * settings.films_valid + ["test"] * settings.films_test
    return [
        {
            "film": (name := f"film-{index:03d}"),
            "path": f"{ROOT}/{name}/{name}.mkv",
            "original_language": LANGUAGES[index % len(LANGUAGES)],
            "split": split,
        }
        for index, split in enumerate(splits)
    ]


def film_row(settings, film):
    """Return the row of films() of one film id; KeyError when there is none."""
    return _rows(settings)[film]


@functools.cache
def _rows(settings):
    return {row["film"]: row for row in films(settings)}


def dub_languages(settings, film):
    """Return the tuple of languages into which a film is dubbed, in the order of its tracks."""
    row = film_row(settings, film)
    rng = random.Random(seed_of(settings.seed, film, "dub languages"))
    others = [language for language in LANGUAGES if language != row["original_language"]]
    count = rng.randint(settings.dubs_min, settings.dubs_max)
    return tuple(sorted(rng.sample(others, count), key=LANGUAGES.index))


def tracks(settings):
    """Return a list of dicts film, language, path, stream: the rows of tracks.tsv.

    The original is stream 0 of the film's file; dubs follow as further audio streams of it, or as
    stream 0 of a file of their own, `{film}.{language}.m4a`.
    """
    return [row for film in films(settings) for row in _film_tracks(settings, film)]


def _film_tracks(settings, film):
    name = film["film"]
    rows = [_track(name, film["original_language"], film["path"], 0)]
    streams = 1
    for language in dub_languages(settings, name):
        if dub_plan(settings, name, language)["own_file"]:
            rows.append(_track(name, language, f"{ROOT}/{name}/{name}.{language}.m4a", 0))
        else:
            rows.append(_track(name, language, film["path"], streams))
            streams += 1
    return rows


def _track(film, language, path, stream):
    return {"film": film, "language": language, "path": path, "stream": stream}


def benchmarks(settings):
    """Return the list of names of the clip benchmarks."""
    return list(BENCHMARKS)


@functools.cache
def traits(settings):
    """Return {film: {"speedup" | "cut" | "insert" | "ambiguous": language}}: who is odd, and how.

    Each trait goes to as many films as the settings ask for, spread over all splits; a language
    has at most one trait while the film has dubs enough, and an ambiguous dub has no other.
    """
    names = [row["film"] for row in films(settings)]
    result = {name: {} for name in names}
    for trait in ("ambiguous", "speedup", "cut", "insert"):
        rng = random.Random(seed_of(settings.seed, "trait", trait))
        wanted = min(getattr(settings, f"films_with_{trait}"), len(names))
        for name in rng.sample(names, wanted):
            free = [x for x in dub_languages(settings, name) if x not in result[name].values()]
            if free:
                result[name][trait] = rng.choice(free)
    return result


def dub_plan(settings, film, language):
    """Return how the track of one language of one film is made; the original has no edits.

    Keys: rate; offset_seconds (of the first segment); edits, a list of {"kind": "cut" | "insert",
    "at_seconds", "seconds"} in reference time, each in seconds of the reference for a cut and of
    black (before any speed-up) for an insert; codec, bitrate_kbps; gain_db; equaliser_db (at EQUALISER_HZ);
    own_file (bool);
    ambiguous (bool: the bed under its speech is a short piece of the film's bed, repeated, which
    fits the original equally well at many lags); segments, a list of {"reference_start_seconds",
    "reference_end_seconds", "offset_seconds", "rate"}. A cut is missing from the track; an insert
    is silence in the track and nothing in the reference. Offsets are whole samples at 48 kHz.
    """
    row = film_row(settings, film)
    is_original = language == row["original_language"]
    mine = [] if is_original else [k for k, v in traits(settings)[film].items() if v == language]
    rng = random.Random(seed_of(settings.seed, film, language, "dub"))
    plan = {**_dress(rng), "ambiguous": "ambiguous" in mine}
    plan["rate"] = SPEEDUP_RATE if "speedup" in mine else 1.0
    offset = _offset(rng)
    plan["offset_seconds"] = 0.0 if is_original else offset
    plan["own_file"] = plan["codec"] == "aac" and rng.random() < 0.4 and not is_original
    plan["edits"] = [_edit(rng, kind, settings) for kind in ("cut", "insert") if kind in mine]
    plan["segments"] = segments(plan, settings.film_seconds)
    return plan


def _dress(rng):
    """Return codec, bitrate, level and equalisation, drawn alike for every track."""
    codec, bitrate_kbps = rng.choice(CODECS)
    gain_db = max(-GAIN_LIMIT_DB, min(GAIN_LIMIT_DB, rng.gauss(0.0, GAIN_SD_DB)))
    bands_db = [round(rng.gauss(0.0, EQUALISER_SD_DB), 2) for _ in EQUALISER_HZ]
    return {
        "codec": codec,
        "bitrate_kbps": bitrate_kbps,
        "gain_db": round(gain_db, 2),
        "equaliser_db": bands_db,
    }


def _offset(rng):
    """Return a dub's offset in seconds: none, under two frames, or up to 1.5 s, either sign."""
    kind = rng.choice(("none", "small", "small", "large"))
    span = {"none": 0.0, "small": 0.08, "large": 1.5}[kind]
    return round(rng.uniform(-span, span) * 48000) / 48000


def _edit(rng, kind, settings):
    """Return one cut or insert in the middle half of the film, on a frame of the picture."""
    at = settings.film_seconds * rng.uniform(0.3, 0.7)
    seconds = rng.uniform(3.0, 6.0)
    return {"kind": kind, "at_seconds": round(at * 25) / 25, "seconds": round(seconds * 25) / 25}


def segments(plan, film_seconds):
    """Return the segments of a plan with rate, offset_seconds and edits sorted by at_seconds.

    A cut of c reference seconds makes what follows earlier by rate * c track seconds; an insert of
    s seconds makes it later by rate * s.
    """
    result, start, offset, rate = [], 0.0, plan["offset_seconds"], plan["rate"]
    for edit in sorted(plan["edits"], key=lambda edit: edit["at_seconds"]):
        result.append(_segment(start, edit["at_seconds"], offset, rate))
        removed = edit["kind"] == "cut"
        offset += rate * edit["seconds"] * (-1 if removed else 1)
        start = edit["at_seconds"] + (edit["seconds"] if removed else 0.0)
    result.append(_segment(start, float(film_seconds), offset, rate))
    return result


def _segment(start, end, offset, rate):
    return {
        "reference_start_seconds": start,
        "reference_end_seconds": end,
        "offset_seconds": offset,
        "rate": rate,
    }
