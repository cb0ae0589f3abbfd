"""The gradients of a step, added up over the processes that share its batch."""

import torch
from torch import distributed

from soundstage.model.whole_norm import processes

BUCKET_NUMBERS = 2**25  # added up in one go


def add_up(module):
    """Replace every weight's gradient by its sum over all processes, in float32 at least.

    A weight without a gradient in any process is left without; in some, counts as zeros there.
    """
    if processes() == 1:
        return
    weights = [weight for weight in module.parameters() if weight.requires_grad]
    present = torch.tensor([weight.grad is not None for weight in weights], device=weights[0].device).int()
    distributed.all_reduce(present)
    weights = [weight for weight, count in zip(weights, present.tolist(), strict=True) if count]
    for bucket in _buckets(weights):
        _add_bucket(bucket)


def _buckets(weights):
    bucket, size = [], 0
    for weight in weights:
        if bucket and size + weight.numel() > BUCKET_NUMBERS:
            yield bucket
            bucket, size = [], 0
        bucket.append(weight)
        size += weight.numel()
    if bucket:
        yield bucket


def _add_bucket(weights):
    parts = [torch.zeros_like(w) if w.grad is None else w.grad for w in weights]
    flat = torch.cat([part.flatten().to(torch.promote_types(part.dtype, torch.float32)) for part in parts])
    distributed.all_reduce(flat)
    for weight, part in zip(weights, flat.split([w.numel() for w in weights]), strict=True):
        weight.grad = part.view_as(weight).clone()
