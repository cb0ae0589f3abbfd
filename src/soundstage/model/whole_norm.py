"""Batch norm whose statistics are of the whole batch, wherever its parts are computed.

A global batch can be spread over processes, or worked off in chunks that fit into memory. Either way
the statistics here are those of the whole of it, so that the outcome is that of one process with
the batch in one piece. The collectives are plain sums, which gloo on a CPU has as well as NCCL.
"""

import contextlib

import torch
from torch import distributed
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm


class WholeBatchNorm(_BatchNorm):
    """`nn.BatchNorm1d/2d/3d` with statistics over all processes, or as `whole_statistics` gave them.

    Keys, shapes and, in one process, numbers are those of torch's batch norms.
    """

    given = None  # (mean, variance) of the whole batch, each (channels,), or None: take this input's

    def _check_input_dim(self, batch):
        if batch.ndim < 2:
            raise ValueError(f"expected (batch, channels, ...), found {tuple(batch.shape)}")

    def forward(self, batch):
        """(batch, channels, ...) -> the same shape, each channel with mean 0 and variance 1."""
        if not self.training or (self.given is None and processes() == 1):
            return super().forward(batch)
        return self._normalised(batch)

    # torch.compiler.disable would import the compiler here, a second that every job would pay
    @torch._disable_dynamo
    def _normalised(self, batch):
        if self.given is not None:
            mean, variance = self.given
        else:
            mean, variance, count = moments([batch])
            self.remember(mean.detach(), variance.detach(), count)
        shape = (1, -1) + (1,) * (batch.ndim - 2)
        result = (batch - mean.view(shape)) * (variance + self.eps).rsqrt().view(shape)
        if self.affine:
            result = result * self.weight.view(shape) + self.bias.view(shape)
        return result

    @torch.no_grad()
    def remember(self, mean, variance, count):
        """Move the running statistics as torch does; count: values per channel in the batch."""
        if not self.track_running_stats:
            return
        self.num_batches_tracked.add_(1)
        share = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        unbiased = variance * (count / max(count - 1, 1))
        self.running_mean.lerp_(mean.to(self.running_mean), share)
        self.running_var.lerp_(unbiased.to(self.running_var), share)


class InputNorm(WholeBatchNorm):
    """A norm without weights of what a tower reads, whose scaling the next convolution does.

    On a CPU a pass over all pictures of a batch costs as much as that convolution. Statistics come
    from sums and sums of squares: fine for data whose mean is not far beyond its deviation.
    """

    def __init__(self, channels):
        super().__init__(channels, affine=False)

    def convolved(self, convolution, batch):
        """Return `convolution(self(batch))`; no padding, no groups, no bias, no gradient to the batch."""
        mean, variance = self.statistics(batch)
        shape = (1, -1) + (1,) * (batch.ndim - 2)
        weight = convolution.weight * (variance + self.eps).rsqrt().view(shape)
        bias = -(weight * mean.view(shape)).flatten(1).sum(1)
        function = {4: functional.conv2d, 5: functional.conv3d}[batch.ndim]
        return function(batch, weight, bias, convolution.stride)

    @torch.no_grad()
    def statistics(self, batch):
        """Return (mean, variance), each (channels,), that the batch is scaled by."""
        if not self.training:
            return self.running_mean, self.running_var
        if self.given is not None:
            return self.given
        flat = batch.flatten(2)
        count = summed(flat.new_tensor(len(flat) * flat.shape[2], dtype=torch.float64))
        mean = summed(flat.sum(2).double().sum(0)) / count
        square = summed(torch.linalg.vector_norm(flat, dim=2).double().square().sum(0)) / count
        mean, variance = mean.to(batch.dtype), (square - mean.square()).clamp_min(0).to(batch.dtype)
        self.remember(mean, variance, int(count))
        return mean, variance


def moments(parts):
    """Return (mean, variance, values per channel) of a batch in parts and over all processes.

    parts: a list of (batch, channels, ...) float tensors; mean and variance are (channels,),
    differentiable, the variance being the biased one.
    """
    axes = [0, *range(2, parts[0].ndim)]
    local = sum(part.numel() // part.shape[1] for part in parts)
    count = local if processes() == 1 else int(summed(parts[0].new_tensor(float(local), dtype=torch.float64)))
    kind = torch.promote_types(parts[0].dtype, torch.float32)
    mean = summed(sum(part.to(kind).sum(axes) for part in parts)) / count
    shape = (1, -1) + (1,) * (parts[0].ndim - 2)
    square = sum((part - mean.view(shape)).square().sum(axes) for part in parts)
    return mean, summed(square) / count, count


@contextlib.contextmanager
def whole_statistics(norm, parts, again=False):
    """Give `norm` the statistics of a batch in parts while the parts are computed one by one.

    norm: a `WholeBatchNorm` that reads its inputs as they are (the first layer of a tower). The
    running statistics move once, as if the batch had come in one piece; not at all when the parts
    are computed `again`.
    """
    if not norm.training:
        yield
        return
    with torch.no_grad():
        mean, variance, count = moments(parts)
    if not again:
        norm.remember(mean, variance, count)
    norm.given = mean, variance
    try:
        yield
    finally:
        norm.given = None


def whole_batch_norms(module):
    """Return `module` with every batch norm of torch replaced by a `WholeBatchNorm`, weights shared."""
    for name, child in module.named_children():
        if isinstance(child, _BatchNorm) and not isinstance(child, WholeBatchNorm):
            setattr(module, name, _replaced(child))
        else:
            whole_batch_norms(child)
    return module


def _replaced(old):
    new = WholeBatchNorm(old.num_features, old.eps, old.momentum, old.affine, old.track_running_stats)
    for kind in (old._parameters, old._buffers):
        for name, value in kind.items():
            setattr(new, name, value)
    return new.train(old.training)


def processes():
    """Return how many processes train together."""
    return distributed.get_world_size() if distributed.is_available() and distributed.is_initialized() else 1


def summed(value):
    """Return the sum of a tensor over all processes, with the gradient going to every one of them."""
    return value if processes() == 1 else _Sum.apply(value)


class _Sum(torch.autograd.Function):
    """All-reduce whose gradient is an all-reduce: every process's value is in every process's sum."""

    @staticmethod
    def forward(ctx, value):
        value = value.clone()
        distributed.all_reduce(value)
        return value

    @staticmethod
    def backward(ctx, gradient):
        gradient = gradient.clone()
        distributed.all_reduce(gradient)
        return gradient
