"""Read one film: probe its files, and write every audio track once as FLAC on picture time.

    python -m soundstage.films.extract --film ID --path FILE --track en=FILE:a:0 --track fr=DUB.m4a:a:0 \\
        --out probe.json --audio-folder DIR [--settings JSON_OR_FILE]

Instead of --track, --tracks takes the rows of tracks.tsv as JSON:
[{"language": "en", "path": "FILE", "stream": 0}, ...]. Every {language}.flac is 48 kHz mono 16-bit,
sample 0 at picture time 0. A bad file or track stops the command with its reason; with the setting
on_bad_file = drop it is written as a FLAC of no samples and named in probe.json.
"""

import json
import re
from pathlib import Path

from soundstage import cli
from soundstage.errors import UserError
from soundstage.files import atomic, write_json
from soundstage.films import inspect
from soundstage.films.settings import Settings
from soundstage.media import extract_flac, picture_stream, picture_times, probe, write_empty_flac
from soundstage.units import AUDIO_HZ

FIX = "repair or replace the file, or set films.on_bad_file to drop"


def track_row(text):
    """Return {"language", "path", "stream"} of LANG=FILE or LANG=FILE:a:N; UserError otherwise."""
    found = re.fullmatch(r"([a-z]{2,3}(?:-[a-z0-9]+)*)=(.+?)(?::a:(\d+))?", text, re.DOTALL)
    if not found:
        raise UserError(f"expected LANG=FILE:a:N, found {text!r}", "--track")
    return {"language": found[1], "path": found[2], "stream": int(found[3] or 0)}


def rows_of(text):
    """Return the rows of tracks.tsv given as JSON; UserError when they are not."""
    try:
        rows = json.loads(text)
        return [
            {"language": str(r["language"]), "path": str(r["path"]), "stream": int(r["stream"])}
            for r in rows
        ]
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"expected a JSON list of language, path and stream, found {text[:80]!r} ({error!r})",
            "--tracks",
        ) from None


def check_rows(rows):
    """Raise a UserError for no tracks, a language twice, or one that is no file name."""
    names = [row["language"] for row in rows]
    if not names:
        raise UserError("expected at least one track, found none", "--track")
    for name in names:
        if not re.fullmatch(r"[a-z]{2,3}(-[a-z0-9]+)*", name):
            raise UserError(f"expected a language such as en or pt-br, found {name!r}", "--track")
        if names.count(name) > 1:
            raise UserError(f"language {name!r} is given twice", "--track")


def extract(film, path, rows, folder, settings):
    """Write the tracks' FLACs into `folder` and return what probe.json holds.

    UserError at the first bad file or track unless settings.on_bad_file is "drop".
    """
    described = {}
    about, reason = picture(path, described, settings)
    tracks = []
    for row in rows:
        if reason:
            tracks.append(_dropped(row, "its film is dropped", folder))
        else:
            tracks.append(track(row, folder, described, settings))
    reason = reason or _end(path, about, tracks, described, settings)
    if reason:
        _refuse(reason, path, settings)
        tracks = [_dropped(row, "its film is dropped", folder) for row in rows]
    return {
        "film": film,
        "path": str(path),
        "status": "dropped" if reason else "ok",
        "reason": reason,
        "sample_rate_hz": AUDIO_HZ,
        "picture": about,
        "tracks": tracks,
    }


def picture(path, described, settings):
    """Return (what probe.json says of the picture, why it is unusable or "")."""
    try:
        info = described[str(path)] = probe(path)
        times = picture_times(path)
    except UserError as error:
        if settings.on_bad_file == "stop":
            raise
        return {}, error.what
    reason = inspect.picture_trouble(info, times, settings)
    if reason:
        _refuse(reason, path, settings)
        return {}, reason
    stream = picture_stream(info)
    rate, variable = inspect.frame_rate(times)
    return {
        "codec": stream.get("codec_name", ""),
        "width_pixels": int(stream["width"]),
        "height_pixels": int(stream["height"]),
        "frames_per_second": round(rate, 6),
        "variable_frame_rate": variable,
        "frames": len(times),
        "start_seconds": float(times[0]),
        "seconds": round(float(times[-1] - times[0] + 1 / rate), 6),
    }, ""


