"""What a picture of bare geometry consists of, and the protocol of those who draw it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from stages.artifacts.body import BodyModel
from stages.artifacts.cameras import Camera


@dataclass(frozen=True)
class ViewBuffers:
    """The geometry that one camera sees, sampled at pixel centres of its own grid (h, w).

    ``tri_id`` (h, w) int32 and ``part`` (h, w) int16 index of the triangle and of its body part, -1 where empty; ``depth`` (h, w)
    float32 metres along the view axis, +inf where empty; ``normal`` (h, w, 3) float32 unit, world frame, turned to the camera, 0
    where empty; ``albedo`` (h, w, 3) float32 sRGB, 0 where empty.
    """

    camera: Camera
    tri_id: np.ndarray
    part: np.ndarray
    depth: np.ndarray
    normal: np.ndarray
    albedo: np.ndarray

    @property
    def covered(self) -> np.ndarray:
        """(h, w) bool, where there is a surface."""
        return self.tri_id >= 0


class GeometryRenderer(Protocol):
    """Draws ``ViewBuffers`` of a posed body."""

    name: str

    def probe(self) -> str | None:
        """None, or a sentence on why it cannot be used here."""
        ...

    def version(self) -> str:
        """What enters the stage's key."""
        ...

    def render(self, body: BodyModel, cameras: Sequence[Camera], work: Path) -> Iterator[ViewBuffers]:
        """One after the other, in the cameras' order; ``work`` is a scratch folder. Raises StageError."""
        ...


def finer(camera: Camera, samples: int) -> Camera:
    """The same view with ``samples`` x ``samples`` pixels for each of its own."""
    return camera.resized(camera.width * samples, camera.height * samples)


def box_down(image: np.ndarray, samples: int) -> np.ndarray:
    """Mean of ``samples`` x ``samples`` blocks: (h, w, ...) -> (h / samples, w / samples, ...) float32."""
    total = np.zeros((image.shape[0] // samples, image.shape[1] // samples, *image.shape[2:]), np.float32)
    for dy in range(samples):
        for dx in range(samples):
            total += image[dy::samples, dx::samples]
    return total / np.float32(samples * samples)


def resolved(fine: ViewBuffers, samples: int) -> ViewBuffers:
    """A supersampled view brought to its camera's grid, with hard labels.

    A pixel takes the part that most of its samples show (empty counts as one; ties go to what is nearer), and the mean depth,
    normal and albedo of the samples that show it. ``tri_id`` is that of the nearest of those.
    """
    if samples == 1:
        return fine
    h, w, n = fine.part.shape[0] // samples, fine.part.shape[1] // samples, samples * samples

    def blocks(x: np.ndarray) -> np.ndarray:
        tail = x.shape[2:]
        return np.moveaxis(x.reshape(h, samples, w, samples, *tail), 2, 1).reshape(h, w, n, *tail)

    all_parts = blocks(fine.part)
    y, x = np.nonzero((all_parts >= 0).any(-1))  # the rest is empty
    part, depth = all_parts[y, x], blocks(fine.depth)[y, x]
    votes = (part[:, :, None] == part[:, None, :]).sum(-1) - np.where(np.isfinite(depth), depth, 1e3) * 1e-6
    winner = np.take_along_axis(part, votes.argmax(-1)[:, None], 1)
    chosen = part == winner
    share = (chosen / chosen.sum(1, keepdims=True))[..., None].astype(np.float32)
    near = np.where(chosen, depth, np.inf).argmin(1)[:, None]
    normal = (blocks(fine.normal)[y, x] * share).sum(1)
    normal /= np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-9)
    surface = winner[:, 0] >= 0
    mean_depth = (np.where(np.isfinite(depth), depth, 0) * share[..., 0]).sum(1)

    def spread(values: np.ndarray, like: np.ndarray, empty: float) -> np.ndarray:
        out = np.full((h, w, *values.shape[1:]), empty, like.dtype)
        out[y[surface], x[surface]] = values[surface]
        return out

    return ViewBuffers(
        fine.camera.resized(w, h), spread(np.take_along_axis(blocks(fine.tri_id)[y, x], near, 1)[:, 0], fine.tri_id, -1),
        spread(winner[:, 0], fine.part, -1), spread(mean_depth, fine.depth, np.inf), spread(normal, fine.normal, 0),
        spread((blocks(fine.albedo)[y, x] * share).sum(1), fine.albedo, 0),
    )
