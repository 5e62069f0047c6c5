"""Colours of surfaces that no picture shows: the figure's skin, and textures baked of colours at vertices."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from stages.artifacts.body import BodyModel
from stages.artifacts.closest import closest_points
from stages.rendering.zbuffer import interpolate, rasterize

SKIN_PARTS = ("face", "neck")
NEAR_M = 0.04
LEAST = 8  # points that make a colour
PALE = np.array([0.98, 0.88, 0.82])
NEIGHBOURHOOD = 0.12  # sRGB distance that counts as the same colour
TEXELS = 256


def skin_colour(v_pos: np.ndarray, t_pos_idx: np.ndarray, v_rgb: np.ndarray, hair: np.ndarray, posed: BodyModel) -> np.ndarray:
    """(3,) sRGB: the most common colour (V, 3) of the surface before the posed body's face and neck, ``hair`` (V,) left out; a pale skin if nothing is there."""
    numbers = [posed.part_names.index(name) for name in SKIN_PARTS if name in posed.part_names]
    bare = np.unique(posed.t_pos_idx[np.isin(posed.t_part, numbers)])
    near = closest_points(posed.v_pos[bare], v_pos, t_pos_idx)
    rgbh = near.interpolate(np.concatenate([v_rgb, hair[:, None]], 1), t_pos_idx)
    rgb = rgbh[(near.distance < NEAR_M) & (rgbh[:, 3] < 0.5), :3]
    if len(rgb) < LEAST:
        return PALE
    sample = rgb[:: max(1, len(rgb) // 600)]
    likes = (np.linalg.norm(rgb[:, None] - sample[None], axis=-1) < NEIGHBOURHOOD).sum(0)
    return np.median(rgb[np.linalg.norm(rgb - sample[likes.argmax()], axis=-1) < NEIGHBOURHOOD], axis=0)


def baked(v_pos: np.ndarray, t_pos_idx: np.ndarray, v_rgb: np.ndarray, size: int = TEXELS) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Charts and a texture for colours (V, 3) sRGB at vertices: ``v_tex`` (T, 2) v up, ``t_tex_idx`` (F, 3), ``kd`` (size, size, 3) uint8."""
    import xatlas

    atlas, pack = xatlas.Atlas(), xatlas.PackOptions()
    atlas.add_mesh(np.ascontiguousarray(v_pos, np.float32), np.ascontiguousarray(t_pos_idx, np.uint32))
    pack.padding, pack.bilinear, pack.resolution, pack.create_image = 2, True, size, False
    atlas.generate(xatlas.ChartOptions(), pack)
    _, index, uv = atlas.get_mesh(0)
    scale = max(atlas.width, atlas.height)
    v_tex = (uv.astype(np.float64) * [atlas.width, atlas.height] / scale).astype(np.float32)
    t_tex_idx = index.astype(np.int32)
    return v_tex, t_tex_idx, charted(v_tex, t_tex_idx, t_pos_idx, v_rgb, size)


def charted(v_tex: np.ndarray, t_tex_idx: np.ndarray, t_pos_idx: np.ndarray, v_rgb: np.ndarray, size: int) -> np.ndarray:
    """(size, size, 3) uint8 texture for colours (V, 3) sRGB at vertices, on charts that there are; texels beside a chart are as its edge."""
    clip = np.concatenate([v_tex * 2.0 - 1.0, np.zeros((len(v_tex), 1)), np.ones((len(v_tex), 1))], 1)
    ids, bary, _ = rasterize(clip, t_tex_idx, size, size)
    picture = interpolate(v_rgb, t_pos_idx, ids, bary)
    row, column = ndimage.distance_transform_edt(ids < 0, return_distances=False, return_indices=True)
    return np.round(np.clip(picture[row, column], 0, 1) * 255).astype(np.uint8)
