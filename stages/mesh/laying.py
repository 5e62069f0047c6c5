"""Pictures laid onto points of a surface: which of them see a point, and what they make of it together, vote by vote.

All is done for one point before the next: what a picture shows there is looked up once, however many votes there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numba
import numpy as np

from stages.artifacts.cameras import Camera

DEPTH_SLACK = 0.004  # share of the distance by which a visible point may lie behind the depth buffer
LEAST_FACING = 0.15  # cosine below which a view says nothing
GENTLE = 2.0  # exponent of the facing angle while views vote
BLOCK = 4096  # points between which scratch is shared


@dataclass(frozen=True)
class Layer:
    """One view, ready to be laid on: ``rgb`` and ``soft``, the same without its details, (H, W, 3); ``depth``, ``trusted`` and ``whole`` (H, W)."""

    camera: Camera
    rgb: np.ndarray
    soft: np.ndarray
    depth: np.ndarray
    trusted: np.ndarray
    whole: np.ndarray
    portrait: bool


def laid(
    points: np.ndarray, normals: np.ndarray, given: Sequence[Layer], exponent: float, lead_rad: float, votes: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Colours (N, 3) float32 and weights (N,) of ``points`` (N, 3) with unit ``normals`` (N, 3), blended from the pictures that see them.

    In each of ``votes`` (M,) all pictures are blended without their details, and one counts for a quarter of what it would at that distance from
    what the vote before agreed on, less beyond; 0: all count. The last agreement and tolerance hold for the blending itself, but not for the portrait,
    which counts as looking ``lead_rad`` straighter than it does.
    """
    points, normals = np.ascontiguousarray(points, np.float64), np.ascontiguousarray(normals, np.float64)
    colour, sight = np.zeros((len(points), 3), np.float32), np.zeros(len(points))
    flat = lambda part: np.concatenate([getattr(layer, part).reshape(-1, *getattr(layer, part).shape[2:]) for layer in given])  # noqa: E731
    sizes = np.array([layer.depth.shape for layer in given], np.int64)
    starts = np.concatenate([[0], np.cumsum(sizes.prod(1))[:-1]])
    cameras = [layer.camera for layer in given]
    _lay(points, normals, np.stack([c.w2c for c in cameras]), np.stack([c.position for c in cameras]),
         np.array([(c.fx, c.fy, c.cx, c.cy) for c in cameras], float), sizes, starts, np.array([layer.portrait for layer in given]),
         flat("rgb"), flat("soft"), flat("depth"), flat("trusted"), flat("whole"), float(exponent), float(lead_rad), votes, colour, sight)
    return colour, sight


@numba.njit(cache=True, nogil=True, parallel=True)
def _lay(points, normals, w2c, centre, intrinsics, sizes, starts, portrait, rgb, soft, depth, trusted, whole, exponent, lead, votes, colour, sight):
    count, layers = points.shape[0], sizes.shape[0]
    for block in numba.prange((count + BLOCK - 1) // BLOCK):
        # Of each picture that sees the point: its worth while voting and in the end, its wholeness, its soft and sharp colours; and whether it is the portrait.
        seen, front = np.empty((layers, 9)), np.empty(layers, np.bool_)
        agreed, total = np.zeros(3, np.float32), np.empty(5)
        for i in range(block * BLOCK, min(count, (block + 1) * BLOCK)):
            many = _looked_up(points[i], normals[i], w2c, centre, intrinsics, sizes, starts, portrait, rgb, soft, depth, trusted, whole,
                              exponent, lead, len(votes) > 0, seen, front)
            for tolerance in votes:
                _blend(seen, front, many, 0, tolerance, agreed, total)
            _blend(seen, front, many, 1, votes[-1] if len(votes) else 0.0, agreed, total)
            colour[i] = agreed
            sight[i] = total[4]


@numba.njit(cache=True, nogil=True)
def _looked_up(p, n, w2c, centre, intrinsics, sizes, starts, portrait, rgb, soft, depth, trusted, whole, exponent, lead, voting, seen, front):
    """Fills ``seen`` and ``front`` for one point; the number of pictures that see it."""
    many = 0
    for k in range(sizes.shape[0]):
        height, width, start, view = sizes[k, 0], sizes[k, 1], starts[k], w2c[k]
        fx, fy, cx, cy = intrinsics[k, 0], intrinsics[k, 1], intrinsics[k, 2], intrinsics[k, 3]
        z = -(view[2, 0] * p[0] + view[2, 1] * p[1] + view[2, 2] * p[2] + view[2, 3])
        if z <= 1e-6:
            continue
        dx, dy, dz = centre[k, 0] - p[0], centre[k, 1] - p[1], centre[k, 2] - p[2]
        facing = (dx * n[0] + dy * n[1] + dz * n[2]) / np.sqrt(dx * dx + dy * dy + dz * dz)
        if facing < LEAST_FACING:
            continue
        x = view[0, 0] * p[0] + view[0, 1] * p[1] + view[0, 2] * p[2] + view[0, 3]
        y = view[1, 0] * p[0] + view[1, 1] * p[1] + view[1, 2] * p[2] + view[1, 3]
        px, py = cx + fx * x / z - 0.5, cy - fy * y / z - 0.5
        x0, y0 = int(np.floor(px)), int(np.floor(py))
        if x0 < 0 or y0 < 0 or x0 > width - 2 or y0 > height - 2:
            continue
        if z > depth[start + int(py + 0.5) * width + int(px + 0.5)] * (1 + DEPTH_SLACK):
            continue
        a, b = px - x0, py - y0
        wa, wb, wc, wd = (1 - a) * (1 - b), a * (1 - b), (1 - a) * b, a * b
        near = start + y0 * width + x0
        low = near + width
        t = wa * trusted[near] + wb * trusted[near + 1] + wc * trusted[low] + wd * trusted[low + 1]
        clear, fine, angle = t * t + 1e-4, (fx / z) ** 2, np.arccos(min(facing, 1.0))
        facing = np.cos(max(angle, 0.0))
        if voting:
            seen[many, 0] = clear * facing**GENTLE * fine
        if portrait[k]:
            facing = np.cos(max(angle - lead, 0.0))
        seen[many, 1] = clear * facing**exponent * fine
        seen[many, 2] = wa * whole[near] + wb * whole[near + 1] + wc * whole[low] + wd * whole[low + 1]
        for c in range(3):
            if voting:
                seen[many, 3 + c] = wa * soft[near, c] + wb * soft[near + 1, c] + wc * soft[low, c] + wd * soft[low + 1, c]
            seen[many, 6 + c] = wa * rgb[near, c] + wb * rgb[near + 1, c] + wc * rgb[low, c] + wd * rgb[low + 1, c]
        front[many] = portrait[k]
        many += 1
    return many


@numba.njit(cache=True, nogil=True)
def _blend(seen, front, many, last, tolerance, agreed, total):
    """``agreed`` (3,) becomes the blend of what ``many`` pictures show, ``last`` (1) of their sharp colours; ``total`` is scratch, its end the weight that has
    nothing to do with wholeness."""
    total[:] = 0.0
    for k in range(many):
        share = seen[k, last]
        if tolerance > 0 and not (last == 1 and front[k]):
            away = 0.0
            for c in range(3):
                away += (seen[k, 3 + c] - agreed[c]) ** 2
            share /= (1 + away / tolerance**2) ** 2
        total[4] += share
        share *= seen[k, 2]
        for c in range(3):
            total[c] += share * seen[k, 3 + 3 * last + c]
        total[3] += share
    for c in range(3):
        agreed[c] = total[c] / max(total[3], 1e-20)
