"""How well one modality finds the other among held-out clips."""

import numpy as np
import torch

from soundstage.model.inputs import to_video
from soundstage.pretrain.sampler import apart

RANKS = (1, 10)
BATCH = 64


def recall(audio, video):
    """Return recall@1 and @10 both ways in percent, their chance levels, and the number of clips.

    audio, video: (n, dim) arrays or tensors of unit length, row i of both from the same clip. A
    clip is found at rank k when fewer than k others are at least as similar.
    """
    similar = np.asarray(audio, np.float64) @ np.asarray(video, np.float64).T
    count = len(similar)
    result = {"clips": count}
    for name, table in (("audio_to_video", similar), ("video_to_audio", similar.T)):
        above = (table >= np.diag(table)[:, None]).sum(1) - 1
        for k in RANKS:
            result[f"{name}_recall_at_{k}_percent"] = 100 * float((above < k).mean())
    for k in RANKS:
        result[f"chance_at_{k}_percent"] = 100 * min(1.0, k / count)
    return result


def held_out(clips):
    """Return {"valid" | "test" | "held_out": indices of windows that do not overlap}."""
    alone = apart(clips.film, clips.start_seconds, clips.end_seconds)
    split = clips.split[alone]
    result = {name: alone[split == name] for name in ("valid", "test")}
    return {**result, "held_out": alone[np.isin(split, ("valid", "test"))]}


@torch.no_grad()
def embed(learner, clips, sounds, inputs):
    """Return (audio, video), each (n, dim) of unit length: projected embeddings without views.

    sounds: (n,) rows of `clips.sounds`; learner: see `soundstage.pretrain.learner`; left in
    training mode.
    """
    learner.eval()
    device = learner.log_scale.device
    audio, video = [], []
    for start in range(0, len(clips), BATCH):
        part = slice(start, start + BATCH)
        heard = torch.from_numpy(clips.sounds[sounds[part]].astype(np.float32)).unsqueeze(1)
        audio.append(learner.project("audio", heard.to(device)).cpu())
        video.append(learner.project("video", to_video(clips.pictures[part], inputs).to(device)).cpu())
    learner.train()
    return torch.cat(audio), torch.cat(video)


def evaluate(learner, clips, views, inputs):
    """Return {split: {kind of sound: recalls}} on the held-out windows.

    Every arm hears the original track; the arm that was trained without speech hears that too,
    where every held-out clip has it. Splits with fewer than 2 windows are left out.
    """
    result = {}
    for name, chosen in held_out(clips).items():
        if len(chosen) < 2:
            continue
        rows = clips.rows(chosen)
        result[name] = {"original": recall(*embed(learner, rows, rows.original, inputs))}
        if views == "speech_removed" and (rows.nospeech >= 0).all():
            found = recall(*embed(learner, rows, rows.nospeech, inputs))
            result[name]["speech_removed"] = found
    return result
