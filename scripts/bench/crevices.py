"""Where a reconstruction loses distance: its recall by how many of the pictures it learnt from see a point of the true surface.

    python -m scripts.bench.crevices Rogue.glb --work runs/truths --json docs/benchmarks/crevices.json

``--work`` is that of ``scripts.bench.reconstruction``: the meshes are read from there. Samples and recall (within 0.5 % of the diagonal) are those of
``evaluate_mesh``. A picture sees a point if nothing of the surface lies before it and it does not look along the surface (cosine above ``GRAZING``).
Beside each stands what the same cameras would give with perfect depth: space that one of them sees through is empty, the rest is not, and a layer of a cell
is left of sheets that are thinner.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from scipy import ndimage

from scripts.bench.evaluate_mesh import WITHIN, face_normals, imported, outside, sampled, shape_scores, welded
from scripts.bench.machine import described, report
from scripts.bench.reconstruction import arguments, surfaces
from scripts.bench.truths import Truth
from stages.artifacts.cameras import Camera
from stages.artifacts.closest import closest_points
from stages.mesh.marching import surface
from stages.mesh.repair import repaired
from stages.mesh.tetrahedra import band_grid
from stages.rendering.zbuffer import interpolate, rasterize

GROUPS = ((0, 0), (1, 1), (2, 3), (4, 6), (7, None))  # pictures that see a point, from and to
GRAZING = 0.1
FINER = 3  # than the pictures: depths that decide on what they see
CELLS = 300  # along the longest side, of what is carved
LAYER_CELLS = 1.1
SOFTNESS = 0.4  # cells


def depths(truth: Truth, camera: Camera) -> tuple[np.ndarray, np.ndarray]:
    """(H, W) distance along the view axis, +inf where there is nothing; and the triangle there, -1 for none."""
    clip = np.concatenate([truth.v_pos, np.ones((len(truth.v_pos), 1))], -1) @ camera.w2clip().T
    ids, bary, _ = rasterize(clip, truth.t_pos_idx, camera.height, camera.width)
    return np.where(ids >= 0, interpolate(clip[:, 3:], truth.t_pos_idx, ids, bary)[..., 0], np.inf), ids


def seen_by(truth: Truth, points: np.ndarray, normals: np.ndarray) -> np.ndarray:
    """(N,) how many of the pictures learnt from see ``points`` (N, 3) of the surface with unit ``normals``."""
    count = np.zeros(len(points), np.int64)
    for camera in truth.cameras():
        fine = camera.resized(camera.width * FINER, camera.height * FINER)
        depth = ndimage.maximum_filter(depths(truth, fine)[0], 2)  # a point may lie between pixel centres
        pixel, distance = fine.project(points)
        column, row = np.clip(pixel.astype(int), 0, [fine.width - 1, fine.height - 1]).T
        towards = fine.position - points
        cosine = np.abs((towards * normals).sum(1)) / np.linalg.norm(towards, axis=1)
        count += (distance <= depth[row, column] * 1.0005) & (cosine > GRAZING)
    return count


def carved(truth: Truth, cells: int = CELLS) -> tuple[np.ndarray, np.ndarray]:
    """Vertices and triangles of all that no picture learnt from sees through, by the true depths."""
    low, high = truth.v_pos.min(0), truth.v_pos.max(0)
    cell = float((high - low).max() / cells)
    low, shape = low - 3 * cell, np.ceil((high - low) / cell).astype(int) + 7
    points = (low + cell * np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), -1)).reshape(-1, 3)
    most, normals = 3 * cell, face_normals(truth.v_pos, truth.t_pos_idx)
    empty = np.full(len(points), -most)  # metres before the surface in the picture where that is most; below 0 behind it
    for camera in truth.cameras():
        fine = camera.resized(2 * camera.width, 2 * camera.height)
        depth, ids = depths(truth, fine)
        facing = np.abs((normals[ids.clip(0)] * fine.rays()[1].reshape(*ids.shape, 3)).sum(-1)).clip(0.03, 1)
        pixel, distance = fine.project(points)
        column, row = np.floor(pixel).astype(int).T
        inside = (column >= 0) & (row >= 0) & (column < fine.width) & (row < fine.height)
        at = row.clip(0, fine.height - 1), column.clip(0, fine.width - 1)
        before = np.where(np.isfinite(depth[at]), (depth[at] - distance) * facing[at] - LAYER_CELLS * cell, most)
        empty = np.maximum(empty, np.where(inside, np.minimum(before, most), most))
    field = ndimage.gaussian_filter(empty.reshape(shape).clip(-most, most).astype(np.float32), SOFTNESS)
    grid, values = band_grid(field, low, cell, 1.5)
    v_pos, _, faces = surface(grid, torch.from_numpy(grid.v_pos), torch.from_numpy(values), torch.zeros(len(values), 1))
    return repaired(v_pos.numpy(), faces.numpy())


def measured(truth: Truth, meshes: dict[str, tuple[np.ndarray, np.ndarray]]) -> dict[str, Any]:
    """Of each of ``meshes`` the recall in each group and the F-score; and the share of the surface in each group."""
    points, normals = sampled(truth.v_pos, truth.t_pos_idx, np.random.default_rng(0))
    open_to_view, _ = outside(truth.v_pos, truth.t_pos_idx, points)
    points, normals = points[open_to_view], normals[open_to_view]
    count, diagonal = seen_by(truth, points, normals), float(np.linalg.norm(np.ptp(truth.v_pos, axis=0)))
    groups = {f"{a}" if a == b else f"{a}+" if b is None else f"{a}-{b}": (count >= a) & (count <= (count.max() if b is None else b)) for a, b in GROUPS}
    out: dict[str, Any] = {"share_of_surface": {name: float(inside.mean()) for name, inside in groups.items()}}
    for name, (v_pos, faces) in meshes.items():
        found = closest_points(points, v_pos, faces).distance <= WITHIN * diagonal
        recall = {group: float(found[inside].mean()) if inside.any() else None for group, inside in groups.items()}
        out[name] = {"recall": recall, "f_score": shape_scores((v_pos, faces), (truth.v_pos, truth.t_pos_idx))["f_score"]}
    return out


def main() -> None:
    """Command line."""
    o = arguments(__doc__)
    rows = {}
    for truth in surfaces(o.files, o.characters):
        mesh = welded(*imported(o.work / truth.name / "mesh" / "mesh.glb")[:2])
        rows[truth.name] = measured(truth, {"mesh": mesh, "carved_by_true_depth": carved(truth)})
    report({"machine": described(), "cells": CELLS, "surfaces": rows}, o.json)


if __name__ == "__main__":
    main()
