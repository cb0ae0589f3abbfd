"""The annotation files of LLP and AVE: weak labels of every split, dense ones of validation and test.

A folder is AVE's when it holds Annotations.txt. Of AVE, an event counts as heard and as seen while it is
both, because that is all that its annotation says; a video is named by its id and its line, because some
ids stand in several lines.

Faults of the files are handled as the official scoring code handles them and reported: an interval
that ends where it starts, or before, marks nothing; an id that is no video's is passed over.
"""

import csv
import dataclasses
from pathlib import Path

import numpy as np

from soundstage.errors import UserError
from soundstage.parse import ave
from soundstage.parse.classes import LLP, MODALITIES, SECONDS

AVE_FILE = "Annotations.txt"
WEAK_FILES = {"train": "AVVP_train.csv", "val": "AVVP_val_pd.csv", "test": "AVVP_test_pd.csv"}
DENSE_FILES = {"audio": "AVVP_eval_audio.csv", "visual": "AVVP_eval_visual.csv"}
WEAK_COLUMNS = ("filename", "event_labels")
DENSE_COLUMNS = ("filename", "onset", "offset", "event_labels")
OLDER = "older (before the correction of April 2024)"
CORRECTED = "corrected (April 2024), or a file of one's own"


@dataclasses.dataclass(frozen=True)
class Annotations:
    """A split. weak: (videos, classes) bool; audio, visual: (videos, 10, classes) bool or None.

    faults: a line of words for each fault of the dense files; ground_truth: which edition they are;
    classes: names, in order.
    """

    split: str
    filenames: tuple
    weak: np.ndarray
    audio: np.ndarray | None = None
    visual: np.ndarray | None = None
    faults: tuple = ()
    ground_truth: str = ""
    classes: tuple = LLP


def is_ave(folder):
    """Return whether a folder of annotations is in AVE's layout."""
    return Path(folder, AVE_FILE).is_file()


def files(folder):
    """Return the paths of all annotation files of a folder."""
    if is_ave(folder):
        return [Path(folder, AVE_FILE), *(Path(folder, f"{split}_order.h5") for split in WEAK_FILES)]
    return [Path(folder, name) for name in [*WEAK_FILES.values(), *DENSE_FILES.values()]]


def names(folder, split):
    """Return the names of the videos of a split, whose first eleven letters name their files."""
    if is_ave(folder):
        return read(folder, split).filenames
    return read_weak(Path(folder, WEAK_FILES[split]))[0]


def classes_of(folder):
    """Return the names of the classes that a folder of annotations is about, in order."""
    return read(folder, "train").classes if is_ave(folder) else LLP


def read(folder, split, classes=LLP):
    """Return the `Annotations` of a split from a folder in LLP's layout, or in AVE's.

    Train has weak labels only. UserError, naming file and line, for a class that is not in
    `classes` (LLP), an unreadable number, a video listed twice, a missing file or column.
    """
    folder = Path(folder)
    if is_ave(folder):
        return _read_ave(folder, split)
    filenames, weak = read_weak(folder / WEAK_FILES[split], classes)
    if split == "train":
        return Annotations(split, filenames, weak)
    known = _known(folder, classes) | set(filenames)
    rows = {name: _rows(folder / file, DENSE_COLUMNS) for name, file in DENSE_FILES.items()}
    place = {name: index for index, name in enumerate(filenames)}
    dense, faults = {}, []
    for modality in MODALITIES:
        path = folder / DENSE_FILES[modality]
        dense[modality], said = mark(rows[modality], place, known, classes, path)
        faults += said
    edition = OLDER if any(_before_correction(row, classes) for row in rows["audio"]) else CORRECTED
    return Annotations(split, filenames, weak, **dense, faults=tuple(faults), ground_truth=edition)


def _read_ave(folder, split):
    """Return the `Annotations` of a split in AVE's layout."""
    path = folder / AVE_FILE
    found = ave.read(path, ave.read_order(folder / f"{split}_order.h5"))
    names = tuple(f"{video}_{line}" for video, line in zip(found.videos, found.lines, strict=True))
    classes = found.classes[:-1]
    weak = np.arange(len(classes)) == found.labels[:, None]
    if split == "train":
        return Annotations(split, names, weak, classes=classes)
    dense = np.arange(len(classes)) == found.truth[:, :, None]
    return Annotations(split, names, weak, dense, dense, found.faults, AVE_FILE, classes)


def read_weak(path, classes=LLP):
    """Return (filenames, (videos, classes) bool) of a file with a comma list of labels a video."""
    rows = _rows(path, WEAK_COLUMNS)
    weak = np.zeros((len(rows), len(classes)), bool)
    seen = {}
    for index, row in enumerate(rows):
        if row["filename"] in seen:
            raise _fault(path, row, f"{row['filename']} stands already in line {seen[row['filename']]}")
        seen[row["filename"]] = row["line"]
        for name in filter(None, row["event_labels"].split(",")):
            weak[index, _class_of(name, classes, path, row)] = True
    return tuple(seen), weak


def mark(rows, place, known, classes, path):
    """Return ((videos, 10, classes) bool, faults in words) of the rows of a dense file.

    place: video -> index; known: ids of the videos of all splits.
    """
    marked, faults = np.zeros((len(place), SECONDS, len(classes)), bool), []
    for row in rows:
        where = f"{Path(path).name} line {row['line']}: {row['filename']}"
        if row["filename"] not in known:
            faults.append(f"{where}: the id is no video's; passed over")
            continue
        if row["filename"] not in place:
            continue
        start, end = (_whole(row, name, path) for name in ("onset", "offset"))
        if start >= end:
            kind = "empty" if start == end else "reversed"
            faults.append(f"{where}: {kind} interval {start} to {end} marks nothing")
        marked[place[row["filename"]], start:end, _class_of(row["event_labels"], classes, path, row)] = True
    return marked, faults


def _known(folder, classes):
    """Return the ids of the videos of every split whose file is there."""
    files = [folder / file for file in WEAK_FILES.values()]
    return {name for file in files if file.is_file() for name in read_weak(file, classes)[0]}


def _before_correction(row, classes):
    """Return whether a row's id is mangled as in the file that stood until April 2024."""
    return row["filename"] in classes or "`" in row["filename"]


def _rows(path, columns):
    """Return the rows of a tab-separated file as dicts of strings, with the line number as "line"."""
    try:
        with open(path, encoding="utf-8", newline="") as stream:
            reader = csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE)
            rows = [{**row, "line": reader.line_num} for row in reader]
    except OSError as error:
        fix = f"the folder of annotations holds {', '.join([*WEAK_FILES.values(), *DENSE_FILES.values()])}"
        raise UserError(f"cannot read the annotations ({error.strerror})", path, fix) from None
    missing = [name for name in columns if name not in (reader.fieldnames or [])]
    if missing:
        raise UserError(f"missing columns {missing}; found {reader.fieldnames}", path, "columns are split by tabs")
    for row in rows:
        if any(row[name] is None for name in columns):
            raise _fault(path, row, f"expected {len(columns)} cells split by tabs")
    return rows


def _class_of(name, classes, path, row):
    if name not in classes:
        raise _fault(path, row, f"the class {name!r} is unknown")
    return classes.index(name)


def _whole(row, name, path):
    try:
        return int(float(row[name]))
    except ValueError:
        raise _fault(path, row, f"{name} is {row[name]!r}, expected whole seconds") from None


def _fault(path, row, what):
    return UserError(f"line {row['line']}: {what}", path)
