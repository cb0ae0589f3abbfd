"""From sound and pictures to what the towers read; the same in training and in evaluation.

Windows and index choices are integers (samples or frames). Only `log_mel` and `to_video` return
torch tensors; pictures stay uint8 until the last step.
"""

import functools

import numpy as np
import torch

import soundstage.torch_extras  # noqa: F401  (makes torchaudio importable)
from soundstage.units import AUDIO_HZ, VIDEO_FPS, half_up, seconds_to_frames, seconds_to_samples

FLOOR_POWER = 1e-10
GREY = 128


def window_starts(length, window, tail):
    """Return where the windows of a file start, in the units (samples or frames) given.

    Windows do not overlap; a tail longer than `tail` gets one more window that ends at the file's
    end, a shorter tail is left out; a file shorter than one window gives one window at 0.
    """
    starts = list(range(0, max(1, length - window + 1), window))
    if length > window and length - (starts[-1] + window) > tail:
        starts.append(length - window)
    return starts


def audio_windows(audio, settings):
    """Return the windows of a recording, (windows, clip samples) float32, zeros on the right.

    audio: (samples,) float at 48 kHz; settings: `soundstage.model.settings.Inputs`.
    """
    window = seconds_to_samples(settings.clip_seconds)
    starts = window_starts(len(audio), window, seconds_to_samples(settings.tail_seconds))
    result = np.zeros((len(starts), window), np.float32)
    for row, start in zip(result, starts, strict=True):
        piece = audio[start : start + window]
        row[: len(piece)] = piece
    return result


def video_windows(frame_count, settings):
    """Return which pictures every window of a video uses: (windows, frames) int64.

    frame_count: pictures of the whole video at 25 fps. A video shorter than a window spreads its
    pictures over what there is.
    """
    window = seconds_to_frames(settings.clip_seconds)
    starts = window_starts(frame_count, window, seconds_to_frames(settings.tail_seconds))
    inside = spread(min(window, frame_count), settings.frames)
    return np.array([start + inside for start in starts])


def spread(count, wanted):
    """Return `wanted` indices spread evenly over range(count), first and last included, int64."""
    return np.linspace(0, count - 1, wanted).astype(np.int64)


def source_frames(frame_count, frames_per_second):
    """Return for every picture of the 25 fps grid the nearest source picture, int64."""
    wanted = max(1, seconds_to_frames(frame_count / frames_per_second))
    nearest = np.floor(np.arange(wanted) * (frames_per_second / VIDEO_FPS) + 0.5)
    return np.minimum(nearest.astype(np.int64), frame_count - 1)


def resize_frames(frames, settings):
    """Return pictures (n, resize_height, resize_width, 3) uint8: each whole, in its own shape.

    frames: (n, height, width, 3) uint8. Bars of GREY fill what a narrower or wider picture leaves,
    so that a thing looks alike in films and in benchmarks of another shape.
    """
    planes = torch.from_numpy(np.ascontiguousarray(frames)).permute(0, 3, 1, 2)
    high, wide = fitted(*frames.shape[1:3], settings)
    small = torch.nn.functional.interpolate(planes, (high, wide), mode="bilinear", antialias=True)
    result = np.full((len(frames), settings.resize_height, settings.resize_width, 3), GREY, np.uint8)
    top, left = (settings.resize_height - high) // 2, (settings.resize_width - wide) // 2
    result[:, top : top + high, left : left + wide] = small.permute(0, 2, 3, 1).numpy()
    return result


def fitted(height, width, settings):
    """Return the (height, width), at least 1, of a picture that just fits the resized size."""
    scale = min(settings.resize_height / height, settings.resize_width / width)
    return max(1, half_up(height * scale)), max(1, half_up(width * scale))


def to_video(frames, settings):
    """Return (batch, 3, frames, crop_height, crop_width) float32 in [0, 1], centre crop.

    frames: (batch, frames, resize_height, resize_width, 3) uint8.
    """
    top = (settings.resize_height - settings.crop_height) // 2
    left = (settings.resize_width - settings.crop_width) // 2
    cut = frames[:, :, top : top + settings.crop_height, left : left + settings.crop_width]
    return as_float(np.ascontiguousarray(cut))


def as_float(frames):
    """Return (batch, 3, frames, height, width) float32 in [0, 1] of uint8 (b, f, h, w, 3)."""
    return torch.as_tensor(frames).permute(0, 4, 1, 2, 3).contiguous().float().div_(255)


def log_mel(audio, settings):
    """Return the log-mel spectrogram, (n, 1, mels, mel_frames) float32 in dB, at least -100.

    audio: (n, clip samples) float32 at 48 kHz, array or tensor. Power spectrogram under a Hann
    window, HTK mel bands from 0 to 24 kHz, 10 log10, no normalisation; centre crop in time.
    Raises ValueError when the audio is too short for mel_frames.
    """
    audio = torch.as_tensor(audio)
    power = _spectrogram(settings.fft_samples, settings.hop_samples, settings.mels)(audio)
    extra = power.shape[-1] - settings.mel_frames
    if extra < 0:
        raise ValueError(f"expected {settings.mel_frames} frames, found {power.shape[-1]}")
    power = power[..., extra // 2 : extra // 2 + settings.mel_frames]
    return power.clamp_min(FLOOR_POWER).log10_().mul_(10).unsqueeze(1)


@functools.lru_cache(maxsize=4)
def _spectrogram(fft_samples, hop_samples, mels):
    from torchaudio.transforms import MelSpectrogram

    return MelSpectrogram(AUDIO_HZ, n_fft=fft_samples, hop_length=hop_samples, n_mels=mels)
