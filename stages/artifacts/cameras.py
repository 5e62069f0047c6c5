"""Pinhole cameras, rings of them, and the one module that knows ``transforms.json``.

Frames: ``c2w`` maps camera to world, camera axes are OpenGL's (+X right, +Y up, looks along -Z), the world is +Z up and the
character faces -Y. Azimuth 0 is the camera on -Y; positive azimuth moves it towards +X, the character's left.
Pixels: row 0 is the top, pixel centres lie at +0.5.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

NEAR_M, FAR_M = 0.05, 50.0  # what clip space holds unless more is asked for


@dataclass(frozen=True)
class Camera:
    """One calibrated pinhole view. ``c2w`` is (4, 4) float64, OpenGL axes; intrinsics are in pixels."""

    name: str
    c2w: np.ndarray
    fx: float
    fy: float
    cx: float
    cy: float
    width: int
    height: int

    @property
    def w2c(self) -> np.ndarray:
        """World to camera, (4, 4), OpenGL axes."""
        return np.linalg.inv(self.c2w)

    @property
    def position(self) -> np.ndarray:
        """Centre of projection in the world, (3,) metres."""
        return self.c2w[:3, 3]

    @property
    def azimuth_deg(self) -> float:
        """Direction from which the camera looks at the world's axis, degrees in [0, 360)."""
        x, y, _ = self.c2w[:3, 2]
        return math.degrees(math.atan2(x, -y)) % 360.0

    def resized(self, width: int, height: int) -> Self:
        """The same view on another pixel grid (the aspect may change)."""
        sx, sy = width / self.width, height / self.height
        return replace(
            self, fx=self.fx * sx, fy=self.fy * sy, cx=self.cx * sx, cy=self.cy * sy, width=width, height=height
        )

    def scaled(self, factor: float) -> Self:
        """The same picture of a world in which every length is ``factor`` times as long."""
        c2w = self.c2w.copy()
        c2w[:3, 3] *= factor
        return replace(self, c2w=c2w)

    def projection(self, near_m: float = NEAR_M, far_m: float = FAR_M) -> np.ndarray:
        """(4, 4) camera space to OpenGL clip space (x right, y up, z/w in [-1, 1])."""
        p = np.zeros((4, 4))
        p[0, 0] = 2 * self.fx / self.width
        p[0, 2] = 1 - 2 * self.cx / self.width
        p[1, 1] = 2 * self.fy / self.height
        p[1, 2] = 2 * self.cy / self.height - 1
        p[2, 2] = -(far_m + near_m) / (far_m - near_m)
        p[2, 3] = -2 * far_m * near_m / (far_m - near_m)
        p[3, 2] = -1
        return p

    def w2clip(self, near_m: float = NEAR_M, far_m: float = FAR_M) -> np.ndarray:
        """(4, 4) world to clip space."""
        return self.projection(near_m, far_m) @ self.w2c

    def project(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Pixels (..., 2) as (x, y) and depth along the view axis (...,) metres of world points (..., 3)."""
        p = points @ self.w2c[:3, :3].T + self.w2c[:3, 3]
        depth = -p[..., 2]
        x = self.cx + self.fx * p[..., 0] / depth
        y = self.cy - self.fy * p[..., 1] / depth
        return np.stack([x, y], -1), depth

    def rays(self) -> tuple[np.ndarray, np.ndarray]:
        """Origins and unit directions (height, width, 3) through all pixel centres, world frame."""
        x, y = np.meshgrid(np.arange(self.width) + 0.5, np.arange(self.height) + 0.5)
        d = np.stack([(x - self.cx) / self.fx, -(y - self.cy) / self.fy, -np.ones_like(x)], -1)
        d = d @ self.c2w[:3, :3].T
        d /= np.linalg.norm(d, axis=-1, keepdims=True)
        return np.broadcast_to(self.position, d.shape), d


def look_at_c2w(position: np.ndarray, target: np.ndarray) -> np.ndarray:
    """(4, 4) pose of a camera at ``position`` looking at ``target`` with world +Z up."""
    back = position - target
    back = back / np.linalg.norm(back)
    right = np.cross([0.0, 0.0, 1.0], back)
    right /= np.linalg.norm(right)
    c2w = np.eye(4)
    c2w[:3, 0], c2w[:3, 1], c2w[:3, 2], c2w[:3, 3] = right, np.cross(back, right), back, position
    return c2w


def orbit(
    name: str, target: np.ndarray, radius_m: float, azimuth_deg: float, elevation_deg: float, focal_px: float,
    width: int, height: int,
) -> Camera:
    """A camera on a sphere round ``target`` (3,), principal point in the middle."""
    a, e = math.radians(azimuth_deg), math.radians(elevation_deg)
    offset = radius_m * np.array([math.sin(a) * math.cos(e), -math.cos(a) * math.cos(e), math.sin(e)])
    position = np.asarray(target, float) + offset
    return Camera(name, look_at_c2w(position, np.asarray(target, float)), focal_px, focal_px, width / 2, height / 2, width, height)


def ring_places(prefix: str, count: int) -> dict[str, float]:
    """Name -> azimuth, degrees, of ``count`` cameras round a ring: 360 i / count, named ``prefix_00`` on."""
    return {f"{prefix}_{i:02d}": 360.0 * i / count for i in range(count)}


def ring(
    prefix: str, count: int, target: np.ndarray, radius_m: float, elevation_deg: float, focal_px: float, width: int, height: int
) -> list[Camera]:
    """The cameras of ``ring_places``, looking at ``target``."""
    places = ring_places(prefix, count)
    return [orbit(name, target, radius_m, azimuth, elevation_deg, focal_px, width, height) for name, azimuth in places.items()]
