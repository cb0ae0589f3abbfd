"""A benchmark as model inputs, decoded once for all runs: one .npz file, no pickles."""

import dataclasses
import json

import numpy as np

from soundstage.errors import UserError
from soundstage.files import atomic


@dataclasses.dataclass(frozen=True)
class Decoded:
    """A benchmark's clips as the towers read them.

    about: benchmark, group, metric, media, layout, classes, inputs (settings of the windows),
    dropped and flagged (lists of {clip, reason}), where there are any tasks, speakers, more_metrics, source
    (`soundstage.evaluate.lists.Benchmark`); clips: (n,) str; labels: (n, classes) uint8, float32 of tasks;
    roles: (rotations, n) int8; log_mel: (windows, 1, mels, mel_frames) float32 dB;
    frames: (windows, frames, height, width, 3) uint8; log_mel_clip, frames_clip: (windows,) int32,
    the clip to which a window belongs. What a benchmark does not have has no window.
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
    """Return the `Decoded` in a file of `save`; UserError when it is missing or another file."""
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in _names()}
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"expected a decoded benchmark ({error})", path) from None
    arrays["about"] = json.loads(str(arrays["about"]))
    return Decoded(**arrays)


def _names():
    return [field.name for field in dataclasses.fields(Decoded)]
