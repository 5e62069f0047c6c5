"""A user's finished pictures: NeRF-synthetic splits, instant-ngp's one file, and what is wrong with them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import ArtifactError, ConfigError
from pipeline.runner import run_stage
from stages.artifacts.cameras import ring
from stages.artifacts.images import write_png
from stages.artifacts.views import MaskedViews, ViewSet, write_view_set
from stages.views import STAGE, ViewsInputs
from stages.views.settings import ViewsSettings


def nerf_synthetic(folder: Path, size: int = 12) -> Path:
    """Splits of 3, 1 and 2 RGBA pictures, names without extension, one field of view."""
    rng = np.random.default_rng(1)
    for split, count in (("train", 3), ("val", 1), ("test", 2)):
        frames = []
        for i, camera in enumerate(ring("r", count, np.zeros(3), 4.0, 20.0, 16.0, size, size)):
            write_png(folder / split / f"r_{i}.png", rng.integers(0, 256, (size, size, 4), dtype=np.uint8))
            frames.append({"file_path": f"./{split}/r_{i}", "rotation": 0.01, "transform_matrix": camera.c2w.tolist()})
        document = {"camera_angle_x": 2 * np.arctan(size / 2 / 16.0), "frames": frames}
        (folder / f"transforms_{split}.json").write_text(json.dumps(document))
    return folder


def adopt(folder: Path, out: Path) -> ViewSet:
    return run_stage(STAGE, ViewsSettings(source="images", folder=folder), ViewsInputs(None), out, threads=1)


def test_splits_alpha_and_cameras_survive(tmp_path: Path) -> None:
    theirs = ViewSet.open(nerf_synthetic(tmp_path / "own"))
    ours = adopt(tmp_path / "own", tmp_path / "out")
    assert ours.names == theirs.names and len(ours.training_names) == 4 and len(ours.held_out_names) == 2
    assert {ours.split(n) for n in ours.held_out_names} == {"test"}
    for name, a, b in zip(ours.names, ours.cameras, theirs.cameras, strict=True):
        assert np.array_equal(ours.image(name), theirs.image(name)) and ours.image(name).shape == (12, 12, 4)
        assert np.array_equal(a.c2w, b.c2w) and a.fx == pytest.approx(16.0) and (a.width, a.height) == (12, 12)
    assert ours.rings == {"views": list(range(6))} and ours.description == {}
    assert (tmp_path / "out" / "preview" / "contact_sheet.png").is_file()


def test_our_own_views_can_be_taken_again(tmp_path: Path) -> None:
    cameras = ring("body", 3, np.zeros(3), 4.0, 0.0, 20.0, 8, 10)
    pictures = [np.full((10, 8, 3), i * 40, np.uint8) for i in range(3)]
    write_view_set(tmp_path / "own", zip(cameras, pictures, strict=True), [{"ring": "body", "azimuth_deg": c.azimuth_deg} for c in cameras])
    ours = adopt(tmp_path / "own", tmp_path / "out")
    assert ours.rings == {"body": [0, 1, 2]} and ours.names == ["body_00", "body_01", "body_02"]
    for name, picture in zip(ours.names, pictures, strict=True):
        assert np.array_equal(ours.image(name), picture.astype(np.float32) / 255)
        assert (tmp_path / "own" / "images" / f"{name}.png").read_bytes() == (tmp_path / "out" / "images" / f"{name}.png").read_bytes()


def test_what_is_wrong_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="transforms.json"):
        adopt(tmp_path, tmp_path / "out")
    own = tmp_path / "own"
    write_view_set(own, zip(ring("a", 2, np.zeros(3), 4.0, 0.0, 20.0, 8, 10), [np.zeros((10, 8, 3), np.uint8)] * 2, strict=True))
    write_png(own / "images" / "a_01.png", np.zeros((10, 9, 3), np.uint8))
    with pytest.raises(ConfigError, match=r"a_01.png: is 9 x 10, its camera 8 x 10"):
        adopt(own, tmp_path / "out")
    (own / "images" / "a_01.png").unlink()
    with pytest.raises(ConfigError, match="no such picture"):
        adopt(own, tmp_path / "out")


def test_masked_views_need_alpha_and_a_figure(tmp_path: Path) -> None:
    camera = ring("a", 1, np.zeros(3), 4.0, 0.0, 20.0, 8, 10)
    write_view_set(tmp_path, zip(camera, [np.full((10, 8, 3), 9, np.uint8)], strict=True))
    with pytest.raises(ArtifactError, match="no alpha"):
        MaskedViews.open(tmp_path).validate()
    write_view_set(tmp_path, zip(camera, [np.zeros((10, 8, 4), np.uint8)], strict=True))
    with pytest.raises(ArtifactError, match="shows nothing"):
        MaskedViews.open(tmp_path).validate()
    picture = np.full((10, 8, 4), 200, np.uint8)
    write_view_set(tmp_path, zip(camera, [picture], strict=True))
    with pytest.raises(ArtifactError, match="a_00.png: cuts nothing out"):
        MaskedViews.open(tmp_path).validate()
    picture[0, 0, 3] = 0
    write_view_set(tmp_path, zip(camera, [picture], strict=True))
    MaskedViews.open(tmp_path).validate()
    (tmp_path / "masks.json").write_text('{"rejected": {}}')
    assert MaskedViews.open(tmp_path).report == {"rejected": {}}
