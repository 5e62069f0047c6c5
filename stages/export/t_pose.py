"""The figure brought from its own rest pose into VRM's: arms and hands level, fingers straight, feet parallel, soles on the ground.

Skin weights are kept: skinning takes the vertices into the T-pose, which is then the rest. Specification: VRMC_vrm 1.0, tpose. The twist of
arms and hands, the legs and the shoulders stay as they are at rest.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from stages.artifacts.body import Skeleton
from stages.artifacts.rig import Skinning
from stages.artifacts.showcase_poses import aim

_ALONG_ARM = ("UpperArm", "LowerArm", "Hand", *(
    finger + segment for finger in ("Index", "Middle", "Ring", "Little") for segment in ("Proximal", "Intermediate", "Distal")))
_THUMB = tuple("Thumb" + segment for segment in ("Metacarpal", "Proximal", "Distal"))  # between outwards and forwards
_FEET = ("Foot", "Toes")


def in_t_pose(skinning: Skinning) -> Skinning:
    """``skinning`` with the T-pose for its rest."""
    transforms = t_pose_transforms(skinning)
    return replace(skinning, v_pos_rest=skinning.posed(transforms).astype(np.float32), skeleton=skinning.skeleton.posed(transforms))


def t_pose_transforms(skinning: Skinning) -> np.ndarray:
    """(J, 4, 4) from the figure's own rest pose into the T-pose on the ground."""
    skeleton = skinning.skeleton
    transforms = skeleton.joint_transforms(aim(skeleton, t_pose_directions(skeleton)))
    transforms[:, 2, 3] -= sole_height_m(skinning.posed(transforms), skinning)
    return transforms


def t_pose_directions(skeleton: Skeleton) -> dict[str, tuple[float, float, float]]:
    """Joint -> world direction of its bone in the T-pose, for the joints that have to turn."""
    directions: dict[str, tuple[float, float, float]] = {}
    for side, out in (("left", 1.0), ("right", -1.0)):
        directions |= {side + bone: (out, 0.0, 0.0) for bone in _ALONG_ARM}
        directions |= {side + bone: (out, -1.0, 0.0) for bone in _THUMB}
        directions |= {side + bone: _ahead(skeleton, side + bone) for bone in _FEET if side + bone in skeleton.names}
    return directions


def _ahead(skeleton: Skeleton, joint: str) -> tuple[float, float, float]:
    """The bone's own slope, turned about the upright axis until it points to the front."""
    j = skeleton.index(joint)
    x, y, z = skeleton.tails[j] - skeleton.heads[j]
    return (0.0, -float(np.hypot(x, y)), float(z))


def sole_height_m(v_pos: np.ndarray, skinning: Skinning) -> float:
    """Height of the lowest of (V, 3) vertices that hang mostly on the feet, or of all where none does: hair may reach below soles."""
    feet = [j for j, name in enumerate(skinning.skeleton.names) if name.endswith(_FEET)]
    on_feet = np.where(np.isin(skinning.joints, feet), skinning.weights, 0.0).sum(-1) > 0.5
    return float((v_pos[on_feet] if on_feet.any() else v_pos)[:, 2].min())
