"""Frozen towers: weights of a pretraining run, and the embeddings that they give."""

import dataclasses
import pickle

import numpy as np
import torch

from soundstage.errors import UserError
from soundstage.model.inputs import to_video
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
    """Return the `Frozen` towers in a model.pt; only what stands under "backbone." is used.

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
    return Frozen(towers.eval().requires_grad_(False), settings, run, seed)


def embed_sounds(frozen, log_mel, owners, clips, batch):
    """Return (clips, dim) float32, the mean over each clip's windows; NaN where it has none.

    log_mel: (windows, 1, mels, mel_frames) float32 dB; owners: (windows,) int clip numbers.
    """
    return _embed(frozen.towers["audio"], log_mel, torch.from_numpy, owners, clips, batch)


def embed_pictures(frozen, frames, owners, clips, batch):
    """Return (clips, dim) float32, the mean over each clip's windows; NaN where it has none.

    frames: (windows, frames, height, width, 3) uint8, cropped in the centre here.
    """

    def ready(part):
        return to_video(part, frozen.settings.inputs)

    return _embed(frozen.towers["video"], frames, ready, owners, clips, batch)


@torch.inference_mode()
def _embed(tower, windows, ready, owners, clips, batch):
    starts = range(0, len(windows), batch)
    parts = [tower(ready(windows[start : start + batch])).float().numpy() for start in starts]
    return clip_means(np.concatenate(parts), owners, clips) if parts else None


def clip_means(embeddings, owners, clips):
    """Return (clips, dim) float32 means of the windows (windows, dim) of each clip; NaN if none."""
    sums = np.zeros((clips, embeddings.shape[1]))
    np.add.at(sums, owners, embeddings.astype(np.float64))
    counts = np.bincount(owners, minlength=clips)[:, None]
    with np.errstate(invalid="ignore"):
        return np.where(counts, sums / counts, np.nan).astype(np.float32)
