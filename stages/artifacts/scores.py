"""One evaluator for every method: how near a picture of the figure is to the truth."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

DILATION_PX = 4


def on_white(rgba: np.ndarray) -> np.ndarray:
    """Straight-alpha sRGB (H, W, 4) laid over white, (H, W, 3)."""
    return rgba[..., :3] * rgba[..., 3:] + 1 - rgba[..., 3:]


def figure_region(truth_alpha: np.ndarray, picture_alpha: np.ndarray, dilation_px: int = DILATION_PX) -> np.ndarray:
    """(H, W) bool: the union of both silhouettes (alpha > 0.5) grown by ``dilation_px``."""
    figure = (truth_alpha > 0.5) | (picture_alpha > 0.5)
    if not figure.any():
        return figure
    return ndimage.distance_transform_edt(~figure) <= dilation_px


def figure_psnr(truth: np.ndarray, picture: np.ndarray, dilation_px: int = DILATION_PX) -> float:
    """PSNR in dB of straight-alpha sRGB (H, W, 4) pictures over ``figure_region``, white behind; inf if they agree."""
    region = figure_region(truth[..., 3], picture[..., 3], dilation_px)
    return psnr(on_white(truth)[region], on_white(picture)[region])


def psnr(truth: np.ndarray, picture: np.ndarray) -> float:
    """10 log10 (1 / mean squared error) of values in [0, 1], clipped; inf if they agree."""
    error = np.mean((np.clip(truth, 0, 1).astype(np.float64) - np.clip(picture, 0, 1)) ** 2) if truth.size else 0.0
    return float(-10 * np.log10(error)) if error > 0 else float("inf")


def gradient_energy_ratio(truth: np.ndarray, picture: np.ndarray) -> float:
    """Energy of the picture's gradients over the truth's, within the figure; below 1 where it is blurred."""
    region = figure_region(truth[..., 3], picture[..., 3])[:-1, :-1]
    energy = []
    for rgba in (picture, truth):
        image = on_white(rgba)
        dx, dy = image[:-1, 1:] - image[:-1, :-1], image[1:, :-1] - image[:-1, :-1]
        energy.append(float(((dx**2 + dy**2).sum(-1))[region].sum()))
    return energy[0] / energy[1] if energy[1] > 0 else float("inf")
