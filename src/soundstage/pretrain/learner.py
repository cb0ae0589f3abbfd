"""The towers with what only the training needs: projections and the temperature."""

import math

import torch
from torch import nn
from torch.nn.functional import normalize

from soundstage.model.towers import build
from soundstage.model.whole_norm import processes, summed
from soundstage.pretrain.objective import contrast, objective
from soundstage.units import seed_of

MOST_COMPARED = 512  # clips whose similarities are recorded: the table grows with their square


class Learner(nn.Module):
    """Towers, a projection of two layers each, and a learned temperature.

    Only `backbone` is kept after the training: what the objective does not need is lost in the
    projection rather than in the embedding.
    """

    def __init__(self, settings):
        super().__init__()
        self.backbone = build(settings.model)
        self.heads = nn.ModuleDict({name: _projection(tower.dim, settings) for name, tower in self.backbone.items()})
        self.log_scale = nn.Parameter(torch.tensor(-math.log(settings.temperature)))
        self.highest_log_scale = -math.log(settings.temperature_minimum)
        self.contrast = contrast

    def project(self, name, batch):
        """Return (n, projection_dim) of unit length of a batch for the tower "audio" or "video"."""
        return normalize(self.heads[name](self.backbone[name](batch)), dim=1)

    def scale(self):
        """Return 1 / temperature, a scalar tensor."""
        return self.log_scale.exp()

    @torch.no_grad()
    def limit_temperature(self):
        """Put the temperature back to temperature_minimum where a step has taken it below.

        Comes after the step: a limit in the forward pass would leave no gradient to come back by.
        """
        self.log_scale.clamp_(max=self.highest_log_scale)

    def forward(self, views, lambda_video, lambda_audio, embed=None):
        """Return (loss, terms, embeddings) of {"audio_p", "audio_s", "video_p", "video_s"}.

        embed(name, batch) -> (n, dim) stands in for the towers where they work piece by piece.
        """
        embedded = {}
        for name in ("audio", "video"):
            batch = torch.cat([views[f"{name}_p"], views[f"{name}_s"]])
            found = self.backbone[name](batch) if embed is None else embed(name, batch)
            both = normalize(self.heads[name](found), dim=1)
            embedded[f"{name}_p"], embedded[f"{name}_s"] = both.chunk(2)
        loss, terms = objective(embedded, self.scale(), lambda_video, lambda_audio, self.contrast)
        return loss, terms, {name: vectors.detach() for name, vectors in embedded.items()}


def _projection(dim, settings):
    return nn.Sequential(
        nn.Linear(dim, settings.hidden_dim, bias=False),
        nn.BatchNorm1d(settings.hidden_dim),
        nn.ReLU(inplace=True),
        nn.Linear(settings.hidden_dim, settings.projection_dim, bias=False),
    )


def initial(settings, seed, batches, prepared=None):
    """Return a `Learner` with the weights that all arms of a seed begin with.

    prepared(learner): what is done to it before the running statistics are set, such as moving it.

    batches: (log-mel, video) pairs without augmentation; the batch norms' running statistics are
    set to their mean over these, so that untrained towers, too, see inputs on the right scale.
    """
    torch.manual_seed(seed_of(seed, "initial weights"))
    learner = Learner(settings)
    device = torch.device("cpu")
    if prepared is not None:
        prepared(learner)
        device = learner.log_scale.device
    norms = [m for m in learner.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    usual = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = None  # a plain mean over all batches
    with torch.no_grad():
        for log_mel, video in batches:
            learner.project("audio", log_mel.to(device))
            learner.project("video", video.to(device))
    for norm, momentum in zip(norms, usual, strict=True):
        norm.momentum = momentum
    return learner


def variance(embedded):
    """Return the smallest over views of the total variance of unit embeddings, in [0, 1].

    0 means that all clips of the batch, on all processes, have the same embedding.
    """
    means = [summed(vectors.mean(0)) / processes() for vectors in embedded.values()]
    return min(float(1 - mean.square().sum()) for mean in means)


def similarities(embedded):
    """Return (of pairs of the same clip, of different clips): sound of one view and picture of the other.

    embedded: {"audio_p", "video_s", ...}: (batch, dim) of unit length, of this process's clips alone, of
    which MOST_COMPARED or fewer are compared, evenly spaced. Returns two flat tensors, cosines in
    [-1, 1]; the second is empty for one clip.
    """
    every = -(-len(embedded["video_s"]) // MOST_COMPARED)
    table = embedded["video_s"][::every].float() @ embedded["audio_p"][::every].float().T
    count = len(table)
    # without its last number, in rows of one more, the table has the diagonal in its first column
    others = table.flatten()[:-1].view(count - 1, count + 1)[:, 1:]
    return table.diagonal().clone(), others.flatten()


def parameter_groups(learner, weight_decay):
    """Return AdamW's groups: weights of two or more dimensions decay, all others do not."""
    named = list(learner.parameters())
    return [
        {"params": [p for p in named if p.ndim >= 2], "weight_decay": weight_decay},
        {"params": [p for p in named if p.ndim < 2], "weight_decay": 0.0},
    ]
