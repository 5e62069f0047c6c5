"""Which cameras look at a posed body: the ring round the whole figure and the ring of close-ups on the head.

The one place that knows the framing; the stage that renders conditions and the generator of training pictures both ask here.
"""

from __future__ import annotations

import numpy as np

from stages.artifacts.body import BodyModel
from stages.artifacts.cameras import Camera, ring

RADIUS_M = 4.0
HEAD_FRAME_HEIGHTS = 2.0  # height of a close-up in heights of the head (chin to crown): about 0.51 m
HEAD_RAISE = 0.1  # of a head: hats and buns stand above the crown, nothing hangs below the chin that matters
FOCUS_STEPS = 24  # halvings of the interval in which the middle of the figure is sought


def body_frame(body_posed: BodyModel, width: int, height: int, margin: float = 0.05) -> tuple[np.ndarray, float]:
    """Target (3,) in metres and focal length in pixels that hold every vertex at every azimuth of elevation 0.

    A vertex at distance r from the upright axis through the target sweeps a circle: its widest tangent is r / sqrt(R^2 - r^2),
    its tallest |z - z_target| / (R - r). ``margin`` is the share of width and height left free on each side.
    """
    v = np.asarray(body_posed.v_pos, float)
    axis = (v[:, :2].min(0) + v[:, :2].max(0)) / 2
    r = np.minimum(np.linalg.norm(v[:, :2] - axis, axis=1), 0.9 * RADIUS_M)
    low, high = v[:, 2].min(), v[:, 2].max()
    for _ in range(FOCUS_STEPS):  # equal room above and below
        middle = (low + high) / 2
        slope = (v[:, 2] - middle) / (RADIUS_M - r)
        low, high = (middle, high) if slope.max() > -slope.min() else (low, middle)
    middle = (low + high) / 2
    tall = (np.abs(v[:, 2] - middle) / (RADIUS_M - r)).max()
    wide = (r / np.sqrt(RADIUS_M**2 - r**2)).max()
    focal = (1 - 2 * margin) / 2 * min(height / tall, width / wide)
    return np.array([*axis, middle]), float(focal)


def head_frame(body_posed: BodyModel, height: int) -> tuple[np.ndarray, float]:
    """Target (3,), a little above the middle between chin and crown, and the focal length in pixels of a close-up with room for hair."""
    chin, crown = (np.asarray(body_posed.v_pos[body_posed.landmarks[name]], float) for name in ("chin", "crown"))
    frame_m = HEAD_FRAME_HEIGHTS * np.linalg.norm(crown - chin)
    return (chin + crown) / 2 + HEAD_RAISE * (crown - chin), float(height * RADIUS_M / frame_m)


def body_ring(body_posed: BodyModel, count: int, width: int, height: int, margin: float = 0.05) -> list[Camera]:
    """``body_00`` on: ``count`` cameras at azimuths 360 i / count, elevation 0, that hold the posed body, hands included."""
    target, focal = body_frame(body_posed, width, height, margin)
    return ring("body", count, target, RADIUS_M, 0.0, focal, width, height)


def head_ring(body_posed: BodyModel, count: int, width: int, height: int) -> list[Camera]:
    """``head_00`` on: close-ups of the posed head; ``head_00`` looks from the same side as ``body_00``."""
    target, focal = head_frame(body_posed, height)
    return ring("head", count, target, RADIUS_M, 0.0, focal, width, height)
