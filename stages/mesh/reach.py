"""The pictures in the field's metres, seen from wherever the cameras stand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from stages.artifacts.cameras import FAR_M, Camera
from stages.artifacts.field import FieldGrid
from stages.mesh.observed import Observed
from stages.rendering.clip import view_clip_matrices

SPARE = 1.1  # of the distance to the farthest corner


def in_metres(observed: Sequence[Observed], field: FieldGrid) -> list[Observed]:
    """``observed`` with cameras in metres (``field.metres_per_unit``), and a far plane behind all of the field."""
    groups = [[c.scaled(field.metres_per_unit) for c in o.cameras] for o in observed]
    return [replace(o, cameras=g, clip=view_clip_matrices(g, far_of(g, field.box))) for o, g in zip(observed, groups, strict=True)]


def far_of(cameras: Sequence[Camera], box: np.ndarray) -> float:
    """Distance along the view axis, at least ``FAR_M``, beyond which no camera has anything of ``box`` (2, 3)."""
    corners = np.stack(np.meshgrid(*box.T, indexing="ij"), -1).reshape(-1, 3)
    return max(FAR_M, SPARE * max(float(c.project(corners)[1].max()) for c in cameras))
