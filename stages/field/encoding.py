"""Multiresolution hash grid: kernels for the CPU, forward, backward and Adam.

Mueller et al., Instant Neural Graphics Primitives with a Multiresolution Hash Encoding, SIGGRAPH 2022, section 3.
Points are in unit coordinates: the longest side of the scene box is 1. Samples lie in blocks of ``BLOCK`` lanes:
features are (blocks, levels * features, BLOCK), so that the networks' loops over lanes vectorise.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numba import njit, prange

BLOCK = 128
PRIME_Y = np.uint32(2654435761)
PRIME_Z = np.uint32(805459861)
FAST = {"cache": True, "nogil": True, "error_model": "numpy", "boundscheck": False, "fastmath": True}


@dataclass(frozen=True)
class GridLayout:
    """Where every level lies in the table.

    ``scale`` (L,) cells per unit; ``shape`` (L, 3) int64 grid points per axis; ``offset`` (L + 1,) int64 first row of each
    level in the table; ``hashed`` (L,) bool: False where every grid point has a row of its own.
    """

    features: int
    scale: np.ndarray
    shape: np.ndarray
    offset: np.ndarray
    hashed: np.ndarray

    @property
    def levels(self) -> int:
        """Number of levels."""
        return len(self.scale)

    @property
    def width(self) -> int:
        """Numbers per encoded point."""
        return self.levels * self.features

    @classmethod
    def of(cls, levels: int, features: int, log2_size: int, base: int, finest: int, extent: np.ndarray) -> GridLayout:
        """Levels in geometric progression from ``base`` to ``finest`` cells per unit over the box [0, extent]; eq. 2-3."""
        growth = (finest / base) ** (1 / max(levels - 1, 1))
        scale = (base * growth ** np.arange(levels)).astype(np.float32)
        shape = np.ceil(scale[:, None] * np.asarray(extent)[None] + 0.5).astype(np.int64) + 1
        size = 1 << log2_size
        dense = shape.prod(1)
        rows = np.minimum(dense, size)
        return cls(features, scale, shape, np.concatenate([[0], np.cumsum(rows)]), dense > size)


@njit(inline="always", **FAST)
def corners(x, y, z, scale, shape_x, shape_y, hashed, base, rows):
    """Table rows of the eight grid points round a point and their trilinear weights; eq. 4, bit 0 of a corner is x."""
    one = np.float32(1)
    px, py, pz = x * scale + np.float32(0.5), y * scale + np.float32(0.5), z * scale + np.float32(0.5)
    i, j, k = np.int64(px), np.int64(py), np.int64(pz)
    fx, fy, fz = px - np.float32(i), py - np.float32(j), pz - np.float32(k)
    gx, gy, gz = one - fx, one - fy, one - fz
    if hashed:
        mask = np.uint32(rows - 1)
        x0, x1 = np.uint32(i), np.uint32(i + 1)
        y0, y1 = np.uint32(np.uint32(j) * PRIME_Y), np.uint32(np.uint32(j + 1) * PRIME_Y)
        z0, z1 = np.uint32(np.uint32(k) * PRIME_Z), np.uint32(np.uint32(k + 1) * PRIME_Z)
        q = (np.int64((x0 ^ y0 ^ z0) & mask), np.int64((x1 ^ y0 ^ z0) & mask), np.int64((x0 ^ y1 ^ z0) & mask),
             np.int64((x1 ^ y1 ^ z0) & mask), np.int64((x0 ^ y0 ^ z1) & mask), np.int64((x1 ^ y0 ^ z1) & mask),
             np.int64((x0 ^ y1 ^ z1) & mask), np.int64((x1 ^ y1 ^ z1) & mask))
    else:
        a = (k * shape_y + j) * shape_x + i
        b = a + shape_y * shape_x
        q = (a, a + 1, a + shape_x, a + shape_x + 1, b, b + 1, b + shape_x, b + shape_x + 1)
    r = (base + q[0], base + q[1], base + q[2], base + q[3], base + q[4], base + q[5], base + q[6], base + q[7])
    w = (gx * gy * gz, fx * gy * gz, gx * fy * gz, fx * fy * gz, gx * gy * fz, fx * gy * fz, gx * fy * fz, fx * fy * fz)
    return r, w


@lru_cache
def forward_kernel(features: int) -> Callable[..., None]:
    """Kernel (points (N, 3), table, scale, shape, offset, hashed, out (N / BLOCK, L * features, BLOCK))."""

    @njit(**FAST)
    def one_level(points, table, scale, shape_x, shape_y, hashed, base, rows, column, first, last, out):
        for b in range(first, last):
            for s in range(BLOCK):
                n = b * BLOCK + s
                r, w = corners(points[n, 0], points[n, 1], points[n, 2], scale, shape_x, shape_y, hashed, base, rows)
                for f in range(features):
                    near = w[0] * table[r[0], f] + w[1] * table[r[1], f] + w[2] * table[r[2], f] + w[3] * table[r[3], f]
                    far = w[4] * table[r[4], f] + w[5] * table[r[5], f] + w[6] * table[r[6], f] + w[7] * table[r[7], f]
                    out[b, column + f, s] = near + far

    @njit(parallel=True, **FAST)
    def forward(points, table, scale, shape, offset, hashed, out):
        levels = scale.shape[0]
        pieces = 8
        blocks = out.shape[0]
        for item in prange(levels * pieces):
            piece, k = item // levels, item % levels
            one_level(points, table, scale[k], shape[k, 0], shape[k, 1], hashed[k], offset[k], offset[k + 1] - offset[k],
                      k * features, piece * blocks // pieces, (piece + 1) * blocks // pieces, out)

    return forward


@lru_cache
def backward_kernel(features: int) -> Callable[..., None]:
    """Kernel (points, d_out, scale, shape, offset, hashed, threads, d_table): adds to ``d_table``, each level in one thread."""

    @njit(**FAST)
    def one_level(points, d_out, scale, shape_x, shape_y, hashed, base, rows, column, d_table):
        for b in range(d_out.shape[0]):
            for s in range(BLOCK):
                n = b * BLOCK + s
                r, w = corners(points[n, 0], points[n, 1], points[n, 2], scale, shape_x, shape_y, hashed, base, rows)
                for f in range(features):
                    g = d_out[b, column + f, s]
                    d_table[r[0], f] += w[0] * g
                    d_table[r[1], f] += w[1] * g
                    d_table[r[2], f] += w[2] * g
                    d_table[r[3], f] += w[3] * g
                    d_table[r[4], f] += w[4] * g
                    d_table[r[5], f] += w[5] * g
                    d_table[r[6], f] += w[6] * g
                    d_table[r[7], f] += w[7] * g

    @njit(parallel=True, **FAST)
    def backward(points, d_out, scale, shape, offset, hashed, threads, d_table):
        levels = scale.shape[0]
        for thread in prange(threads):
            for k in range(thread, levels, threads):
                one_level(points, d_out, scale[k], shape[k, 0], shape[k, 1], hashed[k], offset[k], offset[k + 1] - offset[k],
                          k * features, d_table)

    return backward


@njit(parallel=True, **FAST)
def adam_touched(value, gradient, first, second, rate, beta1, beta2, epsilon):
    """Adam on the rows that had a gradient, as instant-ngp does; ``rate`` carries the bias correction. Clears gradients."""
    parts = 64
    count = value.shape[0]
    for part in prange(parts):
        for r in range(part * count // parts, (part + 1) * count // parts):
            for f in range(value.shape[1]):
                g = gradient[r, f]
                if g != np.float32(0):
                    gradient[r, f] = np.float32(0)
                    m = beta1 * first[r, f] + (np.float32(1) - beta1) * g
                    v = beta2 * second[r, f] + (np.float32(1) - beta2) * g * g
                    first[r, f] = m
                    second[r, f] = v
                    value[r, f] -= rate * m / (np.sqrt(v) + epsilon)
