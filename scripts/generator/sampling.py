"""What varies beside the words: proportions of the body, its pose, the camera."""

from __future__ import annotations

from dataclasses import astuple

import numpy as np

from stages.artifacts.body import BodyModel, axis_angle_wxyz
from stages.artifacts.cameras import Camera, orbit
from stages.artifacts.framing import RADIUS_M, body_frame, head_frame
from stages.conditions.body.shape import FIGURES, Shape, shaped

WIDTH, HEIGHT = 288, 384
RING_SIZES = {"body": 24, "head": 8}
ON_RING = 0.5  # share of training cameras that stand exactly on the ring
X, Y, Z = np.eye(3)


def vary_body(body: BodyModel, rng: np.random.Generator, figure: str = "female") -> BodyModel:
    """A woman's or a man's body, taller or smaller, wider or slimmer, with a larger or smaller head; the soles stay on z = 0."""
    spread = Shape(0.02, 0.04, 0.04, 0.04, 0.12, 0.05, 0.04, 0.05, 0.03)
    own = Shape(*(float(np.clip(rng.normal(1, s), 1 - 2 * s, 1 + 2 * s)) for s in astuple(spread)))
    return shaped(body, FIGURES[figure] * own)


def _turn(*steps: tuple[np.ndarray, float]) -> np.ndarray:
    """(4,) quaternion of turns in degrees, the first applied first."""
    w, v = 1.0, np.zeros(3)
    for axis, angle_deg in steps:
        q = axis_angle_wxyz(axis, angle_deg)
        w, v = q[0] * w - q[1:] @ v, q[0] * v + w * q[1:] + np.cross(q[1:], v)
    return np.array([w, *v])


def sample_pose(rng: np.random.Generator, amount: float = 1.0) -> dict[str, np.ndarray]:
    """Local rotations about the A-pose: arms higher or lower, elbows bent a little, legs apart, head turned."""
    if rng.random() < 0.3:
        return {}
    n = lambda deg: float(np.clip(rng.normal(0, deg), -2 * deg, 2 * deg)) * amount  # noqa: E731
    out = {"head": _turn((X, n(3)), (Z, n(5))), "spine": _turn((X, n(2)), (Z, n(2)))}
    drop = amount * rng.uniform(-10, 22)
    for side, sign in (("left", 1.0), ("right", -1.0)):
        own = drop + n(4)
        out[side + "UpperArm"] = _turn((Y, sign * own), (Z, sign * n(5)))
        out[side + "LowerArm"] = _turn((np.array([0.643 * sign, 0.0, 0.766]) * sign, -abs(n(8))))
        out[side + "UpperLeg"] = _turn((Y, -sign * abs(n(2.5))), (X, n(3)))
        out[side + "LowerLeg"] = _turn((X, -abs(n(3))))
    return out


def training_camera(
    body: BodyModel, rng: np.random.Generator, ring: str, width: int = WIDTH, height: int = HEIGHT
) -> Camera:
    """A camera of the ``ring`` "body" or "head" round a posed body: half stand on the ring, half between its places, with a little
    freedom in height, distance and aim."""
    target, focal = body_frame(body, width, height) if ring == "body" else head_frame(body, height)
    count = RING_SIZES[ring]
    azimuth = 360.0 / count * int(rng.integers(count))
    elevation = 0.0
    if rng.random() > ON_RING:
        azimuth = rng.uniform(0, 360)
        elevation = float(np.clip(rng.normal(0, 1.5), -4, 4))
        focal *= 1 - abs(rng.normal(0, 0.012))
        target = target + rng.normal(0, 0.004, 3)
    return orbit(f"{ring}_training", target, RADIUS_M, azimuth, elevation, focal, width, height)
