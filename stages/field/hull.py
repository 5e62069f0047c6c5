"""The box and the visual hull of the figure, from cameras and masks alone.

Laurentini, The visual hull concept for silhouette-based image understanding, 1994; tolerant of a few views that disagree.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from pipeline.errors import StageError
from stages.artifacts.cameras import Camera

ROUNDS = (48, 64)  # cells along the longest side while the box shrinks
LEAST_SEEN = 0.25  # share of the views that must see a point for it to be part of the scene
CORE_SEEN = 0.75  # of the most that any point is seen: each connected part of the scene reaches such a point


@dataclass(frozen=True)
class Box:
    """Axis-aligned scene box. Unit coordinates are (world - low) / size: the longest side is 1, ``extent`` (3,) <= 1."""

    low: np.ndarray
    size_m: float
    extent: np.ndarray

    @classmethod
    def around(cls, low: np.ndarray, high: np.ndarray) -> Box:
        """The box between two world corners."""
        size = float((high - low).max())
        return cls(np.asarray(low, np.float64), size, (high - low) / size)

    def scaled(self, factor: float) -> Box:
        """The same box in a world in which every length is ``factor`` times as long."""
        return Box(self.low * factor, self.size_m * factor, self.extent)

    def to_unit(self, points: np.ndarray) -> np.ndarray:
        """World metres (..., 3) to unit coordinates, float32."""
        return ((points - self.low) / self.size_m).astype(np.float32)

    def cells(self, along_longest: int) -> tuple[int, int, int]:
        """Cubic cells per axis that cover the box."""
        return tuple(int(n) for n in np.ceil(self.extent * along_longest - 1e-6).clip(1))

    def centres(self, along_longest: int) -> np.ndarray:
        """(nx, ny, nz, 3) world centres of the cells."""
        axes = [(np.arange(n) + 0.5) / along_longest * self.size_m + lo for n, lo in zip(self.cells(along_longest), self.low)]
        return np.stack(np.meshgrid(*axes, indexing="ij"), -1)


@dataclass(frozen=True)
class Silhouette:
    """One view's mask as ``distance_px`` (H, W): how far each pixel is from the figure, 0 inside."""

    camera: Camera
    distance_px: np.ndarray
    slack_px: float

    @classmethod
    def of(cls, camera: Camera, alpha: np.ndarray, slack_at_384_px: float) -> Silhouette:
        """From ``alpha`` (H, W); what is at least a tenth opaque belongs to the figure."""
        outside = ndimage.distance_transform_edt(alpha < 0.1) if (alpha >= 0.1).any() else np.full(alpha.shape, 1e6)
        return cls(camera, outside.astype(np.float32), slack_at_384_px * camera.height / 384)

    def judge(self, points: np.ndarray, radius_m: float) -> tuple[np.ndarray, np.ndarray]:
        """Whether each of ``points`` (N, 3) lies in the picture, and whether a ball of ``radius_m`` there misses the figure."""
        with np.errstate(divide="ignore", invalid="ignore"):
            pixels, depth = self.camera.project(points)
        column, row = np.floor(np.nan_to_num(pixels, nan=-1.0, posinf=-1.0, neginf=-1.0)).clip(-1, 1e6).astype(np.int64).T
        inside = (depth > 0) & (column >= 0) & (row >= 0) & (column < self.camera.width) & (row < self.camera.height)
        away = self.distance_px[np.where(inside, row, 0), np.where(inside, column, 0)]
        reach = self.slack_px + radius_m * max(self.camera.fx, self.camera.fy) / np.where(inside, depth, 1.0)
        return inside, inside & (away > reach)


def visual_hull(silhouettes: Sequence[Silhouette], resolution: int, tolerance: float) -> tuple[Box, np.ndarray]:
    """The box of the figure and its hull (nx, ny, nz) bool in cells of 1 / ``resolution`` of the box's longest side.

    A cell stays unless more than ``tolerance`` of the views that see it see it off the figure. Raises ``StageError`` if nothing stays.
    """
    box = _first_box([s.camera for s in silhouettes])
    for cells in ROUNDS:
        kept = _carve(box, cells, silhouettes, tolerance)
        index = np.argwhere(kept)
        cell = box.size_m / cells
        box = Box.around(box.low + (index.min(0) - 0.5) * cell, box.low + (index.max(0) + 1.5) * cell)
    return box, _carve(box, resolution, silhouettes, tolerance)


def _carve(box: Box, resolution: int, silhouettes: Sequence[Silhouette], tolerance: float) -> np.ndarray:
    points = box.centres(resolution)
    flat = points.reshape(-1, 3)
    seen = np.zeros(len(flat), np.int32)
    missed = np.zeros(len(flat), np.int32)
    radius = box.size_m / resolution * np.sqrt(3) / 2
    for silhouette in silhouettes:
        inside, off = silhouette.judge(flat, radius)
        seen += inside
        missed += off
    needed = min(max(2, LEAST_SEEN * len(silhouettes)), len(silhouettes))
    kept = (seen >= needed) & (missed <= np.floor(tolerance * seen))
    if not kept.any():
        raise StageError(
            f"the masks of the {len(silhouettes)} views have no volume in common: the cameras do not belong to these pictures, "
            "or the masks are empty or inverted. Check transforms.json (OpenGL axes) and the alpha of the pictures."
        )
    return _anchored(kept.reshape(points.shape[:3]), seen.reshape(points.shape[:3]))


def _anchored(kept: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """``kept`` without the pieces that lie where few cameras look: there, few masks speak against them."""
    label, _ = ndimage.label(kept, np.ones((3, 3, 3)))
    core = np.unique(label[kept & (seen >= CORE_SEEN * seen[kept].max())])
    return np.isin(label, core[core > 0])


def _first_box(cameras: Sequence[Camera]) -> Box:
    """A cube round the point that is nearest to all optical axes, wide enough for every frustum there."""
    origins = np.array([c.position for c in cameras])
    axes = np.array([-c.c2w[:3, 2] for c in cameras])
    across = np.eye(3) - axes[:, :, None] * axes[:, None, :]
    centre = np.linalg.lstsq(across.sum(0), (across @ origins[:, :, None]).sum(0)[:, 0], rcond=None)[0]
    away = np.linalg.norm(origins - centre, axis=1)
    half = max(d * max(c.width / c.fx, c.height / c.fy) / 2 for c, d in zip(cameras, away))
    return Box.around(centre - 1.5 * half, centre + 1.5 * half)
