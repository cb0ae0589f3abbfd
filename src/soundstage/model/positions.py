"""Relative positions in attention, without a table of biases.

The bias of query q and key k is the sum over the axes of q . R[distance along that axis], so it
depends on k only through its three coordinates. Appended to q are therefore its products with R for
every coordinate that a key can have, and appended to k are zeros with a one at its own coordinates:
q' . k' is then the score with its bias, and any fused attention can be used, in training too.
"""

import torch
from torch.nn import functional


def resized(table, length):
    """Return a table (rows, channels) of distances resampled to `length` rows, linearly."""
    if len(table) == length:
        return table
    return functional.interpolate(table.T[None], size=length, mode="linear")[0].T


def distances(queries, keys, device=None):
    """Return (queries, keys) int64: the row of a table of 2 max - 1 distances for every pair."""
    stretch_q, stretch_k = max(keys / queries, 1.0), max(queries / keys, 1.0)
    q = torch.arange(queries, device=device)[:, None] * stretch_q
    k = torch.arange(keys, device=device)[None, :] * stretch_k
    return (q - k + (keys - 1) * stretch_k).long()


def table_of(table, queries, keys):
    """Return (queries, keys, channels): the vector of every pair of coordinates of one axis."""
    rows = resized(table, 2 * max(queries, keys) - 1)
    return rows[distances(queries, keys, table.device)]


def query_parts(q, q_grid, k_grid, near):
    """Return what is appended to the queries: one (batch, tokens, heads, keys along axis) per axis.

    q: (batch, tokens, heads, channels), not scaled; grids: (time, height, width); near: for each
    axis what `table_of` gives, or None where distances along it do not count.
    """
    batch, _, heads, channels = q.shape
    grid = q.reshape(batch, *q_grid, heads, channels)
    # b batch, t time, h height, w width, n heads, c channels, k keys along the axis
    letters = ("bthwnc,tkc->bthwnk", "bthwnc,hkc->bthwnk", "bthwnc,wkc->bthwnk")
    parts = []
    for letter, pairs, keys in zip(letters, near, k_grid, strict=True):
        if pairs is not None:
            parts.append(torch.einsum(letter, grid, pairs).reshape(batch, -1, heads, keys))
    return parts


def key_part(k_grid, tables, like):
    """Return (keys, sum of keys along the axes that count): ones at every key's own coordinates."""
    places = torch.cartesian_prod(*(torch.arange(size, device=like.device) for size in k_grid))
    places = places.reshape(-1, 3)
    parts = [
        functional.one_hot(places[:, axis], size)
        for axis, (size, table) in enumerate(zip(k_grid, tables, strict=True))
        if table is not None
    ]
    return torch.cat(parts, 1).to(like.dtype)
