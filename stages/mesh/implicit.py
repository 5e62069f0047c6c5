"""First pass: an implicit surface on tetrahedra or cubes and colours in space, fitted to the views.

Signed distance and colour at every grid vertex start from the field; both are optimised through marching tetrahedra or dual marching cubes
and the differentiable rasterizer. The grid vertices may also move, by less than half a cell (DMTet); cubes have weights, too (FlexiCubes).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from pipeline.stage import StageContext
from stages.mesh import dual, marching
from stages.mesh.cubes import CubeGrid
from stages.mesh.losses import bilaplacian, image_loss, mask_loss, sign_entropy
from stages.mesh.observed import Observed, view_order
from stages.mesh.settings import MeshSettings
from stages.mesh.tetrahedra import TetGrid
from stages.rendering.clip import to_clip
from stages.rendering.protocol import Rasterizer

RATES = {"move": 0.01, "rgb": 0.02, "weights": 0.01}  # moves in cells; that of the distances is a setting
STIFFER = (24 / 14) ** 2  # on cubes: six neighbours at one cell, not fourteen at 24/14 squared cells on average; so that smoothness means the same
UNEVEN = 0.02  # weight of how unevenly crossings lie about the vertices of cubes
MOST_MOVE = 0.45  # of a cell


@dataclass
class ImplicitSurface:
    """``sdf`` (N,) in cells, ``move`` (N, 3) before tanh, ``rgb`` (N, 3) sRGB, on cubes ``weights`` (C, dual.WEIGHTS) before tanh, and the optimiser over them."""

    grid: TetGrid | CubeGrid
    sdf: Tensor
    move: Tensor
    rgb: Tensor
    weights: Tensor
    optimiser: torch.optim.Adam
    step: int = 0

    @classmethod
    def start(cls, grid: TetGrid | CubeGrid, sdf_m: np.ndarray, rgb: np.ndarray, settings: MeshSettings) -> ImplicitSurface:
        """From signed distances (N,) in metres and colours (N, 3)."""
        sdf = torch.from_numpy((sdf_m / grid.cell_m).astype(np.float32)).clamp(-2, 2)
        sdf = torch.where(sdf.abs() < 1e-3, torch.full_like(sdf, 1e-3), sdf).requires_grad_()
        move = torch.zeros(len(sdf), 3, requires_grad=True)
        colour = torch.from_numpy(np.ascontiguousarray(rgb, np.float32)).requires_grad_()
        weights = torch.zeros(len(grid.cubes) if isinstance(grid, CubeGrid) else 0, dual.WEIGHTS, requires_grad=True)
        parameters = {"sdf": sdf, "move": move, "rgb": colour, "weights": weights}
        groups = [{"params": [p], "base": RATES.get(name, settings.sdf_rate)} for name, p in parameters.items()]
        return cls(grid, **parameters, optimiser=torch.optim.Adam(groups, betas=(0.9, 0.95), foreach=True))

    def surface(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Vertices (M, 3) metres, colours (M, 3), triangles (F, 3) int32, and what ``dual.surface`` calls uneven, 0 on tetrahedra."""
        v_pos = torch.from_numpy(self.grid.v_pos) + MOST_MOVE * self.grid.cell_m * torch.tanh(self.move)
        if isinstance(self.grid, CubeGrid):
            return dual.surface(self.grid, v_pos, self.sdf, self.rgb, self.weights)
        return *marching.surface(self.grid, v_pos, self.sdf, self.rgb), torch.zeros(())

    def save(self, path: Path) -> None:
        """Everything that the next step depends on, as npz."""
        with path.open("wb") as file:
            np.savez(file, **_state_arrays(self))

    def load(self, path: Path) -> ImplicitSurface:
        """Take over what ``save`` wrote."""
        with np.load(path, allow_pickle=False) as state:
            _restore(self, state)
        return self


def _state_arrays(s: ImplicitSurface) -> dict[str, np.ndarray]:
    out = {"step": np.array(s.step)}
    for name in ("sdf", *RATES):
        parameter = getattr(s, name)
        out[name] = parameter.detach().numpy()
        for key, value in s.optimiser.state.get(parameter, {}).items():
            out[f"{name}.{key}"] = value.numpy()
    return out


