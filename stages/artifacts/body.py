"""A skinned body: mesh, texture coordinates, part labels, humanoid skeleton, landmarks.

Everything is in the world frame of CONVENTIONS (metres, +Z up, facing -Y, character's left is +X), in the body's rest pose.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

# VRM 1.0 humanoid names; fingers as leftIndexProximal ... ; eyes as leftEye, rightEye.
TORSO = ("hips", "spine", "chest", "upperChest", "neck", "head", "jaw", "leftEye", "rightEye")


@dataclass(frozen=True)
class Skeleton:
    """Joints in parent-before-child order.

    ``parents`` (J,) int, -1 for the root; ``heads`` and ``tails`` (J, 3) metres, rest pose, world frame. Bones carry no rest
    rotation: a pose is a rotation about ``heads`` in world axes relative to the parent's.
    """

    names: tuple[str, ...]
    parents: np.ndarray
    heads: np.ndarray
    tails: np.ndarray

    def index(self, name: str) -> int:
        """Position of a joint; raises ValueError if there is none."""
        return self.names.index(name)

    def joint_transforms(self, rotations_wxyz: Mapping[str, np.ndarray], root_offset_m: np.ndarray | None = None) -> np.ndarray:
        """(J, 4, 4) rest-to-posed transforms from local rotations (unit quaternions, world axes at rest)."""
        out = np.zeros((len(self.names), 4, 4))
        for j, name in enumerate(self.names):
            local = np.eye(4)
            local[:3, :3] = rotation_matrix(np.asarray(rotations_wxyz.get(name, (1.0, 0.0, 0.0, 0.0)), float))
            local[:3, 3] = self.heads[j] - local[:3, :3] @ self.heads[j]
            p = int(self.parents[j])
            if p < 0:
                if root_offset_m is not None:
                    local[:3, 3] += root_offset_m
                out[j] = local
            else:
                out[j] = out[p] @ local
        return out

    def posed(self, transforms: np.ndarray) -> Self:
        """The skeleton after ``transforms`` (J, 4, 4)."""
        move = lambda x: np.einsum("jab,jb->ja", transforms[:, :3, :3], x) + transforms[:, :3, 3]  # noqa: E731
        return replace(self, heads=move(self.heads), tails=move(self.tails))


def rotation_matrix(q_wxyz: np.ndarray) -> np.ndarray:
    """(3, 3) rotation of a quaternion, which is normalised first."""
    w, x, y, z = q_wxyz / np.linalg.norm(q_wxyz)
    return np.array([
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ])


def axis_angle_wxyz(axis: np.ndarray, angle_deg: float) -> np.ndarray:
    """(4,) unit quaternion of a right-handed turn about ``axis`` (3,)."""
    a = np.asarray(axis, float) / np.linalg.norm(axis)
    h = np.radians(angle_deg) / 2
    return np.array([np.cos(h), *(np.sin(h) * a)])


def skin(v_pos: np.ndarray, weights: np.ndarray, transforms: np.ndarray) -> np.ndarray:
    """Linear blend skinning: (V, 3) points, (V, J) weights with rows summing to 1, (J, 4, 4) transforms -> (V, 3)."""
    blended = np.tensordot(weights, transforms, axes=(1, 0))
    return np.einsum("vab,vb->va", blended[:, :3, :3], v_pos) + blended[:, :3, 3]


@dataclass(frozen=True)
class BodyModel:
    """A skinned mesh in rest pose.

    ``v_pos`` (V, 3) float64; ``t_pos_idx`` (F, 3) int64, counter-clockwise from outside; ``v_tex`` (T, 2) with v up, ``t_tex_idx`` (F, 3);
    ``t_part`` (F,) index into ``part_names``; ``weights`` (V, J) float64, rows sum to 1; ``landmarks`` name -> vertex index;
    ``kd`` (H, W, 3) float32 sRGB base colour, row 0 at v = 1.
    """

    v_pos: np.ndarray
    t_pos_idx: np.ndarray
    v_tex: np.ndarray
    t_tex_idx: np.ndarray
    t_part: np.ndarray
    part_names: tuple[str, ...]
    skeleton: Skeleton
    weights: np.ndarray
    landmarks: Mapping[str, int]
    kd: np.ndarray

    def posed(self, rotations_wxyz: Mapping[str, np.ndarray], root_offset_m: np.ndarray | None = None) -> Self:
        """The body with its skeleton turned; ``v_pos`` and ``skeleton`` are the posed ones, weights stay."""
        transforms = self.skeleton.joint_transforms(rotations_wxyz, root_offset_m)
        return replace(self, v_pos=skin(self.v_pos, self.weights, transforms), skeleton=self.skeleton.posed(transforms))
