"""From the pose of the pictures back to the skeleton's rest pose."""

from __future__ import annotations

import numpy as np

from stages.artifacts.rig import blended_transforms

# Below this determinant a blend of opposite turns has collapsed and cannot be undone.
_COLLAPSED = 0.2


def unpose(v_pos: np.ndarray, joints: np.ndarray, weights: np.ndarray, rest2posed: np.ndarray) -> np.ndarray:
    """(V, 3) float64 rest positions that linear blend skinning with ``rest2posed`` (J, 4, 4) takes to ``v_pos`` (V, 3).

    Each vertex's blended matrix is inverted. Where the blend has collapsed (opposite turns), the strongest joint alone is undone.
    """
    blended = blended_transforms(joints, weights, rest2posed)
    collapsed = np.linalg.det(blended[:, :3, :3]) < _COLLAPSED
    blended[collapsed] = rest2posed[joints[collapsed, 0]]
    offset = v_pos.astype(np.float64) - blended[:, :3, 3]
    return np.linalg.solve(blended[:, :3, :3], offset[..., None])[..., 0]
