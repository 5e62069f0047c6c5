"""The surface is as calm as its views disagree, and as the user says."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from stages.artifacts.field import METRICS, FieldGrid
from stages.mesh.calm import PAINTED, TRUE, fitting
from stages.mesh.settings import MeshSettings


def field_of(folder: Path, psnr_db: float | None) -> FieldGrid:
    empty = np.zeros((2, 2, 2))
    field = FieldGrid.write(folder, empty, np.zeros((2, 2, 2, 3)), np.eye(4))
    if psnr_db is not None:
        (folder / METRICS).write_text(json.dumps({"training_psnr_db": psnr_db}))
    return field


@pytest.mark.parametrize(("psnr_db", "like"), [(19.0, PAINTED), (None, PAINTED), (27.0, TRUE)])
def test_views_that_disagree_make_a_calm_surface(tmp_path: Path, psnr_db: float | None, like) -> None:
    got = fitting(MeshSettings(), field_of(tmp_path, psnr_db))
    assert (got.sdf_smoothness, got.sdf_rate) == pytest.approx((like.sdf_smoothness, like.sdf_rate))


def test_between_painted_and_true_it_is_between(tmp_path: Path) -> None:
    got = fitting(MeshSettings(), field_of(tmp_path, (PAINTED.psnr_db + TRUE.psnr_db) / 2))
    assert TRUE.sdf_smoothness < got.sdf_smoothness < PAINTED.sdf_smoothness
    assert PAINTED.sdf_rate < got.sdf_rate < TRUE.sdf_rate


def test_the_users_word_counts(tmp_path: Path) -> None:
    got = fitting(MeshSettings(sdf_smoothness=0.0), field_of(tmp_path, 27.0))
    assert got.sdf_smoothness == 0.0 and got.sdf_rate == pytest.approx(TRUE.sdf_rate)
