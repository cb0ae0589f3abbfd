"""Multiscale vision transformer, second version, for spectrograms and for stacks of pictures.

Tokens are pooled inside of attention: queries at the blocks where the grid shrinks, keys and values
everywhere. Channels grow where the grid shrinks. Positions count only relative to each other, and
the pooled queries are added to what attention gives. The class token, where there is one, runs
beside the patches instead of before them, so that pooling never has to move the patches.
"""

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from soundstage.model import pooling, positions
from soundstage.model.dense import Linear
from soundstage.model.kept import forget, kept
from soundstage.model.whole_norm import WholeBatchNorm

EPSILON = 1e-6
WIDTH_STEP = 8  # fused attention wants the width of a head to be a multiple of this
SMALL_TABLE = 2**21  # scores that a CPU writes down faster than it fuses them


@dataclass(frozen=True)
class Shape:
    """What tells one tower from another. Sizes are (time, height, width)."""

    input_size: tuple  # values of an input, per channel; time 1 = a spectrogram
    channels: int  # of an input
    patch_kernel: tuple
    patch_stride: tuple
    pool_kernel: tuple  # of all depthwise poolings
    key_stride: int  # of keys and values in the first block, height and width
    depth: int  # blocks
    growth: tuple  # blocks that double channels and heads and halve height and width
    class_token: bool  # the output: this token, or the mean over all patches
    drop_path: float  # share of samples for which the last block is skipped; linear from 0
    width: int = 96  # channels of a token in the first block, and of every head


class Tower(nn.Module):
    """(batch, channels, [time,] height, width) -> (batch, width * 2 ** len(growth)) float32."""

    def __init__(self, shape, recompute=False):
        super().__init__()
        self.shape, self.recompute = shape, recompute
        self.patch_embed = Patches(shape)
        if shape.class_token:
            self.cls_token = nn.Parameter(torch.zeros(1, 1, shape.width))
        self.blocks = nn.ModuleList(_blocks(shape))
        self.dim = self.blocks[-1].outside
        self.norm = nn.LayerNorm(self.dim, EPSILON)
        self.apply(_initialise)
        if shape.class_token:
            nn.init.trunc_normal_(self.cls_token, std=0.02)

    @property
    def drop_paths(self):
        """Return how many layers drop path may skip, each with a draw of its own."""
        return 2 * len(self.blocks) if any(block.drop_path for block in self.blocks) else 0

    def forward(self, batch, draws=None):
        """See the class. The spectrogram is in dB, pictures are in [0, 1], neither normalised.

        draws: (batch, drop_paths) in [0, 1), read in training: a layer is skipped where the draw is below
        its share. None: they are drawn here, for all layers of a sample in turn.
        """
        tokens, grid = self.patch_embed(batch)
        if draws is None and self.training and self.drop_paths:
            draws = torch.rand(len(tokens), self.drop_paths, device=tokens.device)
        single = self.cls_token.expand(len(tokens), -1, -1) if self.shape.class_token else None
        for number, block in enumerate(self.blocks, 1):
            alone = single is not None and number == len(self.blocks)
            own = None if draws is None else draws[:, 2 * number - 2 : 2 * number]
            if self.recompute and self.training and torch.is_grad_enabled():
                tokens, single, grid = checkpoint(block, tokens, single, grid, alone, own, use_reentrant=False)
            else:
                tokens, single, grid = block(tokens, single, grid, alone, own)
        if single is not None:
            return self.norm(single)[:, 0]
        return self.norm(tokens).mean(1)

    def train(self, mode=True):
        """As torch's; also forget what was kept of the weights."""
        forget(self)
        return super().train(mode)


