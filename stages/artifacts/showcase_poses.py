"""A few poses that prove a rig, given as directions of bones, so that they fit any humanoid skeleton whatever its rest pose."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from stages.artifacts.body import Skeleton, axis_angle_wxyz, rotation_matrix

# World directions of bones (x to the character's left, y to the back, z up) for the left side; the right side is mirrored
# unless it is named. Bones that are not named keep their angle to their parent.
_A = {"UpperArm": (0.75, 0.0, -0.66), "LowerArm": (0.75, 0.0, -0.66), "Hand": (0.75, 0.0, -0.66)}
_T = {"UpperArm": (1.0, 0.0, 0.0), "LowerArm": (1.0, 0.0, 0.0), "Hand": (1.0, 0.0, 0.0)}
_UP = {"Shoulder": (0.9, 0.0, 0.45), "UpperArm": (0.42, 0.0, 0.91), "LowerArm": (0.2, -0.1, 0.97), "Hand": (0.1, -0.1, 0.99)}
_WALK_LEFT = {"UpperArm": (0.3, 0.45, -0.84), "LowerArm": (0.22, 0.1, -0.97), "Hand": (0.2, 0.0, -0.98),
              "UpperLeg": (0.03, -0.5, -0.87), "LowerLeg": (0.03, -0.08, -1.0)}
_WALK_RIGHT = {"UpperArm": (-0.3, -0.45, -0.84), "LowerArm": (-0.15, -0.75, -0.64), "Hand": (-0.1, -0.8, -0.6),
               "UpperLeg": (-0.03, 0.35, -0.94), "LowerLeg": (-0.03, 0.75, -0.66)}
_SQUAT = {"UpperArm": (0.35, -0.9, -0.25), "LowerArm": (0.1, -0.98, 0.1), "Hand": (0.0, -1.0, 0.0),
          "UpperLeg": (0.35, -0.85, -0.4), "LowerLeg": (0.1, 0.35, -0.93), "Foot": (0.15, -0.95, -0.25)}
_WAVE_RIGHT = {"Shoulder": (-0.95, 0.0, 0.3), "UpperArm": (-0.8, -0.1, 0.55), "LowerArm": (-0.25, -0.2, 0.95), "Hand": (-0.1, -0.2, 0.97)}

_DIRECTIONS: dict[str, tuple[Mapping[str, tuple], Mapping[str, tuple] | None]] = {
    "A-pose": (_A, None), "T-pose": (_T, None), "walk": (_WALK_LEFT, _WALK_RIGHT), "arms up": (_UP, None),
    "squat": (_SQUAT, None), "wave": ({**_A, "UpperArm": (0.45, 0.0, -0.9), "LowerArm": (0.35, -0.2, -0.9), "Hand": (0.3, -0.2, -0.93)}, _WAVE_RIGHT),
}
_TURNS: dict[str, dict[str, tuple[tuple[float, float, float], float]]] = {
    "walk": {"spine": ((0, 0, 1), -6.0), "head": ((0, 0, 1), 4.0)}, "wave": {"head": ((0, 1, 0), 8.0)},
    "squat": {"spine": ((1, 0, 0), 18.0), "neck": ((1, 0, 0), -10.0)},
}
POSES = tuple(_DIRECTIONS)


def showcase_pose(skeleton: Skeleton, name: str) -> dict[str, np.ndarray]:
    """Joint name -> local rotation (4,) wxyz of the pose ``name``, one of ``POSES``. Joints that the skeleton lacks are left out."""
    left, right = _DIRECTIONS[name]
    if right is None:
        right = {bone: (-x, y, z) for bone, (x, y, z) in left.items()}
    directions = {f"left{b}": d for b, d in left.items()} | {f"right{b}": d for b, d in right.items()}
    turns = {joint: axis_angle_wxyz(np.array(axis), angle) for joint, (axis, angle) in _TURNS.get(name, {}).items()}
    return aim(skeleton, directions, turns)


def aim(
    skeleton: Skeleton, directions: Mapping[str, tuple[float, float, float]], turns: Mapping[str, np.ndarray] | None = None
) -> dict[str, np.ndarray]:
    """Local rotations (4,) wxyz that point each named bone along its world direction by the shortest turn, after ``turns`` of others."""
    turned = np.tile(np.eye(3), (len(skeleton.names), 1, 1))
    out: dict[str, np.ndarray] = {}
    for j, name in enumerate(skeleton.names):
        above = turned[skeleton.parents[j]] if skeleton.parents[j] >= 0 else np.eye(3)
        bone = skeleton.tails[j] - skeleton.heads[j]
        if name in directions and np.linalg.norm(bone) > 1e-9:
            out[name] = shortest_turn_wxyz(bone, above.T @ np.asarray(directions[name], float))
        elif turns and name in turns:
            out[name] = turns[name]
        turned[j] = above @ rotation_matrix(out[name]) if name in out else above
    return out


def shortest_turn_wxyz(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(4,) unit quaternion that turns the direction of ``a`` (3,) into that of ``b`` (3,)."""
    a, b = a / np.linalg.norm(a), b / np.linalg.norm(b)
    axis = np.cross(a, b)
    if np.linalg.norm(axis) < 1e-9:
        if a @ b > 0:
            return np.array([1.0, 0.0, 0.0, 0.0])
        return axis_angle_wxyz(np.cross(a, np.eye(3)[np.abs(a).argmin()]), 180.0)
    q = np.array([1.0 + a @ b, *axis])
    return q / np.linalg.norm(q)
