"""Closed surfaces of known shape."""

from __future__ import annotations

import numpy as np


def box(size: tuple[float, float, float], cells: int) -> tuple[np.ndarray, np.ndarray]:
    """Vertices (V, 3) and triangles (F, 3) of a box round the origin, ``cells`` squares along each side."""
    grid = np.linspace(-0.5, 0.5, cells + 1)
    points, faces, count = [], [], 0
    u, w = (x.ravel() for x in np.meshgrid(grid, grid, indexing="ij"))
    i, j = (x.ravel() for x in np.meshgrid(np.arange(cells), np.arange(cells), indexing="ij"))
    a = i * (cells + 1) + j
    quads = np.stack([np.stack([a, a + cells + 1, a + cells + 2], 1), np.stack([a, a + cells + 2, a + 1], 1)], 1).reshape(-1, 3)
    for axis in range(3):
        for side in (-0.5, 0.5):
            p = np.full((len(u), 3), side)
            p[:, (axis + 1) % 3], p[:, (axis + 2) % 3] = u, w
            points.append(p)
            faces.append((quads if side > 0 else quads[:, ::-1]) + count)
            count += len(p)
    v, index = np.unique(np.concatenate(points).round(9), axis=0, return_inverse=True)
    return v * size, index.reshape(-1)[np.concatenate(faces)]


def ball(radius: float, cells: int) -> tuple[np.ndarray, np.ndarray]:
    """A ball round the origin: a box's vertices, all at ``radius``."""
    v, f = box((1.0, 1.0, 1.0), cells)
    return radius * v / np.linalg.norm(v, axis=1, keepdims=True), f
