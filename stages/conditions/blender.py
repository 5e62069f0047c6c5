"""Geometry drawn by Blender: one headless process for all views, Cycles on the CPU, one sample a pixel, raw passes."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from stages.artifacts.body import BodyModel
from stages.artifacts.cameras import Camera
from stages.conditions.buffers import ViewBuffers
from third_party.blender.provision import find_blender

_EMPTY_DEPTH_M = 1e9  # Cycles writes 1e10 where nothing is


class BlenderRenderer:
    """Blender as a program."""

    name = "blender"

    def probe(self) -> str | None:
        """None, or why no Blender can be run."""
        found = find_blender()
        return found if isinstance(found, str) else None

    def version(self) -> str:
        """Our script's and Blender's."""
        found = find_blender()
        return f"1+{'none' if isinstance(found, str) else found.version}"

    def render(self, body: BodyModel, cameras: Sequence[Camera], work: Path) -> Iterator[ViewBuffers]:
        """See ``GeometryRenderer``. Views come as soon as Blender has written them."""
        from third_party.blender.exr import read_exr
        from third_party.blender.process import BlenderRun

        run = BlenderRun("render_geometry.py", {"threads": os.cpu_count() or 1, "views": [_view(c) for c in cameras]}, work)
        np.savez(
            run.folder / "mesh.npz", v_pos=body.v_pos, t_pos_idx=body.t_pos_idx, kd=body.kd, corner_uv=body.v_tex[body.t_tex_idx].reshape(-1, 2)
        )
        with run:
            names = [f"view_{i:05d}.exr" for i in range(len(cameras))]
            for camera, path in zip(cameras, run.files(names), strict=True):
                yield _buffers(body, camera, read_exr(path))
                path.unlink()
            run.response()
        shutil.rmtree(run.folder)


def _view(camera: Camera) -> dict:
    return {
        "c2w": camera.c2w.tolist(), "fx": camera.fx, "fy": camera.fy, "cx": camera.cx, "cy": camera.cy, "width": camera.width,
        "height": camera.height,
    }


def _buffers(body: BodyModel, camera: Camera, passes: dict[str, np.ndarray]) -> ViewBuffers:
    """Blender names channels ``<view layer>.<pass>.<component>``."""
    by_pass = {tuple(name.split(".")[-2:]): values for name, values in passes.items()}
    triangle = np.round(by_pass["triangle", "X"] if ("triangle", "X") in by_pass else by_pass["triangle", "V"]).astype(np.int32) - 1
    depth = by_pass["Depth", "V"] if ("Depth", "V") in by_pass else by_pass["Depth", "Z"]
    covered = (triangle >= 0) & (depth < _EMPTY_DEPTH_M)
    triangle = np.where(covered, triangle, -1).astype(np.int32)
    normal = np.stack([by_pass["Normal", axis] for axis in "XYZ"], -1)
    normal = normal / np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-9)
    albedo = np.stack([by_pass["albedo", c] for c in "RGB"], -1)
    return ViewBuffers(
        camera, triangle, np.append(body.t_part, -1).astype(np.int16)[triangle], np.where(covered, depth, np.inf).astype(np.float32),
        (normal * covered[..., None]).astype(np.float32), (albedo * covered[..., None]).astype(np.float32),
    )
