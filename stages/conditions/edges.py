"""The pictures that stand for edge detectors: softedge and canny.

- softedge: graded and blurred, white on black, like HED and PIDI (control_v11p_sd15_softedge): outlines bright and some pixels wide,
  creases and features weaker, shading weakest. (H, W, 3) float32.
- canny: binary, one pixel wide, white on black: Canny (1986) on the shaded body with 3 x 3 Sobel gradients in the L1 norm and
  thresholds 100 and 200 of 8-bit luma, the detector's defaults in ControlNet.
"""

from __future__ import annotations

import numpy as np

from stages.conditions.buffers import box_down
from stages.conditions.contours import Contours

CANNY_LOW, CANNY_HIGH = 100.0, 200.0
_SCALES = (0.8, 1.6, 3.2)  # blurs in pixels of a picture 512 pixels tall


def softedge_picture(contours: Contours, luma: np.ndarray, samples: int, height: int) -> np.ndarray:
    """``contours`` and ``luma`` (h, w) are of the supersampled view or a window of it, ``height`` that of the whole picture."""
    from scipy.ndimage import gaussian_filter, gaussian_gradient_magnitude

    outline, inner, luma = (box_down(x.astype(np.float32), samples) * samples for x in (contours.outline, contours.inner, luma))
    luma = luma / samples
    unit = max(height / 512, 0.6)
    total = np.zeros(luma.shape, np.float32)
    for scale in _SCALES:
        sigma = scale * unit
        line = np.sqrt(2 * np.pi) * sigma  # a straight line of one pixel keeps the height 1
        total += 1.0 * gaussian_filter(outline, sigma) * line + 0.55 * gaussian_filter(inner, sigma) * line
        total += 0.9 * gaussian_gradient_magnitude(luma, sigma) * sigma
    return _grey(1 - np.exp(-1.4 * (total / len(_SCALES)) ** 1.2))


def canny_picture(luma: np.ndarray, low: float = CANNY_LOW, high: float = CANNY_HIGH) -> np.ndarray:
    """``luma`` (H, W) in [0, 1], of the picture's own size; see the module's head."""
    from scipy.ndimage import label, sobel

    grey = np.round(np.clip(luma, 0, 1) * 255)
    gx, gy = sobel(grey, 1, mode="nearest"), sobel(grey, 0, mode="nearest")
    strength = np.abs(gx) + np.abs(gy)
    ridge = _is_ridge(strength, gx, gy) & (strength > low)
    regions, count = label(ridge, np.ones((3, 3)))
    strong = np.zeros(count + 1, bool)
    strong[regions[ridge & (strength > high)]] = True
    strong[0] = False
    return _grey(strong[regions])


def _is_ridge(strength: np.ndarray, gx: np.ndarray, gy: np.ndarray) -> np.ndarray:
    """(H, W) bool: no neighbour along the gradient, rounded to 45 degrees, is stronger."""
    padded = np.pad(strength, 1)
    height, width = strength.shape

    def neighbour(dy: int, dx: int) -> np.ndarray:
        return padded[1 + dy : 1 + dy + height, 1 + dx : 1 + dx + width]

    flat, upright = np.abs(gy) < np.abs(gx) * np.tan(np.pi / 8), np.abs(gx) < np.abs(gy) * np.tan(np.pi / 8)
    falling = ~flat & ~upright & (gx * gy > 0)
    before = np.select([flat, upright, falling], [neighbour(0, -1), neighbour(-1, 0), neighbour(-1, -1)], neighbour(-1, 1))
    after = np.select([flat, upright, falling], [neighbour(0, 1), neighbour(1, 0), neighbour(1, 1)], neighbour(1, -1))
    return (strength > before) & (strength >= after)


def _grey(value: np.ndarray) -> np.ndarray:
    return np.repeat(value[..., None], 3, -1).astype(np.float32)
