"""Frozen towers: weights of a pretraining run, and the embeddings that they give."""

import dataclasses
import pickle

import numpy as np
import torch

from soundstage.errors import UserError
from soundstage.model.inputs import as_float
from soundstage.model.settings import Model
from soundstage.model.towers import build
from soundstage.settings import load as load_settings


@dataclasses.dataclass(frozen=True)
class Frozen:
    """Two towers in evaluation mode, with their settings and the run that trained them."""

    towers: torch.nn.Module
    settings: Model
    run: str
    seed: int


def load(path):
    """Return the `Frozen` towers in a model.pt, on a GPU where there is one; only "backbone." is used.

    The file is read without running anything in it (weights_only). UserError when it is no such
    file or its weights do not fit the towers that its settings describe.
    """
    try:
        file = torch.load(path, map_location="cpu", weights_only=True)
        settings = load_settings(Model, file["settings"]["model"])
        run, seed = str(file["run"]), int(file["seed"])
        weights = {
            key.removeprefix("backbone."): value for key, value in file["model"].items() if key.startswith("backbone.")
        }
        towers = build(settings)
        towers.load_state_dict(weights)
    except FileNotFoundError:
        raise UserError("expected weights, found nothing", path) from None
    except (pickle.UnpicklingError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise UserError(f"cannot use these weights ({str(error)[:300]})", path) from None
    towers.to("cuda" if torch.cuda.is_available() else "cpu")
    return Frozen(towers.eval().requires_grad_(False), settings, run, seed)


def embed_sounds(frozen, log_mel, owners, clips, batch):
    """Return (clips, dim) float32, the mean over each clip's windows; NaN where it has none.

    log_mel: (windows, 1, mels, mel_frames) float32 dB; owners: (windows,) int clip numbers.
    """
    return _embed(Means(frozen, "audio", clips, batch), log_mel, owners)


def embed_pictures(frozen, frames, owners, clips, batch):
    """Return (clips, dim) float32, the mean over each clip's windows and crops; NaN where it has none.

    frames: (windows, frames, crop_height, crop_width, 3) uint8, a crop being a window of its own.
    """
    return _embed(Means(frozen, "video", clips, batch), frames, owners)


def _embed(means, windows, owners):
    for start in range(0, len(windows), means.batch):
        part = slice(start, start + means.batch)
        means.add(windows[part], owners[part])
    return means.result()


class Means:
    """Mean embeddings of clips whose windows come bit by bit: memory depends on the batch and on how many clips.

    A batch is embedded as soon as it is full, whatever clips its windows are of, and a last one on `flush`.
    """

    def __init__(self, frozen, part, clips, batch):
        self.tower, self.part, self.clips, self.batch = frozen.towers[part], part, clips, batch
        self.device = next(self.tower.parameters()).device
        self.sums, self.counts, self.waiting, self.owners = None, np.zeros(clips, np.int64), [], []

    def add(self, windows, owners):
        """Take in windows (n, ...) of the clips numbered owners (n,)."""
        self.waiting += list(windows)
        self.owners += np.asarray(owners).tolist()
        while len(self.waiting) >= self.batch:
            self._embed(self.batch)

    def flush(self):
        """Embed what is waiting."""
        if self.waiting:
            self._embed(len(self.waiting))

    @torch.inference_mode()
    def _embed(self, count):
        windows, owners = np.stack(self.waiting[:count]), np.array(self.owners[:count])
        self.waiting, self.owners = self.waiting[count:], self.owners[count:]
        ready = torch.from_numpy(windows) if self.part == "audio" else as_float(windows)
        found = self.tower(ready.to(self.device)).double().cpu().numpy()
        if self.sums is None:
            self.sums = np.zeros((self.clips, found.shape[1]))
        np.add.at(self.sums, owners, found)
        self.counts += np.bincount(owners, minlength=self.clips)

    def result(self):
        """Return (clips, dim) float32; NaN for a clip without a window; None if no clip has one."""
        self.flush()
        if self.sums is None:
            return None
        with np.errstate(invalid="ignore"):
            counts = self.counts[:, None]
            return np.where(counts, self.sums / counts, np.nan).astype(np.float32)
