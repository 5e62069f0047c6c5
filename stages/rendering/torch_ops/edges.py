"""The edges of a mesh and what lies on either side of them."""

from __future__ import annotations

import torch
from torch import Tensor


def edge_topology(tri: Tensor) -> Tensor:
    """(4, E) int64 rows a, b, corner across on one face, on the other or -1, of the edges of ``tri`` (F, 3) int64, sorted by (a, b), a < b.

    Of an edge with more than two faces the first two are kept.
    """
    if not len(tri):
        return tri.new_zeros(4, 0)
    a, b, c = (tri.roll(-k, 1).flatten() for k in range(3))
    low, high = torch.minimum(a, b), torch.maximum(a, b)
    key, order = (low * (tri.max() + 1) + high).sort(stable=True)
    fresh = torch.ones_like(key, dtype=torch.bool)
    fresh[1:] = key[1:] != key[:-1]
    start = fresh.nonzero()[:, 0]
    second = (start + 1).clamp(max=len(key) - 1)
    across = torch.where(fresh[second] | (start == second), -1, c[order[second]])
    first = order[start]
    return torch.stack([low[first], high[first], c[first], across])
