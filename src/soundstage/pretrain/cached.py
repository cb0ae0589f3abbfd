"""A step on a batch that is larger than memory, with the gradient of the whole batch.

The towers embed the batch piece by piece without keeping anything; heads and objective see all
embeddings at once, as they always do; then each piece is embedded again and the gradient of its
embeddings goes through the tower. Memory is that of one piece, time about a third more than a step
in one go, and the result is the same: the batch statistics of a tower's first layer and the random
draws of drop path are those of the whole batch, made beforehand.
"""

import contextlib

import torch
from torch.nn.modules.batchnorm import _BatchNorm

from soundstage.errors import UserError
from soundstage.model.whole_norm import whole_statistics


def check(tower, name):
    """Raise a UserError for a tower that normalises over the batch further in than its input."""
    norms = [module for module in tower.modules() if isinstance(module, _BatchNorm)]
    inner = [norm for norm in norms if norm is not first_norm(tower)]
    if inner:
        raise UserError(
            f"the {name} tower has {len(inner)} batch norms inside, whose statistics need the whole batch at once",
            "pretrain.piece_clips",
            "set pretrain.piece_clips to 0, or model.towers to lssd_s or lssd_b",
        )


def first_norm(tower):
    """Return the batch norm that reads a tower's input, or None."""
    patches = getattr(tower, "patch_embed", None)
    return None if patches is None else patches.norm


class Pieces:
    """One tower's embedding of one batch, in pieces; `backward` comes after the loss's own.

    draws: of the whole batch, as the tower takes them; None: drawn here, as the tower would.
    """

    def __init__(self, tower, batch, piece, autocast=contextlib.nullcontext, draws=None):
        self.tower, self.autocast = tower, autocast
        if draws is None:
            draws = torch.rand(len(batch), tower.drop_paths, device=batch.device)
        self.parts, self.draws = batch.split(piece), draws.split(piece)
        with torch.no_grad(), self._statistics():
            found = [self._embedded(*part) for part in zip(self.parts, self.draws, strict=True)]
        self.embedded = torch.cat(found).requires_grad_()

    def _statistics(self, again=False):
        norm = first_norm(self.tower)
        return contextlib.nullcontext() if norm is None else whole_statistics(norm, list(self.parts), again)

    def _embedded(self, part, draws):
        with self.autocast():
            return single_precision(self.tower(part, draws if draws.shape[1] else None))

    def backward(self):
        """Send the gradient that `embedded` got through the tower, adding to its weights'."""
        gradients = self.embedded.grad.split([len(part) for part in self.parts])
        with self._statistics(again=True):
            for part, draws, gradient in zip(self.parts, self.draws, gradients, strict=True):
                self._embedded(part, draws).backward(gradient)


def single_precision(vectors):
    """Return float vectors in float32 at least."""
    return vectors.to(torch.promote_types(vectors.dtype, torch.float32))
