"""Draw a character the way cel animation is painted: flat local colour from its texture, thin lines, no light.

Lines stand where the picture's depth jumps, where one semantic part or one separate piece (a lock, a collar) ends, and round
the figure; each is a darker tint of the colour that it borders. Everything is drawn on a grid of twice the size and averaged.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numba
import numpy as np

from scripts.generator.assemble import Character
from stages.artifacts.cameras import Camera
from stages.rendering.zbuffer import rasterize

OVERSAMPLING = 2
NEAR_M, FAR_M = 0.5, 20.0
JUMP_M = 0.014  # a step in depth, beyond what the surface's slope explains, that gets a line
OUTLINE, FOLD = 0.45, 0.6  # strength of lines that move with the view
MIP_LEVELS = 5


@dataclass(frozen=True)
class Picture:
    """What one view shows. ``rgb`` (H, W, 3) float32 sRGB on white; ``alpha`` (H, W) float32 coverage; ``part`` (H, W) int8
    index into the character's part names, -1 empty; ``depth_m`` (H, W) float32 along the axis, inf empty; ``normal`` (H, W, 3) float32
    world frame, 0 empty. The last three are taken at the pixel centre's upper left sample.
    """

    rgb: np.ndarray
    alpha: np.ndarray
    part: np.ndarray
    depth_m: np.ndarray
    normal: np.ndarray


@numba.njit(cache=True, nogil=True)
def _averaged(big, n, out):
    """Means of n x n blocks of (H, W, 3)."""
    scale = np.float32(1.0 / (n * n))
    for y in range(out.shape[0]):
        for x in range(out.shape[1]):
            r = g = b = np.float32(0.0)
            for j in range(n):
                for i in range(n):
                    r += big[y * n + j, x * n + i, 0]
                    g += big[y * n + j, x * n + i, 1]
                    b += big[y * n + j, x * n + i, 2]
            out[y, x, 0], out[y, x, 1], out[y, x, 2] = r * scale, g * scale, b * scale


@numba.njit(cache=True, nogil=True)
def _coverage(tri_id, n, out):
    for y in range(out.shape[0]):
        for x in range(out.shape[1]):
            count = 0
            for j in range(n):
                for i in range(n):
                    count += tri_id[y * n + j, x * n + i] >= 0
            out[y, x] = count / (n * n)


def mip_chain(kd: np.ndarray) -> tuple[np.ndarray, ...]:
    """The texture and its halvings by 2 x 2 averages, (H / 2^k, W / 2^k, 3) float32."""
    chain = [np.ascontiguousarray(kd, np.float32)]
    for _ in range(MIP_LEVELS - 1):
        h, w, c = chain[-1].shape
        chain.append(np.empty((h // 2, w // 2, c), np.float32))
        _averaged(chain[-2], 2, chain[-1])
    return tuple(chain)


@numba.njit(cache=True, nogil=True)
def _sample(level, u, v):
    h, w = level.shape[0], level.shape[1]
    x, y = u * w - 0.5, (1.0 - v) * h - 0.5
    x = min(max(x, 0.0), w - 1.001)
    y = min(max(y, 0.0), h - 1.001)
    i, j = int(x), int(y)
    s, t = x - i, y - j
    a, b, c, d = (1 - s) * (1 - t), s * (1 - t), (1 - s) * t, s * t
    r = a * level[j, i, 0] + b * level[j, i + 1, 0] + c * level[j + 1, i, 0] + d * level[j + 1, i + 1, 0]
    g = a * level[j, i, 1] + b * level[j, i + 1, 1] + c * level[j + 1, i, 1] + d * level[j + 1, i + 1, 1]
    e = a * level[j, i, 2] + b * level[j, i + 1, 2] + c * level[j + 1, i, 2] + d * level[j + 1, i + 1, 2]
    return r, g, e


@numba.njit(cache=True, nogil=True)
def _levels(v_clip, tri, uv, texture_px, height, width, count):
    """(F,) mip level of each triangle from its area in texels over its area in pixels."""
    out = np.zeros(tri.shape[0], np.int8)
    for f in range(tri.shape[0]):
        i, j, k = tri[f, 0], tri[f, 1], tri[f, 2]
        if v_clip[i, 3] <= 1e-6 or v_clip[j, 3] <= 1e-6 or v_clip[k, 3] <= 1e-6:
            continue
        xi, yi = v_clip[i, 0] / v_clip[i, 3], v_clip[i, 1] / v_clip[i, 3]
        xj, yj = v_clip[j, 0] / v_clip[j, 3] - xi, v_clip[j, 1] / v_clip[j, 3] - yi
        xk, yk = v_clip[k, 0] / v_clip[k, 3] - xi, v_clip[k, 1] / v_clip[k, 3] - yi
        pixels = abs(xj * yk - xk * yj) * 0.25 * height * width
        uj, vj = uv[f, 1, 0] - uv[f, 0, 0], uv[f, 1, 1] - uv[f, 0, 1]
        uk, vk = uv[f, 2, 0] - uv[f, 0, 0], uv[f, 2, 1] - uv[f, 0, 1]
        texels = abs(uj * vk - uk * vj) * texture_px * texture_px
        if texels > 1.4 * pixels and pixels > 0.0:
            out[f] = min(int(0.5 * math.log(texels / pixels) / math.log(2.0) + 0.45), count - 1)
    return out


@numba.njit(cache=True, nogil=True)
def _paint(tri_id, bary, uv, level_of, m0, m1, m2, m3, m4, rgb):
    height, width = tri_id.shape
    for y in range(height):
        for x in range(width):
            f = tri_id[y, x]
            if f < 0:
                rgb[y, x, 0] = rgb[y, x, 1] = rgb[y, x, 2] = 1.0
                continue
            b0, b1 = bary[y, x, 0], bary[y, x, 1]
            b2 = 1.0 - b0 - b1
            u = b0 * uv[f, 0, 0] + b1 * uv[f, 1, 0] + b2 * uv[f, 2, 0]
            v = b0 * uv[f, 0, 1] + b1 * uv[f, 1, 1] + b2 * uv[f, 2, 1]
            k = level_of[f]
            level = m0 if k == 0 else m1 if k == 1 else m2 if k == 2 else m3 if k == 3 else m4
            rgb[y, x, 0], rgb[y, x, 1], rgb[y, x, 2] = _sample(level, u, v)


@numba.njit(cache=True, nogil=True)
def _line_strength(tri_id, depth, part, piece, quiet, y, x, jump, reach):
    """How dark the line at a pixel is. Ends of parts and pieces stay on the surface and may be dark; outlines and folds wander
    over it as the camera turns, which no texture can follow, so they are thin and light."""
    height, width = tri_id.shape
    f = tri_id[y, x]
    d = depth[y, x]
    strongest = 0.0
    for n in range(4):
        dy, dx = (-1, 0, 1, 0)[n], (0, -1, 0, 1)[n]
        for r in range(1, reach + 1):
            yy, xx = y + r * dy, x + r * dx
            if yy < 0 or xx < 0 or yy >= height or xx >= width:
                break
            g = tri_id[yy, xx]
            if g < 0:
                strongest = max(strongest, OUTLINE if r == 1 else 0.0)
                break
            if g == f:
                continue
            gap = depth[yy, xx] - d
            yb, xb = y - r * dy, x - r * dx
            slope = 0.0
            if 0 <= yb < height and 0 <= xb < width and tri_id[yb, xb] >= 0:
                slope = min(max(d - depth[yb, xb], 0.0), 2.0 * jump)
            if gap - slope > jump:
                strongest = max(strongest, FOLD if r == 1 else 0.0)
            elif part[g] != part[f]:
                if gap > 0.0 or (gap > -0.002 and part[f] < part[g]):
                    strongest = max(strongest, 0.85 if r == 1 else 0.0)
            elif piece[g] != piece[f] and not (quiet[g] or quiet[f]):
                if r == 1 and (gap > 0.0 or (gap == 0.0 and piece[f] < piece[g])):
                    strongest = max(strongest, 0.75)
    return strongest


@numba.njit(cache=True, nogil=True)
def _outline(tri_id, depth, part, piece, quiet, jump, reach, rgb, out):
    height, width = tri_id.shape
    for y in range(height):
        for x in range(width):
            r, g, b = rgb[y, x, 0], rgb[y, x, 1], rgb[y, x, 2]
            if tri_id[y, x] >= 0:
                s = _line_strength(tri_id, depth, part, piece, quiet, y, x, jump, reach)
                if s > 0.0:
                    low = min(r, g, b)
                    # a darker, richer tint: what is already the smaller channel falls further
                    lr, lg, lb = 0.50 * r - 0.12 * low, 0.46 * g - 0.14 * low, 0.50 * b - 0.08 * low
                    r, g, b = r + s * (max(lr, 0.0) - r), g + s * (max(lg, 0.0) - g), b + s * (max(lb, 0.0) - b)
            out[y, x, 0], out[y, x, 1], out[y, x, 2] = r, g, b


def _drawn(character: Character, camera: Camera, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """(rgb, alpha) of the picture and (tri_id, depth) of the grid that is ``n`` times finer."""
    big = camera.resized(camera.width * n, camera.height * n)
    tri = character.t_pos_idx
    v_clip = np.c_[character.v_pos, np.ones(len(character.v_pos))] @ big.w2clip(NEAR_M, FAR_M).T
    tri_id, bary, z = rasterize(v_clip, tri, big.height, big.width)
    depth = 2 * np.float32(FAR_M * NEAR_M) / (np.float32(FAR_M + NEAR_M) - z * np.float32(FAR_M - NEAR_M))
    depth[tri_id < 0] = np.inf
    mips = character.mips or mip_chain(character.kd)
    level = _levels(v_clip, tri, character.t_uv, mips[0].shape[0], big.height, big.width, MIP_LEVELS)
    flat = np.empty((*tri_id.shape, 3), np.float32)
    _paint(tri_id, bary, character.t_uv, level, *mips, flat)
    lined = np.empty_like(flat)
    _outline(tri_id, depth, character.t_ink, character.t_piece, character.t_quiet, JUMP_M, 2, flat, lined)
    rgb = np.empty((camera.height, camera.width, 3), np.float32)
    _averaged(lined, n, rgb)
    alpha = np.empty((camera.height, camera.width), np.float32)
    _coverage(tri_id, n, alpha)
    return rgb, alpha, tri_id, depth


def render_all(character: Character, camera: Camera, oversampling: int = OVERSAMPLING) -> Picture:
    """The painted view and its ground truth; ``camera`` gives the size of the picture."""
    rgb, alpha, tri_id, depth = _drawn(character, camera, oversampling)
    first = np.ascontiguousarray(tri_id[::oversampling, ::oversampling])
    part = np.where(first >= 0, character.t_part[np.maximum(first, 0)], -1).astype(np.int8)
    return Picture(rgb, alpha, part, np.ascontiguousarray(depth[::oversampling, ::oversampling]), _normals(character, first))


def _normals(character: Character, tri_id: np.ndarray) -> np.ndarray:
    corners = character.v_pos[character.t_pos_idx[np.maximum(tri_id, 0)]]
    normal = np.cross(corners[..., 1, :] - corners[..., 0, :], corners[..., 2, :] - corners[..., 0, :])
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True) + 1e-12
    return np.where((tri_id >= 0)[..., None], normal, 0.0).astype(np.float32)


def render(character: Character, camera: Camera) -> tuple[np.ndarray, np.ndarray]:
    """(rgb (H, W, 3) float32 sRGB on white, alpha (H, W) float32)."""
    return _drawn(character, camera, OVERSAMPLING)[:2]
