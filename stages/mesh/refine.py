"""Second pass: fixed topology. Vertex offsets and the base colour texture, fitted to the views together.

Vertices move through the Laplacian's inverse (Nicolet et al., Large Steps in Inverse Rendering of Geometry, 2021): with
u = (I + lambda L) v, Adam with one step size for all coordinates works on u, so that a pixel's pull moves a smooth patch and not one vertex.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from pipeline.stage import StageContext
from stages.artifacts.factors import factored
from stages.mesh.losses import image_loss, mask_loss, triangle_pairs
from stages.mesh.observed import Observed, view_order
from stages.mesh.settings import MeshSettings
from stages.rendering.clip import to_clip
from stages.rendering.protocol import Rasterizer

Solve = Callable[[np.ndarray], np.ndarray]
LEVELS = 4  # the colour correction is a sum of this many halvings of the texture, so that texels between pixels follow too


def smoothing_solver(faces: np.ndarray, count: int, reach: float) -> Solve:
    """x -> (I + reach L)^-1 x for (count, C) arrays, L the combinatorial Laplacian of the triangles' edges."""
    pairs = triangle_pairs(faces)
    i, j = np.concatenate([pairs, pairs[:, ::-1]]).T
    neighbours = sparse.csr_matrix((np.ones(len(i)), (i, j)), (count, count))
    laplacian = sparse.diags(np.asarray(neighbours.sum(1)).ravel()) - neighbours
    return factored(sparse.identity(count) + reach * laplacian).solve


class _Smooth(torch.autograd.Function):
    """u -> (I + reach L)^-1 u; the matrix is symmetric, so the gradient takes the same path."""

    @staticmethod
    def forward(ctx, u: Tensor, solve: Solve) -> Tensor:
        ctx.solve = solve
        return torch.from_numpy(solve(u.detach().numpy().astype(np.float64)).astype(np.float32))

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple:
        return torch.from_numpy(ctx.solve(grad.numpy().astype(np.float64)).astype(np.float32)), None


@dataclass
class Moments:
    """Adam's running means for one tensor; ``shared`` takes one second moment for the whole tensor."""

    first: Tensor
    second: Tensor
    shared: bool

    @classmethod
    def of(cls, x: Tensor, shared: bool) -> Moments:
        """All zero."""
        return cls(torch.zeros_like(x), torch.zeros(1) if shared else torch.zeros_like(x), shared)

    def step(self, x: Tensor, rate: float, t: int) -> None:
        """One step down ``x.grad``, step number ``t`` from 1."""
        g = x.grad
        size = g.abs().max() ** 2 if self.shared else g * g
        self.first.mul_(0.9).add_(g, alpha=0.1)
        self.second.mul_(0.95).add_(0.05 * size)
        with torch.no_grad():
            x -= rate * (self.first / (1 - 0.9**t)) / ((self.second / (1 - 0.95**t)).sqrt() + 1e-12)


@dataclass
class TexturedSurface:
    """What the second pass works on.

    ``v_start`` (V, 3) metres; ``offset`` (V, 3), in the smoothed coordinates u; ``tri`` and ``tri_tex`` (F, 3) int32; ``v_tex`` (T, 2) with
    v DOWN, as the rasterizer samples; ``kd_start`` (S, S, 3) sRGB and ``kd_levels``, its corrections from fine to coarse.
    """

    v_start: Tensor
    offset: Tensor
    tri: Tensor
    tri_tex: Tensor
    v_tex: Tensor
    kd_start: Tensor
    kd_levels: list[Tensor]
    solve: Solve
    moments: list[Moments]
    step: int = 0

    @classmethod
    def start(
        cls, v_pos: np.ndarray, faces: np.ndarray, v_tex: np.ndarray, t_tex_idx: np.ndarray, kd: np.ndarray, reach: float
    ) -> TexturedSurface:
        """From a decimated, unwrapped mesh (``v_tex`` with v up) and its projected colours."""
        offset = torch.zeros(len(v_pos), 3, requires_grad=True)
        sizes = [kd.shape[0] >> k for k in range(1, LEVELS)]
        levels = [torch.zeros(1, 3, s, s, requires_grad=True) for s in sizes if s >= 4]
        moments = [Moments.of(offset, True)] + [Moments.of(x, False) for x in levels]
        flipped = np.stack([v_tex[:, 0], 1 - v_tex[:, 1]], -1).astype(np.float32)
        as_int = lambda x: torch.from_numpy(np.ascontiguousarray(x, np.int32))  # noqa: E731
        return cls(
            torch.from_numpy(np.ascontiguousarray(v_pos, np.float32)), offset, as_int(faces), as_int(t_tex_idx),
            torch.from_numpy(flipped), torch.from_numpy(np.ascontiguousarray(kd, np.float32)), levels,
            smoothing_solver(faces, len(v_pos), reach), moments,
        )

    def v_pos(self) -> Tensor:
        """(V, 3) metres."""
        return self.v_start + _Smooth.apply(self.offset, self.solve)

    def kd(self) -> Tensor:
        """(S, S, 3) sRGB."""
        total = None
        for level in reversed(self.kd_levels):
            if total is not None:
                total = torch.nn.functional.interpolate(total, level.shape[2:], mode="bilinear", align_corners=False)
            total = level if total is None else total + level
        size = self.kd_start.shape[:2]
        total = torch.nn.functional.interpolate(total, size, mode="bilinear", align_corners=False)
        return (self.kd_start + total[0].permute(1, 2, 0)).clamp(0, 1)

    def save(self, path: Path) -> None:
        """Everything that the next step depends on, as npz."""
        tensors = [self.offset, *self.kd_levels]
        arrays = {f"x{k}": x.detach().numpy() for k, x in enumerate(tensors)}
        for k, m in enumerate(self.moments):
            arrays |= {f"first{k}": m.first.numpy(), f"second{k}": m.second.numpy()}
        with path.open("wb") as file:
            np.savez(file, step=self.step, **arrays)

    def load(self, path: Path) -> TexturedSurface:
        """Take over what ``save`` wrote."""
        with np.load(path, allow_pickle=False) as state:
            self.step = int(state["step"])
            for k, (x, m) in enumerate(zip([self.offset, *self.kd_levels], self.moments, strict=True)):
                x.data = torch.from_numpy(state[f"x{k}"].copy())
                m.first, m.second = torch.from_numpy(state[f"first{k}"].copy()), torch.from_numpy(state[f"second{k}"].copy())
        return self


