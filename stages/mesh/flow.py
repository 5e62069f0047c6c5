"""Where the details of one picture lie in another: a smooth field of displacements of a few pixels.

Lucas and Kanade's least squares in Gaussian windows, coarse to fine, robust, and shy: where nothing says otherwise, nothing moves.
"""

from __future__ import annotations

import numba
import numpy as np
from scipy import ndimage

BLURS_PX = (3.0, 1.5, 0.7)
ROUNDS = 3  # at each blur
WINDOW_PX = 5.0
STIFFNESS = 5e-5  # squared gradient, mean over the window, below which a window says nothing
MOST_PX = 8.0
SPREAD = 0.05  # difference of colours beyond which a pixel counts less


def flow(model: np.ndarray, seen: np.ndarray, region: np.ndarray) -> np.ndarray:
    """(H, W, 2) pixels (right, down) d such that ``seen`` at p + d(p) looks like ``model`` at p; both (H, W, C), only ``region`` (H, W) asked."""
    d = np.zeros((*region.shape, 2), np.float32)
    asked = region.astype(np.float32)
    for blur in BLURS_PX:
        a, b = (_blurred(x, region, blur) for x in (model, seen))
        slope_y, slope_x = (np.ascontiguousarray(g) for g in np.gradient(b, axis=(0, 1)))
        for _ in range(ROUNDS):
            terms = np.zeros((5, *region.shape), np.float32)
            _terms(a, b, slope_x, slope_y, d, asked, terms)
            xx, xy, yy, x, y = (ndimage.gaussian_filter(t, WINDOW_PX, truncate=2.5) for t in terms)
            weight = ndimage.gaussian_filter(asked, WINDOW_PX, truncate=2.5) + 1e-3
            xx, yy = xx + STIFFNESS * weight, yy + STIFFNESS * weight
            x, y = x + STIFFNESS * weight * d[..., 0], y + STIFFNESS * weight * d[..., 1]
            determinant = xx * yy - xy * xy
            d[..., 0] -= (yy * x - xy * y) / determinant
            d[..., 1] -= (xx * y - xy * x) / determinant
            d = np.clip(ndimage.gaussian_filter(d, (WINDOW_PX / 2, WINDOW_PX / 2, 0), truncate=2.5), -MOST_PX, MOST_PX)
    return d


def _blurred(image: np.ndarray, region: np.ndarray, blur: float) -> np.ndarray:
    """Smoothed within ``region``: what lies outside does not leak in."""
    inside = region.astype(np.float32)
    weight = ndimage.gaussian_filter(inside, blur) + 1e-4
    return np.ascontiguousarray(ndimage.gaussian_filter(image.astype(np.float32) * inside[..., None], (blur, blur, 0)) / weight[..., None])


@numba.njit(cache=True, nogil=True, parallel=True)
def _terms(model, seen, slope_x, slope_y, d, asked, out):
    """Products of slopes, and of slopes and differences, summed over the channels: xx, xy, yy, x, y."""
    height, width, channels = model.shape
    for i in numba.prange(height):
        for j in range(width):
            if asked[i, j] == 0:
                continue
            u = min(max(j + d[i, j, 0], 0.0), width - 1.001)
            v = min(max(i + d[i, j, 1], 0.0), height - 1.001)
            j0, i0 = int(u), int(v)
            a, b = u - j0, v - i0
            wa, wb, wc, wd = (1 - a) * (1 - b), a * (1 - b), (1 - a) * b, a * b
            for k in range(channels):
                r = wa * seen[i0, j0, k] + wb * seen[i0, j0 + 1, k] + wc * seen[i0 + 1, j0, k] + wd * seen[i0 + 1, j0 + 1, k] - model[i, j, k]
                gx = wa * slope_x[i0, j0, k] + wb * slope_x[i0, j0 + 1, k] + wc * slope_x[i0 + 1, j0, k] + wd * slope_x[i0 + 1, j0 + 1, k]
                gy = wa * slope_y[i0, j0, k] + wb * slope_y[i0, j0 + 1, k] + wc * slope_y[i0 + 1, j0, k] + wd * slope_y[i0 + 1, j0 + 1, k]
                w = 1 / (1 + (r / SPREAD) ** 2)
                out[0, i, j] += w * gx * gx
                out[1, i, j] += w * gx * gy
                out[2, i, j] += w * gy * gy
                out[3, i, j] += w * gx * r
                out[4, i, j] += w * gy * r


def pulled(image: np.ndarray, d: np.ndarray) -> np.ndarray:
    """(H, W, C) float32: ``image`` at p + d(p), bilinear."""
    row, column = np.mgrid[: image.shape[0], : image.shape[1]].astype(np.float32)
    at = [row + d[..., 1], column + d[..., 0]]
    return np.stack([ndimage.map_coordinates(image[..., k], at, order=1, mode="nearest") for k in range(image.shape[-1])], -1).astype(np.float32)
