"""Cameras as batched clip matrices for a ``Rasterizer``."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from stages.artifacts.cameras import FAR_M, NEAR_M, Camera

ROW_0_ON_TOP = np.diag([1.0, -1.0, 1.0, 1.0])


def view_clip_matrices(cameras: Sequence[Camera], far_m: float = FAR_M) -> Tensor:
    """(B, 4, 4) float32 world to clip space with y turned over, so that row 0 of what is rasterized is the top of the picture.

    Rasterizers draw nothing that lies beyond ``far_m``.
    """
    return torch.tensor(np.stack([ROW_0_ON_TOP @ c.w2clip(NEAR_M, far_m) for c in cameras]), dtype=torch.float32)


def to_clip(v_pos: Tensor, clip: Tensor) -> Tensor:
    """World points (V, 3) seen through ``clip`` (B, 4, 4): (B, V, 4)."""
    return v_pos[None] @ clip[:, :, :3].transpose(1, 2) + clip[:, None, :, 3]
