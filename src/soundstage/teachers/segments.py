"""A video cut into ten: which pictures are looked at, and which samples are listened to."""

import math

import numpy as np

from soundstage.parse.classes import SECONDS

PICTURES_PER_SECOND = 8


def chosen_frames(frames):
    """Return (10,) int: which of so many pictures stand for the segments, first and last included."""
    return nearest(frames, SECONDS)


def nearest(have, wanted):
    """Return (wanted,) int: places among `have` on an even grid from the first to the last."""
    return np.round(np.linspace(0, have - 1, wanted)).astype(np.int64)


def audio_segments(samples):
    """Return (list of ten arrays, (10,) int start of each) of a waveform (samples,).

    Segments start at a rounded tenth each and have one length, a tenth of the samples rounded down.
    """
    starts = np.round(np.linspace(0, len(samples), SECONDS + 1)).astype(np.int64)[:-1]
    length = len(samples) // SECONDS
    return [samples[start : start + length] for start in starts], starts


def quantised(samples):
    """Return samples as they come back from 16-bit integers, rounded towards zero, float32."""
    whole = (np.clip(samples, -1.0, 1.0) * 32767.0).astype(np.int16)
    return (whole / 32767.0).astype(np.float32)


def repeat_padded(samples, length):
    """Return (length,) float32: the samples repeated as often as they fit, then zeros.

    What is longer is cut at the end. At least one sample is expected.
    """
    repeated = np.tile(samples[:length], max(1, length // len(samples)))
    return np.pad(repeated, (0, length - len(repeated))).astype(np.float32)


def stretched(samples, length):
    """Return (length,) of the nearest samples on an even grid from the first to the last."""
    return samples[nearest(len(samples), length)]


def odd_length(seconds, expected=float(SECONDS), tolerance=0.02):
    """Return "" for a video of the expected length, or words that say how long it is."""
    if math.isclose(seconds, expected, abs_tol=tolerance):
        return ""
    return f"{'short' if seconds < expected else 'long'}: {seconds:.2f} s"
