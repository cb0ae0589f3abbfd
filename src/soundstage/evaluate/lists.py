"""What a layout makes of a benchmark's lists, and how lists are read."""

import csv
import dataclasses
from pathlib import Path

import numpy as np

from soundstage.errors import UserError


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
    """Return the rows of a CSV file with a header as dicts; UserError names a missing column."""
    try:
        with open(path, newline="", encoding="utf-8") as stream:
            reader = csv.DictReader(stream)
            missing = [name for name in columns if name not in (reader.fieldnames or ())]
            if missing:
                raise UserError(f"expected the columns {', '.join(missing)}", path)
            return list(reader)
    except FileNotFoundError:
        raise UserError("expected a list of clips, found nothing", path) from None


def lines(path):
    """Return the lines of a text list that are not empty."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError("expected a list of clips, found nothing", path) from None
    return [line for line in text.splitlines() if line.strip()]


def numbers(labels, classes, where):
    """Return the sorted numbers of a clip's labels in {label: number}; UserError for an unknown one."""
    unknown = [label for label in labels if str(label) not in classes]
    if unknown:
        raise UserError(f"label {unknown[0]!r} is not in the vocabulary", where)
    return tuple(sorted({classes[str(label)] for label in labels}))


def files_by_stem(folder):
    """Return {name without suffix: path} of every file below a folder, the first of equal names."""
    found = {}
    for path in sorted(Path(folder).rglob("*")):
        if path.is_file():
            found.setdefault(path.stem, path)
    return found
