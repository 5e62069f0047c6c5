"""Texture coordinates by xatlas."""

from __future__ import annotations

import numpy as np

from pipeline.errors import StageError
from stages.mesh.overlap import unfolded
from stages.mesh.repair import face_areas

PADDING_PX = 3
FILL = 0.55  # share of the square that charts are expected to cover
CHART_ROUNDS = 1  # of moving the charts' seeds
CHART_COST = 4.0  # xatlas's limit on a chart's unevenness (2 is its default): fewer, larger charts


def unwrap(
    v_pos: np.ndarray, faces: np.ndarray, texture_size: int, detailed: np.ndarray | None = None, detail: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """Charts of a repaired, decimated surface in one square: ``v_tex`` (T, 2) in [0, 1], v up, and ``t_tex_idx`` (F, 3) int32.

    Faces marked in ``detailed`` (F,) get ``detail`` times the texels per area; charts do not reach across their border.
    Raises ``StageError`` if xatlas leaves a triangle without a place.
    """
    import xatlas

    atlas, area = xatlas.Atlas(), 0.0
    marked = np.zeros(len(faces), bool) if detailed is None else detailed
    parts = [part for part in (np.flatnonzero(~marked), np.flatnonzero(marked)) if len(part)]
    for part in parts:
        used, index = np.unique(faces[part], return_inverse=True)
        scale = detail**0.5 if marked[part[0]] else 1.0
        atlas.add_mesh(np.ascontiguousarray(v_pos[used] * scale, np.float32), np.ascontiguousarray(index.reshape(-1, 3), np.uint32))
        area += scale**2 * float(face_areas(v_pos, faces[part]).sum())
    chart, pack = xatlas.ChartOptions(), xatlas.PackOptions()
    chart.max_iterations = CHART_ROUNDS
    chart.max_cost = CHART_COST
    pack.texels_per_unit = FILL**0.5 * texture_size / max(area, 1e-12) ** 0.5  # and no resolution: one page, whatever its size
    pack.padding = PADDING_PX
    pack.bilinear = True
    pack.create_image = False
    atlas.generate(chart, pack)
    t_tex_idx, charts, count = np.zeros((len(faces), 3), np.int32), [], 0
    for number, part in enumerate(parts):
        _, index, uv = atlas.get_mesh(number)
        if len(index) != len(part):
            raise StageError(f"unwrapping kept {len(index)} of {len(part)} triangles; raise mesh.triangles or mesh.texture_size")
        t_tex_idx[part] = index.astype(np.int32) + count
        charts.append(uv.astype(np.float64) * [atlas.width, atlas.height])
        count += len(uv)
    return unfolded(fitted(np.concatenate(charts), texture_size), t_tex_idx, texture_size)


def fitted(v_tex_px: np.ndarray, texture_size: int) -> np.ndarray:
    """Pixels of an atlas of any shape to [0, 1], one scale for both axes, a margin of one pixel."""
    scale = (texture_size - 2) / max(float(v_tex_px.max()), 1e-9)
    return ((v_tex_px * scale + 1) / texture_size).astype(np.float32)
