"""How one view differs from a rendering of what all of them agree on: turned, enlarged, moved, other colours.

Gauss-Newton on colour and alpha together, coarse to fine, outliers weighted down (Baker and Matthews, Lucas-Kanade 20 years on, 2004, with
Cauchy weights).
"""

from __future__ import annotations

import numba
import numpy as np
from scipy import ndimage

from stages.artifacts.cameras import Camera
from stages.artifacts.corrections import Correction

BLURS_PX = (3.0, 1.0)
ROUNDS = 4  # of Gauss-Newton at each blur
LEAST_SPREAD = 0.02  # of the residuals, below which they count as noise of the pictures
MOST_SHIFT = 0.06  # of the picture's longest side; what asks for more is no small correction and is not made
COLOUR_RIDGE = 3.0  # pixels' worth of belief that colours have not drifted
FEW = 64  # figure pixels


def premultiplied(rgba: np.ndarray) -> np.ndarray:
    """(H, W, 4) with colours times alpha."""
    return np.concatenate([rgba[..., :3] * rgba[..., 3:], rgba[..., 3:]], -1).astype(np.float64)


def difference(rendered: np.ndarray, picture: np.ndarray, camera: Camera, begin: Correction, look: bool, colour: bool) -> Correction:
    """How ``picture`` differs from ``rendered``, both (H, W, 4) straight sRGB through ``camera``; only what ``look`` and ``colour`` ask for.

    ``begin`` is where the search starts, and what comes back where the figure is too small or runs away.
    """
    model, seen = premultiplied(rendered), premultiplied(picture)
    if min((model[..., 3] > 0.5).sum(), (seen[..., 3] > 0.5).sum()) < FEW:
        return begin
    found = np.r_[begin.look, begin.gain, begin.offset]
    centre, focal = np.array([camera.cx, camera.cy]) - 0.5, camera.fx
    for blur in BLURS_PX:
        smooth = [ndimage.gaussian_filter(x, (blur, blur, 0)) for x in (model, seen)]
        region = (smooth[0][..., 3] > 0.02) | (smooth[1][..., 3] > 0.02)
        slopes = [np.gradient(smooth[1], axis=axis) for axis in (1, 0)]
        for _ in range(ROUNDS):
            found = found + _step(*smooth, slopes, region, found, centre, focal, look, colour)
    if np.abs(found[:2]).max() * focal > MOST_SHIFT * max(camera.width, camera.height) or np.abs(found[2:4]).max() > 0.1:
        return begin
    return Correction(found[:4], found[4:7], found[7:])


def _step(
    model: np.ndarray, seen: np.ndarray, slopes: list[np.ndarray], region: np.ndarray, x: np.ndarray, centre: np.ndarray, focal: float,
    look: bool, colour: bool,
) -> np.ndarray:
    """The change of the ten numbers (look, gain, offset) that one step of Gauss-Newton asks for."""
    row, column = np.nonzero(region)
    residual, pull_of = np.empty((len(row), 4)), np.empty((len(row), 4, 4))
    _compare(model, seen, slopes[0], slopes[1], row, column, x, centre, focal, residual, pull_of)
    spread = np.maximum(1.4826 * np.median(np.abs(residual), 0), LEAST_SPREAD)
    normal, pull = np.zeros((10, 10)), np.zeros(10)
    _gather(model, row, column, residual, pull_of, spread, normal, pull)
    normal[range(4, 10), range(4, 10)] += COLOUR_RIDGE
    pull[4:] -= COLOUR_RIDGE * (x[4:] - np.r_[1, 1, 1, 0, 0, 0])
    free = np.r_[[look] * 4, [colour] * 6].astype(bool)
    change = np.zeros(10)
    change[free] = np.linalg.solve(normal[np.ix_(free, free)] + 1e-9 * np.eye(free.sum()), pull[free])
    return change


@numba.njit(cache=True, nogil=True)
def _compare(model, seen, across, down, row, column, x, centre, focal, residual, slope):
    """Fill ``residual`` (N, 4), picture less model, and ``slope`` (N, 4 channels, 4), its derivatives by ``look``."""
    height, width = seen.shape[0], seen.shape[1]
    c, s = np.exp(x[3]) * np.cos(x[2]), np.exp(x[3]) * np.sin(x[2])
    for n in range(len(row)):
        i, j = row[n], column[n]
        px, py = j - centre[0], i - centre[1]
        tx, ty = c * px - s * py, s * px + c * py
        u = min(max(tx + centre[0] + x[0] * focal, 0.0), width - 1.001)
        v = min(max(ty + centre[1] + x[1] * focal, 0.0), height - 1.001)
        j0, i0 = int(u), int(v)
        a, b = u - j0, v - i0
        wa, wb, wc, wd = (1 - a) * (1 - b), a * (1 - b), (1 - a) * b, a * b
        alpha = model[i, j, 3]
        for k in range(4):
            value = wa * seen[i0, j0, k] + wb * seen[i0, j0 + 1, k] + wc * seen[i0 + 1, j0, k] + wd * seen[i0 + 1, j0 + 1, k]
            gx = wa * across[i0, j0, k] + wb * across[i0, j0 + 1, k] + wc * across[i0 + 1, j0, k] + wd * across[i0 + 1, j0 + 1, k]
            gy = wa * down[i0, j0, k] + wb * down[i0, j0 + 1, k] + wc * down[i0 + 1, j0, k] + wd * down[i0 + 1, j0 + 1, k]
            expected = model[i, j, k]
            if k < 3:
                expected = x[4 + k] * expected + x[7 + k] * alpha
            residual[n, k] = value - expected
            slope[n, k, 0], slope[n, k, 1] = gx * focal, gy * focal
            slope[n, k, 2], slope[n, k, 3] = gy * tx - gx * ty, gx * tx + gy * ty


@numba.njit(cache=True, nogil=True)
def _gather(model, row, column, residual, slope, spread, normal, pull):
    """Add the weighted normal equations to ``normal`` (10, 10) and ``pull`` (10,)."""
    line, at = np.zeros(6), np.zeros(6, np.int64)
    for n in range(len(row)):
        i, j = row[n], column[n]
        for k in range(4):
            r = residual[n, k]
            weight = 1 / (1 + (r / (2 * spread[k])) ** 2)
            for q in range(4):
                line[q], at[q] = slope[n, k, q], q
            count = 4
            if k < 3:
                line[4], at[4], line[5], at[5], count = -model[i, j, k], 4 + k, -model[i, j, 3], 7 + k, 6
            for p in range(count):
                pull[at[p]] -= weight * line[p] * r
                for q in range(count):
                    normal[at[p], at[q]] += weight * line[p] * line[q]
