"""Data sets with truth: what Blender draws of a box is what geometry says of it; pictures and cameras open as a data set."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from scripts.bench.rendered import make, straight, unpacked, write_view
from scripts.bench.truths import band
from stages.artifacts.cameras import Camera, orbit
from stages.artifacts.images import linear_to_srgb, read_png
from stages.artifacts.transforms import for_training, held_out, read_folder
from third_party.blender.provision import find_blender

FOUND = find_blender()
needs_blender = pytest.mark.skipif(isinstance(FOUND, str), reason=str(FOUND))
PAINT = (0.8, 0.2, 0.05)


def box(folder: Path) -> Path:
    """A cube of 1 m, y up as OBJ is, of one colour, and a second object to leave out."""
    corners = [(x, y, z) for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (-0.5, 0.5)]
    quads = ((1, 2, 4, 3), (5, 7, 8, 6), (1, 5, 6, 2), (3, 4, 8, 7), (1, 3, 7, 5), (2, 6, 8, 4))
    lines = ["mtllib box.mtl", "o Box", "usemtl paint", *(f"v {x} {y} {z}" for x, y, z in corners), *("f " + " ".join(map(str, q)) for q in quads)]
    lines += ["o Sword", "v 3 0 0", "v 4 0 0", "v 3 1 0", "f 9 10 11"]
    (folder / "box.obj").write_text("\n".join(lines) + "\n")
    (folder / "box.mtl").write_text(f"newmtl paint\nKd {' '.join(map(str, PAINT))}\n")
    return folder / "box.obj"


def front(size: int = 48) -> Camera:
    return orbit("front", np.zeros(3), 4.0, 0.0, 0.0, size * 2.0, size, size)


def test_a_band_holds_the_whole_sphere_in_every_picture() -> None:
    rng = np.random.default_rng(0)
    points = rng.standard_normal((400, 3))
    points = np.array([1.0, 2.0, 3.0]) + 0.7 * points / np.linalg.norm(points, axis=1, keepdims=True)
    cameras = band("r", np.array([1.0, 2.0, 3.0]), 0.7, 9, 30.0, 200)
    assert len({c.name for c in cameras}) == 9
    for camera in cameras:
        xy, depth = camera.project(points)
        assert depth.min() > 0 and xy.min() > 0.03 * 200 and xy.max() < 0.97 * 200


def test_passes_are_put_together_by_name() -> None:
    ones = np.ones((2, 3), np.float32)
    channels = {f"ViewLayer.Combined.{c}": ones * i for i, c in enumerate("RGBA")} | {f"ViewLayer.Normal.{a}": ones * (a == "Y") * 0.5 for a in "XYZ"}
    channels |= {f"ViewLayer.{name}.{c}": ones * 0.25 for name in ("albedo", "orm") for c in "RGB"} | {"ViewLayer.Depth.V": ones * np.array([2.0, 1e10, 3.0])}
    given = unpacked(channels)
    assert np.allclose(given["normal"], [0, 1, 0]) and np.isinf(given["depth"][:, 1]).all() and given["depth"][0, 2] == 3
    assert given["rgba"].shape == (2, 3, 4) and given["albedo"].shape == (2, 3, 3)


def test_colours_are_straight_on_disk(tmp_path: Path) -> None:
    half = np.full((2, 2, 4), 0.25, np.float32) * (1, 1, 1, 2)
    given = {"rgba": half, "albedo": half[..., :3] * 0.5, "orm": half[..., :3], "normal": np.zeros((2, 2, 3)), "depth": np.ones((2, 2), np.float32)}
    write_view(tmp_path, front(2), "train", given, lit=True)
    picture = read_png(tmp_path / "train/front.png")
    assert np.abs(picture[..., :3] / 255 - linear_to_srgb(np.array(0.5))).max() < 0.003 and (picture[..., 3] == 128).all()
    assert np.abs(read_png(tmp_path / "truth/albedo/front.png")[..., :3] / 255 - linear_to_srgb(np.array(0.25))).max() < 0.003
    assert np.allclose(straight(half[..., :3], half[..., 3]), 0.5)


@needs_blender
def test_a_box_is_what_geometry_says(tmp_path: Path) -> None:
    out = tmp_path / "set"
    make(box(tmp_path), out, "none", {"train": [front()], "test": [orbit("side", np.zeros(3), 4.0, 90.0, 0.0, 96.0, 48, 48)]}, 4, ["Sword"])
    picture, mask = read_png(out / "train/front.png"), read_png(out / "truth/mask/front.png")
    half = 0.5 * front().fx / 3.5
    inside = np.abs(np.arange(48) + 0.5 - 24) < half - 1
    outside = np.abs(np.arange(48) + 0.5 - 24) > half + 1
    middle = np.ix_(inside, inside)
    assert (mask[middle] == 255).all() and not mask[outside].any() and not mask[:, outside].any()
    assert np.abs(picture[middle][..., :3] / 255 - linear_to_srgb(np.array(PAINT))).max() < 0.006
    depth = np.load(out / "truth/depth/front.npy")
    assert np.abs(depth[middle] - 3.5).max() < 1e-4 and np.isinf(depth[outside]).all()
    normal = read_png(out / "truth/normal/front.png")[middle][..., :3] / 255 * 2 - 1
    assert np.abs(normal - (0, -1, 0)).max() < 0.01
    frames = read_folder(out)
    assert [f.camera.name for f in for_training(frames)] == ["front"] and [f.camera.name for f in held_out(frames)] == ["side"]
    assert np.allclose(for_training(frames)[0].camera.c2w, front().c2w)


@needs_blender
def test_light_falls_on_the_picture_and_not_on_the_truth(tmp_path: Path) -> None:
    mesh = box(tmp_path)
    for light in ("none", "sun"):
        make(mesh, tmp_path / light, light, {"train": [orbit("a", np.zeros(3), 4.0, 30.0, 30.0, 60.0, 32, 32)], "test": []}, 8, ["Sword"])
    flat, lit = (read_png(tmp_path / light / "train/a.png").astype(float) for light in ("none", "sun"))
    seen = flat[..., 3] == 255
    assert flat[seen].std(0)[:3].max() < 2 < 10 < lit[seen].std(0)[:3].max()
    assert np.array_equal(*(read_png(tmp_path / light / "truth/albedo/a.png")[seen] // 3 for light in ("none", "sun")))


def test_what_blender_cannot_import_is_told(tmp_path: Path) -> None:
    if isinstance(FOUND, str):
        pytest.skip(FOUND)
    from pipeline.errors import StageError

    (tmp_path / "mesh.xyz").write_text("x")
    with pytest.raises(StageError, match=r"mesh\.xyz: one of \.glb"):
        make(tmp_path / "mesh.xyz", tmp_path / "out", "none", {"train": [front()], "test": []}, 1, [])
