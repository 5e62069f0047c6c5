"""Pictures of a mesh for people: unlit texture, grey clay, wires over clay, colours of vertices; supersampled, on one colour.

Nothing here is differentiable.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numba
import numpy as np

from stages.artifacts.cameras import Camera
from stages.rendering.zbuffer import rasterize

Look = Literal["texture", "clay", "wires"]
Rgb = tuple[int, int, int]
WHITE: Rgb = (255, 255, 255)
STUDIO: Rgb = (219, 223, 230)  # a light grey, before which white clothes show
_TEXTURE, _COLOURS, _WIRES = 0, 1, 2


@dataclass(frozen=True)
class Surface:
    """What is drawn: ``v_nrm`` (V, 3) unit; ``v_tex`` (T, 2) v up, ``t_tex_idx`` (F, 3) and ``kd_u8`` (H, W, 3) sRGB, row 0 at v = 1."""

    v_nrm: np.ndarray
    t_pos_idx: np.ndarray
    v_tex: np.ndarray
    t_tex_idx: np.ndarray
    kd_u8: np.ndarray


def draw(
    surface: Surface, v_pos: np.ndarray, camera: Camera, look: Look = "texture", supersample: int = 2, backdrop: Rgb = WHITE
) -> np.ndarray:
    """(height, width, 3) uint8 sRGB picture of ``surface`` with its vertices at ``v_pos`` (V, 3), world frame, before ``backdrop``.

    Each pixel is the mean of ``supersample`` squared samples. "clay" is lit from the camera; "wires" draws every edge on it.
    """
    if look == "texture":
        return _picture(surface, v_pos, None, camera, _TEXTURE, supersample, backdrop)
    facing = np.maximum(surface.v_nrm @ camera.c2w[:3, 2], 0.0)
    grey = np.repeat((70 + 150 * facing)[:, None], 3, -1)
    return _picture(surface, v_pos, grey, camera, _COLOURS if look == "clay" else _WIRES, supersample, backdrop)


def draw_colours(v_pos: np.ndarray, t_pos_idx: np.ndarray, v_rgb: np.ndarray, camera: Camera, supersample: int = 2) -> np.ndarray:
    """(height, width, 3) uint8 picture of a mesh with an sRGB colour (V, 3) in [0, 1] for each vertex, unlit, on white."""
    surface = Surface(v_pos, t_pos_idx, np.zeros((1, 2)), t_pos_idx, np.zeros((1, 1, 3), np.uint8))
    return _picture(surface, v_pos, np.clip(v_rgb, 0, 1) * 255, camera, _COLOURS, supersample, WHITE)


def _picture(
    surface: Surface, v_pos: np.ndarray, v_rgb: np.ndarray | None, camera: Camera, look: int, supersample: int, backdrop: Rgb
) -> np.ndarray:
    big = camera.resized(camera.width * supersample, camera.height * supersample)
    v_clip = np.concatenate([v_pos, np.ones((len(v_pos), 1))], -1) @ big.w2clip().T
    tri_id, bary, _ = rasterize(v_clip, surface.t_pos_idx, big.height, big.width)
    rgb = np.zeros((1, 3), np.float32) if v_rgb is None else np.ascontiguousarray(v_rgb, np.float32)
    t_pos_idx, t_tex_idx = (np.ascontiguousarray(t, np.int64) for t in (surface.t_pos_idx, surface.t_tex_idx))
    out = np.zeros((camera.height, camera.width, 3), np.uint8)
    _shade(tri_id, bary, t_pos_idx, rgb, t_tex_idx, np.ascontiguousarray(surface.v_tex, np.float32), np.ascontiguousarray(surface.kd_u8),
           look, supersample, np.array(backdrop, np.float32), out)
    return out


@numba.njit(cache=True, nogil=True, parallel=True)
def _shade(tri_id, bary, t_pos_idx, v_rgb, t_tex_idx, v_tex, kd, look, s, backdrop, out):
    height, width = out.shape[0], out.shape[1]
    rows, columns = tri_id.shape
    for y in numba.prange(height):
        colour = np.zeros(3, np.float32)
        total = np.zeros(3, np.float32)
        for x in range(width):
            total[:] = 0.0
            for k in range(s * s):
                yy, xx = y * s + k // s, x * s + k % s
                f = tri_id[yy, xx]
                colour[:] = backdrop
                if f >= 0:
                    b0, b1 = bary[yy, xx, 0], bary[yy, xx, 1]
                    b2 = 1.0 - b0 - b1
                    edge = (xx + 1 < columns and tri_id[yy, xx + 1] != f) or (yy + 1 < rows and tri_id[yy + 1, xx] != f)
                    if look == _TEXTURE:
                        i, j, m = t_tex_idx[f, 0], t_tex_idx[f, 1], t_tex_idx[f, 2]
                        u = b0 * v_tex[i, 0] + b1 * v_tex[j, 0] + b2 * v_tex[m, 0]
                        v = b0 * v_tex[i, 1] + b1 * v_tex[j, 1] + b2 * v_tex[m, 1]
                        _sample(kd, u, v, colour)
                    elif look == _WIRES and edge:
                        colour[0], colour[1], colour[2] = 40.0, 60.0, 110.0
                    else:
                        i, j, m = t_pos_idx[f, 0], t_pos_idx[f, 1], t_pos_idx[f, 2]
                        for c in range(3):
                            colour[c] = b0 * v_rgb[i, c] + b1 * v_rgb[j, c] + b2 * v_rgb[m, c]
                for c in range(3):
                    total[c] += colour[c]
            for c in range(3):
                out[y, x, c] = np.uint8(total[c] / (s * s) + 0.5)


@numba.njit(cache=True, nogil=True)
def _sample(kd, u, v, colour):
    """Bilinear texture value at (u, v), v up, edges clamped."""
    height, width = kd.shape[0], kd.shape[1]
    x = min(max(u * width - 0.5, 0.0), width - 1.0)
    y = min(max((1.0 - v) * height - 0.5, 0.0), height - 1.0)
    x0, y0 = int(x), int(y)
    x1, y1 = min(x0 + 1, width - 1), min(y0 + 1, height - 1)
    fx, fy = x - x0, y - y0
    for c in range(3):
        top = kd[y0, x0, c] * (1.0 - fx) + kd[y0, x1, c] * fx
        bottom = kd[y1, x0, c] * (1.0 - fx) + kd[y1, x1, c] * fx
        colour[c] = top * (1.0 - fy) + bottom * fy
