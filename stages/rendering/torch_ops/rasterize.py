"""Visible triangles, perspective-correct weights of their corners, and the gradient of these."""

from __future__ import annotations

import torch
from torch import Tensor

from stages.rendering.torch_ops.gather import placed, taken, total_rows
from stages.rendering.torch_ops.screen import screen
from stages.rendering.torch_ops.visibility import barycentric, corners_of, visible

SLIVER = 1e-14  # homogeneous area below which a triangle is a line, whose weights have no gradient


def rasterize(pos: Tensor, tri: Tensor, size: tuple[int, int], at_once: int) -> Tensor:
    """See ``Rasterizer.rasterize``; ``tri`` (F, 3) int64."""
    return _Rasterize.apply(pos, tri, size, at_once)


class _Rasterize(torch.autograd.Function):
    @staticmethod
    def forward(ctx, pos: Tensor, tri: Tensor, size: tuple[int, int], at_once: int) -> Tensor:
        rast = drawn(pos, tri, size, at_once)
        ctx.save_for_backward(pos, tri, rast)
        return rast

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple:
        return moved(*ctx.saved_tensors, grad), None, None, None


def drawn(pos: Tensor, tri: Tensor, size: tuple[int, int], at_once: int) -> Tensor:
    """(B, height, width, 4), by the operations of ``stages.rendering.cpu.rasterize`` in their order."""
    s = screen(pos, size)
    seen = visible(s, tri, size, at_once)
    at = seen.nonzero()[:, 0]
    number = seen[at] - 1
    view, at_x, at_y = centres(at, size)
    corners = corners_of(tri[number], view, pos.shape[1]).flatten()
    x, y, z, q = (value.view(3, -1) for value in taken(corners, *s.flatten(0, 1).T.contiguous()))
    area = (x[1] - x[0]) * (y[2] - y[0]) - (x[2] - x[0]) * (y[1] - y[0])
    b = barycentric(x, y, area, at_x, at_y)
    p0, p1 = b[0] * q[0], b[1] * q[1]
    total = p0 + p1 + b[2] * q[2]
    depth = b[0] * z[0] + b[1] * z[1] + b[2] * z[2]
    values = torch.stack([p0 / total, p1 / total, depth, number.double() + 1], -1).to(pos.dtype)
    return placed(values, at, len(seen)).view(len(pos), *size, 4)


def moved(pos: Tensor, tri: Tensor, rast: Tensor, grad: Tensor) -> Tensor:
    """The gradient of u and v, of ``grad`` (B, H, W, 4), at ``pos`` (B, V, 4).

    With p_i = (x_i - fx w_i, y_i - fy w_i) at pixel (fx, fy) in NDC and a_i = p_(i+1) x p_(i+2), the weights are a_i / sum a: in clip space,
    where nothing grows without bound as a corner nears the eye, as it does on the screen.
    """
    height, width = size = rast.shape[1], rast.shape[2]
    number = rast[..., 3].flatten()
    at = ((number > 0) & (grad[..., :2] != 0).any(-1).flatten()).nonzero()[:, 0]
    view, at_x, at_y = centres(at, size)
    fx, fy = at_x.double() * 2 / width - 1, at_y.double() * 2 / height - 1
    corners = corners_of(tri[number[at].long() - 1], view, pos.shape[1]).flatten()
    px, py, pw = (taken(corners, pos[..., k].flatten())[0].double().view(3, -1) for k in (0, 1, 3))
    x, y = px - fx * pw, py - fy * pw
    a = x.roll(-1, 0) * y.roll(-2, 0) - y.roll(-1, 0) * x.roll(-2, 0)
    total = a.sum(0)
    g = torch.nn.functional.pad(grad.flatten(0, 2).index_select(0, at)[:, :2].T.double(), (0, 0, 0, 1))
    ga = torch.where(total.abs() < SLIVER, 0.0, (g - (g * a).sum(0) / total) / total)
    gx = ga.roll(1, 0) * y.roll(-1, 0) - ga.roll(-1, 0) * y.roll(1, 0)
    gy = ga.roll(-1, 0) * x.roll(1, 0) - ga.roll(1, 0) * x.roll(-1, 0)
    values = torch.stack([gx, gy, torch.zeros_like(gx), -(fx * gx + fy * gy)], -1).flatten(0, 1)
    return total_rows(values, corners, pos.shape[0] * pos.shape[1]).to(pos.dtype).view(pos.shape)


def centres(at: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor, Tensor]:
    """View, x and y (N,) of the centres of pixels ``at`` (N,) among those of all views."""
    height, width = size
    line = torch.div(at, width, rounding_mode="floor")
    view = torch.div(line, height, rounding_mode="floor")
    return view, (at - line * width) + 0.5, (line - view * height) + 0.5