def render(
    rasterizer: Rasterizer, s: TexturedSurface, v_pos: Tensor, kd: Tensor, clip: Tensor, resolution: tuple[int, int], background: Tensor
) -> tuple[Tensor, Tensor]:
    """Antialiased colour (B, H, W, 3) over ``background`` (B, 1, 1, 3), and alpha (B, H, W, 1)."""
    pos = to_clip(v_pos, clip)
    rast = rasterizer.rasterize(pos, s.tri, resolution)
    alpha = (rast[..., 3:] > 0).float()
    uv = rasterizer.interpolate(s.v_tex[None], rast, s.tri_tex)
    colour = rasterizer.texture(kd[None], uv)
    layers = torch.cat([torch.where(alpha > 0, colour, background), alpha], -1)
    layers = rasterizer.antialias(layers.contiguous(), rast, pos, s.tri)
    return layers[..., :3], layers[..., 3:]


def fit(
    s: TexturedSurface, observed: list[Observed], rasterizer: Rasterizer, settings: MeshSettings, context: StageContext
) -> dict[str, list[float]]:
    """Run the remaining steps, in place. Returns the loss of each step that ran."""
    curve: dict[str, list[float]] = {"image": [], "mask": []}
    orders = [view_order(len(o.cameras), min(settings.batch, len(o.cameras)), settings.surface_steps, settings.seed + 1) for o in observed]
    context.progress.start("surface and texture", settings.surface_steps)
    context.progress.advance(s.step)
    while s.step < settings.surface_steps:
        group = s.step % len(observed)
        image, mask = _step(s, observed[group], torch.from_numpy(orders[group][s.step]), rasterizer, settings)
        curve["image"].append(image)
        curve["mask"].append(mask)
        context.progress.advance(1, image=image, mask=mask)
        if context.checkpoint.due():
            context.checkpoint.save("surface.npz", s.save)
    return curve


def _step(s: TexturedSurface, o: Observed, index: Tensor, rasterizer: Rasterizer, settings: MeshSettings) -> tuple[float, float]:
    noise = torch.Generator().manual_seed(settings.seed * 1_000_003 + 500_000 + s.step)
    background = torch.rand(len(index), 1, 1, 3, generator=noise)
    colour, alpha = render(rasterizer, s, s.v_pos(), s.kd(), o.clip[index], o.resolution, background)
    image = image_loss(colour, o.on(index, background))
    mask = mask_loss(alpha, o.alpha[index])
    for x in (s.offset, *s.kd_levels):
        x.grad = None
    (image + settings.mask_weight * mask).backward()
    s.step += 1
    decay = 0.1 + 0.45 * (1 + np.cos(np.pi * s.step / max(settings.surface_steps, 1)))
    s.moments[0].step(s.offset, settings.vertex_rate * decay * (1 + settings.smoothness), s.step)
    for x, m in zip(s.kd_levels, s.moments[1:], strict=True):
        m.step(x, settings.texture_rate * decay, s.step)
    return float(image.detach()), float(mask.detach())
