"""The two towers: a log-mel or a stack of pictures in, one embedding per clip out."""

import torch
from torch import nn

from soundstage.errors import UserError
from soundstage.model.lssd import lssd_towers
from soundstage.model.whole_norm import InputNorm


def build(settings):
    """Return the towers of a `soundstage.model.settings.Model`: net["audio"], net["video"].

    net["audio"]: (batch, 1, mels, mel frames) float32 in dB -> (batch, dim) float32;
    net["video"]: (batch, 3, frames, height, width) float32 in [0, 1] -> (batch, dim) float32;
    each tower says its own `dim`.
    UserError for a family of towers that does not exist.
    """
    if settings.towers not in FAMILIES:
        allowed = ", ".join(sorted(FAMILIES))
        raise UserError(f"unknown towers {settings.towers!r}", "model.towers", f"use {allowed}")
    return FAMILIES[settings.towers](settings)


def small_towers(settings):
    """Return two small convolutional towers, cheap enough to be trained on one CPU thread."""
    if settings.inputs.frames % settings.tubelet_frames:
        raise UserError(
            f"{settings.inputs.frames} frames cannot be joined by {settings.tubelet_frames}",
            "model.tubelet_frames",
            "choose a divisor of model.inputs.frames",
        )
    return nn.ModuleDict({"audio": SmallAudio(settings), "video": SmallVideo(settings)})


def paper_towers(settings):
    """Return paper A's towers, in the size that the family's name ends with."""
    return lssd_towers(settings.towers[-1].upper(), settings.patch_overlap, recompute=settings.recompute)


FAMILIES = {"small": small_towers, "lssd_s": paper_towers, "lssd_b": paper_towers}


class SmallAudio(nn.Module):
    """Three convolutions over a log-mel; keeps coarse frequency, averages over time.

    dim: length of an embedding. No layer follows the pooling: one that the objective trains keeps
    only what the objective asks for, so it stands in the projection, which is thrown away.
    """

    def __init__(self, settings):
        super().__init__()
        width = settings.audio_width
        self.dim = 4 * width * _halved(_halved(settings.inputs.mels // 4))
        self.norm = InputNorm(1)
        self.stem = nn.Sequential(nn.Conv2d(1, width, 4, 4, bias=False), *_normalised(width))
        self.layers = _layers(width, 2)

    def forward(self, log_mel):
        """(batch, 1, mels, frames) dB -> (batch, dim)."""
        stem = self.norm.convolved(self.stem[0], log_mel)
        maps = self.layers(_channels_last(self.stem[1:](stem)))
        return maps.mean(3).flatten(1)


class SmallVideo(nn.Module):
    """Three convolutions over short stacks of pictures, pooled over place and time at each depth.

    What is small in the picture is lost in the deepest maps; the strongest answer of the middle
    ones keeps it, and the mean of the stem's keeps the colours of the place. dim: length of an
    embedding; no layer follows the pooling, as in `SmallAudio`.
    """

    def __init__(self, settings):
        super().__init__()
        width, stack = settings.video_width, settings.tubelet_frames
        self.dim = (4 + 4 + 2 + 1) * width
        self.norm = InputNorm(3)
        self.stem = nn.Conv3d(3, width, (stack, 4, 4), (stack, 4, 4), bias=False)
        self.after_stem = nn.Sequential(*_normalised(width))
        self.middle = _layers(width, 1)
        self.deep = _layers(2 * width, 1)

    def forward(self, video):
        """(batch, 3, frames, height, width) in [0, 1] -> (batch, dim)."""
        stacks = self.norm.convolved(self.stem, video)  # b c s h w, s stacks of pictures
        fine = self.after_stem(_channels_last(stacks.transpose(1, 2).flatten(0, 1)))
        middle = self.middle(fine)
        deep = self.deep(middle)
        # (b s) c h w -> b s c (h w)
        fine, middle, deep = (m.flatten(2).unflatten(0, (len(video), -1)) for m in (fine, middle, deep))
        pooled = [deep.mean((1, 3)), deep.amax((1, 3)), middle.amax((1, 3)), fine.mean((1, 3))]
        return torch.cat(pooled, 1)


def _layers(width, count):
    """Return `count` strided 3x3 convolutions, each of which doubles the channels."""
    layers = [_convolution(width * 2**n, width * 2 ** (n + 1)) for n in range(count)]
    return nn.Sequential(*sum(layers, ())).to(memory_format=torch.channels_last)


def _convolution(inside, outside):
    return nn.Conv2d(inside, outside, 3, 2, 1, bias=False), *_normalised(outside)


def _normalised(width):
    return nn.BatchNorm2d(width), nn.ReLU(inplace=True)


def _halved(size):
    """Return what is left of `size` pixels after a strided convolution."""
    return (size - 1) // 2 + 1


def _channels_last(maps):
    return maps.contiguous(memory_format=torch.channels_last)
