"""Occupancy grid and ray marching: where along a ray the networks are asked at all.

Instant-NGP, section 5.2 and appendix E. The grid is bounded by the visual hull, keeps a running maximum and minimum of density in
each cell, and ends a ray soon after the least that it knows of the density has made it opaque.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numba import njit, prange

from stages.field.encoding import BLOCK, FAST
from stages.field.hull import Box

OPAQUE = np.float32(7.0)  # optical depth after which a ray may end
SPARE_CELLS = 1.75  # ... when this much more of it, in cells, has been looked at
DECAY = np.float32(0.8)
RECOVERY = np.float32(2.0)  # a cell's lowest density may be this many times the last one when it is asked again
LEAST_DENSITY = np.float32(1.0)  # per metre, from which it recovers
LEAST_OPACITY = 0.01  # of a step, for a cell to count
TURNS = 4  # an update asks one cell in so many


@dataclass(frozen=True)
class Samples:
    """Points along rays. Ray r owns ``start[r]:start[r + 1]``; arrays are padded to whole blocks, the padding belongs to no ray.

    ``points`` (N, 3) unit coordinates, ``t`` (N,) metres from the camera, ``ray_index`` (N,), 0 in the padding.
    """

    start: np.ndarray
    points: np.ndarray
    t: np.ndarray
    ray_index: np.ndarray

    @property
    def count(self) -> int:
        """Samples without the padding."""
        return int(self.start[-1])


class Occupancy:
    """Which cells of the hull hold something. ``hull`` (nx, ny, nz) bool, cells of 1 / ``resolution`` of the box's longest side.

    ``density`` is the running maximum of what was found in a cell, by which it counts as occupied; ``least`` the running minimum, by which rays end: a cell
    that a surface cuts is dense in one half, and what lies behind its other half can be seen.
    """

    def __init__(self, box: Box, hull: np.ndarray, resolution: int, march_steps: int) -> None:
        self.hull = hull
        self.resolution = resolution
        self.step_m = np.float32(box.size_m / march_steps)
        self.density = np.zeros(hull.shape, np.float32)
        self.least = np.zeros(hull.shape, np.float32)
        self.occupied = hull.astype(np.uint8)
        self.ends_rays = False
        self._extent = np.asarray(box.extent, np.float32)
        self._candidates = np.flatnonzero(hull)
        self._limit = march_steps

    def update(self, query: Callable[[np.ndarray], np.ndarray], rng: np.random.Generator, turn: int) -> None:
        """Ask ``query`` (unit points (N, 3) -> density per metre (N,)) in one cell of ``TURNS`` and mark the cells anew."""
        cells = self._candidates[turn % TURNS :: TURNS]
        index = np.stack(np.unravel_index(cells, self.hull.shape), -1)
        points = ((index + rng.random(index.shape)) / self.resolution).astype(np.float32)
        flat = self.density.reshape(-1)
        found = query(points)
        flat[cells] = np.maximum(flat[cells] * DECAY, found)
        least = self.least.reshape(-1)
        least[cells] = np.minimum(np.maximum(least[cells], LEAST_DENSITY) * RECOVERY, found)
        if turn >= TURNS - 1:
            self.mark()

    def mark(self) -> None:
        """Occupied cells from the densities."""
        known = self.density.reshape(-1)[self._candidates]
        threshold = min(LEAST_OPACITY / float(self.step_m), float(known.mean()))
        self.occupied = (self.hull & (self.density > threshold)).astype(np.uint8)
        self.ends_rays = True

    def meets_hull(self, origins: np.ndarray, directions: np.ndarray) -> np.ndarray:
        """Which rays (R, 3) cross the hull, bool."""
        half = np.full(len(origins), 0.5, np.float32)
        return self._ticks(origins, directions, half, self.hull.astype(np.uint8), 1, False)[1] > 0

    def sample(self, origins: np.ndarray, directions: np.ndarray, jitter: np.ndarray) -> Samples:
        """Samples of rays in unit coordinates, one step apart wherever a cell is occupied."""
        ticks, counts, begin = self._ticks(origins, directions, jitter, self.occupied, self._limit, self.ends_rays)
        start = np.zeros(len(counts) + 1, np.int64)
        np.cumsum(counts, out=start[1:])
        room = max(-(-int(start[-1]) // BLOCK), 1) * BLOCK
        points = np.zeros((room, 3), np.float32)
        t = np.zeros(room, np.float32)
        ray_index = np.zeros(room, np.int64)
        _place(origins, directions, begin, self.step_m, ticks, start, self._extent, points, t, ray_index)
        return Samples(start, points, t, ray_index)

    def _ticks(
        self, origins: np.ndarray, directions: np.ndarray, jitter: np.ndarray, cells: np.ndarray, limit: int, ends: bool
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        rays = len(origins)
        ticks = np.empty((rays, limit), np.int16)
        counts = np.zeros(rays, np.int64)
        begin = np.zeros(rays, np.float32)
        spare = int(np.ceil(SPARE_CELLS / self.resolution / float(np.linalg.norm(directions[0])) / float(self.step_m)))
        opaque = OPAQUE if ends else np.float32(np.inf)
        _march(origins, directions, jitter, self.step_m, cells, self.least, np.float32(self.resolution), self._extent,
               opaque, spare, ticks, counts, begin)
        return ticks, counts, begin


@njit(parallel=True, **FAST)
def _march(origins, directions, jitter, step, cells, least, resolution, extent, opaque, spare, ticks, counts, begin):
    """Steps (``ticks``) of each ray that fall into occupied cells; the first lies at ``begin`` metres."""
    limit = ticks.shape[1]
    for r in prange(origins.shape[0]):
        near, far = np.float32(0), np.float32(1e9)
        for a in range(3):
            d = directions[r, a]
            if abs(d) < np.float32(1e-12):
                if origins[r, a] < np.float32(0) or origins[r, a] > extent[a]:
                    far = np.float32(-1)
                continue
            t0, t1 = -origins[r, a] / d, (extent[a] - origins[r, a]) / d
            near = max(near, min(t0, t1))
            far = min(far, max(t0, t1))
        first = near + jitter[r] * step
        begin[r] = first
        k, count, left, depth = 0, 0, spare, np.float32(0)
        while count < limit and k < 32000:
            t = first + np.float32(k) * step
            if t >= far:
                break
            exit_t = np.float32(1e9)
            i = j = m = 0
            for a in range(3):
                d = directions[r, a]
                x = (origins[r, a] + t * d) * resolution
                c = min(max(int(x), 0), cells.shape[a] - 1)
                if a == 0:
                    i = c
                elif a == 1:
                    j = c
                else:
                    m = c
                if abs(d) > np.float32(1e-12):
                    edge = np.float32(c + 1) if d > 0 else np.float32(c)
                    exit_t = min(exit_t, (edge - x) / (d * resolution))
            if cells[i, j, m]:
                ticks[r, count] = k
                count += 1
                k += 1
                if depth > opaque:
                    left -= 1
                    if left <= 0:
                        break
                depth += least[i, j, m] * step
            else:
                k += max(int(np.ceil(exit_t / step)), 1)
        counts[r] = count


@njit(parallel=True, **FAST)
def _place(origins, directions, begin, step, ticks, start, extent, points, t, ray_index):
    for r in prange(origins.shape[0]):
        for n in range(start[r], start[r + 1]):
            at = begin[r] + np.float32(ticks[r, n - start[r]]) * step
            t[n] = at
            ray_index[n] = r
            for a in range(3):
                points[n, a] = min(max(origins[r, a] + at * directions[r, a], np.float32(0)), extent[a])
