"""Take ripples out of a surface and leave its shape: what views that contradict one another put into it."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from stages.artifacts.factors import factored
from stages.artifacts.links import graph_laplacian, vertex_links

HEXAGON = 1.5  # a wave of wavelength W on equal triangles with edges e: the graph's Laplacian takes it times this (2 pi e / W)^2


def faired(v_pos: np.ndarray, faces: np.ndarray, wavelength_m: float) -> np.ndarray:
    """(V, 3) positions x of (1 + c L^2) x = ``v_pos``, L the graph's Laplacian: ripples of ``wavelength_m`` are halved, half as long ones cut to a
    seventeenth, twice as long ones kept but for a seventeenth. 0 changes nothing.

    The wavelength is that at the mean edge: where triangles are smaller, as on the head, so is what is taken for a ripple.
    """
    if wavelength_m == 0 or len(faces) == 0:
        return v_pos
    start = v_pos.astype(np.float64)
    edge = np.linalg.norm(start[faces[:, 0]] - start[faces[:, 1]], axis=-1).mean()
    laplacian = graph_laplacian(vertex_links(faces, len(v_pos)))
    half = HEXAGON * (2 * np.pi * edge / wavelength_m) ** 2
    # 1 / (1 + x^2) is the real part of 1 / (1 + i x): factors of L's own pattern, not of its square's
    return factored(sparse.identity(len(v_pos)) + 1j / half * laplacian).solve(start.astype(complex)).real.astype(v_pos.dtype)
