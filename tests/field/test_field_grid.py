"""The baked grid: round trip, sampling and what it refuses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from pipeline.errors import ArtifactError
from stages.artifacts.field import FieldGrid


def linear_field() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A field whose density and colour are linear in world position, which trilinear sampling meets exactly."""
    grid2world = np.array([[0.25, 0, 0, -1], [0, 0.5, 0, 2], [0, 0, 0.125, 0.5], [0, 0, 0, 1]])
    index = np.stack(np.meshgrid(np.arange(5), np.arange(4), np.arange(9), indexing="ij"), -1)
    world = index @ grid2world[:3, :3].T + grid2world[:3, 3]
    return 10 + world @ [1.0, 2.0, 4.0], np.clip((world + 1) / 8, 0, 1), grid2world


def test_grid_keeps_what_was_written(tmp_path: Path) -> None:
    density, rgb, grid2world = linear_field()
    grid = FieldGrid.write(tmp_path, density, rgb, grid2world)
    grid.validate()
    assert grid.resolution == (5, 4, 9)
    np.testing.assert_array_equal(grid.density, density.astype(np.float16))
    np.testing.assert_array_equal(grid.grid2world, grid2world)
    np.testing.assert_allclose(grid.cell_m, [0.25, 0.5, 0.125])
    np.testing.assert_allclose(grid.box, [[-1, 2, 0.5], [0, 3.5, 1.5]])
    assert grid.metrics == {} and grid.metres_per_unit == 1
    assert FieldGrid.write(tmp_path, density, rgb, grid2world, 0.25).metres_per_unit == 0.25


def test_sampling_is_trilinear_and_empty_outside(tmp_path: Path) -> None:
    density, rgb, grid2world = linear_field()
    grid = FieldGrid.write(tmp_path, density, rgb, grid2world)
    points = np.random.default_rng(0).uniform([-1, 2, 0.5], [0, 3.5, 1.5], (200, 3))
    got_density, got_rgb = grid.sample(points)
    np.testing.assert_allclose(got_density, 10 + points @ [1.0, 2.0, 4.0], rtol=2e-3)
    np.testing.assert_allclose(got_rgb, np.clip((points + 1) / 8, 0, 1), atol=2e-3)
    assert grid.sample(np.array([[5.0, 2.5, 1.0]]))[0] == 0


def test_density_is_clipped_to_what_float16_holds(tmp_path: Path) -> None:
    grid = FieldGrid.write(tmp_path, np.full((2, 2, 2), 1e9), np.full((2, 2, 2, 3), 7.0), np.eye(4))
    grid.validate()
    assert grid.density.max() < 65504 and grid.rgb.max() == 1


def test_folder_without_grid_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="there is no grid.safetensors"):
        FieldGrid.open(tmp_path)


@pytest.mark.parametrize(("change", "message"), [
    ({"density": np.full((2, 2, 2), np.nan, np.float16)}, "'density' holds numbers that are not finite"),
    ({"density": np.ones((2, 2, 2), np.float32)}, "expected float16 of rank 3"),
    ({"rgb": np.ones((2, 2, 3, 3), np.float16)}, "shapes do not agree"),
    ({"rgb": np.full((2, 2, 2, 3), 2, np.float16)}, "colours leave"),
    ({"grid2world": np.zeros((4, 4))}, "not an invertible affine transform"),
    ({"metres_per_unit": np.zeros(1)}, "'metres_per_unit' is not one positive number"),
])
def test_validate_names_the_problem(tmp_path: Path, change: dict[str, np.ndarray], message: str) -> None:
    good = {"density": np.ones((2, 2, 2), np.float16), "rgb": np.ones((2, 2, 2, 3), np.float16), "grid2world": np.eye(4), "metres_per_unit": np.ones(1)}
    save_file(good | change, str(tmp_path / "grid.safetensors"))
    with pytest.raises(ArtifactError, match=message):
        FieldGrid.open(tmp_path).validate()


def test_truncated_file_is_an_artifact_error(tmp_path: Path) -> None:
    (tmp_path / "grid.safetensors").write_bytes(b"\x10\x00")
    with pytest.raises(ArtifactError, match="cannot be read"):
        FieldGrid.open(tmp_path).validate()
