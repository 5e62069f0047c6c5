"""Silhouettes blended by coverage; see ``stages.rendering.cpu.antialias`` (Laine et al. 2020, section 3.5), whose values and gradients these are."""

from __future__ import annotations

import torch
from torch import Tensor

from stages.rendering.torch_ops.gather import gathered, summed
from stages.rendering.torch_ops.outlines import crossing, neighbours, outermost, reach
from stages.rendering.torch_ops.screen import screen
from stages.rendering.torch_ops.visibility import corners_of


def antialias(color: Tensor, rast: Tensor, pos: Tensor, tri: Tensor, edge: Tensor, at_once: int) -> Tensor:
    """See ``Rasterizer.antialias``; ``tri`` (F, 3) int64, ``edge`` (4, E) of its ``edge_topology``."""
    height, width = size = color.shape[1], color.shape[2]
    s = screen(pos, size)
    with torch.no_grad():
        o, place, which = outermost(s.detach(), distances(pos, rast, tri), edge, size, at_once)
    axis, inner_first, view = o.axis[which], o.inner_first[which], o.view[which]
    first = place - (view + axis) * height * width
    y = torch.div(first, width, rounding_mode="floor") - view * height
    x = first - (view * height + y) * width
    low, high = (gathered(s.flatten(0, 1), end).T for end in (o.low[which], o.high[which]))
    _, at = crossing(low, high, axis, torch.where(axis == 1, x, y))
    t = reach(at, torch.where(axis == 1, y, x), inner_first).to(color.dtype) - 0.5
    flat = color.flatten(0, 2)
    inside, outside = neighbours(first, axis, inner_first, width)
    step = t[:, None] * (gathered(flat, inside) - gathered(flat, outside))
    return (flat + summed(step, torch.where(t < 0, inside, outside), len(flat))).view(color.shape)


def distances(pos: Tensor, rast: Tensor, tri: Tensor) -> Tensor:
    """(B * height * width,) float64 view depth w of the pixels, inf where empty; rounded where ``stages.rendering.cpu.antialias`` rounds."""
    flat = rast.flatten(0, 2)
    at = flat[:, 3].nonzero()[:, 0]
    u, v, _, number = flat[at].T
    view = torch.div(at, rast.shape[1] * rast.shape[2], rounding_mode="floor")
    w0, w1, w2 = pos[..., 3].flatten().take(corners_of(tri[number.long() - 1], view, pos.shape[1]))
    out = torch.full((len(flat),), torch.inf, dtype=torch.float64, device=pos.device)
    out[at] = (u * w0 + v * w1).double() + (1 - u.double() - v.double()) * w2
    return out
