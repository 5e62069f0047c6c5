"""Surfaces from signed distances on a regular grid, and the outer skin of any pile of triangles; for data with known truth."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from stages.rendering.zbuffer import rasterize


def lattice(low: np.ndarray, high: np.ndarray, cell: float) -> np.ndarray:
    """(X, Y, Z, 3) points from ``low`` to ``high``, ``cell`` apart."""
    axes = [np.arange(a, b, cell) for a, b in zip(low, high, strict=True)]
    return np.stack(np.meshgrid(*axes, indexing="ij"), -1)


def surface_of(sdf: Callable[[np.ndarray], np.ndarray], low: np.ndarray, high: np.ndarray, cell: float) -> tuple[np.ndarray, np.ndarray]:
    """Vertices (V, 3) and triangles (F, 3) of the zero level of ``sdf``: (N, 3) -> (N,), negative inside."""
    grid = lattice(low, high, cell)
    return surface_nets(grid, sdf(grid.reshape(-1, 3)).reshape(grid.shape[:3]))


def surface_nets(grid: np.ndarray, value: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Outward triangles of the zero level of ``value`` (X, Y, Z) at ``grid`` (X, Y, Z, 3): one vertex for each mixed cell, the mean
    of its edges' crossings; a quad round each crossed edge (Gibson 1998)."""
    shape = np.array(value.shape) - 1
    total, count = np.zeros((*shape, 3)), np.zeros(shape)
    corner = [tuple(slice(o, n + o) for o, n in zip(c, shape, strict=True)) for c in np.ndindex(2, 2, 2)]
    for i in range(8):
        for j in range(i + 1, 8):
            if (i ^ j).bit_count() != 1:
                continue
            a, b = value[corner[i]], value[corner[j]]
            cross = (a < 0) != (b < 0)
            t = np.where(cross, a / np.where(cross, a - b, 1), 0)[..., None]
            total += np.where(cross[..., None], grid[corner[i]] * (1 - t) + grid[corner[j]] * t, 0)
            count += cross
    mixed = count > 0
    index = np.full(tuple(shape), -1)
    index[mixed] = np.arange(mixed.sum())
    quad = np.concatenate([_quads(value, index, axis, leaving) for axis in range(3) for leaving in (True, False)])
    return total[mixed] / count[mixed][:, None], np.concatenate([quad[:, [0, 1, 2]], quad[:, [0, 2, 3]]])


def _quads(value: np.ndarray, index: np.ndarray, axis: int, leaving: bool) -> np.ndarray:
    """(Q, 4) cells round the edges along ``axis`` that leave the solid (or enter it)."""
    order = (axis, (axis + 1) % 3, (axis + 2) % 3)
    inside = np.transpose(value, order)[:, 1:-1, 1:-1] < 0
    cells = np.transpose(index, order)
    i, j, k = np.argwhere(inside[:-1] & ~inside[1:] if leaving else ~inside[:-1] & inside[1:]).T
    quad = np.stack([cells[i, j, k], cells[i, j + 1, k], cells[i, j + 1, k + 1], cells[i, j, k + 1]], -1)
    return quad if leaving else quad[:, ::-1]


def outer_skin(v_pos: np.ndarray, t_pos_idx: np.ndarray, cell: float, picture: int = 512) -> tuple[np.ndarray, np.ndarray]:
    """One closed surface round a pile of triangles, as a reconstruction from pictures would make it at best.

    A point is outside if one of 25 orthographic depth pictures sees past it; the distance is the largest over the pictures,
    as in truncated signed distance fusion (Curless and Levoy 1996).
    """
    low, high = v_pos.min(0) - 4 * cell, v_pos.max(0) + 4 * cell
    grid = lattice(low, high, cell)
    points = grid.reshape(-1, 3)
    middle, reach = (low + high) / 2, np.linalg.norm(high - low) / 2
    value = np.full(len(points), -2 * cell)
    for towards in directions():
        frame = _frame(towards)
        local = (v_pos - middle) @ frame.T / reach
        clip = np.concatenate([local * [1, 1, -1], np.ones((len(local), 1))], -1)
        depth = rasterize(clip, t_pos_idx, picture, picture)[2]
        seen = (points - middle) @ frame.T / reach
        x = np.clip(((seen[:, 0] + 1) / 2 * picture).astype(int), 0, picture - 1)
        y = np.clip(((1 - seen[:, 1]) / 2 * picture).astype(int), 0, picture - 1)
        value = np.maximum(value, np.minimum((depth[y, x] + seen[:, 2]) * reach, 2 * cell))
    return surface_nets(grid, value.reshape(grid.shape[:3]))


def directions() -> np.ndarray:
    """(25, 3) unit vectors: a level ring, as the pipeline's cameras stand, and straight up. Nothing looks under a skirt."""
    a = np.arange(24) * 2 * np.pi / 24
    return np.concatenate([np.stack([np.sin(a), -np.cos(a), 0 * a], -1), [[0.0, 0.0, 1.0]]])


def _frame(towards: np.ndarray) -> np.ndarray:
    """(3, 3) rows right, up, back of a viewer who stands in the direction ``towards`` and looks at the origin."""
    up = np.eye(3)[np.abs(towards).argmin()]
    right = np.cross(up, towards)
    right /= np.linalg.norm(right)
    return np.stack([right, np.cross(towards, right), towards])
