"""What a layout makes of a benchmark's lists, and how lists are read."""

import csv
import dataclasses
import io
from pathlib import Path

import numpy as np

from soundstage.errors import UserError

# Suffixes of files that hold a picture that moves: what lies beside a video (its sound, a still, subtitles) has others.
VIDEO_SUFFIXES = frozenset(f".{name}" for name in "3gp avi flv m4v mkv mov mp4 mpeg mpg ogv ts webm wmv".split())


@dataclasses.dataclass(frozen=True)
class Clip:
    """One clip: a name unique in its benchmark, its file, its class numbers, its recording.

    recording: clips of one recording must not be spread over training and validation.
    """

    name: str
    path: Path
    labels: tuple
    recording: str


@dataclasses.dataclass(frozen=True)
class Benchmark:
    """A benchmark: clips and roles (rotations, clips); media is audio, video or audiovisual.

    more_metrics: what else its owners report; speakers: (clips,) str of who speaks, where that is known;
    tasks: several `soundstage.evaluate.tasks.Task`s on the same clips, whose metric and classes count
    instead; left_out: (clip, reason) of lines that cannot be used; source: the list of clips and classes,
    where a benchmark has no canonical one.
    """

    layout: str
    media: str
    metric: str
    classes: tuple
    clips: tuple
    roles: np.ndarray
    more_metrics: tuple = ()
    speakers: tuple = ()
    tasks: tuple = ()
    left_out: tuple = ()
    source: str = ""


def rows(path, columns):
    """Return the rows of a CSV file with a header as dicts; UserError names a missing column, or a line without it."""
    return [row for _, row in _numbered_rows(path, columns)]


def parsed_rows(path, columns, parse, expected):
    """Return parse(cell, ...) of these columns of every row of a CSV file with a header; see `parsed`."""
    entries = [(number, [row[name] for name in columns]) for number, row in _numbered_rows(path, columns)]
    return parsed(path, entries, lambda cells: parse(*cells), expected, ",".join)


def parsed_lines(path, parse, expected):
    """Return parse(line) of every line of a text list that is not empty; see `parsed`."""
    return parsed(path, lines(path), parse, expected)


def parsed(path, entries, parse, expected, shown=None):
    """Return [parse(entry)] of (line number, entry) pairs of a list; the one place where bad lines are caught.

    parse raises a ValueError or KeyError for an entry that is not as `expected`, which says in words what
    is; the UserError then names file, line and what was found, spelled by `shown` (default: as it is).
    """
    found = []
    for number, entry in entries:
        try:
            found.append(parse(entry))
        except (KeyError, ValueError):
            there = shown(entry) if shown else entry
            raise UserError(f"line {number}: expected {expected}; found {there!r}", path) from None
    return found


def lines(path):
    """Return (number from 1, text) of the lines of a text list that are not empty."""
    return [(number, line) for number, line in enumerate(_text(path).splitlines(), 1) if line.strip()]


def cells(path):
    """Return (line number, cells) of the lines of a CSV file without a header that are not empty."""
    reader = csv.reader(_text(path).splitlines())
    return [(reader.line_num, row) for row in reader if any(cell.strip() for cell in row)]


def _numbered_rows(path, columns):
    """Return (line number, row as a dict) of a CSV file with a header that has at least these columns."""
    reader = csv.DictReader(io.StringIO(_text(path), newline=""))
    missing = [name for name in columns if name not in (reader.fieldnames or ())]
    if missing:
        raise UserError(f"expected the columns {', '.join(missing)}", path)
    found = [(reader.line_num, row) for row in reader]
    for number, row in found:
        if any(row[name] is None for name in columns):
            raise UserError(f"line {number}: expected the columns {', '.join(columns)}, found fewer cells", path)
    return found


def _text(path):
    try:
        return Path(path).read_bytes().decode("utf-8")
    except FileNotFoundError:
        raise UserError("expected a list of clips, found nothing", path) from None
    except UnicodeDecodeError:
        raise UserError("expected text in UTF-8, found other bytes", path, "complete the download") from None


def numbers(labels, classes, where):
    """Return the sorted numbers of a clip's labels in {label: number}; UserError for an unknown one."""
    unknown = [label for label in labels if str(label) not in classes]
    if unknown:
        raise UserError(f"label {unknown[0]!r} is not in the vocabulary", where)
    return tuple(sorted({classes[str(label)] for label in labels}))


def videos_by_stem(folder):
    """Return {name without suffix: [path, ...]} of every video below a folder, by their suffixes alone."""
    found = {}
    for path in sorted(Path(folder).rglob("*")):
        if path.suffix.lower() in VIDEO_SUFFIXES and path.is_file():
            found.setdefault(path.stem, []).append(path)
    return found


def video_of(found, names, otherwise):
    """Return the video of the first of `names` that `videos_by_stem` found, or `otherwise` where there is none.

    UserError where there are two: nothing says which of them is the clip.
    """
    name = next((name for name in names if name in found), None)
    if name is None:
        return otherwise
    if len(found[name]) > 1:
        both = ", ".join(map(str, found[name]))
        raise UserError(f"two videos of {name}: {both}", found[name][0].parent, "keep the one that is meant")
    return found[name][0]
