"""Bilinear texture sampling."""

from __future__ import annotations

import torch
from torch import Tensor

from stages.rendering.torch_ops.gather import gathered


def texture(tex: Tensor, uv: Tensor) -> Tensor:
    """See ``Rasterizer.texture``. Where the clamp holds a coordinate, it has no gradient."""
    views, height, width, channels = tex.shape
    x0, x1, wx = _texels(uv[..., 0].flatten(), width)
    y0, y1, wy = _texels(uv[..., 1].flatten(), height)
    view = torch.arange(len(uv), device=uv.device).repeat_interleave(uv[0, ..., 0].numel()) * height if views > 1 else 0
    rows = (view + y0, view + y1)
    place = torch.cat([row * width + x for row in rows for x in (x0, x1)])
    t = gathered(tex.flatten(0, 2), place).view(2, 2, -1, channels)
    top, low = (pair[0] + wx * (pair[1] - pair[0]) for pair in t)
    return (top + wy * (low - top)).view(*uv.shape[:3], channels)


def _texels(coordinate: Tensor, size: int) -> tuple[Tensor, Tensor, Tensor]:
    """Lower and upper texel (N,) int64 and the weight (N, 1) of the upper one, for coordinates (N,) in [0, 1]; edges clamped."""
    t = coordinate * size - 0.5
    t = torch.where((t > 0) & (t < size - 1), t, t.detach().clamp(0, size - 1))
    low = t.detach().long()
    return low, (low + 1).clamp(max=size - 1), (t - low)[:, None]
