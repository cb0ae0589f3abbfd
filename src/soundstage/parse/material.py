"""What the trainings of a variant share: features, labels and truth of the three splits, in memory."""

import dataclasses

import numpy as np
import torch

from soundstage.errors import UserError
from soundstage.parse import annotations, store


@dataclasses.dataclass(frozen=True)
class Part:
    """A split, on the device of the training.

    inputs: the three features (videos, 10, dim) float32 tensors in the order that a network takes;
    weak: (videos, classes) float32; audio, visual: labels (videos, 10, classes) float32 or None;
    truth: the split's `Annotations`, or None for train; dropped: list of {"filename", "reason"}.
    """

    filenames: tuple
    inputs: tuple
    weak: torch.Tensor
    audio: torch.Tensor | None = None
    visual: torch.Tensor | None = None
    truth: annotations.Annotations | None = None
    dropped: tuple = ()


def load(folder, features, labels, variant, device="cpu"):
    """Return {"train" | "val" | "test": Part}.

    folder: of annotations; features: {split: path}; labels: path of the training labels or None.
    """
    parts = {split: _held_out(folder, split, features[split], device) for split in ("val", "test")}
    return {"train": _train(folder, features["train"], labels, variant, device)} | parts


def _train(folder, features, labels, variant, device):
    truth, packed = annotations.read(folder, "train"), store.load_features(features)
    found = store.load_labels(labels) if labels else None
    wanted, dropped = list(packed.filenames), list(packed.dropped)
    if found:
        dropped += [entry for entry in found.dropped if entry["filename"] in set(wanted)]
        labelled = set(found.filenames)
        wanted = [name for name in wanted if name in labelled]
    kept, _ = store.rows(truth.filenames, wanted)
    if not len(kept):
        raise UserError("no training video has features, labels and a weak label", features)
    names = tuple(truth.filenames[index] for index in kept)
    audio = visual = None
    if found:
        place, _ = store.rows(found.filenames, names)
        audio, visual = (labels_of(part[place], variant) for part in (found.audio, found.visual))
        audio = audio if variant.streams in ("audio", "both") else None
        visual = visual if variant.streams in ("visual", "both") else None
    return Part(
        names,
        _inputs(packed, names, device),
        _tensor(truth.weak[kept], device),
        None if audio is None else _tensor(audio, device),
        None if visual is None else _tensor(visual, device),
        dropped=tuple(dropped),
    )


def labels_of(labels, variant):
    """Return labels (videos, 10, classes) as a variant learns them: by second, or for the whole video."""
    if not variant.video_level:
        return labels
    return np.repeat(labels.max(1, keepdims=True), labels.shape[1], axis=1)


def _held_out(folder, split, features, device):
    truth, packed = annotations.read(folder, split), store.load_features(features)
    kept, _ = store.rows(truth.filenames, packed.filenames)
    if not len(kept):
        raise UserError(f"no video of the split {split} has features", features)
    names = tuple(truth.filenames[index] for index in kept)
    weak = _tensor(truth.weak[kept], device)
    return Part(names, _inputs(packed, names, device), weak, truth=truth, dropped=packed.dropped)


def _inputs(packed, names, device):
    place, _ = store.rows(packed.filenames, names)
    return tuple(torch.from_numpy(packed.arrays[key][place]).to(device) for key in store.INPUTS)


def _tensor(array, device):
    return torch.from_numpy(np.ascontiguousarray(array, np.float32)).to(device)
