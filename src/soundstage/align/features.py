"""What the coarse search compares: short-time band energies at 100 frames per second.

Pure maths. The bands lie between 150 and 6000 Hz, where every codec keeps sound; only the moves
of logarithmic levels are kept, so that gain, equalisation and compression drop out.
"""

import numpy as np
from scipy import fft

ALIGN_HZ = 16000
FRAMES_PER_SECOND = 100
BANDS = 16
FFT_SAMPLES = 512
HOP_SAMPLES = ALIGN_HZ // FRAMES_PER_SECOND
INT16_ONE = 16384  # what 1.0 is in a signal kept as int16: a codec's overshoots still fit
FLOOR_DB = -60.0
SQUASH_DB = 3.0
BLOCK = 3 * 32768
EDGE = 3 * 512


def decimate(samples):
    """Return 48 kHz audio (n,) as float32 at 16 kHz, (n / 3 rounded up,), free of delay.

    The low-pass falls from 1 at 7 kHz to 0 at 8 kHz and is done block by block in the spectrum,
    so that a film of two hours needs no more memory than its two copies.
    """
    count = -(-len(samples) // 3)
    step = BLOCK - 2 * EDGE
    blocks = max(1, -(-len(samples) // step))
    padded = np.zeros(blocks * step + 2 * EDGE, np.float32)
    padded[EDGE : EDGE + len(samples)] = samples
    hertz = np.arange(BLOCK // 6 + 1) * (48000 / BLOCK)
    gain = (np.clip((8000 - hertz) / 1000, 0, 1) / 3).astype(np.float32)
    parts = []
    for start in range(0, blocks * step, step):
        spectrum = fft.rfft(padded[start : start + BLOCK])[: len(gain)] * gain
        parts.append(fft.irfft(spectrum, BLOCK // 3)[EDGE // 3 : -(EDGE // 3)])
    return np.concatenate(parts)[:count].astype(np.float32)


def band_edges(low_hz, high_hz):
    """Return the BANDS + 2 edges of BANDS + 1 bands in Hz, equally spaced on the mel scale."""
    low, high = (2595 * np.log10(1 + hertz / 700) for hertz in (low_hz, high_hz))
    return 700 * (10 ** (np.linspace(low, high, BANDS + 2) / 2595) - 1)


def band_features(samples, low_hz=150.0, high_hz=6000.0):
    """Return (frames, BANDS) float32: how each band's level moves against its lower neighbour's.

    samples: (n,) at 16 kHz, float32 or int16 (the scale does not matter); frame t is centred on
    t / 100 s. Levels are in dB above a floor of 60 dB below the band's loudest frame; their change
    over 20 ms is squashed by a hyperbolic tangent and differenced between bands. What a loud voice
    does in a few bands for a few frames so counts no more than what the quiet bed does everywhere
    else. Unit variance per band; digital silence gives zeros.
    """
    count = len(samples) // HOP_SAMPLES + 1
    levels = np.concatenate(
        [_levels(_frames(samples, i, min(i + 4096, count)), low_hz, high_hz) for i in range(0, count, 4096)]
    )
    levels = np.maximum(levels, levels.max(axis=0) + FLOOR_DB)
    moves = np.zeros_like(levels)
    moves[1:-1] = np.tanh((levels[2:] - levels[:-2]) / SQUASH_DB)
    result = np.diff(moves, axis=1)
    spread = result.std(axis=0)
    return (result / np.where(spread > 1e-3, spread, np.inf)).astype(np.float32)


def _frames(samples, first, last):
    """Return (last - first, FFT_SAMPLES) float32: the windows round frames first to last."""
    low, high = first * HOP_SAMPLES - FFT_SAMPLES // 2, (last - 1) * HOP_SAMPLES + FFT_SAMPLES // 2
    part = samples[max(0, low) : high]
    if part.dtype == np.int16:
        part = part * np.float32(1 / INT16_ONE)
    padded = np.pad(part, (max(0, -low), max(0, high - max(0, low) - len(part))))
    return np.lib.stride_tricks.sliding_window_view(padded, FFT_SAMPLES)[::HOP_SAMPLES]


def _levels(frames, low_hz, high_hz):
    """Return the level of each of BANDS + 1 bands in dB, (frames, BANDS + 1) float32."""
    spectrum = fft.rfft(frames * np.hanning(FFT_SAMPLES).astype(np.float32))
    power = spectrum.real**2 + spectrum.imag**2
    edges = np.round(band_edges(low_hz, high_hz) / ALIGN_HZ * FFT_SAMPLES).astype(int)
    edges = np.maximum.accumulate(np.maximum(edges, np.arange(len(edges)) + edges[0]))
    energy = np.add.reduceat(power[:, : edges[-1]], edges[:-1], axis=1)
    return 10 * np.log10(energy + 1e-12)


def stretch(features, rate):
    """Return the features of a reference as a track at this rate would have them, (frames, BANDS).

    Row t of the result is row t / rate of the input, by linear interpolation.
    """
    if rate == 1.0:
        return features
    position = np.arange(int((len(features) - 1) * rate) + 1) / rate
    low = np.minimum(position.astype(int), len(features) - 2)
    share = (position - low)[:, None].astype(np.float32)
    return features[low] * (1 - share) + features[low + 1] * share
