"""Texture coordinates and the neutral bodysuit's base colour."""

from __future__ import annotations

import numpy as np
import xatlas
from scipy.ndimage import distance_transform_edt

from scripts.body.features import BALL, EYE_ASIDE, EYE_UP, MOUTH_HALF, MOUTH_HEIGHT, OPENING, ball_centre
from scripts.body.skeleton import CHIN_Z
from scripts.body.skull import EYE_HEIGHT, EYE_X, frontal
from stages.rendering.zbuffer import rasterize

SIZE = 1024
SUIT = np.array([0.70, 0.765, 0.85])
LASH, IRIS_DARK = np.array([0.23, 0.17, 0.18]), np.array([0.13, 0.17, 0.26])
LIP_LINE, CAVITY = np.array([0.62, 0.30, 0.31]), np.array([0.45, 0.20, 0.22])
IRIS_SHARE = np.sin(np.radians(37.0))  # of the ball's half width: features.build_eyeball's iris edge
SKIN = np.array([0.985, 0.865, 0.795])
PART_COLOUR = {
    "mouth": np.array([0.93, 0.62, 0.60]), "iris": np.array([0.40, 0.56, 0.76]), "eye": np.array([0.975, 0.975, 0.98]),
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


def paint(
    v_pos: np.ndarray, t_pos_idx: np.ndarray, t_part: np.ndarray, part_names: tuple[str, ...], v_tex: np.ndarray, t_tex_idx: np.ndarray
) -> np.ndarray:
    """(SIZE, SIZE, 3) float32 sRGB, row 0 at v = 1: flat parts, then iris, lashes and lips by the texel's place in the world."""
    tri, bary = texel_triangles(v_tex, t_tex_idx)
    kd = part_colours(part_names)[t_part[tri]]
    for stem, colour in (("iris", iris_colour), ("face", lash_colour), ("mouth", lip_colour)):
        wanted = [i for i, n in enumerate(part_names) if n.removesuffix("_l").removesuffix("_r") == stem]
        at = np.isin(t_part[tri], wanted)
        place = np.einsum("nkc,nk->nc", v_pos[t_pos_idx[tri[at]]], bary[at])
        place[:, 0] = np.abs(place[:, 0])
        kd[at] = colour(place, kd[at])
    return kd.astype(np.float32)


def iris_colour(place: np.ndarray, kd: np.ndarray) -> np.ndarray:
    """Dark rim and lid shadow above, light below, a pupil and one highlight."""
    local = place - ball_centre()
    across, up = local @ EYE_ASIDE / BALL[0] / IRIS_SHARE, local @ EYE_UP / BALL[2] / IRIS_SHARE
    radius = np.hypot(across, up)
    tone = (0.78 - 0.42 * np.clip(up + 0.1, -1.0, 1.0))[:, None]
    out = np.clip(kd * tone * 1.25, 0.0, 1.0)
    out[radius > 0.88] = IRIS_DARK
    out[np.hypot(across / 0.40, (up - 0.02) / 0.44) < 1.0] = IRIS_DARK
    out[np.hypot(across + 0.30, up - 0.42) < 0.20] = 0.99
    return out


def lash_colour(place: np.ndarray, kd: np.ndarray) -> np.ndarray:
    """A dark upper lid line that thickens outwards, and a thin lower one."""
    x, h = place[:, 0] - EYE_X, place[:, 2] - CHIN_Z - EYE_HEIGHT
    h = h - 0.06 * x
    half, above, below = OPENING
    reach = ((np.abs(x) / half) ** 2.2 + (np.abs(h) / np.where(h > 0, above, below)) ** 2.5) ** (1.0 / 2.35)
    near = place[:, 1] < -0.045
    out = kd.copy()
    upper = (h > 0.002) & (reach < 1.07 + 0.05 * np.clip(x / half, -1.0, 1.0)) & near
    lower = (h <= 0.002) & (reach < 1.02) & near
    out[lower] = 0.72 * kd[lower]
    out[upper] = LASH
    return out


def lip_colour(place: np.ndarray, kd: np.ndarray) -> np.ndarray:
    """Soft lips, a darker line between them, and the dark of the cavity."""
    front = frontal(np.minimum(place[:, 0], 0.014), place[:, 2] - CHIN_Z)[:, 1]
    line = MOUTH_HEIGHT + CHIN_Z + 0.0022 * (place[:, 0] / MOUTH_HALF) ** 2
    out = np.where(np.abs(place[:, 2:3] - line[:, None]) < 0.0011, LIP_LINE, kd)
    return np.where((place[:, 1] - front > 0.0022)[:, None], CAVITY, out)
