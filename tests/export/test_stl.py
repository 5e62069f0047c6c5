"""STL: the surface, its size, and a word where it is open."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from stages.export import STAGE, ExportInputs
from stages.export.settings import ExportSettings
from stages.export.stl import open_edges, write_stl
from tests.bodies import ball
from tests.rig.stage_folders import context_in, mesh_asset

SMALL = {"name": "mika", "turntable_frames": 8, "turntable_px": 96, "formats": ("stl",)}


@pytest.mark.parametrize(("height_mm", "expected_mm"), [(0.0, None), (150.0, 150.0)])
def test_it_is_the_surface_in_millimetres_on_the_plate(tmp_path: Path, height_mm: float, expected_mm: float | None) -> None:
    trimesh = pytest.importorskip("trimesh")
    figure = ball(0.8)
    context = context_in(tmp_path)
    made = STAGE.run(ExportSettings(**SMALL, stl_height_mm=height_mm), ExportInputs(mesh_asset(tmp_path / "mesh", figure.v_pos, figure.t_pos_idx)), context)
    made.validate()
    read = trimesh.load(made.folder / "mika.stl")
    tall_m = np.ptp(figure.v_pos[:, 2])
    scale = expected_mm / tall_m if expected_mm else 1000
    v_pos = (figure.v_pos - [0, 0, figure.v_pos[:, 2].min()]) * scale
    np.testing.assert_allclose(read.triangles, v_pos[figure.t_pos_idx], atol=2e-4)
    np.testing.assert_allclose(read.volume, trimesh.Trimesh(v_pos, figure.t_pos_idx, process=False).volume, rtol=1e-4)
    assert read.is_watertight and read.volume > 0 and read.bounds[0][2] == 0 and not [w for w in context.warnings if "STL" in w]


def test_holes_are_told(tmp_path: Path) -> None:
    figure = ball(0.8)
    assert open_edges(figure.t_pos_idx) == 0 and open_edges(figure.t_pos_idx[1:]) == 3
    assert open_edges(np.concatenate([figure.t_pos_idx, figure.t_pos_idx[:1]])) == 3
    figure, context = replace(figure, t_pos_idx=figure.t_pos_idx[1:]), context_in(tmp_path)
    STAGE.run(ExportSettings(**SMALL), ExportInputs(mesh_asset(tmp_path / "mesh", figure.v_pos, figure.t_pos_idx)), context)
    assert "The STL is not watertight: 3 edges of the surface have not just one triangle on either side; let the slicer mend it." in context.warnings


def test_bytes_are_those_of_the_format(tmp_path: Path) -> None:
    write_stl(tmp_path / "a.stl", np.array([[0.0, 0, 0], [2, 0, 0], [0, 2, 0]]), np.array([[0, 1, 2]]))
    data = (tmp_path / "a.stl").read_bytes()
    assert len(data) == 84 + 50 and not data.startswith(b"solid") and data[80:84] == b"\1\0\0\0"
    assert np.frombuffer(data[84:132], "<f4").tolist() == [0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 2, 0]
