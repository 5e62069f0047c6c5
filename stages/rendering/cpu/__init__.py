"""The rasterizer that needs nothing: numba kernels on the CPU under torch autograd. Deterministic."""

from __future__ import annotations

import numba
import numpy as np
import torch
from torch import Tensor

from stages.rendering.cpu import antialias, interpolate, rasterize, texture

VERSION = "1"


def _np(x: Tensor, dtype: type = np.float32) -> np.ndarray:
    return np.ascontiguousarray(x.detach().numpy(), dtype)


def _bands(views: int) -> int:
    return -(-numba.get_num_threads() // views)


class _Rasterize(torch.autograd.Function):
    @staticmethod
    def forward(ctx, pos: Tensor, tri: Tensor, height: int, width: int) -> Tensor:
        rast = np.zeros((pos.shape[0], height, width, 4), np.float32)
        rasterize.forward(_np(pos), _np(tri, np.int32), rast, _bands(pos.shape[0]))
        out = torch.from_numpy(rast)
        ctx.save_for_backward(pos, tri, out)
        return out

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple:
        pos, tri, rast = ctx.saved_tensors
        grad_pos = np.zeros(pos.shape, np.float32)
        rasterize.backward(_np(pos), _np(tri, np.int32), _np(rast), _np(grad), grad_pos)
        return torch.from_numpy(grad_pos), None, None, None


class _Interpolate(torch.autograd.Function):
    @staticmethod
    def forward(ctx, attr: Tensor, rast: Tensor, tri: Tensor) -> Tensor:
        out = np.zeros((*rast.shape[:3], attr.shape[2]), np.float32)
        interpolate.forward(_np(attr), _np(rast), _np(tri, np.int32), out)
        ctx.save_for_backward(attr, rast, tri)
        return torch.from_numpy(out)

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple:
        attr, rast, tri = ctx.saved_tensors
        grad_attr = np.zeros((rast.shape[0], *attr.shape[1:]), np.float32)
        grad_rast = np.zeros(rast.shape, np.float32)
        interpolate.backward(_np(attr), _np(rast), _np(tri, np.int32), _np(grad), grad_attr, grad_rast)
        if attr.shape[0] == 1:
            grad_attr = grad_attr.sum(0, keepdims=True)
        return torch.from_numpy(grad_attr), torch.from_numpy(grad_rast), None


class _Texture(torch.autograd.Function):
    @staticmethod
    def forward(ctx, tex: Tensor, uv: Tensor) -> Tensor:
        out = np.empty((*uv.shape[:3], tex.shape[3]), np.float32)
        texture.forward(_np(tex), _np(uv), out)
        ctx.save_for_backward(tex, uv)
        return torch.from_numpy(out)

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple:
        tex, uv = ctx.saved_tensors
        grad_tex = grad_uv = None
        if ctx.needs_input_grad[0]:
            grad_tex = np.zeros(tex.shape, np.float32)
            texture.backward_tex(_np(uv), _np(grad), grad_tex, numba.get_num_threads())
            grad_tex = torch.from_numpy(grad_tex)
        if ctx.needs_input_grad[1]:
            grad_uv = np.zeros(uv.shape, np.float32)
            texture.backward_uv(_np(tex), _np(uv), _np(grad), grad_uv)
            grad_uv = torch.from_numpy(grad_uv)
        return grad_tex, grad_uv


class _Antialias(torch.autograd.Function):
    @staticmethod
    def forward(ctx, color: Tensor, rast: Tensor, pos: Tensor, tri: Tensor, edge: Tensor) -> Tensor:
        views, height, width = color.shape[:3]
        reach = np.full((views, 2, height, width), -1, np.float32)
        owner = np.zeros((views, 2, height, width), np.int32)
        antialias.find(_np(pos), _np(tri, np.int32), _np(rast), _np(edge, np.int32), reach, owner)
        source = _np(color)
        out = source.copy()
        antialias.blend(source, reach, owner, out)
        ctx.save_for_backward(color, pos, edge, torch.from_numpy(reach), torch.from_numpy(owner))
        return torch.from_numpy(out)

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple:
        color, pos, edge, reach, owner = ctx.saved_tensors
        g = _np(grad)
        grad_color, grad_pos = g.copy(), np.zeros(pos.shape, np.float32)
        antialias.backward(
            _np(color), _np(pos), _np(edge, np.int32), reach.numpy(), owner.numpy(), g, grad_color, grad_pos
        )
        return torch.from_numpy(grad_color), None, torch.from_numpy(grad_pos), None, None


class CpuRasterizer:
    """``Rasterizer`` on the CPU. The outline search keeps the edges of the last index tensor that it saw."""

    name = "cpu"

    def __init__(self) -> None:
        self._tri: Tensor | None = None
        self._tri_version = -1
        self._edge = torch.empty(0, 4, dtype=torch.int32)

    def probe(self) -> str | None:
        """Always usable."""
        return None

    def version(self) -> str:
        """Raised when pictures or gradients change."""
        return VERSION

    def rasterize(self, pos: Tensor, tri: Tensor, resolution: tuple[int, int]) -> Tensor:
        """See ``Rasterizer.rasterize``."""
        return _Rasterize.apply(pos, tri, resolution[0], resolution[1])

    def interpolate(self, attr: Tensor, rast: Tensor, tri: Tensor) -> Tensor:
        """See ``Rasterizer.interpolate``."""
        return _Interpolate.apply(attr, rast, tri)

    def texture(self, tex: Tensor, uv: Tensor) -> Tensor:
        """See ``Rasterizer.texture``."""
        return _Texture.apply(tex, uv)

    def antialias(self, color: Tensor, rast: Tensor, pos: Tensor, tri: Tensor) -> Tensor:
        """See ``Rasterizer.antialias``."""
        if self._tri is not tri or self._tri_version != tri._version:
            self._tri, self._tri_version = tri, tri._version
            self._edge = torch.from_numpy(antialias.edge_topology(_np(tri, np.int32)))
        return _Antialias.apply(color, rast, pos, tri, self._edge)
