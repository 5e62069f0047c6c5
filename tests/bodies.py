"""Bodies simple enough that a test knows all about them."""

from __future__ import annotations

import numpy as np
import trimesh

from stages.artifacts.body import BodyModel, Skeleton


def ball(radius_m: float = 1.0, centre: tuple[float, float, float] = (0.0, 0.0, 0.0), subdivisions: int = 3) -> BodyModel:
    """A sphere with a single joint and a single part."""
    mesh = trimesh.creation.icosphere(subdivisions)
    v, tri = np.asarray(mesh.vertices, float) * radius_m + np.array(centre), np.asarray(mesh.faces, np.int64)
    skeleton = Skeleton(("hips",), np.array([-1]), np.zeros((1, 3)), np.ones((1, 3)))
    return BodyModel(v, tri, v[:, :2], tri, np.zeros(len(tri), int), ("chest",), skeleton, np.ones((len(v), 1)), {}, np.ones((2, 2, 3), np.float32))
