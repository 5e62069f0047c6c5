"""Texture coordinates and the neutral bodysuit's base colour."""

from __future__ import annotations

import numpy as np
import xatlas
from scipy.ndimage import distance_transform_edt

from stages.rendering.zbuffer import rasterize

SIZE = 1024
SUIT, SUIT_DARK = np.array([0.70, 0.765, 0.85]), np.array([0.55, 0.62, 0.73])
SKIN = np.array([0.985, 0.865, 0.795])
PART_COLOUR = {
    "mouth": np.array([0.86, 0.45, 0.47]), "iris": np.array([0.33, 0.42, 0.55]), "eye": np.array([0.975, 0.975, 0.98]),
    "brow": np.array([0.42, 0.33, 0.31]), "scalp": SKIN, "face": SKIN, "ear": SKIN, "neck": SKIN, "hand": SKIN,
}


def unwrap(v_pos: np.ndarray, t_pos_idx: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Charts without overlap by xatlas: ``v_tex`` (T, 2) with v up, ``t_tex_idx`` (F, 3)."""
    atlas = xatlas.Atlas()
    atlas.add_mesh(v_pos.astype(np.float32), t_pos_idx.astype(np.uint32))
    options = xatlas.PackOptions()
    options.resolution, options.padding, options.bilinear = SIZE, 4, True
    atlas.generate(pack_options=options)
    _, faces, uv = atlas[0]
    return np.stack([uv[:, 0], 1.0 - uv[:, 1]], 1).astype(np.float64), faces.astype(np.int64)


def texel_triangles(v_tex: np.ndarray, t_tex_idx: np.ndarray, size: int = SIZE) -> tuple[np.ndarray, np.ndarray]:
    """Triangle (size, size) and barycentrics (size, size, 3) of every texel; texels off the charts take their nearest one's."""
    clip = np.concatenate([v_tex * 2.0 - 1.0, np.zeros((len(v_tex), 1)), np.ones((len(v_tex), 1))], 1)
    tri, bary, _ = rasterize(clip, t_tex_idx, size, size)
    near = distance_transform_edt(tri < 0, return_distances=False, return_indices=True)
    tri, bary = tri[near[0], near[1]], bary[near[0], near[1]]
    return tri, np.concatenate([bary, 1.0 - bary.sum(-1, keepdims=True)], -1)


def part_colours(part_names: tuple[str, ...]) -> np.ndarray:
    """(P, 3) sRGB of each part in the neutral bodysuit."""
    return np.array([PART_COLOUR.get(n.removesuffix("_l").removesuffix("_r"), SUIT) for n in part_names])


def paint(t_part: np.ndarray, part_names: tuple[str, ...], v_tex: np.ndarray, t_tex_idx: np.ndarray) -> np.ndarray:
    """(SIZE, SIZE, 3) float32 sRGB, row 0 at v = 1."""
    tri, _ = texel_triangles(v_tex, t_tex_idx)
    return part_colours(part_names)[t_part[tri]].astype(np.float32)
