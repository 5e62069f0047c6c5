"""What the frames see of the posed body in common, and their clean pictures brought into agreement there.

In each of the first steps a frame's prediction amounts to a clean picture (schedule.py). Where several frames see the same point
of the body, these pictures are averaged, and each is moved to the average there: colours and seams are settled before details
appear. (Synchronised clean pictures: Liu et al. 2023, "Text-Guided Texturing by Synchronized Multi-View Diffusion", and Kim et al.
2024, "SyncTweedies"; on vertices, and moved by differences, so that a frame keeps what is finer than its vertices: this project.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor

from stages.artifacts.body import BodyModel
from stages.artifacts.cameras import Camera
from stages.artifacts.normals import vertex_normals
from stages.rendering.zbuffer import rasterize
from stages.views.schedule import clean_estimate, moved
from stages.views.strands import Strand

DEPTH_TOLERANCE_M = 0.004  # a vertex is seen if nothing lies further before it
CELL_TOLERANCE_M = 0.02  # a latent round a vertex shows the same surface if its depth differs by no more
LEAST_FACING = 0.2  # cosine; what is more oblique shows the outline's neighbours
OVERSAMPLING = 8  # the depth that decides who is seen is as fine as the pictures


@dataclass(frozen=True)
class Sighting:
    """What one frame of h x w latents sees of V vertices.

    ``vertices`` (n,) int32 numbers of those it sees; ``cells`` (n, 4) int32 and ``shares`` (n, 4): the latents, row by row, round each,
    and their bilinear shares, none for those that show something else; ``trust`` (n,): how straight and how closely it is seen. ``painted`` (m,) int32: the latents that show
    seen vertices, with ``corners`` (m, 3) int32, positions in ``vertices``, and ``bary`` (m, 3).
    """

    vertices: Tensor
    cells: Tensor
    shares: Tensor
    trust: Tensor
    painted: Tensor
    corners: Tensor
    bary: Tensor


def sight(body: BodyModel, v_nrm: np.ndarray, camera: Camera, h: int, w: int) -> Sighting:
    """What ``camera`` sees of ``body``, with vertex normals (V, 3), on a grid of ``h`` x ``w`` latents."""
    coarse, fine = camera.resized(w, h), camera.resized(w * OVERSAMPLING, h * OVERSAMPLING)
    _, _, surface = drawn(body, fine)
    pixel, depth = fine.project(body.v_pos)
    towards = camera.position - body.v_pos
    facing = (v_nrm * towards).sum(1) / np.linalg.norm(towards, axis=1)  # cosines
    spread = depth / np.maximum(facing, LEAST_FACING)  # an oblique surface's depth changes within a pixel, by this / focal length
    near = surface[nearest(pixel, fine)] + DEPTH_TOLERANCE_M + spread / fine.fx
    vertices = np.flatnonzero(inside(pixel, fine) & (depth > 0) & (facing > LEAST_FACING) & (depth < near))
    tri_id, bary, surface = drawn(body, coarse)
    cells, shares = _bilinear(coarse.project(body.v_pos[vertices])[0], h, w)
    apart = np.abs(surface.ravel()[cells] - depth[vertices, None])
    shares = shares * (apart < CELL_TOLERANCE_M + (spread[vertices] / coarse.fx)[:, None])
    hit = shares.sum(1)
    keep = hit > 0.5
    vertices, cells, shares = vertices[keep], cells[keep], shares[keep] / hit[keep, None]
    trust = (hit[keep] * facing[vertices] * coarse.fx / depth[vertices]) ** 2
    where = np.full(len(body.v_pos), -1)
    where[vertices] = np.arange(len(vertices))
    corners = where[body.t_pos_idx[np.maximum(tri_id, 0)]].reshape(-1, 3)
    painted = np.flatnonzero((tri_id.ravel() >= 0) & (corners >= 0).all(1))
    whole = lambda x: torch.from_numpy(np.ascontiguousarray(x, np.int32))  # noqa: E731
    real = lambda x: torch.from_numpy(np.ascontiguousarray(x, np.float32))  # noqa: E731
    return Sighting(
        whole(vertices), whole(cells), real(shares), real(trust), whole(painted), whole(corners[painted]),
        real(bary.reshape(-1, 3)[painted]),
    )


@dataclass(frozen=True)
class Synchronizer:
    """What all frames see of a body of ``vertices``, and the ``share`` of the steps, from the start, in which they are brought to agree."""

    sightings: Sequence[Sighting]
    vertices: int
    share: float

    @classmethod
    def of(cls, body: BodyModel, cameras: Sequence[Camera], h: int, w: int, share: float) -> Self:
        """For pictures of ``h`` x ``w`` latents from ``cameras``."""
        v_nrm = vertex_normals(body.v_pos, body.t_pos_idx)
        return cls([sight(body, v_nrm, camera, h, w) for camera in cameras], len(body.v_pos), share)

    def settle(self, strands: Sequence[Strand], tick: int, prediction: Tensor, latents: Tensor) -> Tensor:
        """The networks' ``prediction`` (begun, C, h, w) with what it amounts to brought to agree; ``latents`` (frames, C, h, w).

        A frame that is clearer than another counts for more: one that leads, or is given, decides where it sees.
        """
        early = [s for s in strands if s.works(tick) and s.step(tick) < self.share * s.steps]
        if not early:
            return prediction
        clean, clarity = latents[: len(prediction)].clone(), torch.ones(len(prediction))
        for strand in strands:
            if strand.works(tick):
                rows, timestep = list(strand.rows), strand.timestep(tick)
                clean[rows] = clean_estimate(strand.scheduler, prediction[rows], timestep, latents[rows])
                clarity[rows] = float(strand.scheduler.alphas_cumprod[int(timestep)])
        change = agreed(clean, clarity, self.sightings[: len(clean)], self.vertices) - clean
        out = prediction.clone()
        for strand in early:
            rows = list(strand.rows)
            out[rows] = moved(strand.scheduler, prediction[rows], strand.timestep(tick), change[rows])
        return out


def agreed(clean: Tensor, clarity: Tensor, sightings: Sequence[Sighting], vertices: int) -> Tensor:
    """Clean pictures (n, C, h, w) moved to their average at what they see in common, the same shape.

    ``clarity`` (n,): what each frame counts for, beside how straight and how closely it sees a point; ``vertices`` of the body.
    """
    flat = clean.flatten(2)
    total, weight = clean.new_zeros(clean.shape[1], vertices), clean.new_zeros(vertices)
    samples = [(frame[:, its.cells] * its.shares).sum(-1) for frame, its in zip(flat, sightings, strict=True)]
    for k, its in enumerate(sightings):
        counts = its.trust * clarity[k]
        total.index_add_(1, its.vertices, samples[k] * counts)
        weight.index_add_(0, its.vertices, counts)
    mean = total / weight.clamp_min(torch.finfo(weight.dtype).tiny)
    out = flat.clone()
    for k, its in enumerate(sightings):
        change = mean[:, its.vertices] - samples[k]
        out[k][:, its.painted] += (change[:, its.corners] * its.bary).sum(-1)
    return out.view_as(clean)


def drawn(body: BodyModel, camera: Camera) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Triangle (H, W) int, -1 where there is none, its barycentrics (H, W, 3), and the depth along the view axis (H, W), inf where none."""
    v_clip = np.c_[body.v_pos, np.ones(len(body.v_pos))] @ camera.w2clip().T
    tri_id, bary, _ = rasterize(v_clip, body.t_pos_idx, camera.height, camera.width)
    bary = np.concatenate([bary, 1 - bary.sum(-1, keepdims=True)], -1)
    corners = camera.project(body.v_pos)[1][body.t_pos_idx[np.maximum(tri_id, 0)]]
    return tri_id, bary, np.where(tri_id >= 0, (corners * bary).sum(-1), np.inf)


