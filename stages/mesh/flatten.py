"""Flat charts of a surface, by xatlas as a program of its own.

xatlas keeps Python's lock for as long as it works, minutes with 300,000 triangles, and lets no Ctrl-C through. The run waits for this program
instead, hears it at once, and ends the program.
"""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pipeline.errors import StageError

CHART_ROUNDS = 1  # of moving the charts' seeds
CHART_COST = 8.0  # xatlas's limit on a chart's unevenness (2 is its default): fewer, larger charts
ROOT = Path(__file__).resolve().parents[2]  # where ``stages`` is found


def flattened(
    meshes: Sequence[tuple[np.ndarray, np.ndarray]], texels_per_unit: float, largest: float = 0.0
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Charts of ``meshes``, vertices (V, 3) and triangles (F, 3) each: texture vertices (T, 2) in texels of about that size, and triangles (F', 3) int32 of
    them. No chart is ``largest`` or more, in square units; 0 is no limit. F' is less than F where xatlas leaves a triangle out. Raises ``StageError`` with xatlas's last words if it fails."""
    arrays = {f"{name}{i}": array for i, pair in enumerate(meshes) for name, array in zip(("v", "f"), pair, strict=True)}
    done = subprocess.run([sys.executable, "-m", __name__, repr(float(texels_per_unit)), repr(float(largest))], cwd=ROOT, input=_packed(arrays), capture_output=True, check=False)
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines() or [f"exit code {done.returncode}"]
        raise StageError(f"unwrapping failed: {said[-1]}")
    return _unpacked(done.stdout)


def main() -> None:
    """Meshes in, charts out, through the standard streams."""
    import xatlas

    atlas, chart, pack = xatlas.Atlas(), xatlas.ChartOptions(), xatlas.PackOptions()
    meshes = _unpacked(sys.stdin.buffer.read())
    for v_pos, faces in meshes:
        atlas.add_mesh(v_pos.astype(np.float32), faces.astype(np.uint32))
    chart.max_iterations = CHART_ROUNDS
    chart.max_cost = CHART_COST
    chart.max_chart_area = float(sys.argv[2])
    pack.texels_per_unit = float(sys.argv[1])  # and no resolution: one page, whatever its size
    pack.create_image = False
    atlas.generate(chart, pack)
    arrays = {}
    for i in range(len(meshes)):
        _, arrays[f"f{i}"], uv = atlas.get_mesh(i)
        arrays[f"v{i}"] = uv.astype(np.float64) * [atlas.width, atlas.height]
    sys.stdout.buffer.write(_packed({name: array.astype(np.int32) if name[0] == "f" else array for name, array in arrays.items()}))


def _packed(arrays: dict[str, np.ndarray]) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


def _unpacked(data: bytes) -> list[tuple[np.ndarray, np.ndarray]]:
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        return [(arrays[f"v{i}"], arrays[f"f{i}"]) for i in range(len(arrays) // 2)]


if __name__ == "__main__":
    main()
