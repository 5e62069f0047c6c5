"""Legs that reach for given ankles: analytic inverse kinematics of two bones, the knee in the plane in which the motion bends it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from stages.artifacts.body import Skeleton
from stages.artifacts.motion import Posture
from stages.artifacts.normals import unit
from stages.artifacts.rotations import shortest_turns

# No leg is stretched further than this share of its length: at the very end a knee snaps.
STRAIGHTEST = 0.998
EASE_S = 0.12
_X = np.array([1.0, 0.0, 0.0])


@dataclass(frozen=True)
class Footing:
    """Where a foot is to be: ``ankles`` (K, 3), turns of foot and toes (K, 3, 3); ``toes`` None if there are none."""

    ankles: np.ndarray
    turns: np.ndarray
    toes: np.ndarray | None


def lengths(skeleton: Skeleton, side: str) -> tuple[float, float]:
    """Of the upper and the lower leg, metres."""
    hip, knee, ankle = (skeleton.heads[skeleton.index(side + part)] for part in ("UpperLeg", "LowerLeg", "Foot"))
    return float(np.linalg.norm(knee - hip)), float(np.linalg.norm(ankle - knee))


def lowered(posture: Posture, footings: Mapping[str, Footing], standing: np.ndarray, fps: float) -> Posture:
    """``posture`` with its hips lowered, smoothly, as far as the legs that stand (K, 2) need it to reach their feet."""
    drop = np.zeros(len(posture.heads))
    for k, (side, footing) in enumerate(footings.items()):
        away = posture.at(f"{side}UpperLeg") - footing.ankles
        flat = np.linalg.norm(away[:, :2], axis=-1)
        longest = STRAIGHTEST * sum(lengths(posture.skeleton, side))
        too_high = away[:, 2] - np.sqrt(np.maximum(longest**2 - flat**2, 0))
        drop = np.maximum(drop, np.where(standing[:, k], too_high, 0))
    offset = posture.heads[:, 0] - posture.skeleton.heads[0]
    offset = offset - eased_maximum(drop, fps)[:, None] * [0.0, 0.0, 1.0]
    return Posture.of_turns(posture.skeleton, posture.turns, offset)


def eased_maximum(values: np.ndarray, fps: float) -> np.ndarray:
    """(K,) a smooth curve that is nowhere below ``values``: the largest nearby, averaged no further than that reaches."""
    reach = max(round(EASE_S * fps), 1)
    highest = ndimage.maximum_filter1d(values, 2 * reach + 1, mode="nearest")
    return ndimage.gaussian_filter1d(highest, reach / 2, mode="nearest", radius=reach)


def stand(posture: Posture, footings: Mapping[str, Footing]) -> Posture:
    """``posture`` with each foot as its footing says, as far as the leg reaches."""
    turns = posture.turns.copy()
    for side, footing in footings.items():
        upper, lower, foot = (posture.skeleton.index(side + part) for part in ("UpperLeg", "LowerLeg", "Foot"))
        hip, knee, ankle = (posture.heads[:, j] for j in (upper, lower, foot))
        new_knee, new_ankle = _bent(posture, side, footing.ankles)
        turns[:, upper] = shortest_turns(knee - hip, new_knee - hip) @ turns[:, upper]
        turns[:, lower] = shortest_turns(ankle - knee, new_ankle - new_knee) @ turns[:, lower]
        turns[:, foot] = footing.turns
        if footing.toes is not None:
            turns[:, posture.skeleton.index(f"{side}Toes")] = footing.toes
    return Posture.of_turns(posture.skeleton, turns, posture.heads[:, 0] - posture.skeleton.heads[0])


def _bent(posture: Posture, side: str, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(K, 3) knees and ankles of a leg that reaches for ``wanted`` (K, 3), by the law of cosines."""
    upper, lower = lengths(posture.skeleton, side)
    hip, knee, ankle = (posture.at(side + part) for part in ("UpperLeg", "LowerLeg", "Foot"))
    reach = wanted - hip
    distance = np.clip(np.linalg.norm(reach, axis=-1), abs(upper - lower) + 1e-4, STRAIGHTEST * (upper + lower))[:, None]
    along = unit(reach, -np.eye(3)[2])
    # A knee that is nearly straight has no plane of its own; there the thigh's own axis says where it would bend.
    hinge = np.cross(knee - hip, ankle - knee) / (upper * lower) + 0.1 * (posture.turns[:, posture.skeleton.index(f"{side}UpperLeg")] @ _X)
    forward = unit(np.cross(along, hinge), -np.eye(3)[1])
    cos = (upper**2 + distance**2 - lower**2) / (2 * upper * distance)
    new_knee = hip + upper * (cos * along + np.sqrt(np.maximum(1 - cos**2, 0)) * forward)
    return new_knee, hip + distance * along
