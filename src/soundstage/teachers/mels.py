"""The decibels in mel bands that a CLAP reads, made on the device and a batch at a time."""

import numpy as np
import torch

from soundstage.errors import UserError

QUIETEST = 1e-10  # power below which the decibel scale ends


class Mels:
    """Turns waveforms into what `ClapFeatureExtractor` would make of them."""

    def __init__(self, extractor, fused=False, device="cpu"):
        """extractor: a ClapFeatureExtractor; fused: whether the model fuses several views."""
        if extractor.top_db is not None:
            raise UserError("a CLAP with a limited decibel range is not supported", "top_db")
        filters = extractor.mel_filters if fused else extractor.mel_filters_slaney
        self.filters = torch.from_numpy(np.asarray(filters)).float().to(device)
        self.window = torch.hann_window(extractor.fft_window_size, device=device)
        self.size, self.hop = extractor.fft_window_size, extractor.hop_length
        self.samples = extractor.nb_max_samples
        self.sample_rate_hz = extractor.sampling_rate

    def power(self, waves):
        """Return (n, frames, mels) float32 power of (n, samples) waveforms."""
        spectrum = torch.stft(waves, self.size, self.hop, window=self.window, return_complex=True)
        return torch.einsum("nft,fm->ntm", spectrum.abs().square(), self.filters)

    def __call__(self, waves):
        """Return (n, frames, mels) float32 decibels of (n, samples) waveforms."""
        return decibels(self.power(waves))


def decibels(power):
    """Return a tensor of power in decibels, -100 dB at the least."""
    return 10 * torch.log10(power.clamp(min=QUIETEST))
