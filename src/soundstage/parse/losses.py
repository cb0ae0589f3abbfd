"""What the parsers are trained on: HAN's loss, VALOR's, and VALOR's network on the weak label alone."""

import torch
import torch.nn.functional as F

TINY = 1e-7  # probabilities are kept this far from 0 and 1
VISUAL_SMOOTHING = 0.1  # HAN's weak label of the visual stream: 0.9 y + 0.05


def weak_loss(output, weak, smoothing=0.0):
    """Return BCE(P, y) + BCE(P_a, y) + BCE(P_v, (1 - s) y + s / 2): a scalar tensor.

    output: `networks.Output`; weak: (batch, classes) float 0/1; smoothing: s, of the visual term.
    """
    softened = (1 - smoothing) * weak + smoothing / 2
    terms = (output.video_probability, weak), (output.audio_probability, weak), (output.visual_probability, softened)
    return sum(_probability_loss(*term) for term in terms)


def harvested_loss(output, weak, audio, visual):
    """Return BCE(P, y) + BCE of each stream's segment logits with its labels: a scalar tensor.

    weak: (batch, classes); audio, visual: (batch, 10, classes) float in [0, 1], or None where a
    stream has no labels of its own: then BCE(P_a, y) or BCE(P_v, y) stands in its place.
    """
    streams = (
        (output.audio_probability, output.segment_logits[:, :, 0], audio),
        (output.visual_probability, output.segment_logits[:, :, 1], visual),
    )
    total = _probability_loss(output.video_probability, weak)
    for probability, logits, labels in streams:
        if labels is None:
            total = total + _probability_loss(probability, weak)
        else:
            total = total + F.binary_cross_entropy_with_logits(logits, labels)
    return total


def _probability_loss(probability, labels):
    return F.binary_cross_entropy(torch.clamp(probability, TINY, 1 - TINY), labels)


def loss(objective, output, weak, audio=None, visual=None):
    """Return the loss of an objective by name.

    han: `weak_loss` with HAN's smoothing; weak: without; harvested: `harvested_loss`.
    """
    if objective == "harvested":
        return harvested_loss(output, weak, audio, visual)
    return weak_loss(output, weak, VISUAL_SMOOTHING if objective == "han" else 0.0)
