"""transforms.json: the three forms, and errors that name file and frame."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import ArtifactError
from stages.artifacts import transforms
from stages.artifacts.cameras import Camera, ring
from stages.artifacts.images import write_png


def cameras(count: int = 3, prefix: str = "a") -> list[Camera]:
    return ring(prefix, count, np.array([0.1, 0.2, 0.8]), 3.0, 10.0, 55.5, 32, 40)


def folder_with(tmp_path: Path, views: list[Camera]) -> Path:
    for camera in views:
        write_png(tmp_path / "images" / f"{camera.name}.png", np.zeros((camera.height, camera.width, 3), np.uint8))
    return tmp_path


def same(a: Camera, b: Camera) -> bool:
    numbers = [(c.fx, c.fy, c.cx, c.cy, c.width, c.height) for c in (a, b)]
    return a.name == b.name and numbers[0] == numbers[1] and np.array_equal(a.c2w, b.c2w)


def test_round_trip_is_exact_with_shared_and_with_own_intrinsics(tmp_path: Path) -> None:
    for views in (cameras(), cameras() + ring("b", 2, np.zeros(3), 2.0, 0.0, 80.0, 32, 40)):
        folder_with(tmp_path, views)
        extras = [{"ring": c.name[0], "azimuth_deg": 1.5} for c in views]
        transforms.write_transforms(tmp_path / "transforms.json", views, [f"images/{c.name}.png" for c in views], extras)
        frames = transforms.read_folder(tmp_path)
        assert all(same(f.camera, c) for f, c in zip(frames, views, strict=True))
        assert [dict(f.extra) for f in frames] == extras
        assert all(f.image.is_file() for f in frames)


def test_the_layout_is_what_other_readers_expect(tmp_path: Path) -> None:
    views = cameras()
    transforms.write_transforms(tmp_path / "transforms.json", views, [f"images/{c.name}.png" for c in views])
    document = json.loads((tmp_path / "transforms.json").read_text())
    assert {"fl_x", "fl_y", "cx", "cy", "w", "h", "camera_angle_x", "camera_angle_y"} <= set(document)
    assert document["camera_angle_x"] == pytest.approx(2 * math.atan(16 / 55.5))
    assert set(document["frames"][0]) == {"file_path", "transform_matrix"}
    assert np.array_equal(document["frames"][1]["transform_matrix"], views[1].c2w)


def synthetic(tmp_path: Path, split: str, count: int) -> None:
    frames = []
    for i, camera in enumerate(cameras(count)):
        write_png(tmp_path / split / f"r_{i}.png", np.zeros((40, 32, 4), np.uint8))
        frames.append({"file_path": f"./{split}/r_{i}", "rotation": 0.1, "transform_matrix": camera.c2w.tolist()})
    (tmp_path / f"transforms_{split}.json").write_text(json.dumps({"camera_angle_x": 0.6, "frames": frames}))


def test_nerf_synthetic_keeps_its_test_frames_apart(tmp_path: Path) -> None:
    for split, count in (("train", 4), ("val", 2), ("test", 3)):
        synthetic(tmp_path, split, count)
    frames = transforms.read_folder(tmp_path)
    assert [f.split for f in frames] == ["train"] * 4 + ["val"] * 2 + ["test"] * 3
    assert len(transforms.for_training(frames)) == 6 and all(f.split != "test" for f in transforms.for_training(frames))
    assert [f.image.parent.name for f in transforms.held_out(frames)] == ["test"] * 3
    assert len({f.camera.name for f in frames}) == 9
    camera = frames[0].camera
    assert (camera.width, camera.height, camera.cx, camera.cy) == (32, 40, 16.0, 20.0)
    assert camera.fx == camera.fy == pytest.approx(16 / math.tan(0.3))


def several(tmp_path: Path, pictures: list[str]) -> Path:
    frames = []
    for file_path, camera in zip(pictures, cameras(len(pictures)), strict=True):
        write_png(tmp_path / file_path, np.zeros((40, 32, 4), np.uint8))
        frames.append({"file_path": file_path, "transform_matrix": camera.c2w.tolist()})
    (tmp_path / "transforms.json").write_text(json.dumps({"camera_angle_x": 0.6, "frames": frames}))
    return tmp_path


def test_pictures_of_several_cameras_are_named_by_their_paths(tmp_path: Path) -> None:
    folder = several(tmp_path / "own", ["cam0/rgb/0000.png", "cam 1/rgb/0000.png", "../cam2/rgb/0000.png"])
    assert [f.camera.name for f in transforms.read_folder(folder)] == ["cam0_rgb_0000", "cam_1_rgb_0000", "cam2_rgb_0000"]


@pytest.mark.parametrize("pictures", [["a/b/0.png", "a_b/0.png"], ["a/0.png", "a/0.png"]])
def test_pictures_that_cannot_be_told_apart_are_named(tmp_path: Path, pictures: list[str]) -> None:
    folder = several(tmp_path, [*pictures, "c/0.png"])
    with pytest.raises(ArtifactError, match=rf"{pictures[0]} and .*{pictures[1]} would both be the view") as caught:
        transforms.read_folder(folder)
    assert "List every picture once" in str(caught.value)


def broken(tmp_path: Path, **changes: object) -> Path:
    folder_with(tmp_path, cameras())
    transforms.write_transforms(tmp_path / "transforms.json", cameras(), [f"images/a_{i:02d}.png" for i in range(3)])
    path = tmp_path / "transforms.json"
    document = json.loads(path.read_text())
    document["frames"][1].update(changes)
    path.write_text(json.dumps(document))
    return path


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"file_path": "images/b.png"}, r"frame 1 \(images/b.png\): there is no such picture"),
        ({"file_path": None}, "frame 1 has no 'file_path'"),
        ({"transform_matrix": [[1, 2], [3]]}, r"frame 1 \(images/a_01.png\): 'transform_matrix' is not 4 rows"),
        ({"transform_matrix": (2 * np.eye(4)).tolist()}, "no rotation and translation"),
        ({"fl_x": -1}, "'fl_x' is -1"),
        ({"fl_x": "wide"}, "'fl_x' is 'wide'"),
        ({"k1": "wide"}, r"frame 1 .*'k1' is 'wide'"),
        ({"camera_model": "EQUIRECTANGULAR"}, r"frame 1 .*camera model 'EQUIRECTANGULAR' is not known"),
    ],
)
def test_errors_name_file_and_frame(tmp_path: Path, changes: dict, expected: str) -> None:
    path = broken(tmp_path, **changes)
    with pytest.raises(ArtifactError, match=expected) as caught:
        transforms.read_transforms(path)
    assert str(path) in str(caught.value)


def test_files_that_are_not_there_or_not_json(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="neither transforms.json nor transforms_train.json"):
        transforms.read_folder(tmp_path)
    (tmp_path / "transforms.json").write_text("{")
    with pytest.raises(ArtifactError, match="is not JSON"):
        transforms.read_folder(tmp_path)
    (tmp_path / "transforms.json").write_text("{}")
    with pytest.raises(ArtifactError, match="no list of 'frames'"):
        transforms.read_folder(tmp_path)


def test_intrinsics_that_differ_stand_in_the_frames_alone(tmp_path: Path) -> None:
    """nerfstudio takes a number at the top for all frames, whatever these say; instant-ngp asks the frames as well."""
    views = cameras() + ring("b", 2, np.zeros(3), 2.0, 0.0, 80.0, 48, 64)
    transforms.write_transforms(tmp_path / "transforms.json", views, [f"images/{c.name}.png" for c in views])
    document = json.loads((tmp_path / "transforms.json").read_text())
    assert set(document) == {"frames"}
    for frame, camera in zip(document["frames"], views, strict=True):
        assert [frame[k] for k in ("fl_x", "fl_y", "cx", "cy", "w", "h")] == [camera.fx, camera.fy, camera.cx, camera.cy, camera.width, camera.height]


@pytest.mark.parametrize(("splits", "val"), [(("train", "test", "train", "val"), ["3"]), (("train", "test", "train", "test"), ["1", "3"])])
def test_frames_kept_for_testing_are_listed_as_nerfstudio_asks(tmp_path: Path, splits: tuple[str, ...], val: list[str]) -> None:
    """It wants all three lists where there is one, and every name in them among the frames' own."""
    views = cameras(4)
    transforms.write_transforms(tmp_path / "transforms.json", views, list("0123"), [{"split": s} for s in splits])
    document = json.loads((tmp_path / "transforms.json").read_text())
    assert document["train_filenames"] == [n for n, s in zip("0123", splits, strict=True) if s != "test"]
    assert document["test_filenames"] == [n for n, s in zip("0123", splits, strict=True) if s == "test"]
    assert document["val_filenames"] == val


def test_without_frames_for_testing_there_are_no_lists(tmp_path: Path) -> None:
    views = cameras()
    transforms.write_transforms(tmp_path / "transforms.json", views, list("012"), [{"split": s} for s in ("train", "val", "train")])
    assert not any(key.endswith("_filenames") for key in json.loads((tmp_path / "transforms.json").read_text()))
