"""A field that another program learnt, read back as a dense grid: it can be rendered and baked like our own, and not be trained."""

from __future__ import annotations

import numpy as np
from numba import njit, prange
from scipy import ndimage

from stages.field import composite
from stages.field.encoding import BLOCK, FAST
from stages.field.march import Samples


class GridField:
    """``density`` (X, Y, Z) per metre and ``rgb`` (X, Y, Z, 3) sRGB at unit coordinates (i, j, k) / ``along_longest``, trilinear in between.

    Points that are not ``coloured`` (X, Y, Z) bool take the colour of the nearest that is.
    """

    def __init__(self, density: np.ndarray, rgb: np.ndarray, coloured: np.ndarray, along_longest: int) -> None:
        if coloured.any():
            nearest = ndimage.distance_transform_edt(~coloured, return_distances=False, return_indices=True)
            rgb = rgb[tuple(nearest)]
        self._density = np.ascontiguousarray(np.maximum(density, 0), np.float32)
        self._rgb = np.ascontiguousarray(np.clip(rgb, 0, 1), np.float32)
        self._along = np.float32(along_longest)

    def render(self, unit: np.ndarray, samples: Samples, step_m: np.float32) -> np.ndarray:
        """See ``cpu_field.CpuField.render``."""
        density, rgb = self._ask(samples.points)
        blocks = np.zeros((len(rgb) // BLOCK, 4, BLOCK), np.float32)
        blocks[:, :3] = rgb.reshape(-1, BLOCK, 3).transpose(0, 2, 1)
        out = np.empty((len(unit), 5), np.float32)
        composite.render(samples.start, samples.t, step_m, density, blocks, np.empty(len(density), np.float32), out)
        return out

    def evaluate(self, unit: np.ndarray, samples: Samples) -> tuple[np.ndarray, np.ndarray]:
        """See ``cpu_field.CpuField.evaluate``."""
        return self._ask(samples.points[: samples.count])

    def density(self, points: np.ndarray) -> np.ndarray:
        """Density (N,) per metre at unit ``points`` (N, 3)."""
        return self._ask(points)[0]

    def state(self) -> dict[str, np.ndarray]:
        """Nothing: there is nothing to go on from."""
        return {}

    def _ask(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        density, rgb = np.empty(len(points), np.float32), np.empty((len(points), 3), np.float32)
        _trilinear(np.ascontiguousarray(points, np.float32), self._density, self._rgb, self._along, density, rgb)
        return density, rgb


@njit(parallel=True, **FAST)
def _trilinear(points, density, rgb, along, out_density, out_rgb):
    top = np.array(density.shape) - 1
    for n in prange(points.shape[0]):
        x = min(max(points[n, 0] * along, np.float32(0)), np.float32(top[0]))
        y = min(max(points[n, 1] * along, np.float32(0)), np.float32(top[1]))
        z = min(max(points[n, 2] * along, np.float32(0)), np.float32(top[2]))
        i, j, k = min(int(x), top[0] - 1), min(int(y), top[1] - 1), min(int(z), top[2] - 1)
        u, v, w = x - i, y - j, z - k
        total = red = green = blue = np.float32(0)
        for corner in range(8):
            a, b, c = corner & 1, (corner >> 1) & 1, corner >> 2
            share = (u if a else 1 - u) * (v if b else 1 - v) * (w if c else 1 - w)
            total += share * density[i + a, j + b, k + c]
            red += share * rgb[i + a, j + b, k + c, 0]
            green += share * rgb[i + a, j + b, k + c, 1]
            blue += share * rgb[i + a, j + b, k + c, 2]
        out_density[n] = total
        out_rgb[n, 0], out_rgb[n, 1], out_rgb[n, 2] = red, green, blue
