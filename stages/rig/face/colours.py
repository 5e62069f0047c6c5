"""Colours of a face: what is skin, and how skin goes on beneath what is painted on it."""

from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import spsolve

from stages.artifacts.images import srgb_to_linear

_TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
_WHITE = np.array([0.9505, 1.0, 1.089])


def lab_of(rgb: np.ndarray) -> np.ndarray:
    """CIELAB (..., 3) of sRGB in [0, 1], D65."""
    xyz = srgb_to_linear(np.asarray(rgb, np.float64)) @ _TO_XYZ.T / _WHITE
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.stack([116 * f[..., 1] - 16, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])], -1)


def filled(rgb: np.ndarray, unknown: np.ndarray, skin: np.ndarray) -> np.ndarray:
    """(H, W, 3) picture whose ``unknown`` (H, W) pixels continue the ``skin`` (H, W) ones round them: colours without bumps (Laplace's equation).

    Borders to what is neither let nothing in. A region that touches no skin is left as it is.
    """
    out = rgb.copy()
    index = np.full(unknown.shape, -1)
    index[unknown] = np.arange(unknown.sum())
    rows, columns = np.nonzero(unknown)
    count, diagonal, right = len(rows), np.full(len(rows), 1e-9), rgb[unknown] * 1e-9
    entries = []
    for dy, dx in ((0, 1), (0, -1), (1, 0), (-1, 0)):
        y, x = np.clip(rows + dy, 0, unknown.shape[0] - 1), np.clip(columns + dx, 0, unknown.shape[1] - 1)
        inside, known = unknown[y, x], skin[y, x] & ~unknown[y, x]
        diagonal += inside | known
        right[known] += rgb[y, x][known]
        entries.append(sparse.coo_matrix((-np.ones(inside.sum()), (np.flatnonzero(inside), index[y, x][inside])), (count, count)))
    system = (sparse.diags(diagonal) + sum(entries)).tocsc()
    out[unknown] = np.clip(np.stack([spsolve(system, right[:, c]) for c in range(3)], -1), 0, 1)
    return out
