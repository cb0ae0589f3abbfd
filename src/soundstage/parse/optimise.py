"""Optimisers and learning rates of the parsers, as the papers' training scripts have them."""

import math

import torch


def optimiser(parameters, variant):
    """Return torch's Adam or AdamW with the settings of a `settings.Variant`."""
    cls = torch.optim.Adam if variant.optimiser == "adam" else torch.optim.AdamW
    decay = 0.0 if variant.optimiser == "adam" else variant.weight_decay
    betas = (variant.beta_first, 0.999)
    return cls(parameters, lr=variant.learning_rate, betas=betas, eps=1e-8, weight_decay=decay)


def learning_rate(epoch, variant):
    """Return the rate of an epoch, counted from 1.

    steps: a tenth of what it was after every ten epochs. cosine: epoch / warmup of the highest in
    the warm-up, then half a cosine from the highest at its end to the lowest in the last epoch.
    """
    high, low, warm = variant.learning_rate, variant.learning_rate_minimum, variant.warmup_epochs
    if variant.schedule == "steps":
        return high * 0.1 ** ((epoch - 1) // 10)
    if epoch < warm:
        return high * epoch / warm
    share = (epoch - warm) / max(1, variant.epochs - warm)
    return low + (high - low) * (1 + math.cos(math.pi * share)) / 2


def better(score, best, variant):
    """Return whether an epoch's validation score replaces the best so far; a tie as the variant says."""
    return score >= best if variant.keep_later else score > best
