"""Attributes of the corners carried to the pixels."""

from __future__ import annotations

import torch
from torch import Tensor

from stages.rendering.torch_ops.gather import gathered, placed
from stages.rendering.torch_ops.visibility import corners_of


def interpolate(attr: Tensor, rast: Tensor, tri: Tensor) -> Tensor:
    """See ``Rasterizer.interpolate``; ``tri`` (F, 3) int64. Only pixels that see something are worked on."""
    views, height, width, _ = rast.shape
    flat = rast.flatten(0, 2)
    at = flat[:, 3].detach().nonzero()[:, 0]
    seen = flat.index_select(0, at)
    view = torch.div(at, height * width, rounding_mode="floor") if len(attr) > 1 else torch.zeros_like(at)
    corners = corners_of(tri[seen[:, 3].detach().long() - 1], view, attr.shape[1])
    a = gathered(attr.flatten(0, 1), corners.flatten()).view(3, len(at), attr.shape[2])
    u, v = seen[:, 0, None], seen[:, 1, None]
    return placed(u * a[0] + v * a[1] + (1 - u - v) * a[2], at, len(flat)).view(views, height, width, attr.shape[2])
