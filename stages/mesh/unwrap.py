"""Texture coordinates: charts by xatlas, laid into the square by ``packing``."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipeline.errors import StageError
from stages.mesh.flatten import flattened
from stages.mesh.overlap import unfolded
from stages.mesh.packing import packed
from stages.mesh.repair import face_areas

CHART_SHARE, CHART_TRIANGLES = 0.1, 4000  # of the surface, of its triangles: a chart's time grows much faster than the chart


def unwrap(
    v_pos: np.ndarray, faces: np.ndarray, texture_size: int, detailed: np.ndarray | None = None, detail: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """Charts of a repaired, decimated surface in one square: ``v_tex`` (T, 2) in [0, 1], v up, and ``t_tex_idx`` (F, 3) int32.

    Faces marked in ``detailed`` (F,) get ``detail`` times the texels per area; charts do not reach across their border.
    Raises ``StageError`` if xatlas leaves a triangle without a place, or if the charts do not fit into the texture.
    """
    marked = np.zeros(len(faces), bool) if detailed is None else detailed
    parts = [(part, scale) for part, scale in ((np.flatnonzero(~marked), 1.0), (np.flatnonzero(marked), detail**0.5)) if len(part)]
    v_px, t_tex_idx = _charts(v_pos, faces, parts, texture_size)
    return unfolded(packed(v_px, t_tex_idx, texture_size), t_tex_idx, texture_size)


def _charts(
    v_pos: np.ndarray, faces: np.ndarray, parts: Sequence[tuple[np.ndarray, float]], texture_size: int
) -> tuple[np.ndarray, np.ndarray]:
    """Flat charts of ``parts``, pairs of faces and the scale of their texels: texture vertices (T, 2), in texels of about that size, and triangles."""
    meshes, area = [], 0.0
    for part, scale in parts:
        used, index = np.unique(faces[part], return_inverse=True)
        meshes.append((v_pos[used] * scale, index.reshape(-1, 3)))
        area += scale**2 * float(face_areas(v_pos, faces[part]).sum())
    t_tex_idx, charts, count = np.zeros((len(faces), 3), np.int32), [], 0
    charted = flattened(meshes, texture_size / max(area, 1e-12) ** 0.5, area * min(CHART_SHARE, CHART_TRIANGLES / len(faces)))
    for (part, _), (v_px, index) in zip(parts, charted, strict=True):
        if len(index) != len(part):
            raise StageError(f"unwrapping kept {len(index)} of {len(part)} triangles; raise mesh.triangles or mesh.texture_size")
        t_tex_idx[part] = index + count
        charts.append(v_px)
        count += len(v_px)
    return np.concatenate(charts), t_tex_idx
