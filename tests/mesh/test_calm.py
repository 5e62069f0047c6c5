"""The surface is as calm as its views disagree, and as the user says."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from stages.artifacts.field import METRICS, FieldGrid
from stages.mesh.calm import ANCHORS, agreeing, fitting
from stages.mesh.settings import MeshSettings


def field_of(folder: Path, psnr_db: float | None) -> FieldGrid:
    empty = np.zeros((2, 2, 2))
    field = FieldGrid.write(folder, empty, np.zeros((2, 2, 2, 3)), np.eye(4))
    if psnr_db is not None:
        (folder / METRICS).write_text(json.dumps({"training_psnr_db": psnr_db}))
    return field


PAINTED, TRUE, LARGE = ANCHORS


@pytest.mark.parametrize(("psnr_db", "like"), [(19.0, PAINTED), (None, PAINTED), (25.5, PAINTED), (28.0, TRUE), (36.0, LARGE)])
def test_views_that_disagree_make_a_calm_surface(tmp_path: Path, psnr_db: float | None, like) -> None:
    got = fitting(MeshSettings(), field_of(tmp_path, psnr_db))
    assert (got.sdf_smoothness, got.sdf_rate, got.pit_width) == pytest.approx((like.sdf_smoothness, like.sdf_rate, like.pit_width))
    assert (got.grid_cells, got.fairing) == (like.grid_cells, like.fairing)


def test_between_painted_and_true_it_is_between(tmp_path: Path) -> None:
    got = fitting(MeshSettings(), field_of(tmp_path, (PAINTED.psnr_db + TRUE.psnr_db) / 2))
    assert got.sdf_smoothness == pytest.approx((PAINTED.sdf_smoothness * TRUE.sdf_smoothness) ** 0.5)
    assert got.sdf_rate == pytest.approx((PAINTED.sdf_rate + TRUE.sdf_rate) / 2)


def test_views_that_agree_leave_hollows_open_and_have_a_finer_grid(tmp_path: Path) -> None:
    got = fitting(MeshSettings(), field_of(tmp_path, (TRUE.psnr_db + LARGE.psnr_db) / 2))
    assert got.pit_width == pytest.approx(TRUE.pit_width / 2) and LARGE.pit_width == 0
    assert got.grid_cells == (TRUE.grid_cells + LARGE.grid_cells) // 2


def test_the_users_word_counts(tmp_path: Path) -> None:
    got = fitting(MeshSettings(sdf_smoothness=0.0, grid_cells=40), field_of(tmp_path, 28.0))
    assert (got.sdf_smoothness, got.grid_cells) == (0.0, 40) and got.sdf_rate == pytest.approx(TRUE.sdf_rate)


@pytest.mark.parametrize(("psnr_db", "colours", "normal_map"), [(22.0, "projected", "flat"), (None, "projected", "flat"), (29.0, "fitted", "baked")])
def test_detail_of_views_that_disagree_goes_into_no_normal_map(tmp_path: Path, psnr_db: float | None, colours: str, normal_map: str) -> None:
    field = field_of(tmp_path, psnr_db)
    got = fitting(MeshSettings(), field)
    assert (got.final_colours, got.normal_map) == (colours, normal_map) and agreeing(field) == (normal_map == "baked")
    assert fitting(MeshSettings(normal_map="baked"), field).normal_map == "baked"
