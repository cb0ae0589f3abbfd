"""Features and labels of a split in one .npz file each: read once, no pickles.

Features are ten vectors a video; labels are (10, classes) a modality. Equal content, equal bytes.
"""

import dataclasses
import json

import numpy as np

from soundstage.errors import UserError
from soundstage.files import atomic

INPUTS = ("audio", "visual_2d", "visual_3d")


@dataclasses.dataclass(frozen=True)
class Packed:
    """Features of a split.

    filenames: (videos,) str; arrays: {"audio" | "visual_2d" | "visual_3d": (videos, 10, dim)
    float32}; dropped: list of {"filename", "reason"} of the videos of the split that are not here.
    """

    filenames: tuple
    arrays: dict
    dropped: tuple = ()


@dataclasses.dataclass(frozen=True)
class Labels:
    """Labels of a split. audio, visual: (videos, 10, classes) float32 in [0, 1].

    dropped: list of {"filename", "reason"} of the videos that have no labels.
    """

    filenames: tuple
    audio: np.ndarray
    visual: np.ndarray
    dropped: tuple = ()


def save_features(path, packed):
    """Write a `Packed`, whole or not at all."""
    _save(path, "features", packed.filenames, packed.dropped, packed.arrays)


def load_features(path):
    """Return the `Packed` in a file; UserError for another file."""
    names, dropped, arrays = _load(path, "features", INPUTS)
    return Packed(names, arrays, dropped)


def save_labels(path, labels):
    """Write `Labels`, whole or not at all."""
    arrays = {"audio": labels.audio, "visual": labels.visual}
    _save(path, "labels", labels.filenames, labels.dropped, arrays)


def load_labels(path):
    """Return the `Labels` in a file; UserError for another file."""
    names, dropped, arrays = _load(path, "labels", ("audio", "visual"))
    return Labels(names, arrays["audio"], arrays["visual"], dropped)


def _save(path, kind, filenames, dropped, arrays):
    about = json.dumps({"kind": kind, "dropped": list(dropped)}, sort_keys=True)
    # Through a stream: given a name, numpy would add its own ending to the temporary one.
    with atomic(path) as temporary, open(temporary, "wb") as stream:
        np.savez(stream, about=np.array(about), filenames=np.array(filenames, dtype=np.str_), **arrays)


def _load(path, kind, names):
    try:
        with np.load(path, allow_pickle=False) as file:
            about = json.loads(str(file["about"]))
            arrays = {name: file[name] for name in names}
            filenames = tuple(map(str, file["filenames"]))
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"expected a file of {kind} ({error})", path) from None
    if about["kind"] != kind:
        raise UserError(f"expected a file of {kind}, found one of {about['kind']}", path)
    return filenames, tuple(about["dropped"]), arrays


def rows(filenames, wanted):
    """Return (indices of `filenames` that are in `wanted`, in its order; the names not found)."""
    place = {name: index for index, name in enumerate(filenames)}
    found = [place[name] for name in wanted if name in place]
    return np.array(found, np.int64), [name for name in wanted if name not in place]