def track(row, folder, described, settings):
    """Write one track's FLAC and return its entry of probe.json."""
    path, number = row["path"], row["stream"]
    try:
        if path not in described:
            described[path] = probe(path)
        info = described[path]
        with atomic(Path(folder) / f"{row['language']}.flac") as temporary:
            samples, complaints = extract_flac(path, number, temporary)
    except UserError as error:
        if settings.on_bad_file == "stop":
            raise
        return _dropped(row, error.what, folder)
    reason = inspect.track_trouble(info, number, samples, complaints, settings)
    if reason:
        _refuse(reason, f"{path}:a:{number}", settings)
        return _dropped(row, reason, folder)
    stream = inspect.audio_streams(info)[number]
    return row | {
        "status": "ok",
        "reason": "",
        "codec": stream.get("codec_name", ""),
        "channels": int(stream.get("channels", 0)),
        "source_sample_rate_hz": int(stream.get("sample_rate", 0)),
        "start_seconds": float(stream.get("start_time", 0)),
        "samples": samples,
        "decoding_errors": len(complaints),
    }


def _end(path, about, tracks, described, settings):
    """Return whether the film's own file stops before its end, or ""."""
    if not about:
        return ""
    ends = [about["start_seconds"] + about["seconds"]]
    mine = [t for t in tracks if t["path"] == str(path) and t["status"] == "ok"]
    ends += [about["start_seconds"] + t["samples"] / AUDIO_HZ for t in mine]
    if len(mine) < len(inspect.audio_streams(described[str(path)])):
        return ""
    return inspect.film_end_trouble(described[str(path)], ends, settings)


def _refuse(reason, where, settings):
    """Stop at something bad, unless the settings say to drop it."""
    if settings.on_bad_file == "stop":
        raise UserError(reason, where, FIX)


def _dropped(row, reason, folder):
    """Write a FLAC of no samples for a track and return its entry of probe.json."""
    write_empty_flac(Path(folder) / f"{row['language']}.flac")
    return row | {"status": "dropped", "reason": reason, "samples": 0}


def main():
    """Run the command line."""
    parser = cli.parser(__doc__)
    parser.add_argument("--film", required=True, metavar="ID", help="the film's id")
    parser.add_argument("--path", required=True, metavar="FILE", help="file with the picture")
    parser.add_argument("--track", action="append", default=[], metavar="LANG=FILE:a:N")
    parser.add_argument("--tracks", metavar="JSON", help="rows of tracks.tsv instead of --track")
    parser.add_argument("--out", required=True, metavar="probe.json")
    parser.add_argument("--audio-folder", required=True, metavar="DIR")
    cli.add_settings(parser, Settings)
    options = parser.parse_args()
    rows = rows_of(options.tracks) if options.tracks else [track_row(t) for t in options.track]
    check_rows(rows)
    Path(options.audio_folder).mkdir(parents=True, exist_ok=True)
    result = extract(options.film, options.path, rows, options.audio_folder, options.settings)
    write_json(options.out, result)
    cli.say(summary(result))


def summary(result):
    """Return lines that say what was read and what was dropped, with reasons."""
    bad = [track for track in result["tracks"] if track["status"] != "ok"]
    lines = [f"{result['film']}: {len(result['tracks']) - len(bad)} track(s), {len(bad)} dropped"]
    if result["status"] != "ok":
        lines.append(f"  the film is dropped: {result['reason']}")
    lines += [f"  {track['language']} is dropped: {track['reason']}" for track in bad]
    return "\n".join(lines)


if __name__ == "__main__":
    cli.run(main)
