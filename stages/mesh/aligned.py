"""Pictures that disagree by pixels, bent until their details meet: each is laid over what the first painting of the surface shows from there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from scipy import ndimage

from stages.artifacts.cameras import Camera
from stages.mesh.flow import flow, pulled
from stages.mesh.observed import Observed
from stages.mesh.project import extended
from stages.rendering.picture import Surface, draw
from stages.rendering.zbuffer import rasterize

SIDE_PX = 384  # the longest side at which flow is sought
STEP = 4  # pixels between its samples, as kept
RIM_PX = 3  # from outlines, which masks decide


def flows(surface: Surface, v_pos: np.ndarray, observed: Sequence[Observed]) -> list[np.ndarray]:
    """For each group (N, h, w, 2) float16: displacements, shares of the picture's height, at every STEP-th pixel of what was compared."""
    return [np.stack([_flow(surface, v_pos, o, k) for k in range(len(o.cameras))]) for o in observed]


def _flow(surface: Surface, v_pos: np.ndarray, o: Observed, k: int) -> np.ndarray:
    camera = o.cameras[k]
    scale = min(1.0, SIDE_PX / max(camera.width, camera.height))
    small = camera.resized(round(camera.width * scale), round(camera.height * scale))
    alpha = o.alpha[k, ..., 0].numpy()
    seen, inside = _resized(extended(o.rgb[k].numpy(), alpha), small), _resized(alpha[..., None], small)[..., 0]
    model = draw(surface, v_pos, small).astype(np.float32) / 255
    region = ndimage.binary_erosion((inside > 0.99) & covered(v_pos, surface.t_pos_idx, small), iterations=RIM_PX)
    d = flow(model, seen, region) / small.height
    return d[STEP // 2 :: STEP, STEP // 2 :: STEP].astype(np.float16)


def covered(v_pos: np.ndarray, faces: np.ndarray, camera: Camera) -> np.ndarray:
    """(H, W) bool: pixels whose centre the surface covers."""
    clip = np.concatenate([v_pos, np.ones((len(v_pos), 1))], -1) @ camera.w2clip().T
    return rasterize(clip, faces, camera.height, camera.width)[0] >= 0


def aligned(observed: Sequence[Observed], found: Sequence[np.ndarray]) -> list[Observed]:
    """``observed`` with the colours of every picture moved by ``found``, what ``flows`` gave; alpha stays, and so outlines do."""
    out = []
    for o, group in zip(observed, found, strict=True):
        height, width = o.resolution
        rgb = []
        for k, d in enumerate(group):
            alpha = o.alpha[k, ..., 0].numpy()
            rgb.append(pulled(extended(o.rgb[k].numpy(), alpha), spread(d, height, width)) * (alpha[..., None] > 0))
        out.append(replace(o, rgb=torch.from_numpy(np.stack(rgb))))
    return out


def spread(d: np.ndarray, height: int, width: int) -> np.ndarray:
    """(height, width, 2) pixels: displacements kept by ``flows``, between their samples by straight lines."""
    row = (np.arange(height) + 0.5) / height * d.shape[0] - 0.5
    column = (np.arange(width) + 0.5) / width * d.shape[1] - 0.5
    at = np.meshgrid(row, column, indexing="ij")
    return np.stack([ndimage.map_coordinates(d[..., c].astype(np.float32), at, order=1, mode="nearest") for c in (0, 1)], -1) * height


def _resized(image: np.ndarray, camera: Camera) -> np.ndarray:
    """``image`` (H, W, C) at the camera's size."""
    from PIL import Image

    if image.shape[:2] == (camera.height, camera.width):
        return image
    size = camera.width, camera.height
    return np.stack([np.asarray(Image.fromarray(np.ascontiguousarray(image[..., k])).resize(size, Image.Resampling.BOX)) for k in range(image.shape[2])], -1)
