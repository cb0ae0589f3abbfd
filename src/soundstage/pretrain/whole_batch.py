"""The contrast l(x, y) over a batch that is spread over processes or too large for one table.

Every process holds some rows of x and y. The table of similarities, global batch x global batch, is
walked through in strips of rows and never stored, so that memory grows linearly with the batch. A
first pass finds the normaliser of every row and column, a second one the gradient; both directions
share the strips. What the loss says and what the rows and the scale get as gradients is that of one
process with the whole batch, provided that the gradients of the weights are summed over processes.
"""

import torch
from torch import distributed

from soundstage.model.whole_norm import processes

STRIP = 512  # rows of the table that are in memory at a time


def contrast(x, y, scale, strip=STRIP):
    """Return l(x, y), the symmetric InfoNCE in nats over the rows of all processes, a scalar.

    x, y: (rows, dim) float of unit length, row i of both from the same clip; every process must have
    the same number of rows. scale: 1 / temperature, a float or a scalar tensor. Computed in float32
    at least, whatever autocast says. Every process returns the same value. The gradient of x and y
    is that of the whole loss; that of scale is this process's share, as that of the weights is.
    """
    with torch.autocast(x.device.type, enabled=False):
        kind = torch.promote_types(torch.promote_types(x.dtype, y.dtype), torch.float32)
        scale = torch.as_tensor(scale, dtype=kind, device=x.device)
        return _Contrast.apply(x.to(kind), y.to(kind), scale, strip)


class _Contrast(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, y, scale, strip):
        everywhere, first = _gathered(y)
        loss, rows, columns = _normalisers(x, everywhere, scale, strip, first)
        if any(ctx.needs_input_grad):
            gradients = _gradients(x, everywhere, scale, strip, first, rows, columns)
            ctx.save_for_backward(*gradients)
        return loss

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, upstream):
        gx, gy, gscale = ctx.saved_tensors
        return upstream * gx, upstream * gy, upstream * gscale, None


def _strips(x, everywhere, strip):
    """Yield (slice of rows, their similarities (rows, global batch) without the scale)."""
    for start in range(0, len(x), strip):
        part = slice(start, start + strip)
        yield part, x[part] @ everywhere.T


def _normalisers(x, everywhere, scale, strip, first):
    """Return (loss, log-normalisers of own rows, log-normalisers of all columns)."""
    rows, right = x.new_empty(len(x)), x.new_empty(len(x))
    columns = x.new_full((len(everywhere),), -torch.inf)
    for part, similar in _strips(x, everywhere, strip):
        right[part] = similar.diagonal(first + part.start) * scale
        similar *= scale
        rows[part] = similar.logsumexp(1)
        columns = torch.logaddexp(columns, similar.logsumexp(0))
    columns = _log_sum(columns)
    own = columns[first : first + len(x)]
    total = (rows + own - 2 * right).sum() / (2 * len(everywhere))
    return _total(total), rows, columns


def _gradients(x, everywhere, scale, strip, first, rows, columns):
    """Return the gradients of (x, y, scale): of the rows of this process, and its share for scale."""
    gx, gy, gscale = torch.empty_like(x), torch.zeros_like(everywhere), x.new_zeros(())
    for part, similar in _strips(x, everywhere, strip):
        logits = similar * scale
        error = torch.exp(logits - rows[part, None])
        error += logits.sub_(columns).exp_()
        error.diagonal(first + part.start).sub_(2)
        error /= 2 * len(everywhere)
        gscale += (error * similar).sum()
        error *= scale
        torch.mm(error, everywhere, out=gx[part])
        gy.addmm_(error.T, x[part])
    return gx, _scattered(gy, first, len(x)), gscale


def _gathered(y):
    """Return (the rows of all processes in order, where this process's begin)."""
    if processes() == 1:
        return y, 0
    parts = [torch.empty_like(y) for _ in range(processes())]
    distributed.all_gather(parts, y.contiguous())
    return torch.cat(parts), distributed.get_rank() * len(y)


def _scattered(gradient, first, count):
    """Return this process's rows of the sum over processes of a gradient of all rows."""
    return _total(gradient)[first : first + count].clone()


def _log_sum(values):
    """Return the logarithm of the sum over processes of exp(values)."""
    if processes() == 1:
        return values
    highest = values.clone()
    distributed.all_reduce(highest, distributed.ReduceOp.MAX)
    return _total((values - highest).exp()).log() + highest


def _total(value):
    if processes() > 1:
        distributed.all_reduce(value)
    return value
