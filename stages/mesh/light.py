"""The light in lit views, told apart from the colours of the surface."""

from __future__ import annotations

import numpy as np
import torch

from stages.artifacts.images import linear_to_srgb, srgb_to_linear
from stages.rendering.shading import COUNT, basis

COLOURS = 8
ROUNDS = 12
RIDGE = 0.02


def separated(kd: np.ndarray, normals: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Base colours (N, 3) and light (9, 3) whose product is ``kd`` (N, 3) sRGB seen at unit ``normals`` (N, 3).

    Assumes few paints: points fall into ``COLOURS`` groups of like chroma, each with one base colour. Light and base colours are
    fitted in turn by least squares with outlying points weighted down. The light's mean colour is white: it cannot be told.
    """
    linear = srgb_to_linear(np.asarray(kd, np.float64)) + 1e-4
    rows = basis(torch.from_numpy(np.asarray(normals, np.float64))).numpy()
    group = _chroma_groups(linear)
    light = np.zeros((COUNT, 3))
    light[0] = 1
    for _ in range(ROUNDS):
        e = np.maximum(rows @ light, 0.05)
        paint = np.stack([np.median((linear / e)[group == g], 0) if (group == g).any() else np.ones(3) for g in range(COLOURS)])
        shade = linear / np.maximum(paint[group], 1e-3)
        away = np.abs(shade - e).mean(1)
        weight = np.minimum(1, np.median(away) / np.maximum(away, 1e-9))
        light = np.linalg.solve((rows * weight[:, None]).T @ rows + RIDGE * weight.sum() / len(rows) * np.eye(COUNT),
                                (rows * weight[:, None]).T @ shade)
        light /= np.maximum(light[0], 0.1)
    base = linear / np.maximum(rows @ light, 0.05)
    return linear_to_srgb(base).astype(np.float32), light.astype(np.float32)


def _chroma_groups(linear: np.ndarray) -> np.ndarray:
    """(N,) group of each colour: k-means on chroma, begun at the colours that lie farthest apart."""
    chroma = linear / linear.sum(1, keepdims=True)
    chroma = np.concatenate([chroma, 0.15 * np.log(linear.sum(1, keepdims=True))], 1)
    sample = chroma[:: max(len(chroma) // 20_000, 1)]
    centres = [sample.mean(0)]
    for _ in range(COLOURS - 1):
        centres.append(sample[np.argmax(np.min([((sample - c) ** 2).sum(1) for c in centres], 0))])
    middle = np.array(centres)
    for _ in range(10):
        near = np.argmin(((sample[:, None] - middle) ** 2).sum(-1), 1)
        middle = np.array([sample[near == k].mean(0) if (near == k).any() else middle[k] for k in range(COLOURS)])
    return np.argmin(((chroma[:, None] - middle) ** 2).sum(-1), 1)
