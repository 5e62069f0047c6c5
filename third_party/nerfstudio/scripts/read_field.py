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
from collections.abc import Callable
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


class Asked:
    """A trained field in the frame of its data: ``placed`` (3, 4) and then ``scale`` lead from there to the frame that it learnt in."""

    def __init__(self, field: torch.nn.Module, placed: torch.Tensor, scale: float) -> None:
        self._field, self._scale = field, scale
        self._device = next(field.parameters()).device
        self._turn, self._shift = placed[:3, :3].to(self._device), placed[:3, 3].to(self._device)

    def _there(self, points: np.ndarray) -> torch.Tensor:
        return (torch.tensor(points, device=self._device) @ self._turn.T + self._shift) * self._scale

    def density(self, points: np.ndarray) -> np.ndarray:
        """(N,) per unit of the data at ``points`` (N, 3)."""
        return self._field.density_fn(self._there(points))[:, 0].float().cpu().numpy() * self._scale

    def colour(self, points: np.ndarray, directions: np.ndarray) -> np.ndarray:
        """(N, 3) at ``points`` (N, 3), seen along unit ``directions`` (N, 3)."""
        at = self._there(points)
        nothing = torch.zeros_like(at[:, :1])
        along = torch.tensor(directions, device=self._device) @ self._turn.T
        frustums = Frustums(origins=at, directions=along, starts=nothing, ends=nothing, pixel_area=nothing + 1)
        heads = self._field(RaySamples(frustums=frustums, camera_indices=torch.zeros_like(nothing, dtype=torch.long)))
        return heads[FieldHeadNames.RGB].float().cpu().numpy()


def in_chunks(ask: Callable[..., np.ndarray], *of: np.ndarray) -> np.ndarray:
    """``ask`` of some rows of all arrays at a time."""
    with torch.no_grad():
        return np.concatenate([ask(*(a[first : first + CHUNK] for a in of)) for first in range(0, max(len(of[0]), 1), CHUNK)])


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
    asked = Asked(pipeline.model.field, placing.dataparser_transform.float(), float(placing.dataparser_scale))
    density, rgb = np.zeros(inside.shape, np.float32), np.zeros((*inside.shape, 3), np.float32)
    density[inside] = in_chunks(asked.density, grid_points(low, cell, np.argwhere(inside)))
    coloured, directions = surface(density, cell)
    if coloured.any():
        rgb[coloured] = in_chunks(asked.colour, grid_points(low, cell, np.argwhere(coloured)), directions)
    np.savez(folder / "field.npz", density=density, rgb=rgb, coloured=coloured)


if __name__ == "__main__":
    main()
