"""The light in lit views, told apart from the colours of the surface.

What is seen of a matt surface is its paint times the light that falls on it. The light comes from distant lamps all round, each with its cosine and
with the surface's own shadows; only the lamps' colours are unknown. Points that lie near each other, or are of like chroma, mostly bear one
paint, so the light is sought that explains most of the differences between such points (Retinex, with a light that knows the shape); what no light
explains is an edge between two paints, and the robust loss lets it stand.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import Tensor

from stages.artifacts.images import linear_to_srgb, srgb_to_linear
from stages.rendering.shadow import Shadow, spread

LAMPS = 160
SHADOW_PX = 512
POINTS = 8000  # that the light is fitted to
PAIRS = 6  # of each point, of either kind
NEAR, ALIKE = 48, 400  # of those points, how many count as near and as of like chroma
STEPS, RATE = 300, 0.08
SCALES = (0.4, 0.1)  # difference of logarithms that is still light's doing, at first and from 0.7 of the steps on
ONE_PAINT, NOISE = 0.6, 0.02  # of the pairs of like chroma, the share that mostly bears one paint, and a difference that is nothing
DARK = 0.004  # linear; black is noise
EVIDENCE = 0.1  # of ``explained`` from which views count as lit: evenly lit ones lie far below 0
BRIGHT = 0.97  # share of the points that are lit less than by 1
FLOOR = 0.06  # least light that is divided by: deeper in a crevice the paint is guessed


@dataclass(frozen=True)
class DistantLight:
    """Lamps so far away that their light is parallel: unit ``directions`` (K, 3) towards them, linear ``colours`` (K, 3), each what falls on a
    surface that faces it. ``explained``, at most 1, is by what share points of one paint look more alike once this light is divided out; not above 0 where the
    views were evenly lit: light and shadows that are not there make them differ."""

    directions: np.ndarray
    colours: np.ndarray
    explained: float

    def falling(self, v_pos: np.ndarray, faces: np.ndarray, points: np.ndarray, normals: np.ndarray) -> np.ndarray:
        """(N, 3) linear light on ``points`` (N, 3) with unit ``normals`` of the surface ``v_pos`` (V, 3), ``faces`` (F, 3)."""
        total = np.zeros((len(points), 3), np.float32)
        for direction, colour in zip(self.directions, self.colours, strict=True):
            total += Shadow.of(v_pos, faces, direction, SHADOW_PX).reaching(points, normals)[:, None] * colour.astype(np.float32)
        return total


def light_on(colours_srgb: np.ndarray, v_pos: np.ndarray, faces: np.ndarray, points: np.ndarray, normals: np.ndarray, seed: int = 0) -> DistantLight:
    """The light in which ``points`` (N, 3) of a surface with unit ``normals`` look as ``colours_srgb`` (N, 3).

    Its strength, and its tint, cannot be told from the paint's: the bright points of the surface count as lit by 1 in every channel.
    """
    rng = np.random.default_rng(seed)
    some = rng.permutation(len(points))[:POINTS]
    points, normals, linear = points[some], normals[some], srgb_to_linear(colours_srgb[some].astype(np.float64))
    directions = spread(LAMPS)
    reach = np.stack([Shadow.of(v_pos, faces, d, SHADOW_PX).reaching(points, normals) for d in directions], 1)
    seen = torch.from_numpy(np.log(linear + DARK).astype(np.float32))
    pairs = torch.from_numpy(like_pairs(points, linear, rng))
    colours = _fitted(torch.from_numpy(reach), seen, pairs)
    colours = colours / np.maximum(np.quantile(reach @ colours, BRIGHT, axis=0), 1e-6)
    alike = pairs[:, pairs.shape[1] // 2 :]
    left, even = (_apart(paint, alike) for paint in (seen - torch.log(torch.from_numpy(reach @ colours) + 1e-3), seen))
    return DistantLight(directions, colours, 1 - left / max(even, NOISE))


def without_light(colours_srgb: np.ndarray, light: np.ndarray) -> np.ndarray:
    """Base colours (N, 3) sRGB of what looks as ``colours_srgb`` (N, 3) under linear ``light`` (N, 3)."""
    return linear_to_srgb(srgb_to_linear(colours_srgb.astype(np.float64)) / np.maximum(light, FLOOR)).astype(np.float32)


def like_pairs(points: np.ndarray, linear: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(2, P) indices of points that probably bear one paint: PAIRS of each drawn from those near it, as many from those of like chroma."""
    logs = np.log(linear + 0.01)
    chroma = logs - logs.mean(1, keepdims=True)
    count, found = len(points), []
    for place, most in ((points, NEAR), (chroma, ALIKE)):
        most = min(most, count)
        near = cKDTree(place).query(place, k=most)[1].reshape(count, most)
        for _ in range(PAIRS):
            found.append(np.stack([np.arange(count), near[np.arange(count), rng.integers(0, most, count)]]))
    return np.concatenate(found, 1)


def _fitted(reach: Tensor, seen: Tensor, pairs: Tensor) -> np.ndarray:
    """(K, 3) colours of the lamps that reach the points by ``reach`` (N, K), whose logarithmic colours (N, 3) are ``seen``: Adam on their logarithms, from even
    light, the loss growing stricter."""
    logs = torch.full((reach.shape[1], 3), float(np.log(4 / reach.shape[1])), requires_grad=True)
    optimiser = torch.optim.Adam([logs], RATE)
    for step in range(STEPS):
        scale = SCALES[0] * (SCALES[1] / SCALES[0]) ** min(step / (0.7 * STEPS), 1)
        loss = _unlikeness(seen - torch.log(reach @ logs.exp() + 1e-3), pairs, scale)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return logs.detach().exp().numpy()


def _unlikeness(paint: Tensor, pairs: Tensor, scale: float) -> Tensor:
    """Mean over ``pairs`` (2, P) of how far logarithmic paints (N, 3) differ, beyond ``scale`` hardly more for more (Cauchy's loss)."""
    apart = ((paint[pairs[0]] - paint[pairs[1]]) ** 2).sum(1)
    return torch.log1p(apart / scale**2).mean()


def _apart(paint: Tensor, pairs: Tensor) -> float:
    """How far logarithmic paints (N, 3) differ between ``pairs`` (2, P), but for those that differ most: only a share of ONE_PAINT counts as of one paint."""
    return float(torch.quantile((paint[pairs[0]] - paint[pairs[1]]).norm(dim=1), ONE_PAINT))
