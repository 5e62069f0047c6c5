"""At which density the field becomes surface: the level whose outline fits the masks best.

Tried on the very cells that the surface is then made of: coarser ones lose thin sheets at every level that is high enough for all else.
"""

from __future__ import annotations

import numpy as np
import torch

from stages.artifacts.field import FieldGrid
from stages.mesh import marching
from stages.mesh.field_surface import lattice_distance
from stages.mesh.observed import Observed
from stages.mesh.tetrahedra import band_grid
from stages.rendering.clip import to_clip
from stages.rendering.protocol import Rasterizer

LEVELS = (3.0, 6.0, 12.0, 25.0, 50.0, 100.0)  # per metre
LOOKS = 6
AS_GOOD = 0.005  # of overlap: where a lower level fits as well, thin things hang together better in it (fingertips came off at the best)


def outline_overlap(v_pos: np.ndarray, faces: np.ndarray, observed: Observed, rasterizer: Rasterizer) -> float:
    """Mean intersection over union of the surface's outline with alpha > 0.5, over at most ``LOOKS`` views spread evenly."""
    index = torch.from_numpy(np.unique(np.linspace(0, len(observed.cameras) - 1, LOOKS).astype(np.int64)))
    pos = to_clip(torch.from_numpy(np.ascontiguousarray(v_pos, np.float32)), observed.clip[index])
    rast = rasterizer.rasterize(pos, torch.from_numpy(np.ascontiguousarray(faces, np.int32)), observed.resolution)
    drawn, seen = rast[..., 3] > 0, observed.alpha[index, ..., 0] > 0.5
    return float(((drawn & seen).sum((1, 2)) / (drawn | seen).sum((1, 2)).clamp_min(1)).mean())


def best_level(field: FieldGrid, observed: Observed, rasterizer: Rasterizer, cells: int) -> float:
    """The lowest of ``LEVELS`` that fits ``AS_GOOD`` as the best, for a surface of ``cells`` along the longest side.

    Levels above the field's densest sample are not tried.
    """
    densest = float(field.density.max())
    scores = {}
    for level in [x for x in LEVELS if x < densest] or [densest / 2]:
        sdf, origin, cell = lattice_distance(field, level, cells)
        grid, values = band_grid(sdf, origin, cell, 1.0)
        v_pos, _, tri = marching.surface(grid, torch.from_numpy(grid.v_pos), torch.from_numpy(values), torch.zeros(len(values), 1))
        if len(tri):
            scores[level] = outline_overlap(v_pos.numpy(), tri.numpy(), observed, rasterizer)
    return min(level for level, overlap in scores.items() if overlap >= max(scores.values()) - AS_GOOD)
