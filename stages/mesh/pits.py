"""Pits: narrow hollows that the field leaves in cloth of one colour, where a near wall and a far one explain every view alike.

Closed are those that a ball cannot enter from outside (morphological closing) and that no view sees through: a gap between an arm and
the body stays, for some view shows what is behind it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from stages.artifacts.field import FieldGrid
from stages.mesh.field_surface import solid_of
from stages.mesh.observed import Observed

COVERED = 0.97  # share of the views that have a cell in the picture which must show figure there: all of a ring of thirty
FULL = 3.0  # times the level: what a closed cell's density becomes


def without_pits(field: FieldGrid, level: float, width_m: float, observed: Sequence[Observed]) -> np.ndarray:
    """The density (X, Y, Z) f32 of ``field``, with hollows of its level set that are narrower than ``width_m`` filled."""
    density = np.asarray(field.density, np.float32)
    solid = solid_of(density, level)
    cells = np.argwhere(closed(solid, width_m / 2 / float(field.cell_m.mean())) & ~solid)
    if len(cells) == 0:
        return density
    points = cells @ field.grid2world[:3, :3].T + field.grid2world[:3, 3]
    filled = tuple(cells[covered_share(points, observed) >= COVERED].T)
    out = density.copy()
    out[filled] = np.maximum(out[filled], FULL * level)
    return out


def closed(solid: np.ndarray, radius: float) -> np.ndarray:
    """Morphological closing of ``solid`` (X, Y, Z) bool with a ball of ``radius`` cells."""
    margin = int(radius) + 2
    wide = np.pad(solid, margin)
    grown = ndimage.distance_transform_edt(~wide) <= radius
    back = ndimage.distance_transform_edt(grown) > radius
    return back[(slice(margin, -margin),) * 3]


def covered_share(points: np.ndarray, observed: Sequence[Observed]) -> np.ndarray:
    """(N,) share of the views with ``points`` (N, 3) in the picture that show figure there; 0 where none has."""
    framed, covered = np.zeros(len(points)), np.zeros(len(points))
    for group in observed:
        for camera, alpha in zip(group.cameras, group.alpha[..., 0].numpy(), strict=True):
            pixel, depth = camera.project(points)
            column, row = np.floor(pixel).clip(-1, 1e6).astype(np.int64).T
            inside = (depth > 0) & (column >= 0) & (row >= 0) & (column < camera.width) & (row < camera.height)
            framed += inside
            covered += inside & (alpha[np.where(inside, row, 0), np.where(inside, column, 0)] > 0.5)
    return covered / np.maximum(framed, 1)
