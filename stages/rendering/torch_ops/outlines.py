"""Where outlines pass between the centres of neighbouring pixels; see ``stages.rendering.cpu.antialias``, whose rules these are."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from stages.rendering.cpu.antialias import BEHIND
from stages.rendering.torch_ops.gather import taken
from stages.rendering.torch_ops.spans import members

LOW_BITS = (1 << 32) - 1


@dataclass(frozen=True)
class Outlines:
    """Edges that are outlines in a view, in order of view and edge.

    (M,): ``low`` and ``high``, their ends among the vertices of all views, with the lesser line coordinate first; ``view``; ``axis``, 0 where they are
    crossed by rows and act on pairs (x, x + 1), 1 where by columns, on (y, y + 1); ``inner_first``, whether the surface lies on the pair's first pixel.
    """

    low: Tensor
    high: Tensor
    view: Tensor
    axis: Tensor
    inner_first: Tensor

    @classmethod
    def of(cls, s: Tensor, edge: Tensor) -> Outlines:
        """``s`` (B, V, 4) from ``screen``, ``edge`` (4, E) from ``edge_topology``."""
        x, y, _, q = s.flatten(0, 1).T.contiguous()
        offset = torch.arange(len(s), device=s.device)[:, None] * s.shape[1]
        a, b, c, d = ((corner + offset).flatten() for corner in (*edge[:3], edge[3].clamp(min=0)))
        (xa, ya, qa), (xb, yb, qb), (xc, yc), (xd, yd) = taken(a, x, y, q), taken(b, x, y, q), taken(c, x, y), taken(d, x, y)
        dx, dy = xb - xa, yb - ya
        side, other = dx * (yc - ya) - dy * (xc - xa), dx * (yd - ya) - dy * (xd - xa)
        is_outline = (qa > 0) & (qb > 0) & (side != 0) & ((edge[3] < 0).repeat(len(s)) | (side * other > 0))
        kept = is_outline.nonzero()[:, 0]
        a, b, dx, dy, side = taken(kept, a, b, dx, dy, side)
        by_columns = dy.abs() < dx.abs()
        turned = torch.where(by_columns, dx, dy) < 0
        low, high = torch.where(turned, b, a), torch.where(turned, a, b)
        view = torch.div(kept, edge.shape[1], rounding_mode="floor")
        # going up the line coordinate, what lies on the positive side is at lower x, or at higher y
        return cls(low, high, view, by_columns.long(), (side > 0) ^ turned ^ by_columns)


def crossing(low: Tensor, high: Tensor, axis: Tensor, line: Tensor) -> tuple[Tensor, Tensor]:
    """Share of the way from ``low`` to ``high`` (4, N) of ``screen`` at which the middle of row or column ``line`` (N,) is met, and where on it, in pixels."""
    by_columns = axis == 1
    la, lb = (torch.where(by_columns, end[0], end[1]) for end in (low, high))
    ca, cb = (torch.where(by_columns, end[1], end[0]) for end in (low, high))
    r = (line + 0.5 - la) / (lb - la)
    return r, ca + r * (cb - ca)


def outermost(s: Tensor, distance: Tensor, edge: Tensor, size: tuple[int, int], at_once: int) -> tuple[Outlines, Tensor, Tensor]:
    """The outlines, and of every pair that one crosses, the place (P,) in (B, 2, height, width) and the outline (P,) that reaches farthest outwards.

    ``distance`` (B * height * width,) float64 is the view depth of what is seen, inf where nothing is. Of two that reach equally far in float32 the
    first counts.
    """
    height, width = size
    o = Outlines.of(s, edge)
    ends = s.flatten(0, 1).T.contiguous()
    by_columns = o.axis == 1
    lines = torch.where(by_columns, width, height)
    la, lb = (torch.where(by_columns, ends[0, end], ends[1, end]) for end in (o.low, o.high))
    first, last = ((coordinate - 0.5).ceil().clamp(min=0).minimum(lines) for coordinate in (la, lb))
    best = torch.full((len(s) * 2 * height * width,), -1, device=s.device)
    for which, number in members((last - first).clamp(min=0).long(), at_once):
        _enter(o, ends, which, first[which].long() + number, distance, size, best)
    place = (best >= 0).nonzero()[:, 0]
    return o, place, LOW_BITS - (best[place] & LOW_BITS)


def _enter(o: Outlines, ends: Tensor, which: Tensor, line: Tensor, distance: Tensor, size: tuple[int, int], best: Tensor) -> None:
    """Enter the crossings (K,) of outlines ``which`` with ``line`` into ``best``: float32 bits of the reach, then the outline, lower ones above."""
    height, width = size
    start, end, axis = taken(which, o.low, o.high, o.axis)
    low, high = *taken(start, ends), *taken(end, ends)
    r, at = crossing(low, high, axis, line)
    k = (at - 0.5).floor()
    kept = ((k >= 0) & (k <= torch.where(axis == 1, height, width) - 2)).nonzero()[:, 0]
    which, line, axis, r, at, k, q_low, q_high = taken(kept, which, line, axis, r, at, k, low[3], high[3])
    k = k.long()
    inside, outside, pair = _sides(o, which, axis, line, k, size)
    depth = 1.0 / (q_low + r * (q_high - q_low))
    inner, outer = *taken(inside, distance), *taken(outside, distance)
    seen = ((inner < outer) & (depth < outer) & (inner <= depth * BEHIND)).nonzero()[:, 0]
    t = reach(at, k, o.inner_first[which])[seen].float()
    key = (t.view(torch.int32).long() << 32) | (LOW_BITS - which[seen])
    best.scatter_reduce_(0, pair[seen], key, "amax")


def _sides(o: Outlines, which: Tensor, axis: Tensor, line: Tensor, k: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor, Tensor]:
    """Pixel on the surface's side, pixel on the other, and place in (B, 2, height, width) of the pairs (k, k + 1) on ``line``."""
    height, width = size
    by_columns, view = axis == 1, o.view[which]
    first = torch.where(by_columns, k * width + line, line * width + k)
    pair = (view * 2 + axis) * height * width + first
    inside, outside = neighbours(first + view * height * width, axis, o.inner_first[which], width)
    return inside, outside, pair


def neighbours(first: Tensor, axis: Tensor, inner_first: Tensor, width: int) -> tuple[Tensor, Tensor]:
    """The two pixels of pairs whose ``first`` is given: the one on the surface's side, and the other."""
    second = first + torch.where(axis == 1, width, 1)
    return torch.where(inner_first, first, second), torch.where(inner_first, second, first)


def reach(at: Tensor, k: Tensor, inner_first: Tensor) -> Tensor:
    """How far, in [0, 1], the surface reaches from one centre of the pair (k, k + 1) to the other if its outline is met ``at``."""
    t = at - (k + 0.5)
    return torch.where(inner_first, t, 1.0 - t)
