"""Bilinear texture sampling and its gradients."""

from __future__ import annotations

import numba
import numpy as np


@numba.njit(cache=True, nogil=True, inline="always")
def _corner(coordinate, size):
    """Lower texel, upper texel and weight of the upper one, edges clamped; then 1 inside and 0 where the clamp stops the gradient."""
    t = coordinate * np.float32(size) - np.float32(0.5)
    free = np.float32(1.0)
    if t <= 0.0:
        t, free = np.float32(0.0), np.float32(0.0)
    if t >= size - 1:
        t, free = np.float32(size - 1), np.float32(0.0)
    low = int(t)
    return low, min(low + 1, size - 1), t - np.float32(low), free


@numba.njit(cache=True, nogil=True, parallel=True)
def forward(tex, uv, out):
    """``tex`` (B or 1, Ht, Wt, C), ``uv`` (B, H, W, 2) -> ``out`` (B, H, W, C)."""
    views, height, width = uv.shape[0], uv.shape[1], uv.shape[2]
    shared = tex.shape[0] == 1
    for row in numba.prange(views * height):
        b, y = np.int64(row) // height, np.int64(row) % height
        t = tex[np.int64(0) if shared else np.int64(b)]
        for x in range(width):
            xa, xb, wx, _ = _corner(uv[b, y, x, 0], t.shape[1])
            ya, yb, wy, _ = _corner(uv[b, y, x, 1], t.shape[0])
            for c in range(t.shape[2]):
                top = t[ya, xa, c] + wx * (t[ya, xb, c] - t[ya, xa, c])
                low = t[yb, xa, c] + wx * (t[yb, xb, c] - t[yb, xa, c])
                out[b, y, x, c] = top + wy * (low - top)


@numba.njit(cache=True, nogil=True, parallel=True)
def backward_uv(tex, uv, grad, grad_uv):
    """``grad`` (B, H, W, C) to ``grad_uv`` (B, H, W, 2)."""
    views, height, width = uv.shape[0], uv.shape[1], uv.shape[2]
    shared = tex.shape[0] == 1
    for row in numba.prange(views * height):
        b, y = np.int64(row) // height, np.int64(row) % height
        t = tex[np.int64(0) if shared else np.int64(b)]
        for x in range(width):
            xa, xb, wx, free_x = _corner(uv[b, y, x, 0], t.shape[1])
            ya, yb, wy, free_y = _corner(uv[b, y, x, 1], t.shape[0])
            gx, gy = np.float32(0.0), np.float32(0.0)
            for c in range(t.shape[2]):
                g = grad[b, y, x, c]
                gx += g * ((1 - wy) * (t[ya, xb, c] - t[ya, xa, c]) + wy * (t[yb, xb, c] - t[yb, xa, c]))
                gy += g * ((1 - wx) * (t[yb, xa, c] - t[ya, xa, c]) + wx * (t[yb, xb, c] - t[ya, xb, c]))
            grad_uv[b, y, x, 0] = gx * free_x * t.shape[1]
            grad_uv[b, y, x, 1] = gy * free_y * t.shape[0]


@numba.njit(cache=True, nogil=True, parallel=True)
def backward_tex(uv, grad, grad_tex, bands):
    """``grad`` to ``grad_tex`` (B or 1, Ht, Wt, C), zeros at the start; bands of texel rows, so that sums keep their order."""
    shared = grad_tex.shape[0] == 1
    rows = grad_tex.shape[1]
    for k in numba.prange(bands):
        k = np.int64(k)
        first, last = rows * k // bands, rows * (k + 1) // bands
        for b in range(uv.shape[0]):
            t = grad_tex[np.int64(0) if shared else np.int64(b)]
            for y in range(uv.shape[1]):
                for x in range(uv.shape[2]):
                    ya, yb, wy, _ = _corner(uv[b, y, x, 1], rows)
                    if yb < first or ya >= last:
                        continue
                    xa, xb, wx, _ = _corner(uv[b, y, x, 0], t.shape[1])
                    for c in range(t.shape[2]):
                        g = grad[b, y, x, c]
                        if g == 0.0:
                            continue
                        if first <= ya < last:
                            t[ya, xa, c] += (1 - wx) * (1 - wy) * g
                            t[ya, xb, c] += wx * (1 - wy) * g
                        if first <= yb < last:
                            t[yb, xa, c] += (1 - wx) * wy * g
                            t[yb, xb, c] += wx * wy * g
