"""Training pixels: which rays there are, what they should show, and a seeded draw of batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

from pipeline.errors import MissingError
from stages.artifacts.cameras import Camera
from stages.field.hull import Box
from stages.field.march import Occupancy
from stages.field.tiles import Tiles, tile_numbers


@dataclass(frozen=True)
class View:
    """A camera and its picture: ``rgba`` (H, W, 4) float32 sRGB, straight alpha."""

    camera: Camera
    rgba: np.ndarray

    def scaled(self, factor: float) -> View:
        """The same picture of a world in which every length is ``factor`` times as long."""
        return replace(self, camera=self.camera.scaled(factor))


@dataclass(frozen=True)
class Batch:
    """Rays in unit coordinates: ``origins`` (R, 3), ``directions`` (R, 3) unit lengths per metre, ``unit`` (R, 3) of length 1 in
    the world; ``rgba`` (R, 4), ``background`` (R, 3), ``jitter`` (R,) in [0, 1)."""

    origins: np.ndarray
    directions: np.ndarray
    unit: np.ndarray
    rgba: np.ndarray
    background: np.ndarray
    jitter: np.ndarray


def with_alpha(name: str, image: np.ndarray) -> np.ndarray:
    """The picture if it is (H, W, 4), else ``MissingError``."""
    if image.shape[-1] != 4:
        raise MissingError(
            f"view {name} has no alpha, and the field needs to know where the figure ends. "
            "Save the pictures as RGBA, or let the masks stage cut them out."
        )
    return np.asarray(image, np.float32)


def sharpened(rgba: np.ndarray, strength: float) -> np.ndarray:
    """Unsharp mask with the four neighbours, as instant-ngp's ``sharpen``; colours outside the figure do not leak in."""
    if strength == 0:
        return rgba
    kernel = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]], np.float32)
    alpha = rgba[..., 3]
    weight = ndimage.convolve(alpha, kernel, mode="constant")
    out = rgba.copy()
    for c in range(3):
        around = ndimage.convolve(rgba[..., c] * alpha, kernel, mode="constant") / np.maximum(weight, 1e-6)
        out[..., c] = np.where(weight > 1e-3, rgba[..., c] + 0.25 * strength * (rgba[..., c] - around), rgba[..., c])
    return out.clip(0, 1)


def rays_through(camera: Camera, box: Box) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """All rays of a camera, row by row: origins and directions in unit coordinates (per metre), and unit world directions."""
    origins, directions = camera.rays()
    directions = directions.reshape(-1, 3)
    start = np.ascontiguousarray(box.to_unit(origins.reshape(-1, 3)))
    return start, (directions / box.size_m).astype(np.float32), directions.astype(np.float32)


class Pixels:
    """The pixels of the training views whose rays meet the hull, and the ``tiles`` they lie in."""

    def __init__(self, views: Sequence[View], box: Box, occupancy: Occupancy, sharpen: float) -> None:
        kept: list[tuple[np.ndarray, ...]] = []
        origins, tiles = [], 0
        for index, view in enumerate(views):
            start, step, unit = rays_through(view.camera, box)
            met = occupancy.meets_hull(start, step)
            tile, count = tile_numbers(view.camera.height, view.camera.width)
            rgba = sharpened(view.rgba, sharpen).reshape(-1, 4)[met]
            kept.append((np.full(met.sum(), index, np.int32), unit[met], rgba.astype(np.float32), tiles + tile[met]))
            origins.append(start[0])
            tiles += count
        self._origins = np.stack(origins)
        self._camera, self._unit, self._rgba, tile = (np.concatenate(part) for part in zip(*kept))
        self._size_m = np.float32(box.size_m)
        self.tiles = Tiles(tile, tiles)

    def __len__(self) -> int:
        return len(self._camera)

    def draw(self, rng: np.random.Generator, rays: int, random_background: bool, by_error: int = 0) -> tuple[Batch, np.ndarray]:
        """``rays`` of them at random, with replacement, the last ``by_error`` by the error of their tiles; and which they are, (R,)."""
        pick = self.tiles.draw(rng, rays, by_error)
        background = rng.random((rays, 3), np.float32) if random_background else np.ones((rays, 3), np.float32)
        unit = self._unit[pick]
        batch = Batch(
            self._origins[self._camera[pick]], unit / self._size_m, unit, self._rgba[pick], background, rng.random(rays, np.float32)
        )
        return batch, pick

    def every(self, stride: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Origins, directions and unit directions of every ``stride``-th pixel, in order."""
        unit = self._unit[::stride]
        return self._origins[self._camera[::stride]], unit / self._size_m, unit
