"""Seconds, samples and frames: the only place where one is turned into another, half-up.

Also the seeds: every random draw comes from a generator named by the things that it depends on.
"""

import hashlib
import math
from fractions import Fraction

AUDIO_HZ = 48000
VIDEO_FPS = 25


def half_up(value):
    """Return the nearest integer to a real number, halves going up (-0.5 -> 0, 0.5 -> 1)."""
    return math.floor(value + Fraction(1, 2))


def seconds_to_samples(seconds, sample_rate_hz=AUDIO_HZ):
    """Return seconds as a whole number of samples, half-up, without float drift."""
    return half_up(Fraction(seconds) * Fraction(sample_rate_hz))


def samples_to_seconds(samples, sample_rate_hz=AUDIO_HZ):
    """Return a number of samples as float seconds."""
    return samples / sample_rate_hz


def seconds_to_frames(seconds, frames_per_second=VIDEO_FPS):
    """Return seconds as a whole number of picture frames, half-up."""
    return half_up(Fraction(seconds) * Fraction(frames_per_second))


def frames_to_seconds(frames, frames_per_second=VIDEO_FPS):
    """Return a number of picture frames as float seconds."""
    return float(Fraction(frames) / Fraction(frames_per_second))


def seed_of(*parts):
    """Return a stable seed in [0, 2**63) of strings and numbers, the same in every process."""
    text = "\x1f".join(f"{type(part).__name__}:{part}" for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def rng_of(*parts):
    """Return a numpy Generator seeded by the things that the draw depends on."""
    import numpy

    return numpy.random.default_rng(seed_of(*parts))
