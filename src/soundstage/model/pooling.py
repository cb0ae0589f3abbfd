"""Pooling of tokens on their grid: depthwise convolutions and maxima, by frames, channels last.

Tokens lie in memory as (batch, time, height, width, channels). A depthwise convolution over space
and time is done as one two-dimensional one per moment of the kernel, whose results are shifted in
time and added. Nothing is transposed, and the fast depthwise kernels that exist for pictures with
channels last do the work; three-dimensional ones are several times slower on a CPU.
"""

import torch
from torch.nn import functional


def frames_of(tokens, grid):
    """Return (batch * time, channels, height, width), a view with channels last.

    tokens: (batch, time * height * width, channels), contiguous; grid: (time, height, width).
    """
    time, height, width = grid
    return tokens.reshape(-1, height, width, tokens.shape[-1]).permute(0, 3, 1, 2)


def tokens_of(frames, time):
    """Return (tokens, grid), the inverse of `frames_of`, for frames of `time` moments a sample."""
    _, channels, height, width = frames.shape
    tokens = frames.permute(0, 2, 3, 1).reshape(-1, time * height * width, channels)
    return tokens, (time, height, width)


def depthwise(tokens, grid, weight, stride):
    """Return (pooled tokens, their grid) under a depthwise convolution with half-kernel padding.

    tokens: (batch, time * height * width, channels); weight: (kt, channels, 1, kh, kw) of odd sizes,
    see `repeated`; stride: (height, width), that of time being 1.
    """
    time, channels = grid[0], tokens.shape[-1]
    frames = frames_of(tokens, grid)
    moments, padding = len(weight), tuple(size // 2 for size in weight.shape[3:])
    total = None
    for moment in sorted(range(moments), key=lambda n: abs(n - moments // 2)):  # the middle first
        shift = moment - moments // 2
        if abs(shift) >= time:
            continue
        part = functional.conv2d(frames, weight[moment], None, stride, padding, 1, channels)
        part = part.unflatten(0, (-1, time))
        total = part if total is None else _added(total, part, shift, time)
    return tokens_of(total.flatten(0, 1), time)


def repeated(weights, heads):
    """Return (kt, kernels * heads * channels, 1, kh, kw): every kernel (channels, 1, kt, kh, kw) for every head."""
    kernels = torch.stack(weights).movedim(3, 0)
    return kernels[:, :, None].expand(-1, -1, heads, -1, -1, -1, -1).flatten(1, 3)


def _added(total, part, shift, time):
    """Add part[t + shift] to total[t] where that moment exists."""
    if shift > 0:
        total[:, : time - shift] += part[:, shift:]
    else:
        total[:, -shift:] += part[:, : time + shift]
    return total


def strongest(tokens, grid, stride):
    """Return (pooled tokens, their grid) under maxima over (stride + 1) squares; stride 1: as they are.

    tokens: (batch, time * height * width, channels); stride: (height, width).
    """
    if stride == (1, 1):
        return tokens, grid
    kernel = tuple(s + 1 if s > 1 else 1 for s in stride)
    padding = tuple(k // 2 for k in kernel)
    pooled = functional.max_pool2d(frames_of(tokens, grid), kernel, stride, padding)
    return tokens_of(pooled.contiguous(memory_format=torch.channels_last), grid[0])
