"""Colours of a face: what is skin, and how skin goes on beneath what is painted on it."""

from __future__ import annotations

import numpy as np
from scipy import ndimage, sparse
from scipy.sparse.linalg import spsolve

from stages.artifacts.images import srgb_to_linear

_TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
_WHITE = np.array([0.9505, 1.0, 1.089])


def lab_of(rgb: np.ndarray) -> np.ndarray:
    """CIELAB (..., 3) of sRGB in [0, 1], D65."""
    xyz = srgb_to_linear(np.asarray(rgb, np.float64)) @ _TO_XYZ.T / _WHITE
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.stack([116 * f[..., 1] - 16, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])], -1)


def filled(rgb: np.ndarray, unknown: np.ndarray, known: np.ndarray, decay_px: float = np.inf) -> np.ndarray:
    """(H, W, 3) picture whose ``unknown`` (H, W) pixels continue the ``known`` (H, W) ones beside them without bumps (Laplace's equation).

    Borders to what is neither let nothing in. With ``decay_px`` what comes from the border fades to 0 over that length (screened). Values may lie
    anywhere; a region that touches nothing known is 0.
    """
    out = rgb.copy()
    index = np.full(unknown.shape, -1)
    index[unknown] = np.arange(unknown.sum())
    rows, columns = np.nonzero(unknown)
    count, diagonal, right = len(rows), np.full(len(rows), 1e-9 + 1 / decay_px**2), np.zeros((len(rows), 3))
    entries = []
    for dy, dx in ((0, 1), (0, -1), (1, 0), (-1, 0)):
        y, x = np.clip(rows + dy, 0, unknown.shape[0] - 1), np.clip(columns + dx, 0, unknown.shape[1] - 1)
        inside, beside = unknown[y, x], known[y, x] & ~unknown[y, x]
        diagonal += inside | beside
        right[beside] += rgb[y, x][beside]
        entries.append(sparse.coo_matrix((-np.ones(inside.sum()), (np.flatnonzero(inside), index[y, x][inside])), (count, count)))
    system = (sparse.diags(diagonal) + sum(entries)).tocsc()
    out[unknown] = spsolve(system, right)
    return out


def healed(rgb: np.ndarray, wound: np.ndarray, skin: np.ndarray, soft_px: float) -> np.ndarray:
    """(H, W, 3) picture with the ``skin`` (H, W) round a ``wound`` (H, W) going on over it; what else borders on it fades into that over ``soft_px``."""
    plain = filled(rgb, wound, skin)
    if not np.any(plain[wound]):
        return rgb
    rest = filled(np.where(wound[..., None], 0.0, rgb - _spread(plain, wound)), wound, np.ones_like(wound), soft_px)
    out = rgb.copy()
    out[wound] = np.clip(plain + rest, 0, 1)[wound]
    return out


def _spread(picture: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """(H, W, 3) of each pixel the nearest one's ``inside``."""
    row, column = ndimage.distance_transform_edt(~inside, return_distances=False, return_indices=True)
    return picture[row, column]
