"""How much of a distant light reaches each point of a surface: the cosine, and 0 in the surface's own shadow.

A depth picture of the surface from the light's side (Williams, Casting Curved Shadows on Curved Surfaces, 1978), read with four
neighbours, so that shadows end within a pixel of it and not at a step.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numba
import numpy as np

from stages.rendering.zbuffer import rasterize

SIZE_PX = 768
SPARE = 1.02  # of the surface's own radius
LIFT_PX = 1.5  # by which a point is lifted off the surface: its own triangle would cast a shadow on it


@dataclass(frozen=True)
class Shadow:
    """What one distant light sees. ``w2light`` (3, 4): x and y in pixels, z in metres, growing away from the light; ``depth`` (S, S) that z of the
    surface, +inf where there is none; ``direction`` (3,) unit, TOWARDS the light; ``pixel_m`` the width of a pixel."""

    direction: np.ndarray
    w2light: np.ndarray
    depth: np.ndarray
    pixel_m: float

    @classmethod
    def of(cls, v_pos: np.ndarray, faces: np.ndarray, direction: np.ndarray, size: int = SIZE_PX) -> Self:
        """The shadow that ``v_pos`` (V, 3), ``faces`` (F, 3) casts away from ``direction``."""
        middle = (v_pos.min(0) + v_pos.max(0)) / 2
        radius = SPARE * max(float(np.linalg.norm(v_pos - middle, axis=1).max()), 1e-6)
        direction = np.asarray(direction, np.float64) / np.linalg.norm(direction)
        side = np.cross(direction, [1.0, 0, 0] if abs(direction[0]) < 0.7 else [0, 1.0, 0])
        side /= np.linalg.norm(side)
        axes = np.stack([side, np.cross(direction, side), -direction])
        local = (v_pos - middle) @ axes.T / radius
        ids, _, z = rasterize(np.concatenate([local, np.ones((len(local), 1))], 1), faces, size, size)
        scale = np.array([size / (2 * radius), -size / (2 * radius), 1.0])
        w2light = np.concatenate([axes, -(axes @ middle)[:, None]], 1) * scale[:, None] + [[0, 0, 0, size / 2], [0, 0, 0, size / 2], [0, 0, 0, 0]]
        return cls(direction, w2light, np.where(ids >= 0, z * radius, np.inf).astype(np.float32), 2 * radius / size)

    def reaching(self, points: np.ndarray, normals: np.ndarray) -> np.ndarray:
        """(N,) float32: of the light, the share that falls on ``points`` (N, 3) with unit ``normals``: cosine by visibility."""
        out = np.zeros(len(points), np.float32)
        _reach(np.ascontiguousarray(points, np.float64), np.ascontiguousarray(normals, np.float64), self.direction, self.w2light, self.depth,
               self.pixel_m, out)
        return out


def spread(count: int) -> np.ndarray:
    """(count, 3) unit directions, evenly over the sphere (Fibonacci's spiral)."""
    i = np.arange(count)
    z = 1 - (2 * i + 1) / count
    r, angle = np.sqrt(1 - z * z), np.pi * (3 - 5**0.5) * i
    return np.stack([r * np.cos(angle), r * np.sin(angle), z], -1)


@numba.njit(cache=True, nogil=True, parallel=True)
def _reach(points, normals, direction, w2light, depth, pixel_m, out):
    size = depth.shape[0]
    for i in numba.prange(len(points)):
        n = normals[i]
        cosine = n[0] * direction[0] + n[1] * direction[1] + n[2] * direction[2]
        if cosine <= 0.0:
            continue
        lift = LIFT_PX * pixel_m
        px, py, pz = points[i, 0] + lift * n[0], points[i, 1] + lift * n[1], points[i, 2] + lift * n[2]
        x = w2light[0, 0] * px + w2light[0, 1] * py + w2light[0, 2] * pz + w2light[0, 3] - 0.5
        y = w2light[1, 0] * px + w2light[1, 1] * py + w2light[1, 2] * pz + w2light[1, 3] - 0.5
        z = w2light[2, 0] * px + w2light[2, 1] * py + w2light[2, 2] * pz + w2light[2, 3]
        slack = pixel_m * (0.5 + min(1.0 / max(cosine, 0.2), 4.0) * 0.5)
        x0, y0 = int(np.floor(x)), int(np.floor(y))
        a, b, seen = x - x0, y - y0, 0.0
        for k in range(4):
            column, row = x0 + k % 2, y0 + k // 2
            clear = row < 0 or column < 0 or row >= size or column >= size or z <= depth[row, column] + slack
            if clear:
                seen += (a if k % 2 else 1.0 - a) * (b if k // 2 else 1.0 - b)
        out[i] = cosine * seen
