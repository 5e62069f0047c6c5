"""From the networks to a dense grid: density that is solid inside, colours that hold just under the surface."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit, prange
from scipy import ndimage

from stages.field.encoding import FAST
from stages.field.protocol import RadianceField
from stages.field.render import CHUNK
from stages.field.scene import Scene

MARGIN_CELLS = 2
SUBSAMPLES = (-0.25, 0.25)
MOST_OPACITY = 0.9999  # of a cell; what is denser is as good as solid
SEEN_THROUGH = np.float32(0.05)  # light that must be left for a camera to see a cell
COLOUR_RAYS = 400_000


@dataclass(frozen=True)
class Baked:
    """``density`` (X, Y, Z) float32 per metre, ``rgb`` (X, Y, Z, 3) float32 sRGB, ``grid2world`` (4, 4)."""

    density: np.ndarray
    rgb: np.ndarray
    grid2world: np.ndarray


def bake(field: RadianceField, scene: Scene, resolution: int, fill: str) -> Baked:
    """Sample the field on a grid round what is occupied, ``resolution`` samples along its longest side."""
    low, cell, shape = _grid(scene, resolution)
    density = _densities(field, scene, low, cell, shape)
    if fill == "unseen":
        density = _filled(scene, density, low, cell)
    rgb = _colours(field, scene, low, cell, shape)
    grid2world = np.diag([cell * scene.box.size_m] * 3 + [1.0])
    grid2world[:3, 3] = scene.box.low + low * scene.box.size_m
    return Baked(density, rgb, grid2world)


def _grid(scene: Scene, resolution: int) -> tuple[np.ndarray, float, tuple[int, int, int]]:
    """Unit position of the first sample, unit spacing, shape."""
    occupancy = scene.occupancy
    index = np.argwhere(occupancy.occupied if occupancy.occupied.any() else occupancy.hull)
    low, high = index.min(0) / occupancy.resolution, (index.max(0) + 1) / occupancy.resolution
    cell = float((high - low).max() / (resolution - 1 - 2 * MARGIN_CELLS))
    shape = np.ceil((high - low) / cell - 1e-6).astype(int) + 1 + 2 * MARGIN_CELLS
    return low - MARGIN_CELLS * cell, cell, tuple(int(n) for n in shape)


def _in_hull(scene: Scene, low: np.ndarray, cell: float, shape: tuple[int, ...]) -> np.ndarray:
    hull = scene.occupancy.hull
    at = [np.floor((low[a] + cell * np.arange(shape[a])) * scene.occupancy.resolution).astype(int) for a in range(3)]
    ok = [(i >= 0) & (i < n) for i, n in zip(at, hull.shape)]
    kept = hull[np.ix_(*(i.clip(0, n - 1) for i, n in zip(at, hull.shape)))]
    return kept & ok[0][:, None, None] & ok[1][None, :, None] & ok[2][None, None, :]


def _densities(field: RadianceField, scene: Scene, low: np.ndarray, cell: float, shape: tuple[int, ...]) -> np.ndarray:
    """Mean opacity of eight points of each cell, as a density."""
    index = np.argwhere(_in_hull(scene, low, cell, shape))
    cell_m = cell * scene.box.size_m
    extent = np.asarray(scene.box.extent, np.float32)
    density = np.zeros(shape, np.float32)
    for first in range(0, len(index), CHUNK):
        some = index[first : first + CHUNK]
        opacity = np.zeros(len(some), np.float64)
        for offset in np.ndindex(2, 2, 2):
            points = low + cell * (some + np.array(SUBSAMPLES)[list(offset)])
            opacity += 1 - np.exp(-field.density(points.astype(np.float32).clip(0, extent)).astype(np.float64) * cell_m)
        density[tuple(some.T)] = -np.log1p(-np.minimum(opacity / 8, MOST_OPACITY)) / cell_m
    return density


def _filled(scene: Scene, density: np.ndarray, low: np.ndarray, cell: float) -> np.ndarray:
    """``density`` made solid wherever no training pixel's ray arrives with light left, and in closed cavities: inside the surface."""
    origins, directions, _ = scene.pixels.every(1)
    seen = np.zeros(density.shape, np.uint8)
    _mark_seen(origins, directions, low.astype(np.float32), np.float32(cell), np.float32(scene.box.size_m), density, seen)
    cell_m = cell * scene.box.size_m
    hidden = ndimage.binary_opening((seen == 0) & _in_hull(scene, low, cell, density.shape))
    dense = density * cell_m > 1.0
    label, _ = ndimage.label(hidden | dense)
    kept = np.unique(label[dense])
    inside = hidden & np.isin(label, kept[kept > 0])
    inside |= ndimage.binary_fill_holes(inside | dense) & ~dense
    solid = -np.log1p(-MOST_OPACITY) / cell_m
    return np.where(inside, np.maximum(density, solid), density).astype(np.float32)


