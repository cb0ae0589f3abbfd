"""A benchmark as model inputs, decoded once for all runs: one .npz file, no pickles, read a part at a time."""

import dataclasses
import json
import zipfile

import numpy as np

from soundstage.errors import UserError
from soundstage.files import atomic

MAPPED = ("log_mel", "frames")  # arrays that stay in the file until a part of them is asked for
LOCAL_HEADER = 30  # bytes before the name of a member of a zip file


@dataclasses.dataclass(frozen=True)
class Decoded:
    """A benchmark's clips as the towers read them.

    about: benchmark, group, metric, media, layout, classes, inputs (settings of the windows), view (crops and
    short side, `soundstage.evaluate.crops`), dropped and flagged (lists of {clip, reason}), where there are
    any tasks, speakers, more_metrics, source (`soundstage.evaluate.lists.Benchmark`); clips: (n,) str;
    labels: (n, classes) uint8, float32 of tasks; roles: (rotations, n) int8;
    log_mel: (windows, 1, mels, mel_frames) float32 dB; frames: (windows, frames, crop_height, crop_width, 3)
    uint8, a window for each crop; log_mel_clip, frames_clip: (windows,) int32, the clip to which a window
    belongs. What a benchmark does not have has no window. Where it was too large to be kept, there are no
    windows but their owners, and about["paths"] are the clips' files, to be decoded by each run.
    """

    about: dict
    clips: np.ndarray
    labels: np.ndarray
    roles: np.ndarray
    log_mel: np.ndarray
    log_mel_clip: np.ndarray
    frames: np.ndarray
    frames_clip: np.ndarray


def save(path, decoded):
    """Write a `Decoded` whole or not at all; equal content gives equal bytes."""
    arrays = {name: getattr(decoded, name) for name in _names() if name != "about"}
    about = json.dumps(decoded.about, sort_keys=True, ensure_ascii=False)
    with atomic(path) as temporary:
        np.savez(temporary, about=np.array(about), **arrays)


def load(path):
    """Return the `Decoded` in a file of `save`; UserError when it is missing or another file.

    What `MAPPED` names is a memory map: no more than what is asked for is read.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in _names() if name not in MAPPED}
        arrays |= {name: mapped(path, name) for name in MAPPED}
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise UserError(f"expected a decoded benchmark ({error})", path) from None
    arrays["about"] = json.loads(str(arrays["about"]))
    return Decoded(**arrays)


def mapped(path, name):
    """Return an array of an .npz file that was not compressed, as a read-only memory map of the file."""
    with zipfile.ZipFile(path) as archive:
        member = archive.getinfo(f"{name}.npy")
    if member.compress_type != zipfile.ZIP_STORED:
        raise ValueError(f"{name} is compressed")
    with open(path, "rb") as stream:
        stream.seek(member.header_offset)
        header = stream.read(LOCAL_HEADER)
        stream.seek(sum(int.from_bytes(header[at : at + 2], "little") for at in (26, 28)), 1)
        version = np.lib.format.read_magic(stream)
        read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
        shape, _, kind = read[version](stream)
        if not all(shape):
            return np.zeros(shape, kind)
        return np.memmap(path, kind, "r", stream.tell(), shape)


def _names():
    return [field.name for field in dataclasses.fields(Decoded)]
