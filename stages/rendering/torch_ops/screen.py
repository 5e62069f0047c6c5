"""Clip space to pixels."""

from __future__ import annotations

import torch
from torch import Tensor

from stages.rendering.cpu.rasterize import NEAR_W


def screen(pos: Tensor, size: tuple[int, int]) -> Tensor:
    """Clip ``pos`` (B, V, 4) to (B, V, 4) float64: pixel x, pixel y, z/w, 1/w; all 0 where w is not in front. ``size`` is (height, width).

    Differentiable, but for z/w, of which nobody asks for a gradient.
    """
    height, width = size
    p = pos.double()
    front = p[..., 3] > NEAR_W
    w = torch.where(front, p[..., 3], 1.0)
    x, y = ((p[..., k] / w * 0.5 + 0.5) * length for k, length in ((0, width), (1, height)))
    return torch.where(front[..., None], torch.stack([x, y, p[..., 2].detach() / w.detach(), 1 / w], -1), 0.0)
