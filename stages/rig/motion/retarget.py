"""One skeleton's motion on another: turns in the world, relative to rest poses laid over each other, and the hips' way scaled by the legs.

Both skeletons rest upright, facing -Y, but one may hold its arms level and the other at its sides. So each bone of a limb is first laid
along the other's (the shortest turn, after that of the bone above it, so that no twist creeps in); a foot is turned about the upright axis
only, since at rest both stand flat on the ground. Hips, spine, neck and head take the source's turns as they are.

Turns alone leave hands and head where the body's own proportions put them. To reach for the places that they have in the source, scaled, is a
second step: the back is laid along the source's at rest (``trunk_lean``), and the arms follow by inverse kinematics.
"""

from __future__ import annotations

import numpy as np

from pipeline.errors import ConfigError
from stages.artifacts.body import Skeleton
from stages.artifacts.motion import Clip, Posture
from stages.artifacts.rotations import about, shortest_turns
from stages.rig.motion.contacts import SIDES, Contacts, contacts_of
from stages.rig.motion.feet import hold_feet
from stages.rig.motion.proportions import BACK, LEGS, hip_middle, likeness, scaled, trunk_lean
from stages.rig.motion.reach import has_arm, reach_for

NEEDED = ("hips", *(side + part for side in ("left", "right") for part in ("UpperLeg", "LowerLeg", "Foot")))
_CHAIN = {"UpperArm": "LowerArm", "LowerArm": "Hand", "UpperLeg": "LowerLeg", "LowerLeg": "Foot", "Foot": "Toes"}


def retarget(source: Clip, target: Skeleton, name: str, hold: bool = True, reach: float = 0.0) -> Clip:
    """The motion of ``source`` on ``target``; with ``hold`` feet stand still where the source's do, and nothing sinks into the ground.

    ``reach`` is the share (0 to 1) of the way that hands go from where turns alone put them to where the source's are, scaled by the legs; it
    counts in full between bodies that are alike (``likeness``).
    """
    check_humanoid(target)
    contacts = contacts_of(source)
    share = reach * likeness(source.skeleton, target) if reach else 0.0
    posture = carried_over(source, target, contacts, share * trunk_lean(source.skeleton, target))
    if hold:
        posture = hold_feet(posture, contacts, source.fps)
    if share:
        posture = reach_for(posture, _hands(source, target, contacts), share, source.fps)
    return posture.clip(name, source.fps)


def _hands(source: Clip, target: Skeleton, contacts: Contacts) -> dict[str, np.ndarray]:
    """(K, 3) of each side: where the source's wrists are, scaled; sides that have no arm, in either, are left out."""
    moved = source.posture()
    return {side: scaled(moved.at(f"{side}Hand"), source.skeleton, target, contacts)
            for side in SIDES if has_arm(source.skeleton, side) and has_arm(target, side)}


def check_humanoid(target: Skeleton) -> None:
    """Raises ConfigError if a skeleton has not what a motion moves."""
    missing = [joint for joint in NEEDED if joint not in target.names]
    if missing or target.names[0] != "hips":
        raise ConfigError(f"a motion needs a humanoid skeleton with the hips at its root; it lacks {', '.join(missing) or 'nothing'} "
                          f"and begins with {target.names[0]}")


def carried_over(source: Clip, target: Skeleton, contacts: Contacts, lean_rad: float = 0.0) -> Posture:
    """Turns and the hips' way alone, the back leaning back by ``lean_rad`` at rest; feet are wherever that puts them."""
    moved = source.posture()
    laid = rest_alignment(source.skeleton, target)
    if lean_rad:
        laid[[j for j, joint in enumerate(target.names) if joint in BACK]] = about((1, 0, 0), -lean_rad)
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


def _hips_way(moved: Posture, target: Skeleton, hips_turns: np.ndarray, contacts: Contacts) -> np.ndarray:
    """(K, 3) root offsets that put the middle between the hip joints where the source's is, scaled."""
    middle = scaled((moved.at(LEGS[0]) + moved.at(LEGS[1])) / 2, moved.skeleton, target, contacts)
    return middle - hips_turns @ (hip_middle(target) - target.heads[0]) - target.heads[0]