def _restore(s: ImplicitSurface, state: np.lib.npyio.NpzFile) -> None:
    s.step = int(state["step"])
    for name in ("sdf", *RATES):
        parameter = getattr(s, name)
        parameter.data = torch.from_numpy(state[name].copy())
        kept = {k.split(".")[1]: torch.from_numpy(state[k].copy()) for k in state.files if k.startswith(f"{name}.")}
        if kept:
            s.optimiser.state[parameter] = kept


def render(
    rasterizer: Rasterizer, v_pos: Tensor, v_rgb: Tensor, tri: Tensor, clip: Tensor, resolution: tuple[int, int], background: Tensor
) -> tuple[Tensor, Tensor]:
    """Antialiased colour (B, H, W, 3) over ``background`` (B, 1, 1, 3), and alpha (B, H, W, 1), of a mesh with vertex colours."""
    pos = to_clip(v_pos, clip)
    rast = rasterizer.rasterize(pos, tri, resolution)
    alpha = (rast[..., 3:] > 0).float()
    colour = rasterizer.interpolate(v_rgb[None].contiguous(), rast, tri)
    layers = torch.cat([torch.where(alpha > 0, colour, background), alpha], -1)
    layers = rasterizer.antialias(layers.contiguous(), rast, pos, tri)
    return layers[..., :3], layers[..., 3:]


def fit(
    state: ImplicitSurface, observed: list[Observed], rasterizer: Rasterizer, settings: MeshSettings, context: StageContext
) -> dict[str, list[float]]:
    """Run the remaining steps, in place. Returns the loss of each step that ran."""
    curve: dict[str, list[float]] = {"image": [], "mask": []}
    orders = [view_order(len(o.cameras), min(settings.batch, len(o.cameras)), settings.implicit_steps, settings.seed) for o in observed]
    context.progress.start("implicit surface", settings.implicit_steps)
    context.progress.advance(state.step)
    free = torch.from_numpy(~state.grid.rim)
    bend = bilaplacian(state.grid.edges, ~state.grid.rim, STIFFER if isinstance(state.grid, CubeGrid) else 1.0)
    while state.step < settings.implicit_steps:
        group = state.step % len(observed)
        index = torch.from_numpy(orders[group][state.step])
        image, mask = _step(state, observed[group], index, rasterizer, settings, free, bend)
        curve["image"].append(image)
        curve["mask"].append(mask)
        context.progress.advance(1, image=image, mask=mask)
        if context.checkpoint.due():
            context.checkpoint.save("implicit.npz", state.save)
    return curve


def _rate(step: int, steps: int) -> float:
    """Cosine decay from 1 to 0.1."""
    return 0.1 + 0.45 * (1 + np.cos(np.pi * step / max(steps, 1)))


def _step(
    state: ImplicitSurface, o: Observed, index: Tensor, rasterizer: Rasterizer, settings: MeshSettings, free: Tensor,
    bend: Callable[[np.ndarray], np.ndarray],
) -> tuple[float, float]:
    noise = torch.Generator().manual_seed(settings.seed * 1_000_003 + state.step)
    background = torch.rand(len(index), 1, 1, 3, generator=noise)
    rate = _rate(state.step, settings.implicit_steps)
    for group in state.optimiser.param_groups:
        group["lr"] = group["base"] * rate
    v_pos, v_rgb, tri, uneven = state.surface()
    colour, alpha = render(rasterizer, v_pos, v_rgb, tri, o.clip[index], o.resolution, background)
    image = image_loss(colour, o.on(index, background))
    mask = mask_loss(alpha, o.alpha[index])
    loss = image + settings.mask_weight * mask + settings.sdf_regulariser * _regulariser(state) + UNEVEN * uneven
    state.optimiser.zero_grad()
    loss.backward()
    state.sdf.grad += settings.sdf_smoothness * torch.from_numpy(bend(state.sdf.detach().numpy()))
    state.sdf.grad[~free] = 0
    state.optimiser.step()
    with torch.no_grad():
        state.rgb.clamp_(0, 1)
        state.sdf.clamp_(-2, 2)
    state.step += 1
    return float(image.detach()), float(mask.detach())


def _regulariser(state: ImplicitSurface) -> Tensor:
    inside = state.sdf.detach().numpy() < 0
    edges = state.grid.edges
    return sign_entropy(state.sdf, torch.from_numpy(edges[inside[edges[:, 0]] != inside[edges[:, 1]]].astype(np.int64)))
