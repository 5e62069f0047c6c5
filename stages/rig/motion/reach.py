"""Hands that reach for given places: analytic inverse kinematics of two bones, the elbow on the side on which the motion has it.

How far an arm is bent is decided as an angle at the elbow, not as a distance: near full reach a distance says next to nothing of the angle, and
an arm that follows it snaps straight. A place out of reach straightens the arm to ``STRAIGHTEST_RAD``, or to where the motion has it if that
is straighter, and passes into that softly; the hand is then short of the place, in its direction.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy import ndimage

from stages.artifacts.body import Skeleton
from stages.artifacts.motion import Posture
from stages.artifacts.normals import unit
from stages.artifacts.rotations import shortest_turns
from stages.rig.easing import smoothstep

ARM = ("UpperArm", "LowerArm", "Hand")
# Bend of the elbow, 0 when straight: what a place out of reach leaves, what one at the shoulder comes to, over how much both set in.
STRAIGHTEST_RAD, TIGHTEST_RAD, SOFT_RAD = np.radians([25.0, 140.0, 20.0])
EASE_S = 0.04  # the bend's difference from the motion's own is averaged over about so long, so that elbows start and stop no harder than the motion's
_NEAR = (0.1, 0.3)  # shares of the arm's length from the shoulder within which its direction is not to be relied on
_STRAIGHT = 0.2  # sine of the bend below which an arm's plane is not its own alone
_Y = np.array([0.0, 1.0, 0.0])


def has_arm(skeleton: Skeleton, side: str) -> bool:
    """Whether there is an arm to reach with: shoulder, elbow and wrist."""
    return all(side + part in skeleton.names for part in ARM)


def arm_length(skeleton: Skeleton, side: str) -> float:
    """Metres from shoulder to wrist of a straight arm."""
    shoulder, elbow, wrist = (skeleton.heads[skeleton.index(side + part)] for part in ARM)
    return float(np.linalg.norm(elbow - shoulder) + np.linalg.norm(wrist - elbow))


def reach_for(posture: Posture, places: Mapping[str, np.ndarray], share: float, fps: float) -> Posture:
    """``posture`` with the wrist of each side ``share`` (0 to 1) of the way to its ``places`` (K, 3), as far as the arm reaches.

    World metres. All that hangs on a bone of the arm goes with it, so wrists and fingers stay bent as the motion has them.
    """
    turns = posture.turns.copy()
    for side, wanted in places.items():
        shoulder, elbow, wrist = arm = _arm(posture, side)
        new_elbow, new_wrist = _bent(posture, side, wrist + _share(arm, wanted, share) * (wanted - wrist), fps)
        upper = shortest_turns(elbow - shoulder, new_elbow - shoulder)
        lower = shortest_turns(wrist - elbow, new_wrist - new_elbow)
        for part, turn in (("UpperArm", upper), ("LowerArm", lower)):
            moved = _going_with(posture.skeleton, side, part)
            turns[:, moved] = turn[:, None] @ turns[:, moved]
    return Posture.of_turns(posture.skeleton, turns, posture.heads[:, 0] - posture.skeleton.heads[0])


def _arm(posture: Posture, side: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(K, 3) shoulders, elbows and wrists."""
    return posture.at(side + ARM[0]), posture.at(side + ARM[1]), posture.at(side + ARM[2])


def _share(arm: tuple[np.ndarray, np.ndarray, np.ndarray], wanted: np.ndarray, share: float) -> np.ndarray:
    """(K, 1) of the way; less where the wrist is, or is to be, so near the shoulder that a small step would turn the arm round."""
    shoulder, elbow, wrist = arm
    length = np.linalg.norm(elbow[0] - shoulder[0]) + np.linalg.norm(wrist[0] - elbow[0])
    nearest = np.minimum(np.linalg.norm(wrist - shoulder, axis=-1), np.linalg.norm(wanted - shoulder, axis=-1))
    return share * smoothstep((nearest / length - _NEAR[0]) / (_NEAR[1] - _NEAR[0]))[:, None]


