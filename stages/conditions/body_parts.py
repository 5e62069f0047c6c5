"""Body parts of an imported mesh, from the joint that moves each triangle most and the way it faces."""

from __future__ import annotations

import numpy as np

from stages.artifacts.body import Skeleton

PART_NAMES = (
    "scalp", "face", "eye_l", "eye_r", "neck", "chest", "upper_back", "abdomen", "lower_back", "pelvis_front", "pelvis_back",
    "upper_arm_l", "upper_arm_r", "lower_arm_l", "lower_arm_r", "hand_l", "hand_r", "upper_leg_l", "upper_leg_r", "lower_leg_l",
    "lower_leg_r", "foot_l", "foot_r",
)
_BY_SIDE = {
    "Shoulder": ("chest", "upper_back"), "UpperArm": "upper_arm", "LowerArm": "lower_arm", "Hand": "hand", "UpperLeg": "upper_leg",
    "LowerLeg": "lower_leg", "Foot": "foot", "Toes": "foot", "Eye": "eye",
}
_MIDDLE = {
    "hips": ("pelvis_front", "pelvis_back"), "spine": ("abdomen", "lower_back"), "chest": ("chest", "upper_back"),
    "upperChest": ("chest", "upper_back"), "neck": ("neck", "neck"), "head": ("face", "scalp"), "jaw": ("face", "face"),
}


def part_of_triangles(v_pos: np.ndarray, faces: np.ndarray, weights: np.ndarray, skeleton: Skeleton) -> tuple[tuple[str, ...], np.ndarray]:
    """Part names and (F,) index into them; world frame, facing -Y."""
    table = np.array([[PART_NAMES.index(p) for p in _front_back(name)] for name in skeleton.names])
    joint = weights[faces].sum(1).argmax(1)
    p = v_pos[faces]
    normal_y = np.cross(p[:, 1] - p[:, 0], p[:, 2] - p[:, 0])[:, 1]
    behind = normal_y > 0
    head = skeleton.index("head")
    if (joint == head).any():
        centre = p.mean(1)
        own = centre[joint == head]
        middle_y, brow_z = np.median(own[:, 1]), own[:, 2].min() + 0.72 * np.ptp(own[:, 2])
        behind = np.where(joint == head, (centre[:, 1] > middle_y) | (centre[:, 2] > brow_z), behind)
    return PART_NAMES, table[joint, behind.astype(int)]


def _front_back(joint: str) -> tuple[str, str]:
    if joint in _MIDDLE:
        return _MIDDLE[joint]
    side = "left" if joint.startswith("left") else "right"
    part = _BY_SIDE.get(joint.removeprefix(side), "hand")  # what is left are fingers
    return part if isinstance(part, tuple) else (f"{part}_{side[0]}",) * 2