def _colours(field: RadianceField, scene: Scene, low: np.ndarray, cell: float, shape: tuple[int, ...]) -> np.ndarray:
    """Colours that the training rays gather in each cell; elsewhere that of the nearest such cell."""
    stride = max(len(scene.pixels) // COLOUR_RAYS, 1)
    origins, directions, unit = scene.pixels.every(stride)
    total = np.zeros((*shape, 4), np.float64)
    for first in range(0, len(origins), CHUNK):
        part = slice(first, first + CHUNK)
        samples = scene.occupancy.sample(origins[part], directions[part], np.full(len(origins[part]), 0.5, np.float32))
        if samples.count:
            density, rgb = field.evaluate(unit[part], samples)
            _gather(samples.start, samples.points, density, np.ascontiguousarray(rgb), scene.occupancy.step_m,
                    low.astype(np.float32), np.float32(cell), total)
    known = total[..., 3] > 0.05
    if not known.any():
        return np.full((*shape, 3), 0.5, np.float32)
    rgb = total[..., :3] / np.maximum(total[..., 3:], 1e-9)
    nearest = ndimage.distance_transform_edt(~known, return_distances=False, return_indices=True)
    return rgb[tuple(nearest)].astype(np.float32)


@njit(**FAST)
def _gather(start, points, density, rgb, step, low, cell, total):
    for r in range(start.shape[0] - 1):
        through = np.float32(1)
        for n in range(start[r], start[r + 1]):
            alpha = np.float32(1) - np.exp(-density[n] * step)
            w = through * alpha
            through -= w
            if w > np.float32(0.01):
                i = int((points[n, 0] - low[0]) / cell + np.float32(0.5))
                j = int((points[n, 1] - low[1]) / cell + np.float32(0.5))
                k = int((points[n, 2] - low[2]) / cell + np.float32(0.5))
                if i < total.shape[0] and j < total.shape[1] and k < total.shape[2]:
                    total[i, j, k, 0] += w * rgb[n, 0]
                    total[i, j, k, 1] += w * rgb[n, 1]
                    total[i, j, k, 2] += w * rgb[n, 2]
                    total[i, j, k, 3] += w


@njit(parallel=True, **FAST)
def _mark_seen(origins, directions, low, cell, size_m, density, seen):
    """``seen`` becomes 1 where a ray arrives with more than ``SEEN_THROUGH`` of its light; every thread writes the same value."""
    step = np.float32(0.5) * cell
    for r in prange(origins.shape[0]):
        near, far = np.float32(0), np.float32(1e9)
        for a in range(3):
            d = directions[r, a] * size_m
            if abs(d) > np.float32(1e-9):
                t0 = (low[a] - origins[r, a]) / d
                t1 = (low[a] + cell * np.float32(density.shape[a] - 1) - origins[r, a]) / d
                near = max(near, min(t0, t1))
                far = min(far, max(t0, t1))
        depth = np.float32(0)
        t = near
        while t < far and np.exp(-depth) > SEEN_THROUGH:
            i = int((origins[r, 0] + t * directions[r, 0] * size_m - low[0]) / cell + np.float32(0.5))
            j = int((origins[r, 1] + t * directions[r, 1] * size_m - low[1]) / cell + np.float32(0.5))
            k = int((origins[r, 2] + t * directions[r, 2] * size_m - low[2]) / cell + np.float32(0.5))
            i = min(max(i, 0), density.shape[0] - 1)
            j = min(max(j, 0), density.shape[1] - 1)
            k = min(max(k, 0), density.shape[2] - 1)
            seen[i, j, k] = 1
            depth += density[i, j, k] * step * size_m
            t += step
