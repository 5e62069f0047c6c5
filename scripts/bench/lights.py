"""Light for known surfaces: lamps with soft shadows and highlights, and a sky that the surface itself hides from its hollows.

A lit picture is the unlit one times the light that falls on it, plus highlights, in linear light. There is no light from one part of the surface onto
another but what a sky of other colours below than above stands for.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from stages.artifacts.cameras import Camera
from stages.artifacts.images import linear_to_srgb, srgb_to_linear
from stages.artifacts.normals import unit
from stages.rendering.shadow import Shadow, spread
from stages.rendering.zbuffer import rasterize

SKY_DIRECTIONS = 160
LAMP_DIRECTIONS = 12
SUPERSAMPLE = 2
DIELECTRIC = 0.04  # reflectance of a matt surface seen head on
BRIGHT = 0.97  # of the surface's points, the share that is lit less than by 1


@dataclass(frozen=True)
class Lamp:
    """Something bright, far away: where it stands (degrees, as cameras do), how wide it is (degrees, radius) and its linear colour, which is what falls on
    a surface that faces it."""

    azimuth_deg: float
    elevation_deg: float
    radius_deg: float
    colour: tuple[float, float, float]


@dataclass(frozen=True)
class Light:
    """Lamps, and a sky with linear colours overhead, at the horizon and below."""

    name: str
    lamps: tuple[Lamp, ...]
    zenith: tuple[float, float, float]
    horizon: tuple[float, float, float]
    ground: tuple[float, float, float]

    @cached_property
    def sky(self) -> tuple[np.ndarray, np.ndarray]:
        """Unit directions (K, 3) towards the sky and linear colours (K, 3), each what falls on a surface that faces it."""
        directions = spread(SKY_DIRECTIONS)
        up, down = np.maximum(directions[:, 2:], 0) ** 0.7, np.maximum(-directions[:, 2:], 0) ** 0.5
        colours = np.array(self.horizon) + up * (np.array(self.zenith) - self.horizon) + down * (np.array(self.ground) - self.horizon)
        return directions, colours * 4 / SKY_DIRECTIONS  # an even sky of 1 lights every side by 1


DAY = Light("day", (Lamp(-38, 42, 3, (1.5, 1.38, 1.2)), Lamp(75, 12, 10, (0.28, 0.33, 0.42))), (0.42, 0.5, 0.62), (0.5, 0.5, 0.5), (0.26, 0.23, 0.2))
EVENING = Light("evening", (Lamp(110, 22, 5, (1.5, 1.05, 0.7)), Lamp(-120, 35, 8, (0.45, 0.55, 0.8))), (0.2, 0.24, 0.36), (0.4, 0.34, 0.32), (0.16, 0.14, 0.13))


@dataclass(frozen=True)
class LitSurface:
    """A surface and the light on it. ``v_nrm`` (V, 3) unit, ``roughness`` of the highlights, ``exposure`` what all light is multiplied with."""

    v_pos: np.ndarray
    t_pos_idx: np.ndarray
    v_nrm: np.ndarray
    light: Light
    roughness: float
    exposure: float = 1.0

    @cached_property
    def sky_shadows(self) -> list[Shadow]:
        """One for each direction of the sky."""
        return [Shadow.of(self.v_pos, self.t_pos_idx, direction) for direction in self.light.sky[0]]

    @cached_property
    def lamp_shadows(self) -> list[list[Shadow]]:
        """For each lamp, those of the directions over its disc."""
        return [[Shadow.of(self.v_pos, self.t_pos_idx, direction) for direction in _disc(lamp)] for lamp in self.light.lamps]

    def exposed(self) -> LitSurface:
        """The same at the exposure at which the bright points of the surface are lit by 1."""
        lit = self._lamps(self.v_pos, self.v_nrm, self.v_nrm)[0] + self._sky(self.v_pos, self.v_nrm)
        return replace(self, exposure=self.exposure / float(np.quantile(lit.max(1), BRIGHT)))

    def picture(self, unlit_srgb: np.ndarray, camera: Camera) -> np.ndarray:
        """The unlit straight-alpha picture (H, W, 4) of this surface from ``camera``, under the light; lamps with SUPERSAMPLE squared samples a pixel."""
        n = SUPERSAMPLE
        big = camera.resized(camera.width * n, camera.height * n)
        clip = np.concatenate([self.v_pos, np.ones((len(self.v_pos), 1))], -1) @ big.w2clip().T
        ids, bary, _ = rasterize(clip, self.t_pos_idx, big.height, big.width)
        row, column = np.nonzero(ids >= 0)
        points, normals, towards = self._at(ids[row, column], bary[row, column], camera)
        pixel, first, at = np.unique(row // n * camera.width + column // n, return_index=True, return_inverse=True)
        diffuse, glossy = self._lamps(points, normals, towards)
        count = np.bincount(at)[:, None]
        diffuse, glossy = (np.stack([np.bincount(at, x[:, c]) for c in range(3)], -1) / count for x in (diffuse, glossy))
        linear, flat = srgb_to_linear(unlit_srgb[..., :3]).reshape(-1, 3), np.zeros((camera.height * camera.width, 3))
        flat[pixel] = linear[pixel] * (diffuse + self._sky(points[first], normals[first])) + glossy
        return np.concatenate([linear_to_srgb(flat).reshape(unlit_srgb[..., :3].shape), unlit_srgb[..., 3:]], -1).astype(np.float32)

    def _at(self, ids: np.ndarray, bary: np.ndarray, camera: Camera) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Points, normals and directions to the camera, (N, 3) each, where it sees triangles ``ids`` (N,) at ``bary`` (N, 2)."""
        weights = np.concatenate([bary, 1 - bary.sum(1, keepdims=True)], 1)
        points, normals = (np.einsum("nk,nkc->nc", weights, x[self.t_pos_idx[ids]]) for x in (self.v_pos, self.v_nrm))
        towards = unit(camera.position - points, np.array([0.0, 0.0, 1.0]))
        p = self.v_pos[self.t_pos_idx]
        flat = np.cross(p[:, 1] - p[:, 0], p[:, 2] - p[:, 0])[ids]
        away = (flat * towards).sum(-1, keepdims=True) < 0  # a sheet seen from behind
        return points, unit(np.where(away, -normals, normals), towards), towards

    def _sky(self, points: np.ndarray, normals: np.ndarray) -> np.ndarray:
        """Diffuse light (N, 3) of the sky."""
        colours = self.light.sky[1] * self.exposure
        return sum((s.reaching(points, normals)[:, None] * c for s, c in zip(self.sky_shadows, colours, strict=True)), np.zeros((len(points), 3)))

    def _lamps(self, points: np.ndarray, normals: np.ndarray, towards: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Diffuse light (N, 3) and highlights (N, 3) of the lamps, seen from ``towards`` (N, 3): normalised Blinn-Phong."""
        diffuse, glossy = np.zeros((2, len(points), 3))
        power = max(2 / self.roughness**4 - 2, 0.0)
        for lamp, shadows in zip(self.light.lamps, self.lamp_shadows, strict=True):
            reach = sum(s.reaching(points, normals) for s in shadows)[:, None] * np.array(lamp.colour) * self.exposure / LAMP_DIRECTIONS
            half = unit(towards + unit(sum(s.direction for s in shadows), normals), normals)
            diffuse += reach
            glossy += DIELECTRIC * (power + 8) / 8 * np.maximum((half * normals).sum(-1, keepdims=True), 0) ** power * reach
        return diffuse, glossy


def _disc(lamp: Lamp) -> np.ndarray:
    """(LAMP_DIRECTIONS, 3) unit directions, evenly over the lamp's disc."""
    a, e = np.radians([lamp.azimuth_deg, lamp.elevation_deg])
    forward = np.array([np.sin(a) * np.cos(e), -np.cos(a) * np.cos(e), np.sin(e)])
    right = np.array([np.cos(a), np.sin(a), 0.0])
    i = np.arange(LAMP_DIRECTIONS) + 0.5
    r, angle = np.sqrt(i / LAMP_DIRECTIONS) * np.tan(np.radians(lamp.radius_deg)), np.pi * (3 - 5**0.5) * i
    offsets = r[:, None] * (np.cos(angle)[:, None] * right + np.sin(angle)[:, None] * np.cross(forward, right))
    return unit(forward + offsets, forward)
