"""The folder between conditions and everything after it: round trips and what validate() refuses."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import ArtifactError
from stages.artifacts import conditions
from stages.artifacts.body import BodyModel, Skeleton, axis_angle_wxyz
from stages.artifacts.cameras import ring
from stages.artifacts.images import write_png


def stick() -> BodyModel:
    """Two triangles on two bones."""
    skeleton = Skeleton(("hips", "spine"), np.array([-1, 0]), np.array([[0, 0, 0], [0, 0, 1.0]]), np.array([[0, 0, 1], [0, 0, 2.0]]))
    v_pos = np.array([[0, 0, 0], [1, 0, 0], [0, 0, 2], [1, 0, 2.0]])
    weights = np.array([[1, 0], [1, 0], [0, 1], [0.25, 0.75]])
    v_tex = np.array([[0, 0], [1, 0], [0, 1], [1, 1.0]])
    faces = np.array([[0, 1, 3], [0, 3, 2]])
    kd = np.arange(12, dtype=np.float32).reshape(2, 2, 3) / 255
    return BodyModel(v_pos, faces, v_tex, faces, np.array([0, 1]), ("face", "neck"), skeleton, weights, {"chin": 3}, kd)


def filled(folder: Path) -> conditions.ConditionSet:
    body, head = ring("body", 4, np.zeros(3), 4.0, 0.0, 90.0, 12, 16), ring("head", 2, np.zeros(3), 1.0, 0.0, 99.0, 12, 16)
    conditions.write_cameras(folder, {"body": body, "head": head}, "mask")
    points = np.zeros((18, 3))
    points[2] = 1.23456, 7.5, 1
    empty = np.zeros((0, 3))
    conditions.write_keypoints(folder, {c.name: conditions.ViewKeypoints(points, empty, empty, empty) for c in body + head})
    for camera in body + head:
        for kind in ("mask", "depth"):
            write_png(folder / kind / f"{camera.name}.png", np.full((16, 12, 3), 51, np.uint8))
    rotations = {"spine": axis_angle_wxyz(np.array([1.0, 0, 0]), 30.0)}
    conditions.write_body(folder, stick(), stick().skeleton.joint_transforms(rotations))
    return conditions.ConditionSet.open(folder)


def test_what_was_written_is_read(tmp_path: Path) -> None:
    found = filled(tmp_path)
    found.validate()
    assert found.rings == {"body": [0, 1, 2, 3], "head": [4, 5]}
    assert found.names[:2] == ["body_00", "body_01"] and found.kinds == ("depth", "mask")
    assert found.cameras[4].fx == 99.0 and found.frames[1].extra["azimuth_deg"] == pytest.approx(90.0)
    assert found.image("depth", "head_01").shape == (16, 12, 3) and found.image("depth", "head_01").dtype == np.float32
    assert found.mask("body_00").shape == (16, 12) and np.allclose(found.mask("body_00"), 0.2)
    assert np.allclose(found.keypoints["head_00"].body[2], [1.235, 7.5, 1])
    assert found.keypoints["head_00"].face.shape == (0, 3)


def test_the_body_is_kept_at_rest_and_posed(tmp_path: Path) -> None:
    found, body = filled(tmp_path), stick()
    posed = body.posed({"spine": axis_angle_wxyz(np.array([1.0, 0, 0]), 30.0)})
    for name in ("v_pos", "t_pos_idx", "v_tex", "t_tex_idx", "t_part", "weights", "kd"):
        assert np.array_equal(getattr(found.body_rest, name), getattr(body, name)), name
    assert np.allclose(found.body_posed.v_pos, posed.v_pos, atol=1e-12)
    assert np.allclose(found.body_posed.skeleton.tails, posed.skeleton.tails, atol=1e-12)
    assert found.body_rest.skeleton.names == body.skeleton.names and found.body_rest.part_names == body.part_names
    assert found.body_rest.landmarks == {"chin": 3}
    back = np.linalg.inv(found.rest2posed)
    assert np.allclose(found.body_posed.skeleton.posed(back).heads, body.skeleton.heads)


def test_equal_bodies_give_equal_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        filled(tmp_path / name)
    for file in ("body.safetensors", "body.json", "keypoints.json", "transforms.json"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_what_is_broken_is_named(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="has no transforms.json"):
        conditions.ConditionSet.open(tmp_path)
    found = filled(tmp_path)
    with pytest.raises(ArtifactError, match="holds no 'canny' pictures, only depth, mask"):
        found.image("canny", "body_00")
    write_png(tmp_path / "depth/body_02.png", np.zeros((16, 13, 3), np.uint8))
    with pytest.raises(ArtifactError, match=r"depth/body_02.png: is \(13, 16\), its camera \(12, 16\)"):
        found.validate()
    (tmp_path / "depth/body_02.png").unlink()
    with pytest.raises(ArtifactError, match="depth/body_02.png: is missing"):
        found.validate()
