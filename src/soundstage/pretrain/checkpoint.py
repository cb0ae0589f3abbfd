"""Checkpoints of a training: whole or not at all, and never taken for another training's."""

import io
import json
import shutil
from pathlib import Path

import torch

from soundstage.errors import UserError
from soundstage.files import atomic

FILE = "checkpoint.pt"


def save_bytes(path, state):
    """Write `state` with torch.save, atomically; the bytes depend on the state alone.

    Through memory, because torch.save puts the name of the file into it.
    """
    target = io.BytesIO()
    torch.save(state, target)
    with atomic(path) as temporary:
        temporary.write_bytes(target.getvalue())


def save(folder, fingerprint, state):
    """Write a checkpoint with the fingerprint of the training that it belongs to."""
    save_bytes(Path(folder) / FILE, {"fingerprint": json.dumps(fingerprint), "state": state})


def load(folder, fingerprint):
    """Return the state saved in `folder`, on the CPU, or None when there is none.

    fingerprint: a dict of all that decides the outcome. UserError, naming the folder and what
    differs, for a checkpoint of another training or one that cannot be read.
    """
    path = Path(folder) / FILE
    if not path.is_file():
        return None
    fix = f"delete the folder {folder}, or give --fresh to train from the start"
    try:
        # onto the CPU: a GPU is named in the file, the same one for all processes
        found = torch.load(path, map_location="cpu", weights_only=True)
        other = json.loads(found["fingerprint"])
    except Exception as error:
        raise UserError(f"cannot read the checkpoint ({error})", path, fix) from None
    if changed := differences(other, fingerprint):
        what = "the checkpoint is of another training: " + "; ".join(changed)
        raise UserError(what, path, fix)
    return found["state"]


def remove(folder):
    """Remove the checkpoints of a training that has ended, or is to start anew."""
    shutil.rmtree(folder, ignore_errors=True)


def differences(old, new, prefix=""):
    """Return a line for every value that differs between two nested dicts."""
    lines = []
    for key in sorted(old.keys() | new.keys()):
        before, after = old.get(key), new.get(key)
        if isinstance(before, dict) and isinstance(after, dict):
            lines += differences(before, after, f"{prefix}{key}.")
        elif before != after:
            lines.append(f"{prefix}{key} was {before!r}, now {after!r}")
    return lines
