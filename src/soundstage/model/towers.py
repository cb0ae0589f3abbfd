"""The two towers: a log-mel or a stack of pictures in, one embedding per clip out."""

import torch
from torch import nn

from soundstage.errors import UserError


def build(settings):
    """Return the towers of a `soundstage.model.settings.Model`: net["audio"], net["video"].

    net["audio"]: (batch, 1, mels, mel frames) float32 in dB -> (batch, dim) float32;
    net["video"]: (batch, 3, frames, height, width) float32 in [0, 1] -> (batch, dim) float32.
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


FAMILIES = {"small": small_towers}


class SmallAudio(nn.Module):
    """Three convolutions over a log-mel; keeps coarse frequency, pools over time."""

    def __init__(self, settings):
        super().__init__()
        width = settings.audio_width
        self.norm = nn.BatchNorm2d(1, affine=False)
        self.stem = nn.Conv2d(1, width, 4, 4, bias=False)
        self.layers = _layers(width)
        bands = _after_layers(settings.inputs.mels)
        self.out = nn.Linear(2 * bands * 4 * width, settings.dim)

    def forward(self, log_mel):
        """(batch, 1, mels, frames) dB -> (batch, dim)."""
        maps = self.layers(_channels_last(self.stem(self.norm(log_mel))))
        mean, peak = maps.mean(3).flatten(1), maps.amax(3).flatten(1)
        return self.out(torch.cat([mean, peak], 1))


class SmallVideo(nn.Module):
    """Three convolutions over short stacks of pictures; pools over place and time."""

    def __init__(self, settings):
        super().__init__()
        width, stack = settings.video_width, settings.tubelet_frames
        self.norm = nn.BatchNorm3d(3, affine=False)
        self.stem = nn.Conv3d(3, width, (stack, 4, 4), (stack, 4, 4), bias=False)
        self.layers = _layers(width)
        self.out = nn.Linear(2 * 4 * width, settings.dim)

    def forward(self, video):
        """(batch, 3, frames, height, width) in [0, 1] -> (batch, dim)."""
        stacks = self.stem(self.norm(video))  # b c s h w, s stacks of pictures
        maps = self.layers(_channels_last(stacks.transpose(1, 2).flatten(0, 1)))
        maps = maps.flatten(2).unflatten(0, (len(video), -1))  # b s c (h w)
        return self.out(torch.cat([maps.mean((1, 3)), maps.amax((1, 3))], 1))


def _layers(width):
    """Return what follows the patch stem: two strided 3x3 convolutions, maps normalised."""
    return nn.Sequential(
        nn.BatchNorm2d(width),
        nn.ReLU(inplace=True),
        *_layer(width, 2 * width),
        *_layer(2 * width, 4 * width),
    ).to(memory_format=torch.channels_last)


def _layer(inside, outside):
    convolution = nn.Conv2d(inside, outside, 3, 2, 1, bias=False)
    return convolution, nn.BatchNorm2d(outside), nn.ReLU(inplace=True)


def _after_layers(size):
    """Return what is left of `size` pixels after the stem and the strided convolutions."""
    size = (size - 4) // 4 + 1
    for _ in range(2):
        size = (size - 1) // 2 + 1
    return size


def _channels_last(maps):
    return maps.contiguous(memory_format=torch.channels_last)
