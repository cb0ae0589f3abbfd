"""How well one modality finds the other among held-out clips."""

import numpy as np
import torch

from soundstage.model.inputs import to_video
from soundstage.pretrain.sampler import apart

RANKS = (1, 10)
STRIP = 512  # clips compared with all others at a time
PARTS = {"valid": ("valid",), "test": ("test",), "held_out": ("valid", "test")}  # name -> splits


def recall(audio, video):
    """Return recall@1 and @10 both ways in percent, their chance levels, and the number of clips.

    audio, video: (n, dim) arrays or tensors of unit length, row i of both from the same clip. A
    clip is found at rank k when fewer than k others are at least as similar.
    """
    audio, video = np.asarray(audio, np.float64), np.asarray(video, np.float64)
    count = len(audio)
    result = {"clips": count}
    for name, above in zip(("audio_to_video", "video_to_audio"), _above(audio, video), strict=True):
        for k in RANKS:
            result[f"{name}_recall_at_{k}_percent"] = 100 * float((above < k).mean())
    for k in RANKS:
        result[f"chance_at_{k}_percent"] = 100 * min(1.0, k / count)
    return result


def _above(audio, video):
    """Return how many others are at least as similar, (pictures for a sound, sounds for a picture), each (n,)."""
    strips = [slice(start, start + STRIP) for start in range(0, len(audio), STRIP)]
    # twice, because how a product is cut decides its last bits, and a clip must be as similar to itself as to itself
    right = np.concatenate([(audio[part] @ video.T).diagonal(part.start) for part in strips])
    for_sound, for_picture = np.empty(len(audio), int), np.full(len(video), -1)
    for part in strips:
        similar = audio[part] @ video.T
        for_sound[part] = (similar >= right[part, None]).sum(1) - 1
        for_picture += (similar >= right).sum(0)
    return for_sound, for_picture


def held_out(clips):
    """Return {"valid" | "test" | "held_out": indices of windows that do not overlap}."""
    alone = apart(clips.film, clips.start_seconds, clips.end_seconds)
    split = clips.split[alone]
    result = {name: alone[split == name] for name in ("valid", "test")}
    return {**result, "held_out": alone[np.isin(split, ("valid", "test"))]}


@torch.no_grad()
def embed(learner, piece, inputs):
    """Return {"split", "video", kind of sound: ...} of a piece: split (n,), the others (n, dim) of unit length.

    piece: `soundstage.pretrain.held_out.Piece`; projected embeddings without views, NaN where there
    is no sound; learner: a `soundstage.pretrain.learner.Learner` in evaluation mode.
    """
    device = learner.log_scale.device
    found = {"split": piece.split}
    for kind, sounds in piece.sounds.items():
        heard = torch.from_numpy(sounds.astype(np.float32)).unsqueeze(1)
        found[kind] = learner.project("audio", heard.to(device)).cpu().numpy()
    found["video"] = learner.project("video", to_video(piece.pictures, inputs).to(device)).cpu().numpy()
    return found


def evaluate(learner, held_out, inputs, group, parts=tuple(PARTS)):
    """Return {part: {kind of sound: recalls}} on the held-out windows; draws no random numbers.

    held_out: see `soundstage.pretrain.held_out`; all processes of the `group` embed their shares and
    get the result. parts: names of PARTS; those with fewer than 2 windows are left out, as is a
    kind of sound that not all their windows have.
    """
    splits = {split for name in parts for split in PARTS[name]}
    learner.eval()
    share = [embed(learner, piece, inputs) for piece in held_out.pieces(sorted(splits))]
    learner.train()
    every = [found for shared in group.all_of(share) for found in shared]
    if not every:
        return {}
    found = {name: np.concatenate([one[name] for one in every]) for name in every[0]}
    split, video = found.pop("split"), found.pop("video")
    result = {}
    for name in parts:
        rows = np.isin(split, PARTS[name])
        if rows.sum() >= 2:
            heard = {kind: audio[rows] for kind, audio in found.items() if np.isfinite(audio[rows]).all()}
            result[name] = {kind: recall(audio, video[rows]) for kind, audio in heard.items()}
    return result
