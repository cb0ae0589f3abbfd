"""Choose a film's clips: windows inside shots in which picture and tracks agree.

    python -m soundstage.clips.select --film ID --picture FILE --probe probe.json --original en \\
        --alignment fr=fr.json de=de.json --audio en=en.flac fr=fr.flac de=de.flac \\
        --out clips.parquet [--settings JSON_OR_FILE]

Writes one row per window, kept or dropped with its reason, and prints the counts. A window that no
accepted dub covers is kept with has_dub = false, unless the setting require_dub says otherwise.
"""

import collections

import numpy as np

from soundstage import cli
from soundstage.align.features import FRAMES_PER_SECOND, decimate
from soundstage.clips import speech, windows
from soundstage.clips.settings import Settings
from soundstage.errors import UserError
from soundstage.files import atomic, read_json
from soundstage.media import flac_samples, read_flac
from soundstage.units import AUDIO_HZ, VIDEO_FPS, seconds_to_samples

COLUMNS = (
    ("film", "string"),
    ("clip", "int32"),
    ("start_seconds", "double"),
    ("end_seconds", "double"),
    ("shot", "int32"),
    ("kept", "bool"),
    ("reason", "string"),
    ("has_dub", "bool"),
    ("languages", "list string"),
    ("offset_seconds", "list double"),
    ("rate", "list double"),
    ("pitch_corrected", "list bool"),
    ("speech_fraction", "double"),
    ("confidence", "double"),
)


def select(film, path, files, alignments, original, settings):
    """Return the rows of clips.parquet for one film.

    files: {language: FLAC}; alignments: {language: dict of soundstage.align}; path: the picture.
    """
    from soundstage.clips.shots import look

    samples = {language: flac_samples(file) for language, file in files.items()}
    picture = look(path, settings)
    track, _ = read_flac(files[original])
    levels, dubs = {original: _level(track)}, {}
    for language in sorted(alignments):
        if alignments[language]["accepted"]:
            dub, _ = read_flac(files[language])
            levels[language], dubs[language] = _level_by_frames(dub), speech.levels(decimate(dub))
    sound = {"original": original, "samples": samples, "level_db": levels}
    rows = [
        windows.row(film, candidate, picture, sound, alignments, settings)
        for candidate in windows.candidates(picture.shots, settings)
    ]
    if rows and len(track):
        marks = speech_marks(track, dubs, alignments)
        for row in rows:
            part = speech.fraction(marks, row["start_seconds"], row["end_seconds"])
            row["speech_fraction"] = round(part, 4)
    return windows.numbered(rows)


def _level(track):
    """Return a function (start, end) -> level of that part in dB full scale."""

    def level(start_seconds, end_seconds):
        part = track[seconds_to_samples(start_seconds) : seconds_to_samples(end_seconds)]
        return 10 * np.log10(float(np.mean(part.astype(np.float64) ** 2)) + 1e-20) if len(part) else -200

    return level


