"""What paper A's towers read of a file, in training and in tests.

Sound: windows of 3 s at 48 kHz as log-mel of 96 bands and 288 frames, in dB, not normalised. Pictures:
25 a second by nearest index, 16 of a window's 75 evenly spaced, the shorter side scaled to 256 pixels
and five crops of 224 in tests, to a random 256 to 320 and one random crop in training.
"""

import math

import torch
from torch.nn import functional

from soundstage.model.inputs import audio_windows, log_mel, source_frames, video_windows
from soundstage.model.settings import Inputs

PAPER = Inputs(
    fft_samples=1024,
    hop_samples=501,
    mels=96,
    mel_frames=288,
    frames=16,
    resize_height=256,
    resize_width=455,
    crop_height=224,
    crop_width=224,
)
SHORT_SIDES = (256, 320)  # pixels, training draws from these and all between; tests take the first


def evaluation_sound(audio):
    """Return the spectrograms of a recording's windows, (windows, 1, 96, 288) float32 in dB.

    audio: (samples,) float at 48 kHz. Windows follow `soundstage.model.inputs.window_starts`; what is
    shorter than 3 s is filled with zeros on the right.
    """
    return log_mel(audio_windows(audio, PAPER), PAPER)


def evaluation_frames(frame_count, frames_per_second):
    """Return which pictures of a video its windows use, (windows, 16) int64, in the video's own rate."""
    nearest = source_frames(frame_count, frames_per_second)
    return nearest[video_windows(len(nearest), PAPER)]


def evaluation_pictures(frames):
    """Return the five crops of one window, (5, 3, 16, 224, 224) float32 in [0, 1].

    frames: (16, height, width, 3) uint8. Crops: top left, top right, bottom left, bottom right, centre.
    """
    planes = scaled(frames, SHORT_SIDES[0])
    height, width = planes.shape[2:]
    bottom, right = height - PAPER.crop_height, width - PAPER.crop_width
    middle = round(bottom / 2), round(right / 2)
    corners = [(0, 0), (0, right), (bottom, 0), (bottom, right), middle]
    return torch.stack([as_input(cropped(planes, *corner)) for corner in corners])


def training_pictures(frames, rng, short_sides=SHORT_SIDES, size=(PAPER.crop_height, PAPER.crop_width)):
    """Return one random crop of one window, (frames, *size, 3) uint8, mirrored and coloured later.

    frames: (frames, height, width, 3) uint8; rng: numpy Generator; short_sides: pixels, from and to,
    both drawn; size: (height, width) of the crop, at most the shorter side. Scaled in eight bits, a
    fraction of the time of floating point. Larger pictures are averaged, where `scaled` skips pixels.
    """
    planes = torch.from_numpy(frames).permute(0, 3, 1, 2)
    whole = _scaled_size(*planes.shape[2:], int(rng.integers(short_sides[0], short_sides[1] + 1)))
    top, left = (int(rng.integers(0, long - short + 1)) for long, short in zip(whole, size, strict=True))
    planes = functional.interpolate(planes, whole, mode="bilinear", align_corners=False, antialias=True)
    return cropped(planes, top, left, size).permute(0, 2, 3, 1).contiguous().numpy()


def scaled(frames, short_side):
    """Return (frames, 3, height, width) float32 in [0, 255] with the shorter side at `short_side` pixels.

    frames: (frames, height, width, 3) uint8. Bilinear; the longer side is rounded down.
    """
    planes = torch.from_numpy(frames).permute(0, 3, 1, 2).float()
    size = _scaled_size(*planes.shape[2:], short_side)
    return functional.interpolate(planes, size, mode="bilinear", align_corners=False)


def _scaled_size(height, width, short_side):
    if height <= width:
        return short_side, math.floor(width / height * short_side)
    return math.floor(height / width * short_side), short_side


def cropped(planes, top, left, size=(PAPER.crop_height, PAPER.crop_width)):
    """Return the part of (frames, 3, height, width) that begins at a place, in pixels."""
    return planes[:, :, top : top + size[0], left : left + size[1]]


def as_input(planes):
    """Return (3, frames, height, width) float32 in [0, 1] of (frames, 3, height, width) in [0, 255]."""
    return planes.transpose(0, 1) / 255
