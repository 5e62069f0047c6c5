"""When a recorded person's heels and toes are on the ground: low and slow, in metres of that person.

The ground itself is not recorded, and shoes and marker sets put the ankle at different heights; so how high ankle and ball are when they
stand is taken from the motion, as what is common among the frames in which they are still.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from stages.artifacts.motion import Clip, Posture

# For a leg of 0.85 m from hip to ankle: above its level, and speed along the ground and upwards.
LOW_M, SLOW_M_S, STILL_M_S, LEG_M = 0.035, 0.40, 0.15, 0.85
GAP_S, LEAST_S = 0.07, 0.07
SIDES = ("left", "right")


@dataclass(frozen=True)
class Contacts:
    """(K, 2) bool of heels and toes on the ground, left and right; ``ankle_m`` is how high the source's ankles are when they stand."""

    heel: np.ndarray
    toe: np.ndarray
    ankle_m: float


def contacts_of(clip: Clip) -> Contacts:
    """Contacts in every frame. A skeleton without toes stands on its ankles."""
    posture = clip.posture()
    scale = _leg(posture) / LEG_M
    ankles = np.stack([posture.at(f"{side}Foot") for side in SIDES], 1)
    heel, ankle_m = _on_ground(ankles, clip.fps, scale)
    if not all(f"{side}Toes" in clip.skeleton.names for side in SIDES):
        return Contacts(heel, heel, ankle_m)
    toe, _ = _on_ground(np.stack([posture.at(f"{side}Toes") for side in SIDES], 1), clip.fps, scale)
    return Contacts(heel, toe, ankle_m)


def _leg(posture: Posture) -> float:
    """The left leg, from the hip to the ankle."""
    rest = posture.skeleton
    at = lambda name: rest.heads[rest.index(name)]  # noqa: E731
    return float(np.linalg.norm(at("leftUpperLeg") - at("leftLowerLeg")) + np.linalg.norm(at("leftLowerLeg") - at("leftFoot")))


def _on_ground(points: np.ndarray, fps: float, scale: float) -> tuple[np.ndarray, float]:
    """(K, 2) bool for two feet's points (K, 2, 3), and the height at which they stand."""
    speed = np.linalg.norm(np.gradient(points, axis=0) if len(points) > 1 else np.zeros_like(points), axis=-1) * fps
    height = points[..., 2]
    lowest = height.min(1)
    still = height[(speed < STILL_M_S * scale) & (height < np.percentile(lowest, 50) + 2 * LOW_M * scale)]
    level = float(np.median(still)) if len(still) >= 3 else float(np.percentile(lowest, 10))
    touching = (height < level + LOW_M * scale) & (speed < SLOW_M_S * scale)
    return np.stack([_steady(touching[:, k], fps) for k in range(touching.shape[1])], -1), level


def _steady(touching: np.ndarray, fps: float) -> np.ndarray:
    """(K,) without gaps shorter than ``GAP_S`` nor contacts shorter than ``LEAST_S``."""
    out = touching.copy()
    for start, end in runs(~out):
        if 0 < start and end < len(out) and (end - start) / fps <= GAP_S:
            out[start:end] = True
    for start, end in runs(out):
        if (end - start) / fps < LEAST_S:
            out[start:end] = False
    return out


def runs(mask: np.ndarray) -> list[tuple[int, int]]:
    """(first, past the last) of each stretch of True in (K,)."""
    labels, count = ndimage.label(mask)
    return [(s[0].start, s[0].stop) for s in ndimage.find_objects(labels, count)]
