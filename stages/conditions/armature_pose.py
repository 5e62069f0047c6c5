"""The pose that somebody's armature stands in, as turns from the rest pose that our poses start from.

The armature rests as its maker likes, in a T-pose mostly; our bodies rest with arms 40 degrees below the horizontal, and bodies that are
brought are put into that pose when they are read (``imported``). So what a joint has turned since is its turn from the armature's rest,
after that one is undone.
"""

from __future__ import annotations

import numpy as np

from stages.artifacts.body import Skeleton
from stages.artifacts.bone_roles import joint_names
from stages.artifacts.rotations import matrices_of, quaternions_of
from stages.conditions.body.poses import Pose
from stages.conditions.imported import joints_alone, turn_to_front, turns_to_our_rest

STILL_DEG = 0.01


def pose_of_armature(bones: Skeleton, turns_wxyz: np.ndarray) -> Pose:
    """Joint -> local turn for ``conditions.pose_file``; joints that stand still are left out.

    ``turns_wxyz`` (B, 4) is each bone's turn from its rest in world axes, its parents' included. Raises ConfigError, naming the joints that
    no bone stands for, if the armature is no humanoid's.
    """
    skeleton, order, _ = joints_alone(bones, joint_names(bones.names, bones.parents))
    front = turn_to_front(skeleton)
    at = lambda x: x @ front.T  # noqa: E731
    facing = Skeleton(skeleton.names, skeleton.parents, at(skeleton.heads), at(skeleton.tails))
    turned = front @ matrices_of(turns_wxyz[order]) @ front.T
    into_our_rest = facing.joint_transforms(turns_to_our_rest(facing))[:, :3, :3]
    since = turned @ into_our_rest.transpose(0, 2, 1)
    above = np.stack([since[p] if p >= 0 else np.eye(3) for p in skeleton.parents])
    local = quaternions_of(above.transpose(0, 2, 1) @ since)
    moves = 2 * np.degrees(np.arccos(np.clip(np.abs(local[:, 0]), 0, 1))) > STILL_DEG
    return {name: q for name, q, moved in zip(skeleton.names, local, moves, strict=True) if moved}
