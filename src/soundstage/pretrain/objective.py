"""The objective of paper A: symmetric contrast across and within the two modalities.

With two views of a clip, primary p and secondary s,
L = l(v_s, a_p) + l(v_p, a_s) + lambda_v l(v_p, v_s) + lambda_a l(a_p, a_s).
"""

import torch
from torch.nn.functional import cross_entropy


def contrast(x, y, scale):
    """Return l(x, y): the symmetric in-batch InfoNCE in nats, a scalar tensor.

    x, y: (batch, dim) float of unit length, row i of both from the same clip, all other rows of the
    batch being negatives; scale: 1 / temperature. l(x, y) = l(y, x); with equal similarities
    everywhere it is log(batch).
    """
    logits = scale * x @ y.T
    target = torch.arange(len(x), device=x.device)
    return (cross_entropy(logits, target) + cross_entropy(logits.T, target)) / 2


def objective(views, scale, lambda_video, lambda_audio, contrast=contrast):
    """Return (L, {term: its value without its weight}), in nats; a term of weight 0 is left out.

    views: {"audio_p", "audio_s", "video_p", "video_s"}: (batch, dim) float of unit length; contrast:
    this module's l(x, y), or that of `soundstage.pretrain.whole_batch` for batches that are spread.
    """
    terms = {
        "video_s_audio_p": (1.0, "video_s", "audio_p"),
        "video_p_audio_s": (1.0, "video_p", "audio_s"),
        "video_video": (lambda_video, "video_p", "video_s"),
        "audio_audio": (lambda_audio, "audio_p", "audio_s"),
    }
    losses = {
        name: (weight, contrast(views[one], views[other], scale))
        for name, (weight, one, other) in terms.items()
        if weight > 0
    }
    total = sum(weight * loss for weight, loss in losses.values())
    return total, {name: loss.detach() for name, (_, loss) in losses.items()}
