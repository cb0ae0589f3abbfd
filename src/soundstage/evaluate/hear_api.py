"""Our audio towers behind the interface that HEAR's official kit calls.

heareval.embeddings.runner soundstage.evaluate.hear_api --model work/pretrain/dubs/0/model.pt

Sound is (sounds, samples) float32 in [-1, 1] at 48 kHz mono, all of one length. Embeddings of a whole sound are
means over its windows, as `soundstage.evaluate.run` makes them. Embeddings of time stamps come from windows of
the tower's own length, one every `hop_ms`, each centred on its time stamp and silent beyond the sound's ends:
far longer than the events that such tasks ask for, so they are outside what the towers are made for.
"""

import numpy as np
import torch

from soundstage.errors import UserError
from soundstage.evaluate import frozen
from soundstage.model.inputs import audio_windows, log_mel
from soundstage.units import AUDIO_HZ, half_up, seconds_to_samples

HOP_MS = 50.0
# windows that are embedded at once: memory, not results, depends on it. On a CPU more than 16 leave its cache, and
# the small towers take twice the time
BATCH, GPU_BATCH = 16, 64


class Hear(torch.nn.Module):
    """An audio tower with the attributes that HEAR asks for.

    sample_rate: Hz; scene_embedding_size, timestamp_embedding_size: values per embedding.
    """

    def __init__(self, towers, hop_ms):
        super().__init__()
        self.tower, self.inputs, self.hop_ms = towers.towers["audio"], towers.settings.inputs, hop_ms
        self.sample_rate = AUDIO_HZ
        self.scene_embedding_size = self.timestamp_embedding_size = self._size()

    @property
    def device(self):
        """Where the tower is."""
        return next(self.parameters()).device

    @property
    def batch(self):
        """How many windows are embedded at once."""
        return GPU_BATCH if self.device.type == "cuda" else BATCH

    @torch.inference_mode()
    def forward(self, windows):
        """Return (n, dim) float32 of (n, clip samples) float32 windows, a batch at a time."""
        parts = windows.split(self.batch)
        return torch.cat([self.tower(log_mel(part, self.inputs).to(self.device)).float() for part in parts])

    def _size(self):
        window = seconds_to_samples(self.inputs.clip_seconds)
        return self.eval()(torch.zeros(1, window)).shape[1]


def load_model(model_file_path, hop_ms=HOP_MS):
    """Return the `Hear` model in a model.pt of a pretraining run; hop_ms: between two time stamps."""
    if hop_ms <= 0:
        raise UserError(f"expected a positive hop in ms, found {hop_ms}")
    return Hear(frozen.load(model_file_path), hop_ms)


def get_scene_embeddings(audio, model):
    """Return (sounds, dim) float32 embeddings of whole sounds; audio: (sounds, samples)."""
    sounds = checked(audio)
    return torch.stack([model(torch.from_numpy(audio_windows(sound, model.inputs))).mean(0) for sound in sounds])


def get_timestamp_embeddings(audio, model):
    """Return ((sounds, times, dim) float32 embeddings, (sounds, times) float32 ms); audio: (sounds, samples)."""
    sounds = checked(audio)
    starts, times = timestamps(sounds.shape[1], model.inputs, model.hop_ms)
    found = torch.stack([torch.cat(list(_at(sound, starts, model))) for sound in sounds])
    return found, torch.from_numpy(times).expand(len(sounds), -1)


def timestamps(samples, inputs, hop_ms):
    """Return (starts (times,) int64 samples, may be negative; times (times,) float32 ms).

    The first window is centred on time 0, the last on the last multiple of the hop inside the sound.
    """
    count = int((samples - 1) / AUDIO_HZ * 1000 / hop_ms) + 1
    centres = np.array([half_up(number * hop_ms * AUDIO_HZ / 1000) for number in range(count)], np.int64)
    return centres - seconds_to_samples(inputs.clip_seconds) // 2, (np.arange(count) * hop_ms).astype(np.float32)


def _at(sound, starts, model):
    """Yield embeddings (n, dim) of the windows of one sound, a batch of them in memory at a time."""
    window = seconds_to_samples(model.inputs.clip_seconds)
    padded = np.pad(sound, window)
    for first in range(0, len(starts), model.batch):
        part = starts[first : first + model.batch] + window
        yield model(torch.from_numpy(np.stack([padded[start : start + window] for start in part])))


def checked(audio):
    """Return (sounds, samples) float32 of what the kit passes; UserError for another shape or no sample."""
    audio = torch.as_tensor(audio)
    if audio.ndim != 2 or not audio.shape[1]:
        raise UserError(f"expected (sounds, samples) of sound at {AUDIO_HZ} Hz, found the shape {tuple(audio.shape)}")
    return audio.detach().cpu().float().numpy()
