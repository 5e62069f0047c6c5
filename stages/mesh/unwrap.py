"""Texture coordinates by xatlas."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipeline.errors import StageError
from stages.mesh.overlap import unfolded
from stages.mesh.repair import face_areas

PADDING_PX = 2
FILLS = (0.58, 0.62, 0.66)  # shares of the square that charts may be expected to cover: what a packing reaches cannot be told before
CHART_ROUNDS = 1  # of moving the charts' seeds
CHART_COST = 8.0  # xatlas's limit on a chart's unevenness (2 is its default): fewer, larger charts


def unwrap(
    v_pos: np.ndarray, faces: np.ndarray, texture_size: int, detailed: np.ndarray | None = None, detail: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """Charts of a repaired, decimated surface in one square: ``v_tex`` (T, 2) in [0, 1], v up, and ``t_tex_idx`` (F, 3) int32.

    Faces marked in ``detailed`` (F,) get ``detail`` times the texels per area; charts do not reach across their border.
    Raises ``StageError`` if xatlas leaves a triangle without a place.
    """
    marked = np.zeros(len(faces), bool) if detailed is None else detailed
    parts = [(part, scale) for part, scale in ((np.flatnonzero(~marked), 1.0), (np.flatnonzero(marked), detail**0.5)) if len(part)]
    packings = [_packed(v_pos, faces, parts, texture_size, fill) for fill in FILLS]
    v_tex, t_tex_idx = max(packings, key=lambda packing: _use(*packing))
    return unfolded(v_tex, t_tex_idx, texture_size)


def _packed(
    v_pos: np.ndarray, faces: np.ndarray, parts: Sequence[tuple[np.ndarray, float]], texture_size: int, fill: float
) -> tuple[np.ndarray, np.ndarray]:
    """Charts of ``parts``, pairs of faces and the scale of their texels, as xatlas packs them when it expects them to cover ``fill`` of the square."""
    import xatlas

    atlas, area = xatlas.Atlas(), 0.0
    for part, scale in parts:
        used, index = np.unique(faces[part], return_inverse=True)
        atlas.add_mesh(np.ascontiguousarray(v_pos[used] * scale, np.float32), np.ascontiguousarray(index.reshape(-1, 3), np.uint32))
        area += scale**2 * float(face_areas(v_pos, faces[part]).sum())
    chart, pack = xatlas.ChartOptions(), xatlas.PackOptions()
    chart.max_iterations = CHART_ROUNDS
    chart.max_cost = CHART_COST
    pack.texels_per_unit = fill**0.5 * texture_size / max(area, 1e-12) ** 0.5  # and no resolution: one page, whatever its size
    pack.padding = PADDING_PX
    pack.bilinear = True
    pack.create_image = False
    atlas.generate(chart, pack)
    t_tex_idx, charts, count = np.zeros((len(faces), 3), np.int32), [], 0
    for number, (part, _) in enumerate(parts):
        _, index, uv = atlas.get_mesh(number)
        if len(index) != len(part):
            raise StageError(f"unwrapping kept {len(index)} of {len(part)} triangles; raise mesh.triangles or mesh.texture_size")
        t_tex_idx[part] = index.astype(np.int32) + count
        charts.append(uv.astype(np.float64) * [atlas.width, atlas.height])
        count += len(uv)
    return fitted(np.concatenate(charts), texture_size), t_tex_idx


def _use(v_tex: np.ndarray, t_tex_idx: np.ndarray) -> float:
    """Share of the square that the triangles cover."""
    a, b, c = v_tex[t_tex_idx].transpose(1, 2, 0)
    return float(np.abs((b[0] - a[0]) * (c[1] - a[1]) - (c[0] - a[0]) * (b[1] - a[1])).sum() / 2)


def fitted(v_tex_px: np.ndarray, texture_size: int) -> np.ndarray:
    """Pixels of an atlas of any shape to [0, 1], one scale for both axes, a margin of one pixel."""
    scale = (texture_size - 2) / max(float(v_tex_px.max()), 1e-9)
    return ((v_tex_px * scale + 1) / texture_size).astype(np.float32)