def _going_with(skeleton: Skeleton, side: str, part: str) -> list[int]:
    """Joints that move with a bone of the arm: its own, and those beneath it that do not hang on the lower arm."""
    moved = [skeleton.index(side + part)]
    for j, (joint, parent) in enumerate(zip(skeleton.names, skeleton.parents, strict=True)):
        if parent in moved and joint != side + "LowerArm":
            moved.append(j)
    return moved


def _bent(posture: Posture, side: str, wanted: np.ndarray, fps: float) -> tuple[np.ndarray, np.ndarray]:
    """(K, 3) elbows and wrists of an arm that reaches for ``wanted`` (K, 3), its plane turned along by the shortest way."""
    shoulder, elbow, wrist = arm = _arm(posture, side)
    upper, lower = (float(np.linalg.norm(b[0] - a[0])) for a, b in ((shoulder, elbow), (elbow, wrist)))
    given = _bend(np.linalg.norm(wrist - shoulder, axis=-1), upper, lower)
    more = _softly(_bend(np.linalg.norm(wanted - shoulder, axis=-1), upper, lower), given) - _softly(given, given)
    bend = np.clip(given + ndimage.gaussian_filter1d(more, EASE_S * fps, mode="nearest"), 0, np.pi)
    distance = np.sqrt(upper**2 + lower**2 + 2 * upper * lower * np.cos(bend))[:, None]
    along = unit(wanted - shoulder, _Y)
    outward = _elbow_side(posture, side, arm, along)
    cos = np.clip((upper**2 + distance**2 - lower**2) / (2 * upper * distance), -1, 1)
    return shoulder + upper * (cos * along + np.sqrt(1 - cos**2) * outward), shoulder + distance * along


def _elbow_side(posture: Posture, side: str, arm: tuple[np.ndarray, np.ndarray, np.ndarray], along: np.ndarray) -> np.ndarray:
    """(K, 3) unit, square to ``along``: where the elbow lies from the line of the arm once that line is turned to ``along``."""
    shoulder, elbow, wrist = arm
    # An arm that is nearly straight has no plane of its own; there the upper arm's axis says where the elbow would be: elbows bend forward at rest.
    joint = posture.skeleton.index(side + "UpperArm")
    rest = posture.skeleton.heads[posture.skeleton.index(side + "LowerArm")] - posture.skeleton.heads[joint]
    axis = posture.turns[:, joint] @ unit(np.cross(rest, -_Y), np.eye(3)[2])
    hinge = np.cross(unit(elbow - shoulder, _Y), unit(wrist - elbow, _Y))
    hinge = hinge + 0.1 * (1 - smoothstep(np.linalg.norm(hinge, axis=-1, keepdims=True) / _STRAIGHT)) * axis
    hinge = (shortest_turns(wrist - shoulder, along) @ hinge[..., None])[..., 0]
    return unit(np.cross(along, hinge), _Y)


def _bend(distance: np.ndarray, upper: float, lower: float) -> np.ndarray:
    """(K,) rad by which the elbow is bent where the wrist is ``distance`` from the shoulder; 0 beyond the arm's length."""
    return np.arccos(np.clip((distance**2 - upper**2 - lower**2) / (2 * upper * lower), -1, 1))


def _softly(wanted: np.ndarray, given: np.ndarray) -> np.ndarray:
    """(K,) rad: ``wanted``, but no straighter and no tighter than elbows go, unless the motion's own bend ``given`` is."""
    straightest = _smooth_minimum(given, np.full_like(given, STRAIGHTEST_RAD))
    tightest = -_smooth_minimum(-given, np.full_like(given, -TIGHTEST_RAD))
    return _smooth_minimum(-_smooth_minimum(-wanted, -straightest), tightest)


def _smooth_minimum(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(K,) the smaller, or up to a quarter of ``SOFT_RAD`` less where they are nearer than that: without a corner (Quilez, polynomial)."""
    near = np.maximum(SOFT_RAD - np.abs(a - b), 0) / SOFT_RAD
    return np.minimum(a, b) - near**2 * SOFT_RAD / 4
