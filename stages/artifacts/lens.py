"""Bent lenses: how far a real one puts a point from where a pinhole would, and pictures straightened.

The models are OpenCV's, in the coefficients that instant-ngp and nerfstudio write: radial and tangential (Brown 1966), and the equidistant fisheye of
Kannala and Brandt (2006).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stages.artifacts.cameras import Camera

COEFFICIENTS = ("k1", "k2", "k3", "k4", "p1", "p2")


@dataclass(frozen=True)
class Lens:
    """``k1`` to ``k4`` radial, ``p1 p2`` tangential, of coordinates on the plane at distance 1 (x right, y down); ``fisheye``: the radial
    ones are of the angle from the axis, and there are no others."""

    k1: float = 0.0
    k2: float = 0.0
    k3: float = 0.0
    k4: float = 0.0
    p1: float = 0.0
    p2: float = 0.0
    fisheye: bool = False

    @property
    def straight(self) -> bool:
        """Is it a pinhole?"""
        return not (self.fisheye or any((self.k1, self.k2, self.k3, self.k4, self.p1, self.p2)))

    def bent(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Where the lens puts what a pinhole puts at ``x``, ``y`` (any shape), all on the plane at distance 1."""
        r2 = x * x + y * y
        if self.fisheye:
            r = np.sqrt(r2)
            angle = np.arctan(r)
            scale = np.where(r > 1e-9, angle * self._radial(angle * angle) / np.maximum(r, 1e-9), 1.0)
            return x * scale, y * scale
        radial = self._radial(r2)
        return (
            x * radial + 2 * self.p1 * x * y + self.p2 * (r2 + 2 * x * x),
            y * radial + 2 * self.p2 * x * y + self.p1 * (r2 + 2 * y * y),
        )

    def _radial(self, square: np.ndarray) -> np.ndarray:
        return 1 + square * (self.k1 + square * (self.k2 + square * (self.k3 + square * self.k4)))


def straightened(image: np.ndarray, camera: Camera, lens: Lens) -> np.ndarray:
    """What a pinhole with the intrinsics of ``camera`` would have taken, of ``image`` (H, W, 3|4) float32, straight alpha, that was taken through ``lens``.

    Bilinear. What the lens did not see is transparent; in a picture without alpha it repeats the picture's edge.
    """
    from scipy import ndimage

    rows, columns = np.mgrid[0 : camera.height, 0 : camera.width] + 0.5
    x, y = lens.bent((columns - camera.cx) / camera.fx, (rows - camera.cy) / camera.fy)
    at = np.stack([y * camera.fy + camera.cy - 0.5, x * camera.fx + camera.cx - 0.5])
    outside = "constant" if image.shape[2] == 4 else "nearest"
    premultiplied = np.concatenate([image[..., :3] * image[..., 3:], image[..., 3:]], -1) if image.shape[2] == 4 else image
    taken = np.stack([ndimage.map_coordinates(channel, at, order=1, mode=outside) for channel in np.moveaxis(premultiplied, -1, 0)], -1)
    if image.shape[2] == 4:
        taken[..., :3] /= np.maximum(taken[..., 3:], 1e-6)
    return taken.clip(0, 1).astype(np.float32)
