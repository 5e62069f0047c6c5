"""The kernel that carries vertex attributes and texture to the pixels that the z-buffer found."""

from __future__ import annotations

import numba
import numpy as np


@numba.njit(cache=True, nogil=True, parallel=True)
def carry(
    tri_id: np.ndarray, bary: np.ndarray, t_pos_idx: np.ndarray, t_tex_idx: np.ndarray, v_depth: np.ndarray, v_nrm: np.ndarray,
    facing: np.ndarray, v_tex: np.ndarray, kd: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Depth (h, w), unit normal (h, w, 3) and albedo (h, w, 3), float32, at the pixels of ``tri_id`` (h, w) with perspective-correct
    ``bary`` (h, w, 2).

    ``v_depth`` (V,) metres along the view axis, ``v_nrm`` (V, 3), ``facing`` (F,) +1 or -1 multiplies the normal, ``v_tex`` (T, 2) with v
    up wraps, ``kd`` (H, W, 3) is looked up bilinearly with row 0 at v = 1. Empty pixels get +inf, 0 and 0.
    """
    height, width = tri_id.shape
    depth = np.full((height, width), np.inf, np.float32)
    normal = np.zeros((height, width, 3), np.float32)
    albedo = np.zeros((height, width, 3), np.float32)
    rows, columns = kd.shape[0], kd.shape[1]
    for y in numba.prange(height):
        for x in range(width):
            f = tri_id[y, x]
            if f < 0:
                continue
            b0, b1 = np.float64(bary[y, x, 0]), np.float64(bary[y, x, 1])
            b2 = 1.0 - b0 - b1
            i, j, k = t_pos_idx[f, 0], t_pos_idx[f, 1], t_pos_idx[f, 2]
            depth[y, x] = b0 * v_depth[i] + b1 * v_depth[j] + b2 * v_depth[k]
            n0 = b0 * v_nrm[i, 0] + b1 * v_nrm[j, 0] + b2 * v_nrm[k, 0]
            n1 = b0 * v_nrm[i, 1] + b1 * v_nrm[j, 1] + b2 * v_nrm[k, 1]
            n2 = b0 * v_nrm[i, 2] + b1 * v_nrm[j, 2] + b2 * v_nrm[k, 2]
            length = max(np.sqrt(n0 * n0 + n1 * n1 + n2 * n2), 1e-9) * facing[f]
            normal[y, x, 0], normal[y, x, 1], normal[y, x, 2] = n0 / length, n1 / length, n2 / length
            i, j, k = t_tex_idx[f, 0], t_tex_idx[f, 1], t_tex_idx[f, 2]
            u = (b0 * v_tex[i, 0] + b1 * v_tex[j, 0] + b2 * v_tex[k, 0]) * columns - 0.5
            v = (1.0 - (b0 * v_tex[i, 1] + b1 * v_tex[j, 1] + b2 * v_tex[k, 1])) * rows - 0.5
            u0, v0 = int(np.floor(u)), int(np.floor(v))
            fu, fv = u - u0, v - v0
            ua, ub, va, vb = u0 % columns, (u0 + 1) % columns, v0 % rows, (v0 + 1) % rows
            for c in range(3):
                top = kd[va, ua, c] * (1 - fu) + kd[va, ub, c] * fu
                bottom = kd[vb, ua, c] * (1 - fu) + kd[vb, ub, c] * fu
                albedo[y, x, c] = top * (1 - fv) + bottom * fv
    return depth, normal, albedo
