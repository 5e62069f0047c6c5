"""Cameras for pictures that people look at: round any set of points, or close to its face."""

from __future__ import annotations

import numpy as np

from stages.artifacts.cameras import Camera, orbit, ring
from stages.artifacts.units import NOMINAL_M, metres_per_unit

RADIUS_M = 4.0


def viewing_distance(v_pos: np.ndarray) -> float:
    """4 m in the unit of ``v_pos`` (V, 3), so that a figure in centimetres is not looked at from between its feet."""
    return RADIUS_M / metres_per_unit(max(float(np.ptp(v_pos, axis=0).max()), NOMINAL_M))


def looking_at(v_pos: np.ndarray, azimuth_deg: float, width: int, height: int, margin: float = 0.04, elevation_deg: float = 0.0) -> Camera:
    """The camera ``viewing_distance`` and a half width from the middle of ``v_pos`` (V, 3) whose picture just holds it, with ``margin`` of each side left free."""
    middle = (v_pos.min(0) + v_pos.max(0)) / 2
    radius = viewing_distance(v_pos) + np.linalg.norm(v_pos - middle, axis=-1).max()
    camera = orbit(f"view_{azimuth_deg:g}", middle, radius, azimuth_deg, elevation_deg, 1.0, width, height)
    pixels, _ = camera.project(v_pos.astype(np.float64))
    reach = np.abs(pixels - [width / 2, height / 2]).max(0)
    focal = (1 - 2 * margin) / 2 * min(width / reach[0], height / reach[1])
    return orbit(camera.name, middle, radius, azimuth_deg, elevation_deg, float(focal), width, height)


def turntable(v_pos: np.ndarray, count: int, width: int, height: int, margin: float = 0.04) -> list[Camera]:
    """``count`` cameras round the upright axis through the middle of ``v_pos`` (V, 3), one focal length, that hold it at every azimuth."""
    middle = (v_pos.min(0) + v_pos.max(0)) / 2
    offset = v_pos - middle
    r = np.linalg.norm(offset[:, :2], axis=-1)
    radius = viewing_distance(v_pos) + r.max()
    tall, wide = (np.abs(offset[:, 2]) / (radius - r)).max(), (r / np.sqrt(radius**2 - r**2)).max()
    focal = (1 - 2 * margin) / 2 * min(height / tall, width / wide)
    return ring("turn", count, middle, radius, 0.0, float(focal), width, height)
