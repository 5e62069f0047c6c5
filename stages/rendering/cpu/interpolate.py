"""Attributes of the corners carried to the pixels, and back."""

from __future__ import annotations

import numba
import numpy as np


@numba.njit(cache=True, nogil=True, parallel=True)
def forward(attr, rast, tri, out):
    """``attr`` (B or 1, V, C), ``rast`` (B, H, W, 4) -> ``out`` (B, H, W, C), zeros at the start."""
    views, height, width = rast.shape[0], rast.shape[1], rast.shape[2]
    shared = attr.shape[0] == 1
    for row in numba.prange(views * height):
        b, y = np.int64(row) // height, np.int64(row) % height
        a = attr[np.int64(0) if shared else np.int64(b)]
        for x in range(width):
            f = int(rast[b, y, x, 3]) - 1
            if f < 0:
                continue
            i0, i1, i2 = tri[f, 0], tri[f, 1], tri[f, 2]
            u, v = rast[b, y, x, 0], rast[b, y, x, 1]
            w = np.float32(1.0) - u - v
            for c in range(a.shape[1]):
                out[b, y, x, c] = u * a[i0, c] + v * a[i1, c] + w * a[i2, c]


@numba.njit(cache=True, nogil=True, parallel=True)
def backward(attr, rast, tri, grad, grad_attr, grad_rast):
    """``grad`` (B, H, W, C) to ``grad_attr`` (B, V, C), one buffer for each view, and ``grad_rast`` (B, H, W, 4); zeros at the start."""
    views, height, width = rast.shape[0], rast.shape[1], rast.shape[2]
    shared = attr.shape[0] == 1
    for b in numba.prange(views):
        a = attr[np.int64(0) if shared else np.int64(b)]
        for y in range(height):
            for x in range(width):
                f = int(rast[b, y, x, 3]) - 1
                if f < 0:
                    continue
                i0, i1, i2 = tri[f, 0], tri[f, 1], tri[f, 2]
                u, v = rast[b, y, x, 0], rast[b, y, x, 1]
                w = np.float32(1.0) - u - v
                gu, gv = np.float32(0.0), np.float32(0.0)
                for c in range(a.shape[1]):
                    g = grad[b, y, x, c]
                    gu += g * (a[i0, c] - a[i2, c])
                    gv += g * (a[i1, c] - a[i2, c])
                    grad_attr[b, i0, c] += u * g
                    grad_attr[b, i1, c] += v * g
                    grad_attr[b, i2, c] += w * g
                grad_rast[b, y, x, 0] = gu
                grad_rast[b, y, x, 1] = gv
