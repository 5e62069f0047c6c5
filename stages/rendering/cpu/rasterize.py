"""Z-buffer rasterization of a batch of views and the gradient of its barycentrics."""

from __future__ import annotations

import numba
import numpy as np

NEAR_W = 1e-6  # corners at or behind the eye drop their triangle


@numba.njit(cache=True, nogil=True)
def screen(pos, height, width, out):
    """Clip (V, 4) to ``out`` (V, 4): pixel x, pixel y, z/w, 1/w (0 where w is not in front)."""
    for i in range(pos.shape[0]):
        w = np.float64(pos[i, 3])
        if w <= NEAR_W:
            out[i, 3] = 0.0
            continue
        out[i, 0] = (pos[i, 0] / w * 0.5 + 0.5) * width
        out[i, 1] = (pos[i, 1] / w * 0.5 + 0.5) * height
        out[i, 2] = pos[i, 2] / w
        out[i, 3] = 1.0 / w


@numba.njit(cache=True, nogil=True)
def _fill(s, tri, rast, depth, row_a, row_b):
    """Rows [row_a, row_b) of one view. ``s`` (V, 4) from ``screen``; ``rast`` (H, W, 4) and ``depth`` (H, W) +inf are filled."""
    width = rast.shape[1]
    for f in range(tri.shape[0]):
        i0, i1, i2 = tri[f, 0], tri[f, 1], tri[f, 2]
        y0, y1, y2 = s[i0, 1], s[i1, 1], s[i2, 1]
        ya = max(int(np.ceil(min(y0, y1, y2) - 0.5)), row_a)
        yb = min(int(np.floor(max(y0, y1, y2) - 0.5)), row_b - 1)
        if ya > yb:
            continue
        x0, x1, x2 = s[i0, 0], s[i1, 0], s[i2, 0]
        xa = max(int(np.ceil(min(x0, x1, x2) - 0.5)), 0)
        xb = min(int(np.floor(max(x0, x1, x2) - 0.5)), width - 1)
        q0, q1, q2 = s[i0, 3], s[i1, 3], s[i2, 3]
        area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
        if xa > xb or area == 0.0 or q0 == 0.0 or q1 == 0.0 or q2 == 0.0:
            continue
        z0, z1, z2 = s[i0, 2], s[i1, 2], s[i2, 2]
        for y in range(ya, yb + 1):
            for x in range(xa, xb + 1):
                px, py = x + 0.5, y + 0.5
                b0 = ((x1 - px) * (y2 - py) - (x2 - px) * (y1 - py)) / area
                b1 = ((x2 - px) * (y0 - py) - (x0 - px) * (y2 - py)) / area
                b2 = 1.0 - b0 - b1
                if b0 < 0.0 or b1 < 0.0 or b2 < 0.0:
                    continue
                z = b0 * z0 + b1 * z1 + b2 * z2
                if z >= depth[y, x] or z < -1.0 or z > 1.0:
                    continue
                depth[y, x] = z
                p0, p1 = b0 * q0, b1 * q1
                total = p0 + p1 + b2 * q2
                rast[y, x, 0] = p0 / total
                rast[y, x, 1] = p1 / total
                rast[y, x, 2] = z
                rast[y, x, 3] = f + 1


@numba.njit(cache=True, nogil=True, parallel=True)
def forward(pos, tri, rast, bands):
    """``pos`` (B, V, 4), ``tri`` (F, 3) -> ``rast`` (B, H, W, 4), zeros at the start; each view in ``bands`` bands of rows."""
    views, height, width = rast.shape[0], rast.shape[1], rast.shape[2]
    s = np.zeros((views, pos.shape[1], 4), np.float64)
    depth = np.full((views, height, width), np.inf)
    for b in numba.prange(views):
        screen(pos[b], height, width, s[b])
    for task in numba.prange(views * bands):
        b, k = np.int64(task) // bands, np.int64(task) % bands
        _fill(s[b], tri, rast[b], depth[b], height * k // bands, height * (k + 1) // bands)


@numba.njit(cache=True, nogil=True, parallel=True)
def backward(pos, tri, rast, grad_rast, grad_pos):
    """Add the gradient of (u, v) to ``grad_pos`` (B, V, 4), zeros at the start.

    With p_i = (x_i - fx w_i, y_i - fy w_i) at pixel (fx, fy) in NDC, the weights are u = p1 x p2 / sum, v = p2 x p0 / sum.
    """
    views, height, width = rast.shape[0], rast.shape[1], rast.shape[2]
    for b in numba.prange(views):
        p, g = pos[b], grad_pos[b]
        for y in range(height):
            fy = (y + 0.5) * 2.0 / height - 1.0
            for x in range(width):
                f = int(rast[b, y, x, 3]) - 1
                gu, gv = np.float64(grad_rast[b, y, x, 0]), np.float64(grad_rast[b, y, x, 1])
                if f < 0 or (gu == 0.0 and gv == 0.0):
                    continue
                fx = (x + 0.5) * 2.0 / width - 1.0
                i0, i1, i2 = tri[f, 0], tri[f, 1], tri[f, 2]
                x0, y0 = p[i0, 0] - fx * p[i0, 3], p[i0, 1] - fy * p[i0, 3]
                x1, y1 = p[i1, 0] - fx * p[i1, 3], p[i1, 1] - fy * p[i1, 3]
                x2, y2 = p[i2, 0] - fx * p[i2, 3], p[i2, 1] - fy * p[i2, 3]
                a0, a1, a2 = x1 * y2 - y1 * x2, x2 * y0 - y2 * x0, x0 * y1 - y0 * x1
                total = a0 + a1 + a2
                if abs(total) < 1e-14:
                    continue
                u, v = a0 / total, a1 / total
                mean = gu * u + gv * v
                g0, g1, g2 = (gu - mean) / total, (gv - mean) / total, -mean / total
                gx0, gy0 = -g1 * y2 + g2 * y1, g1 * x2 - g2 * x1
                gx1, gy1 = g0 * y2 - g2 * y0, -g0 * x2 + g2 * x0
                gx2, gy2 = -g0 * y1 + g1 * y0, g0 * x1 - g1 * x0
                g[i0, 0] += gx0
                g[i0, 1] += gy0
                g[i0, 3] -= fx * gx0 + fy * gy0
                g[i1, 0] += gx1
                g[i1, 1] += gy1
                g[i1, 3] -= fx * gx1 + fy * gy1
                g[i2, 0] += gx2
                g[i2, 1] += gy2
                g[i2, 3] -= fx * gx2 + fy * gy2
