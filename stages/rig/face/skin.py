"""Skin weights of what is laid on a face: those of the surface behind it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stages.artifacts.rig import Skinning
from stages.rig.face.view import FaceView
from stages.rig.inpaint import strongest


@dataclass(frozen=True)
class SkinWeights:
    """Weights of the surface that ``view`` shows."""

    view: FaceView
    t_pos_idx: np.ndarray
    skinning: Skinning

    def at(self, x: np.ndarray, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Joints and weights (N, 4) of the surface at places (N,) in metres; of the head's joint where the view shows nothing."""
        row, column = self.view.nearest(x, z)
        triangle, bary = self.view.triangle[row, column], self.view.bary[row, column]
        return self.mixed(self.t_pos_idx[np.maximum(triangle, 0)], bary, triangle >= 0)

    def mixed(self, corners: np.ndarray, bary: np.ndarray, known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Joints and weights (N, 4) of points between three vertices (N, 3) each."""
        joints, weights = self.skinning.joints[corners], self.skinning.weights[corners] * bary[..., None]
        dense = np.zeros((len(corners), len(self.skinning.skeleton.names)))
        np.add.at(dense, (np.arange(len(corners))[:, None], joints.reshape(len(corners), -1)), weights.reshape(len(corners), -1))
        dense[~known] = 0
        dense[~known, self.skinning.skeleton.index("head")] = 1
        return strongest(dense)
