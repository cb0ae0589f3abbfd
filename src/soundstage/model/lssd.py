"""The towers of paper A at their real size, and its released weights."""

import dataclasses

import torch
from torch import nn

from soundstage.errors import UserError
from soundstage.model.mvit import Shape, Tower

DIM = 768  # length of an embedding, of either tower in either size
AUDIO_SIZE = (1, 96, 288)  # moments, mel bands, mel frames
VIDEO_SIZE = (16, 224, 224)  # frames, height, width
SIZES = {"S": (16, (1, 3, 14)), "B": (24, (2, 5, 21))}  # blocks, and those where the grid shrinks
PREFIX = "backbone."

AUDIO = Shape(
    input_size=AUDIO_SIZE,
    channels=1,
    patch_kernel=(1, 7, 9),
    patch_stride=(1, 4, 8),
    pool_kernel=(1, 3, 3),
    key_stride=4,
    depth=16,
    growth=(1, 3, 14),
    class_token=False,
    drop_path=0.1,
)
VIDEO = Shape(
    input_size=VIDEO_SIZE,
    channels=3,
    patch_kernel=(3, 9, 9),
    patch_stride=(2, 8, 8),
    pool_kernel=(3, 3, 3),
    key_stride=8,
    depth=16,
    growth=(1, 3, 14),
    class_token=True,
    drop_path=0.2,
)


def lssd_towers(size="S", patch_overlap=False, drop_path=None, recompute=False):
    """Return paper A's towers: net["audio"] and net["video"], each (batch, ...) -> (batch, 768).

    net["audio"] reads (batch, 1, 96, 288) float32 log-mel in dB, net["video"] (batch, 3, 16, 224,
    224) float32 in [0, 1]. size: "S" (16 blocks) or "B" (24). patch_overlap: patches of 7 x 7 every
    4 values instead of 7 x 9 every 4 x 8 (sound) and 9 x 9 every 8 (pictures). drop_path: (audio,
    video) shares of the last block, None for the paper's. recompute: keep only the blocks' inputs
    for the backward pass and compute the rest again. UserError for another size.
    """
    if size not in SIZES:
        raise UserError(f"unknown size {size!r}", "lssd_towers", f"use one of {', '.join(SIZES)}")
    shapes = {"audio": AUDIO, "video": VIDEO}
    rates = drop_path or (AUDIO.drop_path, VIDEO.drop_path)
    depth, growth = SIZES[size]
    net = nn.ModuleDict()
    for (name, shape), rate in zip(shapes.items(), rates, strict=True):
        shape = dataclasses.replace(shape, depth=depth, growth=growth, drop_path=rate)
        net[name] = Tower(_overlapping(shape) if patch_overlap else shape, recompute)
    return net


def _overlapping(shape):
    time = shape.patch_kernel[0], shape.patch_stride[0]
    return dataclasses.replace(shape, patch_kernel=(time[0], 7, 7), patch_stride=(time[1], 4, 4))


def load_official(path):
    """Return the towers of a released checkpoint, in evaluation mode.

    The file holds a dict whose `model` has the towers' weights under "backbone."; weights under
    other names (projection heads) are dropped. Only weights are read: a file that needs more to be
    opened is refused by name. UserError, listing the names, when any weight is missing, is left
    over or has another shape. Size and patch overlap are read off the weights.
    """
    weights = _backbone(_opened(path), path)
    audio = weights.get("audio.patch_embed.proj.weight")
    overlap = audio is not None and audio.shape[-1] == 7
    deep = any(name.startswith("audio.blocks.16.") for name in weights)
    with torch.device("meta"):  # no initial weights are drawn: all are replaced
        net = lssd_towers("B" if deep else "S", overlap)
    expected = net.state_dict()
    missing, extra = sorted(expected.keys() - weights.keys()), sorted(weights.keys() - expected.keys())
    shared = sorted(expected.keys() & weights.keys())
    shaped = [n for n in shared if expected[n].shape != weights[n].shape]
    if missing or extra or shaped:
        found = (("missing", missing), ("left over", extra), ("of another shape", shaped))
        lines = [f"{what}: {', '.join(names)}" for what, names in found if names]
        raise UserError("the weights do not fit the towers; " + "; ".join(lines), path)
    weights = {name: value.to(expected[name].dtype) for name, value in weights.items()}
    net.load_state_dict(weights, assign=True)
    return net.eval()


def _opened(path):
    try:
        file = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise UserError(f"cannot read the checkpoint ({error.strerror})", path) from None
    except Exception as error:
        reason = str(error).splitlines()[0]
        fix = "use a file that holds tensors in plain dicts and lists"
        raise UserError(f"this file needs more than weights to be opened, or is damaged: {reason}", path, fix) from None
    if not isinstance(file, dict) or not isinstance(file.get("model"), dict):
        raise UserError("expected a checkpoint with a dict `model` of weights", path)
    return file["model"]


def _backbone(model, path):
    """Return {name: tensor} of the towers: names behind "backbone.", with "net." or without."""
    weights = {}
    for name, value in model.items():
        name = name.removeprefix("module.")
        if name.startswith(PREFIX):
            weights[name.removeprefix(PREFIX).removeprefix("net.")] = value
    if not weights:
        raise UserError(f"not one weight is named {PREFIX}...", path, "give a released checkpoint of paper A")
    if strange := [name for name, value in weights.items() if not isinstance(value, torch.Tensor)]:
        kinds = {type(weights[name]).__name__ for name in strange}
        raise UserError(f"expected tensors, found {', '.join(sorted(kinds))}: {', '.join(strange)}", path)
    return weights
