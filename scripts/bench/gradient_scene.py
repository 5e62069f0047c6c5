"""One picture with a known gradient: a knobbly ring of some 50,000 triangles, unlit, before black, and a target that it should become.

Parameters are the strengths of smooth displacements: moves, turns, growth, and waves of several lengths. The loss is the mean squared difference of all
pixels and channels to the target. Its true gradient is taken by central differences of pictures that average ``SUPERSAMPLE`` squared point samples a
pixel, drawn by a z-buffer that shares no code with either of the renderers that are compared.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numba
import numpy as np

from stages.artifacts.cameras import Camera, orbit
from stages.rendering.zbuffer import rasterize

AROUND, ACROSS = 250, 100  # quads of the ring: 50,000 triangles
WAVES = 17
SUPERSAMPLE = 8
STEP_PX = 0.25  # of the central differences
AWAY_PX = 1.5  # how far each displacement has to go to the target


@dataclass(frozen=True)
class GradientScene:
    """``v_pos`` (V, 3), ``t_pos_idx`` (F, 3), linear ``colours`` (V, 3), ``modes`` (K, V, 3) of which each moves vertices by 1 m (root mean square)."""

    v_pos: np.ndarray
    t_pos_idx: np.ndarray
    colours: np.ndarray
    modes: np.ndarray
    camera: Camera

    @property
    def metres_per_pixel(self) -> float:
        """At the distance of the ring's middle."""
        return float(np.linalg.norm(self.camera.position)) / self.camera.fx

    def displaced(self, strengths: np.ndarray) -> np.ndarray:
        """(V, 3) vertices with ``strengths`` (K,) of the modes."""
        return self.v_pos + np.tensordot(strengths, self.modes, 1)

    def picture(self, v_pos: np.ndarray, shift: tuple[float, float] = (0.0, 0.0)) -> np.ndarray:
        """(H, W, 3) float64; ``shift`` moves the grid of samples by shares of its spacing."""
        s, c = SUPERSAMPLE, self.camera
        big = c.resized(c.width * s, c.height * s)
        projection = big.projection()
        projection[0, 2] += 2 * shift[0] / big.width  # clip x and y grow by this times -z, and w is -z
        projection[1, 2] += 2 * shift[1] / big.height
        v_clip = np.concatenate([v_pos, np.ones((len(v_pos), 1))], -1) @ (projection @ big.w2c).T
        tri_id, bary, _ = rasterize(v_clip, self.t_pos_idx, big.height, big.width)
        out = np.zeros((c.height, c.width, 3))
        _average(tri_id, bary, self.t_pos_idx.astype(np.int64), self.colours, s, out)
        return out

    @cached_property
    def target(self) -> np.ndarray:
        """(H, W, 3) float32."""
        rng = np.random.default_rng(1)
        strengths = rng.normal(size=len(self.modes)) * AWAY_PX * self.metres_per_pixel
        return self.picture(self.displaced(strengths)).astype(np.float32)

    def true_gradient(self, shift: tuple[float, float] = (0.0, 0.0)) -> np.ndarray:
        """(K,) derivative of the loss by central differences; another ``shift`` gives another estimate of the same."""
        step, target = STEP_PX * self.metres_per_pixel, self.target.astype(np.float64)
        loss = lambda strengths: ((self.picture(self.displaced(strengths), shift) - target) ** 2).mean()  # noqa: E731
        return np.array([(loss(e) - loss(-e)) / (2 * step) for e in np.eye(len(self.modes)) * step])

    def of_modes(self, d_pos: np.ndarray) -> np.ndarray:
        """(K,) from the gradient of the vertices (V, 3)."""
        return np.tensordot(self.modes, d_pos.astype(np.float64), 2)


def make_scene(side_px: int = 512, around: int = AROUND, across: int = ACROSS) -> GradientScene:
    """A ring seen from above its rim, so that it hides a part of itself."""
    u, v = np.meshgrid(np.arange(around) / around * 2 * np.pi, np.arange(across) / across * 2 * np.pi, indexing="ij")
    tube = 0.42 + 0.05 * np.sin(9 * u + 2 * v) + 0.03 * np.cos(5 * v)
    v_pos = np.stack([(1 + tube * np.cos(v)) * np.cos(u), (1 + tube * np.cos(v)) * np.sin(u), tube * np.sin(v)], -1).reshape(-1, 3)
    at = np.arange(around * across).reshape(around, across)
    a, b, c, d = at, np.roll(at, -1, 0), np.roll(np.roll(at, -1, 0), -1, 1), np.roll(at, -1, 1)
    t_pos_idx = np.stack([a, b, c, a, c, d], -1).reshape(-1, 3)
    phase = np.array([0.0, 2.1, 4.2])
    colours = 0.55 + 0.35 * np.sin((3 * u + 2 * v).reshape(-1, 1) + phase)
    camera = orbit("ring", np.zeros(3), 5.0, 20.0, 35.0, 1.45 * side_px, side_px, side_px)
    return GradientScene(v_pos, t_pos_idx, colours, _modes(v_pos, np.random.default_rng(0)), camera)


def _modes(v_pos: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    moves = [np.broadcast_to(axis, v_pos.shape) for axis in np.eye(3)]
    turns = [np.cross(axis, v_pos) for axis in np.eye(3)]
    waves = []
    for wavelength in np.geomspace(3.0, 0.6, WAVES):
        direction, along = (rng.normal(size=3) for _ in range(2))
        waves.append(np.sin(2 * np.pi / wavelength * v_pos @ (along / np.linalg.norm(along)) + rng.uniform(0, 2 * np.pi))[:, None] * direction)
    modes = np.stack([*moves, *turns, v_pos, *waves])
    return modes / np.sqrt((modes**2).sum(-1).mean(1))[:, None, None]


@numba.njit(cache=True, nogil=True, parallel=True)
def _average(tri_id, bary, tri, colours, s, out):
    for y in numba.prange(out.shape[0]):
        for x in range(out.shape[1]):
            for k in range(s * s):
                yy, xx = y * s + k // s, x * s + k % s
                f = tri_id[yy, xx]
                if f < 0:
                    continue
                b0, b1 = bary[yy, xx, 0], bary[yy, xx, 1]
                for c in range(3):
                    out[y, x, c] += b0 * colours[tri[f, 0], c] + b1 * colours[tri[f, 1], c] + (1 - b0 - b1) * colours[tri[f, 2], c]
            for c in range(3):
                out[y, x, c] /= s * s
