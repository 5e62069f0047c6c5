"""Bent lenses: OpenCV's formulas written out, and pictures of a known pattern that come out straight."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from stages.artifacts.cameras import Camera, ring
from stages.artifacts.images import write_png
from stages.artifacts.lens import Lens, straightened
from stages.artifacts.transforms import write_transforms
from stages.artifacts.views import ViewSet

BARREL = Lens(k1=-0.21, k2=0.05, k3=-0.01, p1=0.004, p2=-0.003)
FISHEYE = Lens(k1=0.02, k2=-0.004, fisheye=True)


def _camera(width: int = 90, height: int = 70) -> Camera:
    return Camera("a", np.eye(4), 60.0, 66.0, 44.0, 36.5, width, height)


def _pattern(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """(..., 3) in [0, 1], smooth, of a ray through (x, y) at distance 1."""
    return np.stack([0.5 + 0.4 * np.sin(3 * x), 0.5 + 0.4 * np.cos(2 * y + x), 0.5 + 0.3 * x * y], -1).clip(0, 1)


def _grid(camera: Camera) -> tuple[np.ndarray, np.ndarray]:
    rows, columns = np.mgrid[0 : camera.height, 0 : camera.width] + 0.5
    return (columns - camera.cx) / camera.fx, (rows - camera.cy) / camera.fy


def _taken(camera: Camera, lens: Lens) -> np.ndarray:
    """The pattern through the lens: the ray of each pixel is found by fixed-point iteration."""
    wanted_x, wanted_y = _grid(camera)
    x, y = wanted_x.copy(), wanted_y.copy()
    for _ in range(60):
        bent_x, bent_y = lens.bent(x, y)
        x, y = x + wanted_x - bent_x, y + wanted_y - bent_y
    return _pattern(x, y).astype(np.float32)


@pytest.mark.parametrize(("x", "y"), [(0.3, -0.2), (-0.5, 0.4), (0.0, 0.0), (0.1, 0.6)])
def test_points_go_where_opencvs_formulas_put_them(x: float, y: float) -> None:
    lens, r2 = BARREL, x * x + y * y
    radial = 1 + lens.k1 * r2 + lens.k2 * r2**2 + lens.k3 * r2**3
    expected = (x * radial + 2 * lens.p1 * x * y + lens.p2 * (r2 + 2 * x * x), y * radial + lens.p1 * (r2 + 2 * y * y) + 2 * lens.p2 * x * y)
    assert np.allclose(lens.bent(np.array(x), np.array(y)), expected)
    angle = math.atan(math.sqrt(r2))
    share = angle * (1 + FISHEYE.k1 * angle**2 + FISHEYE.k2 * angle**4) / math.sqrt(r2) if r2 else 1.0
    assert np.allclose(FISHEYE.bent(np.array(x), np.array(y)), (x * share, y * share))


@pytest.mark.parametrize("lens", [BARREL, FISHEYE])
def test_a_picture_comes_out_as_a_pinhole_takes_it(lens: Lens) -> None:
    camera = _camera()
    straight = straightened(_taken(camera, lens), camera, lens)
    x, y = lens.bent(*_grid(camera))
    seen = (np.abs(x * camera.fx + camera.cx - 45) < 44) & (np.abs(y * camera.fy + camera.cy - 35) < 34)
    assert seen.mean() > 0.8
    assert np.abs(straight - _pattern(*_grid(camera)))[seen].max() < 0.01
    assert np.abs(_taken(camera, lens) - _pattern(*_grid(camera)))[seen].max() > 0.05


def test_what_the_lens_did_not_see_is_transparent() -> None:
    camera, pincushion = _camera(), Lens(k1=0.4)
    picture = np.concatenate([_taken(camera, Lens()), np.ones((70, 90, 1), np.float32)], -1)
    straight = straightened(picture, camera, pincushion)
    assert straight[0, 0, 3] == 0 and straight[35, 45, 3] == 1
    assert np.abs(straight[30:40, 40:50, :3] - picture[30:40, 40:50, :3]).max() < 0.02


def test_own_pictures_through_a_lens_are_read_straight(tmp_path: Path) -> None:
    cameras = ring("a", 2, np.zeros(3), 4.0, 0.0, 60.0, 90, 70)
    for camera in cameras:
        write_png(tmp_path / "images" / f"{camera.name}.png", _taken(camera, BARREL))
    write_transforms(tmp_path / "transforms.json", cameras, [f"images/{c.name}.png" for c in cameras])
    document = json.loads((tmp_path / "transforms.json").read_text())
    lens = {name: getattr(BARREL, name) for name in ("k1", "k2", "k3", "p1", "p2")} | {"camera_model": "OPENCV"}
    (tmp_path / "transforms.json").write_text(json.dumps(document | lens))
    views = ViewSet.open(tmp_path)
    views.validate()
    middle = np.s_[15:55, 20:70]
    assert np.abs(views.image("a_00") - _pattern(*_grid(cameras[0])))[middle].max() < 0.01
    assert not views.frames[0].lens.straight and "k1" not in views.frames[0].extra