class Patches(nn.Module):
    """Normalise the input without constants and cut it into patches."""

    def __init__(self, shape):
        super().__init__()
        self.time = shape.input_size[0]
        flat = self.time == 1
        convolution = nn.Conv2d if flat else nn.Conv3d
        kernel, stride = (size[1 if flat else 0 :] for size in (shape.patch_kernel, shape.patch_stride))
        padding = tuple(size // 2 for size in kernel)
        self.norm = WholeBatchNorm(shape.channels, affine=False)
        self.proj = convolution(shape.channels, shape.width, kernel, stride, padding)

    def forward(self, batch):
        """Return (tokens (batch, patches, width), grid (time, height, width))."""
        maps = self.proj(self.norm(batch))
        grid = (1, *maps.shape[2:]) if self.time == 1 else tuple(maps.shape[2:])
        return maps.flatten(2).transpose(1, 2).contiguous(), grid


class Block(nn.Module):
    """Attention over pooled tokens and two layers of perceptron, each added to its input."""

    def __init__(self, inside, outside, attention, stride, drop_path):
        super().__init__()
        self.outside, self.stride, self.drop_path = outside, stride, drop_path
        self.norm1 = nn.LayerNorm(inside, EPSILON)
        self.attn = attention
        self.norm2 = nn.LayerNorm(outside, EPSILON)
        self.mlp = Perceptron(outside)
        if inside != outside:
            self.proj = Linear(inside, outside)

    def forward(self, tokens, single, grid, alone=False, draws=None):
        """(tokens, class token or None, grid) -> the same after this block, on its new grid.

        alone: nothing reads the patches any more, so that only the class token is computed; draws:
        (batch, 2) in [0, 1) for drop path of attention and perceptron.
        """
        normal = self.norm1(tokens)
        normal_single = None if single is None else self.norm1(single)
        change, change_single, new_grid = self.attn(normal, normal_single, grid, alone)
        factors = [self._factors(tokens, draw) for draw in ((None, None) if draws is None else draws.unbind(1))]
        if single is not None:
            single = self.proj(normal_single) if hasattr(self, "proj") else single
            single = self._through(single, change_single, factors)
        if alone:
            return None, single, new_grid
        tokens = self.proj(normal) if hasattr(self, "proj") else tokens
        tokens, _ = pooling.strongest(tokens, grid, self.stride)
        return self._through(tokens, change, factors), single, new_grid

    def _through(self, tokens, change, factors):
        """Return tokens with what attention and the perceptron change, each times its factor."""
        tokens = _added(tokens, change, factors[0])
        return _added(tokens, self.mlp(self.norm2(tokens)), factors[1])

    def _factors(self, tokens, draw=None):
        """Return (batch, 1, 1): 0 for samples that skip this layer, more than 1 for the others."""
        if not self.training or self.drop_path == 0:
            return None
        draw = torch.rand(len(tokens), device=tokens.device) if draw is None else draw
        return (draw >= self.drop_path).to(tokens.dtype)[:, None, None] / (1 - self.drop_path)


def _added(tokens, change, factors):
    return tokens + (change if factors is None else change * factors)


class Perceptron(nn.Module):
    """Two layers, four times as wide in between."""

    def __init__(self, width):
        super().__init__()
        self.fc1 = Linear(width, 4 * width)
        self.fc2 = Linear(4 * width, width)

    def forward(self, tokens):
        """(batch, tokens, width) -> the same shape."""
        return self.fc2(self.fc1(tokens, gelu=True))


class Attention(nn.Module):
    """Attention of pooled queries over pooled keys, with relative positions."""

    def __init__(self, inside, outside, heads, kernel, query_stride, key_stride, rows):
        super().__init__()
        self.heads, self.channels = heads, outside // heads
        self.query_stride, self.key_stride = query_stride, key_stride
        self.qkv = Linear(inside, 3 * outside)
        self.proj = Linear(outside, outside)
        for name in ("q", "k", "v"):
            setattr(self, f"pool_{name}", Pool(self.channels, kernel))
            setattr(self, f"norm_{name}", nn.LayerNorm(self.channels, EPSILON))
        for axis, count in rows.items():
            setattr(self, f"rel_pos_{axis}", nn.Parameter(torch.zeros(count, self.channels)))
            nn.init.trunc_normal_(getattr(self, f"rel_pos_{axis}"), std=0.02)

    def forward(self, tokens, single, grid, alone=False):
        """(tokens, class token or None, grid) -> the same after attention, on the queries' grid.

        tokens: (batch, patches, inside) float; single: (batch, 1, inside) or None; alone: return
        None for the patches.
        """
        together = self.query_stride == self.key_stride and not alone
        (*q, k, v), key_grid = self._pooled("qkv" if together else "kv", tokens, grid, self.key_stride)
        where = self._where(key_grid, k)
        k = torch.cat([k.transpose(1, 2), where.expand(len(k), self.heads, -1, -1)], -1)
        v = v.transpose(1, 2)
        if single is not None:
            query, k, v = self._with_token(single, k, v)
            single = self.proj(self._attend(query, k, v).flatten(2))
        if alone:
            return None, single, grid
        (q,), new_grid = (q, key_grid) if together else self._pooled("q", tokens, grid, self.query_stride)
        parts = positions.query_parts(q, new_grid, key_grid, self._near(new_grid, key_grid, q.dtype))
        parts = [part.transpose(1, 2) for part in (q, *parts)]
        fill = k.shape[-1] - sum(part.shape[-1] for part in parts)
        wide = torch.cat([*parts, *([_zeros(parts[0], fill)] if fill else [])], -1)
        return self.proj((q + self._attend(wide, k, v)).flatten(2)), single, new_grid

    def _with_token(self, single, k, v):
        """Return the class token as a query, and keys and values that begin with it."""
        parts = self._normalised("qkv", self._linear("qkv", single))
        query, key, value = (part.transpose(1, 2) for part in parts)
        key, query = (_widened(part, k.shape[-1]) for part in (key, query))
        return query, torch.cat([key, k], 2), torch.cat([value, v], 2)

    def _attend(self, q, k, v):
        """Return (batch, queries, heads, channels).

        q, k: (batch, heads, tokens, width), scaled; v: (batch, heads, tokens, channels).
        """
        if _small(q, k):
            return ((q @ k.transpose(2, 3)).softmax(-1) @ v).transpose(1, 2)
        result = functional.scaled_dot_product_attention(q, k, _widened(v, k.shape[-1]), scale=1.0)
        return result.transpose(1, 2)[..., : self.channels]

    def _tables(self):
        return [getattr(self, f"rel_pos_{axis}", None) for axis in "thw"]

    def _where(self, key_grid, like):
        """Return (keys, n): what is appended to the keys, up to a width that fused attention likes."""

        def make():
            part = positions.key_part(key_grid, self._tables(), like)
            return functional.pad(part, (0, -(self.channels + part.shape[1]) % WIDTH_STEP))

        return kept(self, ("where", key_grid, like.dtype, like.device), (), make)

    def _near(self, query_grid, key_grid, dtype):
        """Return for every axis the vectors of its pairs of coordinates, or None."""
        tables = self._tables()

        def make():
            axes = zip(tables, query_grid, key_grid, strict=True)
            return [None if table is None else positions.table_of(table, q, k).to(dtype) for table, q, k in axes]

        sources = tuple(table for table in tables if table is not None)
        return kept(self, ("near", query_grid, key_grid, dtype), sources, make)

    def _linear(self, names, tokens):
        """Return "q", "kv" or "qkv" of tokens, (batch, tokens, names * heads * channels), contiguous."""
        width = self.heads * self.channels
        first = "qkv".index(names) * width
        return self.qkv.part(tokens, first, first + len(names) * width)

    def _pooled(self, names, tokens, grid, stride):
        """Return ((batch, tokens, heads, channels) for every name, their grid), pooled and normalised."""
        weights = tuple(getattr(self, f"pool_{name}").weight for name in names)
        kernel = kept(self, names, weights, lambda: pooling.repeated(weights, self.heads))
        pooled, grid = pooling.depthwise(self._linear(names, tokens), grid, kernel, stride)
        return self._normalised(names, pooled), grid

    def _normalised(self, names, tokens):
        """Return each name's (batch, tokens, heads, channels), normalised per head."""
        parts = tokens.unflatten(-1, (len(names), self.heads, self.channels)).unbind(-3)
        return [self._normal(name, part) for name, part in zip(names, parts, strict=True)]

    def _normal(self, name, tokens):
        """Return tokens normalised per head; keys carry the scale of the scores, which costs nothing there."""
        norm = getattr(self, f"norm_{name}")
        if name != "k":
            return norm(tokens)
        scale = self.channels**-0.5
        return functional.layer_norm(tokens, norm.normalized_shape, norm.weight * scale, norm.bias * scale, EPSILON)


class Pool(nn.Module):
    """The weights of one depthwise pooling, (channels, 1, time, height, width)."""

    def __init__(self, channels, kernel):
        super().__init__()
        self.weight = nn.Conv3d(channels, channels, kernel, groups=channels, bias=False).weight


def _small(q, k):
    """Return whether a CPU had better write down the table of scores: no gradients, and it fits into a cache."""
    plain = q.device.type == "cpu" and not torch.is_grad_enabled() and not torch.compiler.is_compiling()
    return plain and q.dtype == torch.float32 and q.shape[:3].numel() * k.shape[2] <= SMALL_TABLE


def _zeros(like, count):
    return like.new_zeros(()).expand(*like.shape[:-1], count)


def _widened(heads, width):
    return functional.pad(heads, (0, width - heads.shape[-1]))


def _blocks(shape):
    """Yield the blocks of a tower; the grid that sizes the tables is halved, rounding down."""
    grid = [size // stride for size, stride in zip(shape.input_size, shape.patch_stride, strict=True)]
    width, heads, key_stride = shape.width, 1, shape.key_stride
    for number in range(shape.depth):
        grows = number in shape.growth
        step = 2 if grows else 1
        outside, heads, key_stride = width * step, heads * step, max(key_stride // step, 1)
        rows = _table_rows(grid, step, key_stride)
        attention = Attention(width, outside, heads, shape.pool_kernel, (step,) * 2, (key_stride,) * 2, rows)
        rate = shape.drop_path * number / max(1, shape.depth - 1)
        yield Block(width, outside, attention, (step,) * 2, rate)
        grid = [grid[0], grid[1] // step, grid[2] // step]
        width = outside


def _table_rows(grid, query_stride, key_stride):
    """Return {axis: rows}: height and width share one length, that of a square of their mean."""
    side = (grid[1] + grid[2]) / 2 / min(query_stride, key_stride)
    rows = {"h": int(2 * side - 1), "w": int(2 * side - 1)}
    return rows if grid[0] == 1 else {**rows, "t": 2 * grid[0] - 1}


def _initialise(module):
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        nn.init.zeros_(module.bias)
