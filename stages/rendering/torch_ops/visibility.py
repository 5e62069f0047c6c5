"""Which triangle each pixel sees.

The pixel centres in the bounding box of every triangle are tried against its edges, many triangles at a time, in float64 and by the
operations of ``stages.rendering.cpu.rasterize`` in their order, so that both agree in every bit. A centre on an edge belongs to both
neighbours, and the nearer wins; of equally near ones the first, in whatever order a device works.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from stages.rendering.torch_ops.gather import taken
from stages.rendering.torch_ops.spans import members

NOWHERE = torch.iinfo(torch.int64).max


@dataclass(frozen=True)
class Candidates:
    """Triangles, of all views, whose bounding boxes hold pixel centres.

    ``x``, ``y`` (pixels), ``z`` (z/w): (3, N) float64 of the corners. (N,): ``area`` doubled, signed; ``number`` of the triangle; ``left`` and
    ``top`` pixel of its box; ``columns`` of the box; ``pixels`` in it; ``start``, its first pixel among those of all views.
    """

    x: Tensor
    y: Tensor
    z: Tensor
    area: Tensor
    number: Tensor
    left: Tensor
    top: Tensor
    columns: Tensor
    pixels: Tensor
    start: Tensor

    @classmethod
    def of(cls, s: Tensor, tri: Tensor, size: tuple[int, int]) -> Candidates:
        """``s`` (B, V, 4) from ``screen``, ``tri`` (F, 3) int64. Triangles with a corner at or behind the eye are left out, as are those seen edge-on."""
        height, width = size
        offset = torch.arange(len(s), device=tri.device)[:, None] * s.shape[1]
        corners = (tri.T[:, None] + offset).flatten(1)
        x, y, z, q = (value.view(corners.shape) for value in taken(corners.flatten(), *s.flatten(0, 1).T.contiguous()))
        area = (x[1] - x[0]) * (y[2] - y[0]) - (x[2] - x[0]) * (y[1] - y[0])
        left, columns = _extent(x, width)
        top, rows = _extent(y, height)
        fit = (area != 0) & area.isfinite() & (q > 0).all(0)
        kept = (fit & (columns > 0) & (rows > 0)).nonzero()[:, 0]
        left, top, columns, rows = (box.long() for box in taken(kept, left, top, columns, rows))
        view = torch.div(kept, len(tri), rounding_mode="floor")
        start = (view * height + top) * width + left
        return cls(*taken(kept, x, y, z, area), kept - view * len(tri), left, top, columns, columns * rows, start)


def corners_of(tri: Tensor, view: Tensor, vertices: int) -> Tensor:
    """(3, N) places of the corners of triangles (N, 3), each in its ``view`` (N,), among the ``vertices`` of every view."""
    return tri.T + view * vertices


def _extent(x: Tensor, length: int) -> tuple[Tensor, Tensor]:
    """First pixel of 0..length - 1 whose centre lies within ``x`` (3, N), and how many follow it; whole numbers in float64, not finite where ``x`` is not."""
    low, high = torch.minimum(torch.minimum(x[0], x[1]), x[2]), torch.maximum(torch.maximum(x[0], x[1]), x[2])
    first = (low - 0.5).ceil().clamp(min=0)
    return first, (high - 0.5).floor().clamp(max=length - 1) - first + 1


def barycentric(x: Tensor, y: Tensor, area: Tensor, at_x: Tensor, at_y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Weights (N,) of the corners ``x``, ``y`` (3, N) on the screen, at pixel centres ``at_x``, ``at_y`` (N,)."""
    dx, dy = x - at_x, y - at_y
    b0 = (dx[1] * dy[2] - dx[2] * dy[1]) / area
    b1 = (dx[2] * dy[0] - dx[0] * dy[2]) / area
    return b0, b1, 1.0 - b0 - b1


def sortable(z: Tensor) -> Tensor:
    """int64 that compare as ``z``, float64, does: the bits, of which all but the sign are turned over where ``z`` is negative."""
    bits = (z + 0.0).view(torch.int64)  # + 0.0 makes one of the two zeros
    return bits ^ ((bits >> 63) & NOWHERE)


def visible(s: Tensor, tri: Tensor, size: tuple[int, int], at_once: int) -> Tensor:
    """(B * height * width,) int64: number + 1 of the triangle seen, 0 where none is. ``at_once`` pixels of boxes are tried together."""
    c = Candidates.of(s, tri, size)
    depth = torch.full((len(s) * size[0] * size[1],), NOWHERE, device=s.device)
    owner = depth.clone()
    for item, number in members(c.pixels, at_once):
        (columns,) = taken(item, c.columns)
        row = torch.div(number, columns, rounding_mode="floor")
        _enter(c, item, row, number - row * columns, size[1], depth, owner)
    return torch.where(owner == NOWHERE, 0, owner + 1)


def _enter(c: Candidates, item: Tensor, row: Tensor, column: Tensor, width: int, depth: Tensor, owner: Tensor) -> None:
    """Enter fragments (K,), of candidates ``item``, into ``depth`` (``sortable``) and ``owner`` (triangle), NOWHERE where nothing was seen."""
    x, y, area, left, top, start = taken(item, c.x, c.y, c.area, c.left, c.top, c.start)
    b = barycentric(x, y, area, left + column + 0.5, top + row + 0.5)
    inside = ((b[0] >= 0) & (b[1] >= 0) & (b[2] >= 0)).nonzero()[:, 0]
    item, pixel, b0, b1, b2 = taken(inside, item, start + row * width + column, *b)
    z, number = taken(item, c.z, c.number)
    z = b0 * z[0] + b1 * z[1] + b2 * z[2]
    key = torch.where((z >= -1) & (z <= 1), sortable(z), NOWHERE)
    (before,) = taken(pixel, depth)
    depth.scatter_reduce_(0, pixel, key, "amin")
    (now,) = taken(pixel, depth)
    owner.index_fill_(0, pixel[now < before], NOWHERE)
    first = ((key == now) & (key != NOWHERE)).nonzero()[:, 0]
    owner.scatter_reduce_(0, *taken(first, pixel, number), "amin")
