"""Two random views of every clip of a batch, drawn alike for all arms of a seed.

All draws of a step come from one generator and do not depend on the arm; numpy in, torch out.
"""

import numpy as np
import torch

from soundstage.model.inputs import as_float

EQUALISER_WAVES = 4


def audio_view(log_mel, settings, rng):
    """Return a batch at another level and through another smooth equaliser, float32 in dB.

    log_mel: (batch, mels, mel frames) dB. The level changes by up to +-gain_db; the equaliser is a
    sum of a few cosines over the mel bands with a standard deviation of about equaliser_db. In dB
    both are additions, the same for every moment of a clip. Returns (batch, 1, mels, mel frames).
    """
    batch, mels, _ = log_mel.shape
    gain = rng.uniform(-settings.gain_db, settings.gain_db, (batch, 1))
    size = settings.equaliser_db * np.sqrt(2 / EQUALISER_WAVES)
    waves = rng.normal(0.0, size, (batch, EQUALISER_WAVES))
    added = gain + waves @ _cosines(mels)
    view = log_mel.astype(np.float32) + added[:, :, None].astype(np.float32)
    _blank(view, settings, rng)
    return torch.from_numpy(view).unsqueeze(1)


def _blank(view, settings, rng):
    """Set one run of mel bands and one of mel frames of every clip to the clip's mean, in place."""
    batch, mels, frames = view.shape
    filler = view.mean((1, 2))
    bands = _runs(batch, mels, settings.mask_mels, rng)
    moments = _runs(batch, frames, settings.mask_frames, rng)
    for clip, band, moment, value in zip(view, bands, moments, filler, strict=True):
        clip[slice(*band)] = value
        clip[:, slice(*moment)] = value


def _runs(batch, length, longest, rng):
    """Return (batch, 2) int: first and last + 1 of a random run of 0 to `longest` places."""
    run = rng.integers(0, longest + 1, batch)
    first = (rng.random(batch) * (length - run + 1)).astype(int)
    return np.stack([first, first + run], 1)


def _cosines(mels):
    """Return (EQUALISER_WAVES, mels): half a wave over the bands, then one, and so on."""
    place = (np.arange(mels) + 0.5) / mels
    return np.cos(np.pi * np.arange(1, EQUALISER_WAVES + 1)[:, None] * place)


def video_view(pictures, settings, rng):
    """Return a batch cut, mirrored and coloured anew, (batch, 3, frames, h, w) float32.

    pictures: (batch, frames, resize_height, resize_width, 3) uint8. Every clip gets one random
    crop, mirror, brightness, contrast, and now and then no colour, the same for all its frames.
    Values start in [0, 1] and may leave it a little.
    """
    return coloured(as_float(cropped(pictures, settings, rng)), settings, rng)


def coloured(view, settings, rng):
    """Return pictures (batch, 3, frames, height, width) float32 coloured anew, in place, on any device."""
    batch = len(view)
    contrast = rng.uniform(1 - settings.contrast, 1 + settings.contrast, batch)
    offset = rng.uniform(-settings.brightness, settings.brightness, batch) + 0.5 - 0.5 * contrast
    recoloured = rng.random(batch) < settings.recolour_share
    orders = rng.permuted(np.tile(np.arange(3), (batch, 1)), axis=1)
    for number in np.flatnonzero(recoloured):
        view[number] = view[number][orders[number]]
    grey = rng.random(batch) < settings.greyscale_share
    for number in np.flatnonzero(grey):
        view[number] = view[number].mean(0, keepdim=True)
    shape = (batch, 1, 1, 1, 1)
    view *= torch.from_numpy(contrast).float().reshape(shape).to(view.device)
    view += torch.from_numpy(offset).float().reshape(shape).to(view.device)
    return view


def cropped(pictures, settings, rng):
    """Return (batch, frames, crop_height, crop_width, 3) uint8, a random place and side each.

    pictures: (batch, frames, resize_height, resize_width, 3) uint8.
    """
    inputs = settings.model.inputs
    batch, frames, height, width, _ = pictures.shape
    top = rng.integers(0, height - inputs.crop_height + 1, batch)
    left = rng.integers(0, width - inputs.crop_width + 1, batch)
    mirrored = rng.random(batch) < settings.flip_share
    result = np.empty((batch, frames, inputs.crop_height, inputs.crop_width, 3), np.uint8)
    # three bytes as one item: a mirrored copy then takes a third of the time
    pixels, targets = (array.view("V3")[..., 0] for array in (np.ascontiguousarray(pictures), result))
    for n, clip in enumerate(pixels):
        cut = clip[:, top[n] : top[n] + inputs.crop_height, left[n] : left[n] + inputs.crop_width]
        targets[n] = cut[:, :, ::-1] if mirrored[n] else cut
    return result
