"""Runs inside nerfstudio's environment: density and colour of a trained field on a grid of the data's own frame.

    python read_field.py folder

``request.json`` names the run's ``config.yml``, the first grid point and the spacing; ``inside.npy`` says which points are asked. ``field.npz`` is the
answer: ``density`` (X, Y, Z) per unit of the data, ``rgb`` (X, Y, Z, 3) and ``coloured`` (X, Y, Z), where that is known. Whatever turn, shift and scale
nerfstudio gave the cameras is given to the points. Colour depends on the direction of view: taken is the one that looks straight at the surface, along the
rise of density, and only at the surface: within it no camera has looked.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import torch
from nerfstudio.cameras.rays import Frustums, RaySamples
from nerfstudio.field_components.field_heads import FieldHeadNames
from nerfstudio.utils.eval_utils import eval_setup

CHUNK = 1 << 16
CELLS = 4.0  # thickness at which a density's opacity decides on where the surface is
LEAST_RISE = 0.1  # of that opacity from cell to cell, for a cell to lie on the surface


def allow_scalars() -> None:
    """Let torch read numpy's numbers, which nerfstudio's checkpoints hold: since 2.6 it takes nothing but tensors unless told."""
    if hasattr(torch.serialization, "add_safe_globals"):
        rebuild = np.float64(0).__reduce__()[0]
        torch.serialization.add_safe_globals([rebuild, np.dtype, *(type(np.dtype(t)) for t in (np.float32, np.float64, np.int64))])


def grid_points(low: np.ndarray, cell: float, index: np.ndarray) -> np.ndarray:
    """(N, 3) float32 in the data's frame."""
    return (low + cell * index).astype(np.float32)


def ask(field: torch.nn.Module, points: np.ndarray, directions: np.ndarray, placed: np.ndarray, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """Density per unit of the data (N,) and colour (N, 3) at ``points``, seen along unit ``directions`` (N, 3), both in the data's frame."""
    device = next(field.parameters()).device
    density, rgb = np.zeros(len(points), np.float32), np.zeros((len(points), 3), np.float32)
    turn, shift = (torch.tensor(part, dtype=torch.float32, device=device) for part in (placed[:, :3], placed[:, 3]))
    for first in range(0, len(points), CHUNK):
        part = slice(first, first + CHUNK)
        at = (torch.tensor(points[part], device=device) @ turn.T + shift) * scale
        nothing = torch.zeros_like(at[:, :1])
        frustums = Frustums(origins=at, directions=torch.tensor(directions[part], device=device) @ turn.T, starts=nothing, ends=nothing, pixel_area=nothing + 1)
        with torch.no_grad():
            heads = field(RaySamples(frustums=frustums, camera_indices=torch.zeros_like(nothing, dtype=torch.long)))
        density[part] = heads[FieldHeadNames.DENSITY][:, 0].float().cpu().numpy() * scale
        rgb[part] = heads[FieldHeadNames.RGB].float().cpu().numpy()
    return density, rgb


def surface(density: np.ndarray, cell: float) -> tuple[np.ndarray, np.ndarray]:
    """Which grid points (X, Y, Z) lie on the surface, and of these the unit directions (N, 3) into it."""
    opacity = 1 - np.exp(-CELLS * density * cell)
    for axis in range(3):  # [1 2 1] / 4: a field's density is rough from cell to cell
        padded = np.pad(opacity, [(1, 1) if a == axis else (0, 0) for a in range(3)], "edge")
        before, after = (np.take(padded, range(first, first + opacity.shape[axis]), axis) for first in (0, 2))
        opacity = (before + 2 * opacity + after) / 4
    rise = np.stack(np.gradient(opacity), -1)
    length = np.linalg.norm(rise, axis=-1)
    on_it = (length > LEAST_RISE) & (density > 0)
    return on_it, (rise[on_it] / length[on_it][:, None]).astype(np.float32)


def main() -> None:
    """Read the request, answer it."""
    folder = Path(sys.argv[1])
    request = json.loads((folder / "request.json").read_text(encoding="utf-8"))
    inside = np.load(folder / "inside.npy", allow_pickle=False)
    low, cell = np.array(request["low"]), float(request["cell"])
    allow_scalars()
    pipeline = eval_setup(Path(request["config"]), test_mode="inference")[1]
    placing = pipeline.datamanager.train_dataparser_outputs
    placed, scale = placing.dataparser_transform.numpy()[:3], float(placing.dataparser_scale)
    density, rgb = np.zeros(inside.shape, np.float32), np.zeros((*inside.shape, 3), np.float32)
    index = np.argwhere(inside)
    down = np.broadcast_to(np.array([0.0, 0.0, -1.0], np.float32), (len(index), 3))
    density[inside] = ask(pipeline.model.field, grid_points(low, cell, index), down, placed, scale)[0]
    coloured, directions = surface(density, cell)
    rgb[coloured] = ask(pipeline.model.field, grid_points(low, cell, np.argwhere(coloured)), directions, placed, scale)[1]
    np.savez(folder / "field.npz", density=density, rgb=rgb, coloured=coloured)


if __name__ == "__main__":
    main()
