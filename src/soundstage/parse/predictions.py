"""Predictions of event parsers: what a file of them says, and when an event counts as found.

A Parquet file has a line per `filename`, `segment` (0 to 9), `modality` (audio, visual) and `class`
(name or number), with `present` (bool), or with `probability` and the video's `video_probability`,
and, for the rule per_modality, `modality_probability`.
"""

import dataclasses

import numpy as np
import pandas
import pyarrow
import pyarrow.parquet

from soundstage.errors import UserError
from soundstage.files import atomic
from soundstage.parse.classes import LLP, MODALITIES, SECONDS

RULES = ("shared", "per_modality")
PRESENT_AT = 0.5  # least probability of what counts as present, everywhere
KEYS = ["filename", "segment", "modality", "class"]


@dataclasses.dataclass(frozen=True)
class Predictions:
    """present: (videos, 10, 2, classes) bool, audio first; filenames: of the videos.

    rule: which decision was used, "none" where the file says what is present itself;
    incomplete: how many videos lack lines, which count as absent.
    """

    filenames: tuple
    present: np.ndarray
    rule: str
    incomplete: int = 0


def decide(segment, video, modality=None, rule="shared"):
    """Return (videos, 10, 2, classes) bool: which events are present.

    segment: (videos, 10, 2, classes) probabilities; video: (videos, classes); modality:
    (videos, 2, classes), for the rule per_modality. A segment counts when its own probability and
    that of the video (rule shared), or of its modality (per_modality), are at least 0.5.
    """
    if rule == "shared":
        allowed = (video >= PRESENT_AT)[:, None, None]
    else:
        allowed = (modality >= PRESENT_AT)[:, None]
    return (segment >= PRESENT_AT) & allowed


def read(path, rule="shared", classes=LLP):
    """Return the `Predictions` in a Parquet file, or in an .npz of packed bits."""
    if str(path).endswith(".npz"):
        return read_packed(path, classes)
    return from_table(_read_table(path), rule, classes, path)


def _read_table(path):
    try:
        return pandas.read_parquet(path)
    except (OSError, pyarrow.ArrowInvalid) as error:
        raise UserError(f"cannot read the predictions ({error})", path, "give a .parquet or .npz file") from None


def read_packed(path, classes=LLP):
    """Return the `Predictions` in an .npz of audio, visual (packed bits), shape and filename."""
    try:
        with np.load(path, allow_pickle=False) as file:
            shape, names = tuple(file["shape"]), tuple(map(str, file["filename"]))
            size = int(np.prod(shape))
            parts = [np.unpackbits(file[name], count=size).reshape(shape) for name in MODALITIES]
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"expected packed predictions ({error})", path) from None
    if shape != (len(names), SECONDS, len(classes)):
        raise UserError(f"expected shape {(len(names), SECONDS, len(classes))}, found {shape}", path)
    return Predictions(names, np.stack(parts, axis=2).astype(bool), "none")


def from_table(table, rule="shared", classes=LLP, path=None):
    """Return the `Predictions` in a data frame with the columns that this module describes."""
    values = ["present"] if "present" in table else ["probability", "video_probability"]
    if rule == "per_modality" and values[0] != "present":
        values.append("modality_probability")
    missing = [name for name in KEYS + values if name not in table]
    if missing:
        fix = "columns: filename, segment, modality, class, and present or probability with video_probability"
        raise UserError(f"missing columns {', '.join(missing)}; found {', '.join(table)}", path, fix)
    if table[KEYS + values].isna().any(axis=None):
        raise UserError("expected a value in every line, found gaps", path)
    names = tuple(map(str, pandas.unique(table["filename"])))
    shape = (len(names), SECONDS, len(MODALITIES), len(classes))
    place = np.ravel_multi_index(_indices(table, names, classes, path), shape)
    counts = np.bincount(place, minlength=int(np.prod(shape))).reshape(shape)
    if counts.max(initial=0) > 1:
        name = names[int(np.argwhere(counts > 1)[0][0])]
        raise UserError("one segment, modality and class stands twice", f"{path}: {name}")
    dense = {name: _spread(table[name].to_numpy(), place, shape) for name in values}
    incomplete = int((counts == 0).any(axis=(1, 2, 3)).sum())
    if values == ["present"]:
        return Predictions(names, dense["present"] > 0, "none", incomplete)
    allowed = dense["video_probability" if rule == "shared" else "modality_probability"]
    present = (dense["probability"] >= PRESENT_AT) & (allowed >= PRESENT_AT)
    return Predictions(names, present, rule, incomplete)


def _spread(values, place, shape):
    dense = np.zeros(int(np.prod(shape)), np.float64)
    dense[place] = values
    return dense.reshape(shape)


def _indices(table, names, classes, path):
    """Return the four index arrays of the lines of a table; UserError for a value out of range."""
    segment = table["segment"].to_numpy()
    if not (np.issubdtype(segment.dtype, np.integer) and ((segment >= 0) & (segment < SECONDS)).all()):
        raise UserError(f"expected segments 0 to {SECONDS - 1}, found others", path)
    return (
        _codes(table["filename"].astype(str), names, "filename", path),
        segment,
        _codes(table["modality"], MODALITIES, "modality", path),
        _class_codes(table["class"], classes, path),
    )


def _class_codes(column, classes, path):
    if pandas.api.types.is_integer_dtype(column):
        return _codes(column, range(len(classes)), "class", path)
    return _codes(column, classes, "class", path)


def _codes(column, allowed, name, path):
    """Return where each value of a column stands in `allowed`."""
    codes = pandas.Index(list(allowed)).get_indexer(column)
    if (codes < 0).any():
        raise UserError(f"{name} {column[codes < 0].iloc[0]!r} is unknown", path)
    return codes


def to_table(filenames, segment, video, modality, classes=LLP):
    """Return a `pyarrow.Table` of probabilities, a line per video, segment, modality and class.

    segment: (videos, 10, 2, classes); video: (videos, classes); modality: (videos, 2, classes).
    """
    shape = segment.shape
    index = [part.ravel() for part in np.indices(shape)]
    names = (filenames, None, MODALITIES, classes)
    columns = {
        key: pyarrow.array(part.astype(np.int8))
        if values is None
        else pyarrow.DictionaryArray.from_arrays(part.astype(np.int32), list(values)).cast(pyarrow.string())
        for key, part, values in zip(KEYS, index, names, strict=True)
    }
    spread = {
        "probability": segment,
        "video_probability": np.broadcast_to(video[:, None, None], shape),
        "modality_probability": np.broadcast_to(modality[:, None], shape),
    }
    return pyarrow.table(columns | {key: value.astype(np.float32).ravel() for key, value in spread.items()})


def write(path, table):
    """Write a `pyarrow.Table` as Parquet, whole or not at all."""
    with atomic(path) as temporary:
        pyarrow.parquet.write_table(table, temporary, compression="zstd")
