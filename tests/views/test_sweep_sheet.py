"""What several runs came to on one sheet, and the settings with which a first impression is painted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import stages
from pipeline.commands import Request, prepare
from pipeline.errors import ArtifactError
from stages.artifacts.cameras import ring
from stages.artifacts.images import read_srgb, write_png
from stages.artifacts.sweep_sheet import glance, write_sheet
from stages.artifacts.views import write_view_cameras


def views(folder: Path, body: int, head: int) -> Path:
    """Views whose grey is their number, times ten."""
    cameras = [*ring("body", body, np.zeros(3), 4.0, 0.0, 90.0, 24, 32), *ring("head", head, np.zeros(3), 4.0, 0.0, 90.0, 24, 32)]
    for i, camera in enumerate(cameras):
        write_png(folder / "images" / f"{camera.name}.png", np.full((32, 24, 3), 10 * i, np.uint8))
    write_view_cameras(folder, cameras, [{"ring": c.name[:4], "azimuth_deg": c.azimuth_deg} for c in cameras])
    return folder


def greys(pictures: list[np.ndarray]) -> list[int]:
    return [round(255 * float(p.mean())) // 10 for p in pictures]


def test_of_views_one_sees_front_between_side_back_and_the_close_up(tmp_path: Path) -> None:
    assert greys(glance(views(tmp_path / "a", 16, 4))) == [0, 2, 4, 8, 16]
    assert greys(glance(views(tmp_path / "b", 1, 0))) == [0]


def test_a_row_for_each_run(tmp_path: Path) -> None:
    write_sheet([("steps 10", views(tmp_path / "a", 8, 2)), ("steps 20", views(tmp_path / "b", 8, 0))], tmp_path / "sheet.png")
    sheet = read_srgb(tmp_path / "sheet.png")
    height, width = 32 + 14 + 6, 24 + 6
    assert sheet.shape[:2] == (2 * height + 6, 5 * width + 6)
    at = lambda row, column: round(255 * float(sheet[6 + row * height + 16, 6 + column * width + 12, 0])) // 10  # noqa: E731
    assert [at(0, k) for k in range(5)] == [0, 1, 2, 4, 8] and [at(1, k) for k in range(5)] == [0, 1, 2, 4, 25]
    assert sheet[6 + 33 : 6 + 32 + 14, 6 : 6 + 24].min() < 0.5  # the label


def test_other_stages_show_their_preview(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="has no preview"):
        glance(tmp_path)
    for name in ("contact_sheet", "a"):
        write_png(tmp_path / "preview" / f"{name}.png", np.full((4, 4, 3), 200 if name == "a" else 100, np.uint8))
    assert greys(glance(tmp_path)) == [10]


def test_the_recipes_first_impression_is_one_picture(tmp_path: Path) -> None:
    recipe = stages.character()
    assert recipe.preview is not None
    others = (("prompt", "a girl"), *recipe.preview.settings.items())
    config = prepare(Request(recipe, None, others, until=recipe.preview.stage, out=tmp_path / "o", cache=tmp_path / "c")).config
    assert config.stages["conditions"].body_ring.views == 1 and config.stages["conditions"].head_ring.views == 0
