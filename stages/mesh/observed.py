"""The pictures that the mesh is fitted to, as tensors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from stages.artifacts.cameras import Camera
from stages.artifacts.corrections import Corrections
from stages.artifacts.views import ViewSet
from stages.rendering.clip import view_clip_matrices

FRONT_DEG = 5.0


@dataclass(frozen=True)
class Observed:
    """Views of one size: ``cameras``; ``rgb`` (N, H, W, 3) f32 sRGB, 0 where alpha is 0; ``alpha`` (N, H, W, 1); ``clip`` (N, 4, 4).

    ``portrait`` is the index of the close-up that looks straight into the face, if it is among them.
    """

    cameras: Sequence[Camera]
    rgb: Tensor
    alpha: Tensor
    clip: Tensor
    portrait: int | None = None

    @property
    def resolution(self) -> tuple[int, int]:
        """(height, width)."""
        return self.rgb.shape[1], self.rgb.shape[2]

    def on(self, index: Tensor, background: Tensor) -> Tensor:
        """Views ``index`` (B,) laid over ``background`` (B, 1, 1, 3): (B, H, W, 3)."""
        a = self.alpha[index]
        return self.rgb[index] * a + background * (1 - a)


def observe(views: ViewSet) -> list[Observed]:
    """The training views, one group for each picture size. Pictures without alpha count as fully covered where they are not white."""
    groups: dict[tuple[int, int], list[str]] = {}
    by_name = dict(zip(views.names, views.cameras, strict=True))
    for name in views.training_names:
        groups.setdefault((by_name[name].height, by_name[name].width), []).append(name)
    out = []
    for names in groups.values():
        cameras = [by_name[n] for n in names]
        images = np.stack([_rgba(views.image(n)) for n in names])
        alpha = torch.from_numpy(np.ascontiguousarray(images[..., 3:]))
        rgb = torch.from_numpy(np.ascontiguousarray(images[..., :3])) * (alpha > 0)
        out.append(Observed(cameras, rgb, alpha, view_clip_matrices(cameras), _portrait(views, names)))
    return out


def corrected(observed: Sequence[Observed], corrections: Corrections) -> list[Observed]:
    """``observed`` with cameras and colours as ``corrections`` has them."""
    out = []
    for o in observed:
        fixes = [corrections.of(c.name) for c in o.cameras]
        cameras = [fix.camera(c) for fix, c in zip(fixes, o.cameras, strict=True)]
        rgb = torch.from_numpy(np.stack([fix.picture(x) for fix, x in zip(fixes, o.rgb.numpy(), strict=True)])) * (o.alpha > 0)
        out.append(replace(o, cameras=cameras, rgb=rgb, clip=view_clip_matrices(cameras)))
    return out


def _portrait(views: ViewSet, names: list[str]) -> int | None:
    """Where in ``names`` the head ring's view from the front is."""
    frames = [views.frames[i] for i in views.rings.get("head", ())]
    front = [f.camera.name for f in frames if min(f.camera.azimuth_deg, 360 - f.camera.azimuth_deg) < FRONT_DEG]
    return next((i for i, name in enumerate(names) if name in front), None)


def _rgba(image: np.ndarray) -> np.ndarray:
    if image.shape[2] == 4:
        return image
    alpha = (image.min(-1, keepdims=True) < 250 / 255).astype(np.float32)
    return np.concatenate([image, alpha], -1)


def view_order(count: int, batch: int, steps: int, seed: int) -> np.ndarray:
    """(steps, batch) indices of views: every view once before any comes again, shuffled anew each round. Empty for 0 steps."""
    rng = np.random.default_rng([seed, count, batch])
    rounds = max(1, -(-steps * batch // count))
    order = np.concatenate([rng.permutation(count) for _ in range(rounds)])
    return order[: steps * batch].reshape(steps, batch)


def close_ups(v_pos: np.ndarray, observed: Sequence[Observed]) -> np.ndarray:
    """(V,) bool: points inside the picture of at least two cameras that see them twice as large as the median camera does."""
    cameras = [c for o in observed for c in o.cameras]
    size = np.stack([c.fx / np.maximum(c.project(v_pos)[1], 1e-6) for c in cameras])
    count = np.zeros(len(v_pos), np.int64)
    for camera, pixels_per_m in zip(cameras, size, strict=True):
        pixel, depth = camera.project(v_pos)
        framed = ((pixel >= 0) & (pixel < [camera.width, camera.height])).all(1) & (depth > 0)
        count += framed & (pixels_per_m > 2 * np.median(size, 0))
    return count >= 2
