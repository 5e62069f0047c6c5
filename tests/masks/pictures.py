"""Painted test pictures with known coverage."""

from __future__ import annotations

import numpy as np

HEIGHT, WIDTH = 192, 144


def disc(cx: float, cy: float, rx: float, ry: float) -> np.ndarray:
    """Antialiased ellipse, coverage (H, W)."""
    y, x = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    return np.clip((1 - np.hypot((x - cx) / rx, (y - cy) / ry)) * min(rx, ry) + 0.5, 0, 1)


def over(image: np.ndarray, color: tuple[float, float, float], coverage: np.ndarray) -> np.ndarray:
    """``color`` painted on ``image``."""
    return image * (1 - coverage[..., None]) + np.array(color) * coverage[..., None]


def girl(shift: float = 0.0, noise: float = 0.004, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Picture (H, W, 3) float32, true coverage (H, W), silhouette of the body within (H, W) bool.

    Hair and a white, outlined skirt stand out from the body; between the legs there is background.
    """
    hair, trunk = disc(72 + shift, 40, 22, 30), disc(72 + shift, 95, 20, 40)
    line, skirt = disc(72 + shift, 125, 36, 21), disc(72 + shift, 125, 34.5, 19.5)
    legs = np.maximum(disc(62 + shift, 160, 6, 28), disc(82 + shift, 160, 6, 28))
    image = np.ones((HEIGHT, WIDTH, 3))
    for color, part in (
        ((0.3, 0.3, 0.35), legs), ((0.9, 0.4, 0.6), hair), ((0.2, 0.3, 0.7), trunk), ((0.4, 0.4, 0.45), line), ((0.985, 0.985, 0.98), skirt),
    ):  # fmt: skip
        image = over(image, color, part)
    image = np.clip(image + np.random.default_rng(seed).normal(0, noise, image.shape), 0, 1).astype(np.float32)
    body = np.maximum.reduce([disc(72 + shift, 40, 14, 20), trunk, legs]) > 0.5
    return image, np.maximum.reduce([hair, trunk, line, legs]), body