def inside(pixel: np.ndarray, camera: Camera) -> np.ndarray:
    """Which points (n, 2) lie in the picture, (n,)."""
    return ((pixel >= 0) & (pixel < (camera.width, camera.height))).all(1)


def nearest(pixel: np.ndarray, camera: Camera) -> tuple[np.ndarray, np.ndarray]:
    """Row and column (n,) of the pixels that points (n, 2) lie in, or of the nearest ones."""
    at = np.clip(np.floor(pixel), 0, (camera.width - 1, camera.height - 1)).astype(int)
    return at[:, 1], at[:, 0]


def _bilinear(pixel: np.ndarray, h: int, w: int) -> tuple[np.ndarray, np.ndarray]:
    """The four cells (n, 4) of an ``h`` x ``w`` grid round points (n, 2), and their shares (n, 4); clamped at the border."""
    x, y = np.clip(pixel[:, 0] - 0.5, 0, w - 1), np.clip(pixel[:, 1] - 0.5, 0, h - 1)
    x0, y0 = np.minimum(x.astype(int), max(w - 2, 0)), np.minimum(y.astype(int), max(h - 2, 0))
    x1, y1 = np.minimum(x0 + 1, w - 1), np.minimum(y0 + 1, h - 1)
    fx, fy = x - x0, y - y0
    cells = np.stack([y0 * w + x0, y0 * w + x1, y1 * w + x0, y1 * w + x1], 1)
    return cells, np.stack([(1 - fx) * (1 - fy), fx * (1 - fy), (1 - fx) * fy, fx * fy], 1)
