"""One skeleton's motion on another: turns in the world, relative to rest poses laid over each other, and the hips' way scaled by the legs.

Both skeletons rest upright, facing -Y, but one may hold its arms level and the other at its sides. So each bone of a limb is first laid
along the other's (the shortest turn, after that of the bone above it, so that no twist creeps in); a foot is turned about the upright axis
only, since at rest both stand flat on the ground. Hips, spine, neck and head take the source's turns as they are.
"""

from __future__ import annotations

import numpy as np

from pipeline.errors import ConfigError
from stages.artifacts.body import Skeleton
from stages.artifacts.motion import Clip, Posture
from stages.artifacts.rotations import shortest_turns
from stages.rig.motion.contacts import Contacts, contacts_of
from stages.rig.motion.feet import hold_feet

LEGS = ("leftUpperLeg", "rightUpperLeg")
NEEDED = ("hips", *(side + part for side in ("left", "right") for part in ("UpperLeg", "LowerLeg", "Foot")))
_CHAIN = {"UpperArm": "LowerArm", "LowerArm": "Hand", "UpperLeg": "LowerLeg", "LowerLeg": "Foot", "Foot": "Toes"}


def retarget(source: Clip, target: Skeleton, name: str, hold: bool = True) -> Clip:
    """The motion of ``source`` on ``target``; with ``hold`` feet stand still where the source's do, and nothing sinks into the ground."""
    check_humanoid(target)
    contacts = contacts_of(source)
    posture = carried_over(source, target, contacts)
    return (hold_feet(posture, contacts, source.fps) if hold else posture).clip(name, source.fps)


def check_humanoid(target: Skeleton) -> None:
    """Raises ConfigError if a skeleton has not what a motion moves."""
    missing = [joint for joint in NEEDED if joint not in target.names]
    if missing or target.names[0] != "hips":
        raise ConfigError(f"a motion needs a humanoid skeleton with the hips at its root; it lacks {', '.join(missing) or 'nothing'} "
                          f"and begins with {target.names[0]}")


def carried_over(source: Clip, target: Skeleton, contacts: Contacts) -> Posture:
    """Turns and the hips' way alone; feet are wherever that puts them."""
    moved = source.posture()
    laid = rest_alignment(source.skeleton, target)
    turns = np.empty((source.frames, len(target.names), 3, 3))
    for j, (joint, parent) in enumerate(zip(target.names, target.parents, strict=True)):
        if joint in source.skeleton.names:
            turns[:, j] = moved.turns[:, source.skeleton.index(joint)] @ laid[j]
        else:
            turns[:, j] = turns[:, parent]
    return Posture.of_turns(target, turns, _hips_way(moved, target, turns[:, 0], contacts))


def rest_alignment(source: Skeleton, target: Skeleton) -> np.ndarray:
    """(J, 3, 3) turns that lay each of the target's bones at rest along the source's bone of that name."""
    laid = np.tile(np.eye(3), (len(target.names), 1, 1))
    for j, joint in enumerate(target.names):
        side = next((s for s in ("left", "right") if joint.startswith(s)), None)
        parent = int(target.parents[j])
        if side is None or joint not in source.names or joint.endswith(("Shoulder", "Eye")):
            continue
        theirs, ours = _along(source, joint), _along(target, joint)
        if joint.endswith(("Foot", "Toes")):
            theirs, ours, above = theirs * [1, 1, 0], ours * [1, 1, 0], np.eye(3)
        else:
            above = laid[parent] if target.names[parent].startswith(side) else np.eye(3)
        if np.linalg.norm(theirs) < 1e-6 or np.linalg.norm(ours) < 1e-6:
            laid[j] = above
        else:
            laid[j] = shortest_turns(above @ ours, theirs) @ above
    return laid


def _along(skeleton: Skeleton, joint: str) -> np.ndarray:
    """(3,) from a joint to where its bone leads."""
    side = "left" if joint.startswith("left") else "right"
    following = side + _CHAIN.get(joint.removeprefix(side), "?")
    j = skeleton.index(joint)
    return (skeleton.heads[skeleton.index(following)] if following in skeleton.names else skeleton.tails[j]) - skeleton.heads[j]


def leg_length(skeleton: Skeleton) -> float:
    """Mean of both legs from hip to ankle."""
    at = lambda name: skeleton.heads[skeleton.index(name)]  # noqa: E731
    return float(np.mean([np.linalg.norm(at(f"{s}UpperLeg") - at(f"{s}LowerLeg")) + np.linalg.norm(at(f"{s}LowerLeg") - at(f"{s}Foot"))
                          for s in ("left", "right")]))


def _hips_way(moved: Posture, target: Skeleton, hips_turns: np.ndarray, contacts: Contacts) -> np.ndarray:
    """(K, 3) root offsets that put the middle between the hip joints where the source's is, scaled from the ankles' height up."""
    at = lambda name: target.heads[target.index(name)]  # noqa: E731
    scale = leg_length(target) / leg_length(moved.skeleton)
    middle = (moved.at(LEGS[0]) + moved.at(LEGS[1])) / 2
    ours = middle * scale
    ankle = (at("leftFoot")[2] + at("rightFoot")[2]) / 2
    ours[:, 2] = ankle + scale * (middle[:, 2] - contacts.ankle_m)
    at_rest = (at(LEGS[0]) + at(LEGS[1])) / 2 - target.heads[0]
    return ours - hips_turns @ at_rest - target.heads[0]
