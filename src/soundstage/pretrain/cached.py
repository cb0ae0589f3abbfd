"""A step on a batch that is larger than memory, with the gradient of the whole batch.

The towers embed the batch piece by piece without keeping anything; heads and objective see all
embeddings at once, as they always do; then each piece is embedded again, with the same random
numbers, and the gradient of its embeddings goes through the tower. Memory is that of one piece,
time about a third more than a step in one go, and the result is the same: the batch statistics of
a tower's first layer are taken over all pieces beforehand.
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
    """One tower's embedding of one batch, in pieces; `backward` comes after the loss's own."""

    def __init__(self, tower, batch, piece, autocast=contextlib.nullcontext):
        self.tower, self.autocast = tower, autocast
        self.parts = batch.split(piece)
        self.states = []
        with torch.no_grad(), self._statistics():
            found = [self._first(part) for part in self.parts]
        self.embedded = torch.cat(found).requires_grad_()

    def _statistics(self):
        norm = first_norm(self.tower)
        if norm is None:
            return contextlib.nullcontext()
        return whole_statistics(norm, list(self.parts), again=bool(self.states))

    def _first(self, part):
        self.states.append(random_state(part.device))
        with self.autocast():
            return single_precision(self.tower(part))

    def backward(self):
        """Send the gradient that `embedded` got through the tower, adding to its weights'."""
        gradients = self.embedded.grad.split([len(part) for part in self.parts])
        after = random_state(self.embedded.device)
        with self._statistics():
            for part, state, gradient in zip(self.parts, self.states, gradients, strict=True):
                restore(state, part.device)
                with self.autocast():
                    again = single_precision(self.tower(part))
                again.backward(gradient)
        restore(after, self.embedded.device)


def single_precision(vectors):
    """Return float vectors in float32 at least."""
    return vectors.to(torch.promote_types(vectors.dtype, torch.float32))


def random_state(device):
    """Return the state of the random numbers that a tower draws on a device."""
    cuda = torch.cuda.get_rng_state(device) if device.type == "cuda" else None
    return torch.get_rng_state(), cuda


def restore(state, device):
    """Put back what `random_state` returned."""
    torch.set_rng_state(state[0])
    if state[1] is not None:
        torch.cuda.set_rng_state(state[1], device)
