"""Real spherical harmonics of a viewing direction, degrees 0 to 3."""

from __future__ import annotations

import numpy as np


def harmonics(directions: np.ndarray) -> np.ndarray:
    """(N, 16) float32 orthonormal real harmonics of unit ``directions`` (N, 3), ordered by degree, then order -l..l."""
    x, y, z = np.asarray(directions, np.float64).T
    xx, yy, zz = x * x, y * y, z * z
    one = np.ones_like(x)
    out = [
        0.28209479177387814 * one,
        -0.4886025119029199 * y, 0.4886025119029199 * z, -0.4886025119029199 * x,
        1.0925484305920792 * x * y, -1.0925484305920792 * y * z, 0.31539156525252005 * (3 * zz - 1),
        -1.0925484305920792 * x * z, 0.5462742152960396 * (xx - yy),
        -0.5900435899266435 * y * (3 * xx - yy), 2.890611442640554 * x * y * z, -0.4570457994644658 * y * (5 * zz - 1),
        0.3731763325901154 * z * (5 * zz - 3), -0.4570457994644658 * x * (5 * zz - 1),
        1.445305721320277 * z * (xx - yy), -0.5900435899266435 * x * (xx - 3 * yy),
    ]
    return np.stack(out, -1).astype(np.float32)
