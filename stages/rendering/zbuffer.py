"""The z-buffer kernel that everything on the CPU draws with."""

from __future__ import annotations

import numba
import numpy as np


def rasterize(
    v_clip: np.ndarray, t_pos_idx: np.ndarray, height: int, width: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Visible triangle and its perspective-correct barycentrics at every pixel centre.

    ``v_clip`` (V, 4) clip space, ``t_pos_idx`` (F, 3). Triangles that reach behind the near plane are dropped. Both sides
    are drawn. Returns ``tri_id`` (height, width) int32, -1 where empty; ``bary`` (height, width, 2) float32, weights of the
    first and second corner; ``depth`` (height, width) float32 z/w, +inf where empty. Row 0 is the top.
    """
    tri_id = np.full((height, width), -1, np.int32)
    bary = np.zeros((height, width, 2), np.float32)
    depth = np.full((height, width), np.inf, np.float32)
    _fill(np.ascontiguousarray(v_clip, np.float64), np.ascontiguousarray(t_pos_idx, np.int64), tri_id, bary, depth)
    return tri_id, bary, depth


@numba.njit(cache=True, fastmath=False, nogil=True)
def _fill(v_clip, tri, tri_id, bary, depth):
    height, width = tri_id.shape
    for f in range(tri.shape[0]):
        i0, i1, i2 = tri[f, 0], tri[f, 1], tri[f, 2]
        w0, w1, w2 = v_clip[i0, 3], v_clip[i1, 3], v_clip[i2, 3]
        if w0 <= 1e-6 or w1 <= 1e-6 or w2 <= 1e-6:
            continue
        x0 = (v_clip[i0, 0] / w0 * 0.5 + 0.5) * width
        x1 = (v_clip[i1, 0] / w1 * 0.5 + 0.5) * width
        x2 = (v_clip[i2, 0] / w2 * 0.5 + 0.5) * width
        y0 = (0.5 - v_clip[i0, 1] / w0 * 0.5) * height
        y1 = (0.5 - v_clip[i1, 1] / w1 * 0.5) * height
        y2 = (0.5 - v_clip[i2, 1] / w2 * 0.5) * height
        area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
        if area == 0.0:
            continue
        z0, z1, z2 = v_clip[i0, 2] / w0, v_clip[i1, 2] / w1, v_clip[i2, 2] / w2
        xa = max(int(np.ceil(min(x0, x1, x2) - 0.5)), 0)
        xb = min(int(np.floor(max(x0, x1, x2) - 0.5)), width - 1)
        ya = max(int(np.ceil(min(y0, y1, y2) - 0.5)), 0)
        yb = min(int(np.floor(max(y0, y1, y2) - 0.5)), height - 1)
        for y in range(ya, yb + 1):
            py = y + 0.5
            for x in range(xa, xb + 1):
                px = x + 0.5
                b0 = ((x1 - px) * (y2 - py) - (x2 - px) * (y1 - py)) / area
                b1 = ((x2 - px) * (y0 - py) - (x0 - px) * (y2 - py)) / area
                b2 = 1.0 - b0 - b1
                if b0 < 0.0 or b1 < 0.0 or b2 < 0.0:
                    continue
                z = b0 * z0 + b1 * z1 + b2 * z2
                if z >= depth[y, x] or z < -1.0:
                    continue
                q0, q1, q2 = b0 / w0, b1 / w1, b2 / w2
                s = q0 + q1 + q2
                depth[y, x] = z
                tri_id[y, x] = f
                bary[y, x, 0] = q0 / s
                bary[y, x, 1] = q1 / s


def interpolate(attributes: np.ndarray, t_idx: np.ndarray, tri_id: np.ndarray, bary: np.ndarray) -> np.ndarray:
    """Corner attributes (V, C) carried to the pixels, (height, width, C) float32; 0 where empty."""
    corners = attributes[t_idx[np.maximum(tri_id, 0)]]
    b = np.concatenate([bary, 1.0 - bary.sum(-1, keepdims=True)], -1)
    value = np.einsum("hwkc,hwk->hwc", corners, b)
    return np.where((tri_id >= 0)[..., None], value, 0.0).astype(np.float32)
