"""The two small networks of the field, fused over blocks of lanes: forward and backward on the CPU.

Density: encoding -> hidden (ReLU) -> geometry vector, whose first entry is the logarithm of density. Colour: geometry vector
(and spherical harmonics of the direction) -> hidden (ReLU) -> sigmoid. No biases, as in instant-ngp. All widths are multiples
of 4. A sample's numbers stand in one lane of a block: arrays are (blocks, width, BLOCK).
"""

from __future__ import annotations

import numpy as np
from numba import njit, prange

from stages.field.encoding import BLOCK, FAST

GEOMETRY = 16
HARMONICS = 16
LOG_DENSITY = np.float32(np.log(8.0))  # density per metre that an untrained field starts from
MOST_LOG = np.float32(9.5)
MOST_EXPONENT = np.float32(60.0)  # of the sigmoid: the quick division of ``fastmath`` makes nan of 1 / inf
PARTS = 16  # fixed pieces of a batch with gradient sums of their own, so that results do not depend on the number of threads


@njit(**FAST)
def product(w, x, out):
    """out (O, BLOCK) = w (O, I) @ x (I, BLOCK), four by four."""
    for o in range(0, w.shape[0], 4):
        for s in range(BLOCK):
            out[o, s] = np.float32(0)
            out[o + 1, s] = np.float32(0)
            out[o + 2, s] = np.float32(0)
            out[o + 3, s] = np.float32(0)
        for i in range(0, w.shape[1], 4):
            a0, a1, a2, a3 = w[o, i], w[o, i + 1], w[o, i + 2], w[o, i + 3]
            b0, b1, b2, b3 = w[o + 1, i], w[o + 1, i + 1], w[o + 1, i + 2], w[o + 1, i + 3]
            c0, c1, c2, c3 = w[o + 2, i], w[o + 2, i + 1], w[o + 2, i + 2], w[o + 2, i + 3]
            d0, d1, d2, d3 = w[o + 3, i], w[o + 3, i + 1], w[o + 3, i + 2], w[o + 3, i + 3]
            for s in range(BLOCK):
                x0, x1, x2, x3 = x[i, s], x[i + 1, s], x[i + 2, s], x[i + 3, s]
                out[o, s] += a0 * x0 + a1 * x1 + a2 * x2 + a3 * x3
                out[o + 1, s] += b0 * x0 + b1 * x1 + b2 * x2 + b3 * x3
                out[o + 2, s] += c0 * x0 + c1 * x1 + c2 * x2 + c3 * x3
                out[o + 3, s] += d0 * x0 + d1 * x1 + d2 * x2 + d3 * x3


@njit(**FAST)
def add_outer(d_out, x, d_w):
    """d_w (O, I) += d_out (O, BLOCK) @ x (I, BLOCK) transposed, two by four."""
    for o in range(0, d_w.shape[0], 2):
        for i in range(0, d_w.shape[1], 4):
            a0 = a1 = a2 = a3 = b0 = b1 = b2 = b3 = np.float32(0)
            for s in range(BLOCK):
                p, q = d_out[o, s], d_out[o + 1, s]
                x0, x1, x2, x3 = x[i, s], x[i + 1, s], x[i + 2, s], x[i + 3, s]
                a0 += p * x0
                a1 += p * x1
                a2 += p * x2
                a3 += p * x3
                b0 += q * x0
                b1 += q * x1
                b2 += q * x2
                b3 += q * x3
            d_w[o, i] += a0
            d_w[o, i + 1] += a1
            d_w[o, i + 2] += a2
            d_w[o, i + 3] += a3
            d_w[o + 1, i] += b0
            d_w[o + 1, i + 1] += b1
            d_w[o + 1, i + 2] += b2
            d_w[o + 1, i + 3] += b3


@njit(inline="always", **FAST)
def rectify(x):
    """ReLU in place on (W, BLOCK)."""
    for o in range(x.shape[0]):
        for s in range(BLOCK):
            x[o, s] = max(x[o, s], np.float32(0))


@njit(inline="always", **FAST)
def mask_gradient(d_x, x):
    """Zero ``d_x`` where the rectified ``x`` is zero."""
    for o in range(x.shape[0]):
        for s in range(BLOCK):
            d_x[o, s] = d_x[o, s] if x[o, s] > np.float32(0) else np.float32(0)


