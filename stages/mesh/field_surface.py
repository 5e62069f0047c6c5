"""Where the field says the surface is: a signed distance on a lattice, from a density grid."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from pipeline.errors import StageError
from stages.artifacts.field import FieldGrid

SOFTNESS = 0.6  # width, in cells of the field, over which the step from empty to full is smoothed


def solid_of(density: np.ndarray, level: float) -> np.ndarray:
    """Cells of ``density`` (X, Y, Z) above ``level``, with everything that they enclose."""
    return ndimage.binary_fill_holes(density > level)


def signed_distance(density: np.ndarray, level: float, cell_m: float) -> np.ndarray:
    """(X, Y, Z) metres, negative inside, of the filled level set of ``density``.

    Near the surface the place between two samples comes from the logarithm of the density, which falls off steeply and
    so would make a linear interpolation of the density itself jump from sample to sample.
    """
    solid = solid_of(density, level)
    outside = ndimage.distance_transform_edt(~solid)
    inside = ndimage.distance_transform_edt(solid)
    far = np.where(solid, 0.5 - inside, outside - 0.5)
    ratio = np.clip(np.log(np.maximum(density, 1e-3) / level), -2.0, 2.0) / 4.0  # half a cell each way
    near = np.where(solid, np.minimum(-ratio, -0.05), np.maximum(-ratio, 0.05))
    enclosed = solid & (density <= level)
    sdf = np.where((np.abs(far) < 1.0) & ~enclosed, near, far)
    return (ndimage.gaussian_filter(sdf.astype(np.float32), SOFTNESS) * cell_m).astype(np.float32)


def figure_box(field: FieldGrid, level: float, margin_cells: float = 3.0) -> np.ndarray:
    """(2, 3) world corners of the box round everything denser than ``level``. Raises ``StageError`` if nothing is."""
    index = np.argwhere(np.asarray(field.density, np.float32) > level)
    if len(index) == 0:
        raise StageError(
            f"the field holds no surface: nothing in it is denser than {level:g} per metre. Lower mesh.density_level, or look at "
            "the field's video and at the masks"
        )
    low, high = index.min(0) - margin_cells, index.max(0) + margin_cells
    corners = np.stack([low, high]) @ field.grid2world[:3, :3].T + field.grid2world[:3, 3]
    return np.stack([corners.min(0), corners.max(0)])


def lattice_distance(
    field: FieldGrid, level: float, cells: int, density: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray, float]:
    """Signed distance (X, Y, Z) on a lattice with ``cells`` cells along the longest side of the figure; its origin and spacing.

    ``density`` stands in the place of the field's own.
    """
    density = np.asarray(field.density, np.float32) if density is None else density
    sdf = signed_distance(density, level, float(field.cell_m.mean()))
    low, high = figure_box(field, level)
    cell = float((high - low).max() / cells)
    count = np.ceil((high - low) / cell).astype(int) + 1
    points = low + cell * np.stack(np.meshgrid(*(np.arange(n) for n in count), indexing="ij"), -1)
    inverse = np.linalg.inv(field.grid2world)
    at = points @ inverse[:3, :3].T + inverse[:3, 3]
    return ndimage.map_coordinates(sdf, np.moveaxis(at, -1, 0), order=1, mode="nearest"), low, cell
