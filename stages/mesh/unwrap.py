"""Texture coordinates by xatlas."""

from __future__ import annotations

import numpy as np

from pipeline.errors import StageError

PADDING_PX = 3


def unwrap(v_pos: np.ndarray, faces: np.ndarray, texture_size: int) -> tuple[np.ndarray, np.ndarray]:
    """Charts of a repaired, decimated surface in one square: ``v_tex`` (T, 2) in [0, 1], v up, and ``t_tex_idx`` (F, 3) int32.

    Raises ``StageError`` if xatlas leaves a triangle without a place.
    """
    import xatlas

    atlas = xatlas.Atlas()
    atlas.add_mesh(np.ascontiguousarray(v_pos, np.float32), np.ascontiguousarray(faces, np.uint32))
    chart, pack = xatlas.ChartOptions(), xatlas.PackOptions()
    chart.max_iterations = 2
    chart.normal_seam_weight = 1.0
    pack.resolution = texture_size
    pack.padding = PADDING_PX
    pack.bilinear = True
    pack.create_image = False
    atlas.generate(chart, pack)
    _, index, v_tex = atlas.get_mesh(0)
    if len(index) != len(faces):
        raise StageError(f"unwrapping kept {len(index)} of {len(faces)} triangles; raise mesh.triangles or mesh.texture_size")
    return fitted(v_tex.astype(np.float64) * [atlas.width, atlas.height], texture_size), index.astype(np.int32)


def fitted(v_tex_px: np.ndarray, texture_size: int) -> np.ndarray:
    """Pixels of an atlas of any shape to [0, 1], one scale for both axes, a margin of one pixel."""
    scale = (texture_size - 2) / max(float(v_tex_px.max()), 1e-9)
    return ((v_tex_px * scale + 1) / texture_size).astype(np.float32)