def _level_by_frames(track):
    """Return what `_level` does, to one video frame, without holding the track: a film has many dubs."""
    length = AUDIO_HZ // VIDEO_FPS
    whole = track[: len(track) // length * length].reshape(-1, length)
    power = np.einsum("fs,fs->f", whole, whole, dtype=np.float64) / length

    def level(start_seconds, end_seconds):
        first, last = (max(0, round(second * VIDEO_FPS)) for second in (start_seconds, end_seconds))
        part = power[first:last]
        return 10 * np.log10(float(part.mean()) + 1e-20) if len(part) else -200

    return level


def speech_marks(track, dubs, alignments):
    """Return (frames,) bool, 100 a second: where in the original somebody speaks, as estimated.

    dubs: {language: speech.levels} of the accepted ones.
    """
    original = speech.levels(decimate(track))
    shares = []
    for language, dub in dubs.items():
        good = [s for s in alignments[language]["segments"] if s["accepted"]]
        if not good:
            continue
        shares.append(speech.different(original, dub, dub_frames(len(original), good)))
    return speech.talking(shares) if shares else speech.loud(original)


def dub_frames(frames, segments):
    """Return (frames,) int: the dub's frame that belongs to each of the original's, -1 for none."""
    places = np.full(frames, -1)
    seconds = np.arange(frames) / FRAMES_PER_SECOND
    for part in segments:
        inside = (seconds >= part["reference_start_seconds"]) & (
            seconds < part["reference_end_seconds"]
        )
        heard = part["offset_seconds"] + part["rate"] * seconds[inside]
        places[inside] = np.floor(heard * FRAMES_PER_SECOND + 0.5).astype(int)
    return places


def write(path, rows):
    """Write rows as Parquet, atomically, the same bytes every time."""
    import pyarrow
    from pyarrow import parquet

    kinds = {
        "string": pyarrow.string(),
        "int32": pyarrow.int32(),
        "double": pyarrow.float64(),
        "bool": pyarrow.bool_(),
    }
    fields = []
    for name, kind in COLUMNS:
        item = kinds[kind.split()[-1]]
        fields.append(pyarrow.field(name, pyarrow.list_(item) if "list" in kind else item))
    columns = {name: [row.get(name) for row in rows] for name, _ in COLUMNS}
    with atomic(path) as temporary:
        parquet.write_table(pyarrow.table(columns, pyarrow.schema(fields)), temporary)


def summary(film, rows, alignments):
    """Return lines that count the windows: kept, with a dub, dropped by reason, dubs refused."""
    kept = [row for row in rows if row["kept"]]
    dubbed = sum(row["has_dub"] for row in kept)
    lines = [f"{film}: {len(rows)} windows, {len(kept)} kept, {dubbed} of them with a dub"]
    counts = collections.Counter(row["reason"] for row in rows if not row["kept"])
    lines += [f"  dropped {count:5d}  {reason}" for reason, count in sorted(counts.items())]
    for language in sorted(alignments):
        count = sum(language in row["languages"] for row in kept)
        refused = "" if alignments[language]["accepted"] else alignments[language]["reason"]
        lines.append(f"  {language}: in {count} clips" + (f"; refused: {refused}" if refused else ""))
    return "\n".join(lines)


def named(words, flag):
    """Return {language: path} of LANG=PATH words; UserError for anything else or a repetition."""
    found = {}
    for word in words:
        language, sign, path = word.partition("=")
        if not sign or not language or not path or language in found:
            raise UserError(f"expected each language once as LANG=PATH, found {word!r}", flag)
        found[language] = path
    return found


def main():
    """Run the command line."""
    parser = cli.parser(__doc__)
    parser.add_argument("--film", required=True, metavar="ID")
    parser.add_argument("--picture", required=True, metavar="FILE", help="file with the picture")
    parser.add_argument("--probe", required=True, metavar="probe.json")
    parser.add_argument("--original", required=True, metavar="LANG")
    parser.add_argument("--alignment", nargs="*", default=[], metavar="LANG=JSON")
    parser.add_argument("--audio", nargs="+", required=True, metavar="LANG=FLAC")
    parser.add_argument("--out", required=True, metavar="clips.parquet")
    cli.add_settings(parser, Settings)
    options = parser.parse_args()
    files = named(options.audio, "--audio")
    alignments = {k: read_json(v) for k, v in named(options.alignment, "--alignment").items()}
    for language in [options.original, *alignments]:
        if language not in files:
            raise UserError(f"no track of language {language!r}", "--audio")
    reason = unusable(read_json(options.probe), options.original)
    rows = []
    if not reason:
        rows = select(
            options.film, options.picture, files, alignments, options.original, options.settings
        )
    write(options.out, rows)
    cli.say(summary(options.film, rows, alignments) + (f"\n  no windows: {reason}" if reason else ""))


def unusable(probe, original):
    """Return why a film has no windows at all, from its probe.json, or ""."""
    if probe["status"] != "ok":
        return f"the film was dropped ({probe['reason']})"
    for track in probe["tracks"]:
        if track["language"] == original and track["status"] != "ok":
            return f"the original track was dropped ({track['reason']})"
    return ""


if __name__ == "__main__":
    cli.run(main)
