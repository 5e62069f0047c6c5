"""What two skeletons have in common at rest: size by the legs, where head and shoulders are over the hips, how alike they are altogether."""

from __future__ import annotations

import numpy as np

from stages.artifacts.body import Skeleton
from stages.rig.easing import smoothstep
from stages.rig.motion.contacts import SIDES, Contacts
from stages.rig.motion.reach import arm_length, has_arm

LEGS = ("leftUpperLeg", "rightUpperLeg")
BACK = ("spine", "chest", "upperChest")
LARGEST_LEAN_RAD = np.radians(15.0)
# How far apart shoulders and lengths of arms may be, in lengths of the target's arm: alike up to the first, unlike from the second on.
_ALIKE, _UNLIKE = 0.4, 0.8


def leg_length(skeleton: Skeleton) -> float:
    """Mean of both legs from hip to ankle."""
    at = lambda name: skeleton.heads[skeleton.index(name)]  # noqa: E731
    return float(np.mean([np.linalg.norm(at(f"{s}UpperLeg") - at(f"{s}LowerLeg")) + np.linalg.norm(at(f"{s}LowerLeg") - at(f"{s}Foot"))
                          for s in ("left", "right")]))


def hip_middle(skeleton: Skeleton) -> np.ndarray:
    """(3,) between the hip joints at rest."""
    return (skeleton.heads[skeleton.index(LEGS[0])] + skeleton.heads[skeleton.index(LEGS[1])]) / 2


def scaled(points: np.ndarray, source: Skeleton, target: Skeleton, contacts: Contacts) -> np.ndarray:
    """(K, 3) where ``points`` (K, 3) of the source are once it is as large as the target, by the legs, from the ankles' height up."""
    ankle = (target.heads[target.index("leftFoot")][2] + target.heads[target.index("rightFoot")][2]) / 2
    scale = leg_length(target) / leg_length(source)
    ours = points * scale
    ours[:, 2] = ankle + scale * (points[:, 2] - contacts.ankle_m)
    return ours


def trunk_lean(source: Skeleton, target: Skeleton) -> float:
    """Radians by which the target's back has to lean back, at rest, for its head to be as far behind or before its hip joints as the source's.

    Where hip joints lie in a pelvis is a matter of how a skeleton was made: CMU's lie 5 cm before the back, so that with the same turns a body
    whose back stands over its hips would stoop. 0 where the back has no joint of its own.
    """
    first = next((joint for joint in BACK if joint in target.names and joint in source.names), None)
    if first is None or any("head" not in s.names or "neck" not in s.names for s in (source, target)):
        return 0.0
    (back, high), (our_back, our_high) = (s.heads[s.index("head")][1:] - hip_middle(s)[1:] for s in (source, target))
    lever = float(target.heads[target.index("neck")][2] - target.heads[target.index(first)][2])
    if min(high, our_high, lever) <= 0:
        return 0.0
    return float(np.clip(np.arcsin(np.clip((our_high * back / high - our_back) / lever, -1, 1)), -LARGEST_LEAN_RAD, LARGEST_LEAN_RAD))


def likeness(source: Skeleton, target: Skeleton) -> float:
    """1 where the source, scaled by its legs, has shoulders and arms much like the target's; 0 where it has not, and its places mean nothing here.

    The head-high legs and long arms of an adult on a doll's body are such a case: hands that went where the doll's are would be over the head.
    """
    sides = [side for side in SIDES if has_arm(source, side) and has_arm(target, side)]
    if not sides:
        return 0.0
    scale, unlike = leg_length(target) / leg_length(source), 0.0
    for side in sides:
        theirs, ours = (s.heads[s.index(f"{side}UpperArm")] - hip_middle(s) for s in (source, target))
        apart = float(np.linalg.norm(ours - scale * theirs)) + abs(arm_length(target, side) - scale * arm_length(source, side))
        unlike = max(unlike, apart / arm_length(target, side))
    return 1.0 - float(smoothstep(np.array((unlike - _ALIKE) / (_UNLIKE - _ALIKE))))
