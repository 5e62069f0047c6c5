"""Marching tetrahedra: the zero level of a signed distance on a ``TetGrid``, differentiable in distance and position.

Shen et al., Deep Marching Tetrahedra, 2021, section 3.1.3: on an edge whose ends a, b differ in sign the vertex is
(p_a s_b - p_b s_a) / (s_b - s_a).
"""

from __future__ import annotations

import numba
import numpy as np
import torch
from torch import Tensor

from stages.mesh.tetrahedra import TetGrid

# For each sign pattern (bit i set: corner i inside) up to two triangles of edges in TET_EDGES' order, -1 where there is none.
# Counter-clockwise seen from outside for a positively oriented tetrahedron.
_CASES = np.full((16, 6), -1, np.int64)


def _fill_cases() -> None:
    edge = {(0, 1): 0, (0, 2): 1, (0, 3): 2, (1, 2): 3, (1, 3): 4, (2, 3): 5}
    p = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], float)  # positively oriented
    for case in range(1, 15):
        inside = [i for i in range(4) if case >> i & 1]
        outside = [i for i in range(4) if not case >> i & 1]
        if len(inside) == 2:
            (a, b), (c, d) = inside, outside
            loop = [(a, c), (a, d), (b, d), (b, c)]
        else:
            one, rest = (inside[0], outside) if len(inside) == 1 else (outside[0], inside)
            loop = [(one, r) for r in rest]
        q = np.array([(p[i] + p[j]) / 2 for i, j in loop])
        normal = np.cross(q[1] - q[0], q[2] - q[0])
        if normal @ (p[outside].mean(0) - p[inside].mean(0)) < 0:
            loop = loop[::-1]
        e = [edge[min(k), max(k)] for k in loop]
        _CASES[case, :3] = e[:3]
        if len(e) == 4:
            _CASES[case, 3:] = e[0], e[2], e[3]


_fill_cases()


@numba.njit(cache=True, nogil=True)
def _march(inside, edges, tets, tet_edges, cases):
    crossing = np.full(edges.shape[0], -1, np.int32)
    count = 0
    for e in range(edges.shape[0]):
        if inside[edges[e, 0]] != inside[edges[e, 1]]:
            crossing[e] = count
            count += 1
    active = np.empty(count, np.int64)
    for e in range(edges.shape[0]):
        if crossing[e] >= 0:
            active[crossing[e]] = e
    faces = np.empty((2 * tets.shape[0], 3), np.int32)
    n = 0
    for t in range(tets.shape[0]):
        case = 0
        for i in range(4):
            if inside[tets[t, i]]:
                case |= 1 << i
        for k in range(2):
            if cases[case, 3 * k] < 0:
                break
            for c in range(3):
                faces[n, c] = crossing[tet_edges[t, cases[case, 3 * k + c]]]
            n += 1
    return active, faces[:n].copy()


def extract(grid: TetGrid, sdf: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Edges that the surface crosses (M,) int64, and triangles (F, 3) int32 of indices into them, counter-clockwise from outside."""
    return _march(np.asarray(sdf) < 0, grid.edges, grid.tets, grid.tet_edges, _CASES)


@numba.njit(cache=True, nogil=True)
def _lerp(value, at_a, at_b, ends, out):
    for m in range(ends.shape[0]):
        a, b = ends[m, 0], ends[m, 1]
        w = at_a[m] / (at_a[m] - at_b[m])
        for c in range(value.shape[1]):
            out[m, c] = value[a, c] + w * (value[b, c] - value[a, c])


@numba.njit(cache=True, nogil=True)
def _lerp_backward(value, at_a, at_b, ends, grad, grad_value, grad_a, grad_b):
    for m in range(ends.shape[0]):
        a, b = ends[m, 0], ends[m, 1]
        span = at_a[m] - at_b[m]
        w = at_a[m] / span
        gw = np.float32(0.0)
        for c in range(value.shape[1]):
            g = grad[m, c]
            gw += g * (value[b, c] - value[a, c])
            grad_value[a, c] += (1 - w) * g
            grad_value[b, c] += w * g
        grad_a[m] = -gw * at_b[m] / (span * span)
        grad_b[m] = gw * at_a[m] / (span * span)


class _Crossings(torch.autograd.Function):
    @staticmethod
    def forward(ctx, value: Tensor, at_a: Tensor, at_b: Tensor, ends: Tensor) -> Tensor:
        out = np.empty((len(ends), value.shape[1]), np.float32)
        _lerp(value.detach().numpy(), at_a.detach().numpy(), at_b.detach().numpy(), ends.numpy(), out)
        ctx.save_for_backward(value, at_a, at_b, ends)
        return torch.from_numpy(out)

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple:
        value, at_a, at_b, ends = ctx.saved_tensors
        grad_value, grad_a, grad_b = (np.zeros(x.shape, np.float32) for x in (value, at_a, at_b))
        _lerp_backward(value.numpy(), at_a.numpy(), at_b.numpy(), ends.numpy(), grad.contiguous().numpy(), grad_value, grad_a, grad_b)
        return torch.from_numpy(grad_value), torch.from_numpy(grad_a), torch.from_numpy(grad_b), None


def crossings(value: Tensor, at_a: Tensor, at_b: Tensor, ends: Tensor) -> Tensor:
    """``value`` (N, C) where the line from ``at_a`` (M,) at the first to ``at_b`` (M,) at the second of ``ends`` (M, 2) is zero: (M, C)."""
    return _Crossings.apply(value, at_a, at_b, ends)


def surface(grid: TetGrid, v_pos: Tensor, sdf: Tensor, attributes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Vertices (M, 3), attributes (M, C) and triangles (F, 3) int32 of the zero level of ``sdf`` (N,), with gradients."""
    active, faces = extract(grid, sdf.detach().numpy())
    ends = torch.from_numpy(grid.edges[active])
    value = crossings(torch.cat([v_pos, attributes], 1), *(sdf.index_select(0, end) for end in ends.unbind(1)), ends)
    return value[:, :3], value[:, 3:], torch.from_numpy(faces)
