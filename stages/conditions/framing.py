"""The cameras that the settings ask for. The usual ones are those of ``stages/artifacts/framing``, which the training pictures share."""

from __future__ import annotations

import math

import numpy as np

from pipeline.errors import ConfigError
from stages.artifacts import framing
from stages.artifacts.body import BodyModel
from stages.artifacts.cameras import Camera, ring
from stages.conditions.settings import BodyRingSettings, ConditionsSettings, HeadRingSettings

NEAREST_M = 0.05  # what is closer to a camera than this counts as behind it


class InsideBodyError(ConfigError):
    """Cameras were asked for where the body is."""


def rings(body_posed: BodyModel, settings: ConditionsSettings) -> dict[str, list[Camera]]:
    """Ring name -> its cameras, ``body`` first; ``head`` only if it has views. Raises InsideBodyError."""
    found = {"body": body_cameras(body_posed, settings.body_ring, settings.width, settings.height)}
    if settings.head_ring.views:
        found["head"] = head_cameras(body_posed, settings.head_ring, settings.width, settings.height)
    return found


def body_cameras(body_posed: BodyModel, wanted: BodyRingSettings, width: int, height: int) -> list[Camera]:
    """Aimed at the middle of the posed body's bounding box, or where ``framing.body_frame`` finds equal room above and below."""
    if wanted.focal_px is None and wanted.elevation_deg == 0 and wanted.radius_m == framing.RADIUS_M:
        return framing.body_ring(body_posed, wanted.views, width, height, wanted.margin)
    target = (body_posed.v_pos.min(0) + body_posed.v_pos.max(0)) / 2
    unit = ring("body", wanted.views, target, wanted.radius_m, wanted.elevation_deg, 1.0, width, height)
    focal = wanted.focal_px or _longest_focal(body_posed.v_pos, unit, wanted)
    return ring("body", wanted.views, target, wanted.radius_m, wanted.elevation_deg, focal, width, height)


def head_cameras(body_posed: BodyModel, wanted: HeadRingSettings, width: int, height: int) -> list[Camera]:
    """Aimed at the middle of the head; without ``focal_px`` the head fills the same share of the picture at any radius."""
    target, focal = framing.head_frame(body_posed, height)
    focal = wanted.focal_px or focal * wanted.radius_m / framing.RADIUS_M
    return ring("head", wanted.views, target, wanted.radius_m, wanted.elevation_deg, focal, width, height)


def _longest_focal(v_pos: np.ndarray, unit: list[Camera], wanted: BodyRingSettings) -> float:
    """Pixels; ``unit`` are the cameras with a focal length of 1. Raises InsideBodyError."""
    reach, shortage_m = np.zeros(2), 0.0
    for camera in unit:
        pixel, depth = camera.project(v_pos)
        shortage_m = max(shortage_m, NEAREST_M - float(depth.min()))
        reach = np.maximum(reach, np.abs(pixel - [camera.cx, camera.cy]).max(0))
    if shortage_m > 0:
        least_m = math.ceil((wanted.radius_m + shortage_m) * 100) / 100
        raise InsideBodyError(f"conditions.body_ring.radius_m: {wanted.radius_m:g} m puts cameras inside the posed body; give at least {least_m:g} m")
    return float(((1 - 2 * wanted.margin) / 2 * np.array([unit[0].width, unit[0].height]) / reach).min())