@njit(inline="always", **FAST)
def colour_input(geometry, harmonics, ray_index, b, out):
    """Geometry rows, then the ray's harmonics where the field depends on the view."""
    for i in range(GEOMETRY):
        for s in range(BLOCK):
            out[i, s] = geometry[b, i, s]
    for i in range(out.shape[0] - GEOMETRY):
        for s in range(BLOCK):
            out[GEOMETRY + i, s] = harmonics[ray_index[b * BLOCK + s], i]


@njit(parallel=True, **FAST)
def forward(encoded, harmonics, ray_index, w1, w2, w3, w4, geometry, density, rgb):
    """Fill ``geometry`` (nb, GEOMETRY, BLOCK), ``density`` (N,) per metre and ``rgb`` (nb, 4, BLOCK).

    ``w1`` (H, width), ``w2`` (GEOMETRY, H), ``w3`` (H, GEOMETRY [+ HARMONICS]), ``w4`` (4, H), its last row unused. If
    ``rgb`` has no blocks, colour is left out.
    """
    blocks = encoded.shape[0]
    for part in prange(PARTS):
        hidden = np.empty((w1.shape[0], BLOCK), np.float32)
        seen = np.empty((w3.shape[1], BLOCK), np.float32)
        for b in range(part * blocks // PARTS, (part + 1) * blocks // PARTS):
            product(w1, encoded[b], hidden)
            rectify(hidden)
            product(w2, hidden, geometry[b])
            for s in range(BLOCK):
                density[b * BLOCK + s] = np.exp(min(geometry[b, 0, s] + LOG_DENSITY, MOST_LOG))
            if rgb.shape[0] > 0:
                colour_input(geometry, harmonics, ray_index, b, seen)
                product(w3, seen, hidden)
                rectify(hidden)
                product(w4, hidden, rgb[b])
                for c in range(3):
                    for s in range(BLOCK):
                        rgb[b, c, s] = np.float32(1) / (np.float32(1) + np.exp(min(-rgb[b, c, s], MOST_EXPONENT)))


@njit(parallel=True, **FAST)
def backward(
    encoded, harmonics, ray_index, w1, w2, w3, w4, geometry, density, rgb, d_density, d_rgb, d1, d2, d3, d4, d_encoded
):
    """Gradients of the weights (PARTS, ...) ``d1`` .. ``d4``, overwritten, and ``d_encoded`` (nb, width, BLOCK).

    ``d_density`` (N,) and ``d_rgb`` (nb, 4, BLOCK) are the loss's gradients of density and colour; ``d_rgb`` is overwritten.
    """
    blocks = encoded.shape[0]
    w1t, w2t, w3t, w4t = w1.T.copy(), w2.T.copy(), w3.T.copy(), w4.T.copy()
    for part in prange(PARTS):
        d1[part] = np.float32(0)
        d2[part] = np.float32(0)
        d3[part] = np.float32(0)
        d4[part] = np.float32(0)
        hidden = np.empty((w1.shape[0], BLOCK), np.float32)
        d_hidden = np.empty((w1.shape[0], BLOCK), np.float32)
        seen = np.empty((w3.shape[1], BLOCK), np.float32)
        d_seen = np.empty((w3.shape[1], BLOCK), np.float32)
        for b in range(part * blocks // PARTS, (part + 1) * blocks // PARTS):
            colour_input(geometry, harmonics, ray_index, b, seen)
            product(w3, seen, hidden)
            rectify(hidden)
            for c in range(3):
                for s in range(BLOCK):
                    d_rgb[b, c, s] *= rgb[b, c, s] * (np.float32(1) - rgb[b, c, s])
            for s in range(BLOCK):
                d_rgb[b, 3, s] = np.float32(0)
            add_outer(d_rgb[b], hidden, d4[part])
            product(w4t, d_rgb[b], d_hidden)
            mask_gradient(d_hidden, hidden)
            add_outer(d_hidden, seen, d3[part])
            product(w3t, d_hidden, d_seen)
            for s in range(BLOCK):
                n = b * BLOCK + s
                if geometry[b, 0, s] + LOG_DENSITY < MOST_LOG:
                    d_seen[0, s] += d_density[n] * density[n]
            product(w1, encoded[b], hidden)
            rectify(hidden)
            add_outer(d_seen[:GEOMETRY], hidden, d2[part])
            product(w2t, d_seen[:GEOMETRY], d_hidden)
            mask_gradient(d_hidden, hidden)
            add_outer(d_hidden, encoded[b], d1[part])
            product(w1t, d_hidden, d_encoded[b])
