"""Matrix products of tokens, by whichever routine is the fastest for where they are."""

import torch
from torch import nn
from torch.nn import functional

from soundstage.model.kept import kept


class Linear(nn.Linear):
    """torch's. On a CPU without gradients by oneDNN, which keeps the weights as it likes them.

    Its fused GELU is slower than torch's in place wherever there is no AVX-512, and no faster there.
    """

    def forward(self, tokens, gelu=False):
        """(..., inside) -> (..., outside), through the exact GELU when asked for."""
        return self.part(tokens, 0, self.out_features, gelu)

    def part(self, tokens, first, last, gelu=False):
        """Return (..., last - first): the outputs that these rows of the weights stand for."""
        whole = last - first == self.out_features  # autocast keeps a cast weight, but not a cast view of one
        weight, bias = (part if whole else part[first:last] for part in (self.weight, self.bias))
        if _plain(tokens, weight):
            weight = kept(self, (first, last), (self.weight,), lambda: _packed(weight, self))
            result = torch.ops.mkldnn._linear_pointwise(tokens, weight, bias, "none", [], "")
            return torch.ops.aten.gelu_(result) if gelu else result
        result = functional.linear(tokens, weight, bias)
        return functional.gelu(result) if gelu else result


def _plain(tokens, weight):
    """Return whether oneDNN's routine can be called directly; a compiler chooses for itself."""
    if torch.compiler.is_compiling() or tokens.device.type != "cpu" or torch.is_grad_enabled():
        return False
    plain = tokens.dtype == weight.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")
    return plain and hasattr(torch.ops.mkldnn, "_linear_pointwise")


def _packed(weight, module):
    """Return a weight in oneDNN's own layout; as it is where it would not be kept."""
    return weight if module.training else torch.ops.mkldnn._reorder_linear_weight(weight)
