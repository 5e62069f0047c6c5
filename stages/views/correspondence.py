"""Which tokens of other views show the same point of the posed body as a token does, so that attention may prefer them.

Attention's logits from a token to the tokens that show its point in other frames are raised by a constant: exp(constant) times as much is taken
from there, before all shares are made to sum to 1. No weights are needed. (Attention steered by known correspondences: Tang et al. 2023,
"MVDiffusion", there learnt; here by what the body's surface tells.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from stages.artifacts.body import BodyModel
from stages.artifacts.cameras import Camera
from stages.views.surface import DEPTH_TOLERANCE_M, OVERSAMPLING, drawn, inside, nearest

MOST_TOKENS = 1024  # a frame in a layer; finer layers, whose table of logits would be large, are left as they are
NOWHERE = -1


@dataclass(frozen=True)
class Correspondence:
    """For frames whose ``cameras`` look at ``body``, with latents of ``h`` x ``w``: logits are raised by ``strength``."""

    body: BodyModel
    cameras: Sequence[Camera]
    h: int
    w: int
    strength: float
    _depths: dict[int, np.ndarray] = field(default_factory=dict)
    _matches: dict[tuple[int, int, int], np.ndarray] = field(default_factory=dict)

    def bias(self, tokens: int, frames: Sequence[int], windows: Sequence[Sequence[int]]) -> Tensor | None:
        """What is added to the logits of ``frames`` that see ``windows`` of k frames in a layer of ``tokens`` each: (frames, tokens, k * tokens).

        None for layers that are too fine.
        """
        if tokens > MOST_TOKENS:
            return None
        out = torch.zeros(len(frames), tokens, len(windows[0]) * tokens)
        for row, (frame, window) in enumerate(zip(frames, windows, strict=True)):
            for place, other in enumerate(window):
                if other != frame:
                    found = self.match(frame, other, tokens)
                    here = np.flatnonzero(found != NOWHERE)
                    out[row, here, place * tokens + found[here]] = self.strength
        return out

    def match(self, frame: int, other: int, tokens: int) -> np.ndarray:
        """For each of ``tokens`` of ``frame``, row by row, the one of ``other`` that shows the same point, or ``NOWHERE``."""
        key = (frame, other, tokens)
        if key not in self._matches:
            self._matches[key] = self._matched(*key)
        return self._matches[key]

    def _matched(self, frame: int, other: int, tokens: int) -> np.ndarray:
        scale = round((self.h * self.w / tokens) ** 0.5)
        h, w = -(-self.h // scale), -(-self.w // scale)  # a layer halves its grid and rounds up
        points, seen = self._points(self.cameras[frame].resized(w, h))
        fine = self.cameras[other].resized(self.w * OVERSAMPLING, self.h * OVERSAMPLING)
        pixel, depth = fine.project(points)
        there = self._depth(other)[nearest(pixel, fine)]
        seen &= inside(pixel, fine) & (np.abs(there - depth) < DEPTH_TOLERANCE_M + depth / fine.fx)
        row, column = nearest(pixel * (w / fine.width, h / fine.height), self.cameras[other].resized(w, h))
        return np.where(seen, row * w + column, NOWHERE)

    def _points(self, camera: Camera) -> tuple[np.ndarray, np.ndarray]:
        """World points (n, 3) of the body behind the pixels' centres, and which pixels (n,) show it."""
        tri_id, bary, _ = drawn(self.body, camera)
        corners = self.body.v_pos[self.body.t_pos_idx[np.maximum(tri_id, 0)]]
        return (corners * bary[..., None]).sum(-2).reshape(-1, 3), tri_id.ravel() >= 0

    def _depth(self, frame: int) -> np.ndarray:
        if frame not in self._depths:
            self._depths[frame] = drawn(self.body, self.cameras[frame].resized(self.w * OVERSAMPLING, self.h * OVERSAMPLING))[2]
        return self._depths[frame]
