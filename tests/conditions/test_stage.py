"""The whole stage, small: what it leaves, that it resumes, and what it refuses."""

import json
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from pydantic import ValidationError

from pipeline.errors import ConfigError, StageError
from pipeline.runner import run_stage
from stages.artifacts.conditions import KINDS, ConditionSet
from stages.artifacts.images import read_png
from stages.conditions import STAGE, NoInputs
from stages.conditions import run as stage_run
from stages.conditions.body import POSES
from stages.conditions.framing import rings
from stages.conditions.settings import BodyRingSettings, ConditionsSettings, HeadRingSettings, PoseName
from stages.conditions.single_view import parts_view
from tests.conditions.mannequin import mannequin

SMALL = {"width": 48, "height": 64, "backend": "software", "body_ring": {"views": 6}, "head_ring": {"views": 3}}


@pytest.fixture(autouse=True)
def _small_body(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stages.conditions.body.load_base_body", mannequin)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> ConditionSet:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("stages.conditions.body.load_base_body", mannequin)
        return run_stage(STAGE, ConditionsSettings(**SMALL), NoInputs(), tmp_path_factory.mktemp("run") / "out")


def test_every_view_has_every_kind(made: ConditionSet) -> None:
    made.validate()
    assert made.kinds == KINDS and made.rings == {"body": list(range(6)), "head": [6, 7, 8]}
    assert made.names == [f"body_{i:02d}" for i in range(6)] + [f"head_{i:02d}" for i in range(3)]
    assert [f.extra["azimuth_deg"] for f in made.frames[:6]] == pytest.approx([0, 60, 120, 180, 240, 300])
    for kind in KINDS:
        for name in made.names:
            picture = read_png(made.folder / kind / f"{name}.png")
            assert picture.dtype == np.uint8 and picture.shape == (64, 48, 1 if kind == "mask" else 3) and picture.any()


def test_backgrounds_are_opaque_black_and_kinds_agree_on_the_figure(made: ConditionSet) -> None:
    mask = made.mask("body_01")
    for kind in ("depth", "normal", "parts", "albedo"):
        image = made.image(kind, "body_01")
        assert (image[mask == 0] == 0).all()
        assert (image[mask == 1].max(-1) > 0).all()


def test_the_body_is_kept_and_the_cameras_frame_it(made: ConditionSet) -> None:
    assert np.allclose(made.body_rest.v_pos, mannequin().v_pos)
    assert not np.allclose(made.rest2posed, 0)
    pixels = np.concatenate([c.project(made.body_posed.v_pos)[0] for c in made.cameras[:6]])
    low, high = pixels.min(0), pixels.max(0)
    assert (low >= [0.05 * 48 - 1e-6, 0.05 * 64 - 1e-6]).all() and (high <= [0.95 * 48 + 1e-6, 0.95 * 64 + 1e-6]).all()
    assert low.min() < 0.08 * 64


def test_previews_are_there(made: ConditionSet) -> None:
    sheet = read_png(made.folder / "preview/contact_sheet.png")
    assert sheet.shape[0] > len(KINDS) * 64 and sheet.shape[1] > 5 * 48 and (made.folder / "preview/rings.png").is_file()


def test_single_views_equal_the_stages(made: ConditionSet) -> None:
    for i in (0, 4, 7):
        stored = read_png(made.folder / "parts" / f"{made.names[i]}.png")
        assert np.array_equal(stored, parts_view(made.body_posed, made.cameras[i]))


def payload(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_a_killed_run_goes_on_and_ends_in_the_same_bytes(made: ConditionSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[str] = []
    original = stage_run.draw_view

    def failing(fine, *rest):
        if len(drawn) == 4:
            raise StageError("stopped")
        drawn.append(fine.camera.name)
        return original(fine, *rest)

    monkeypatch.setattr(stage_run, "draw_view", failing)
    settings, work = ConditionsSettings(**SMALL), tmp_path / "work"
    with pytest.raises(StageError, match="stopped"):
        run_stage(STAGE, settings, NoInputs(), tmp_path / "out", work_dir=work, threads=1)
    again: list[str] = []
    monkeypatch.setattr(stage_run, "draw_view", lambda fine, *rest: (again.append(fine.camera.name), original(fine, *rest))[1])
    run_stage(STAGE, settings, NoInputs(), tmp_path / "out", work_dir=work, threads=2)
    assert 0 < len(again) < 9 and len(set(again) | set(drawn)) == 9
    assert payload(tmp_path / "out") == payload(made.folder)


def test_only_what_is_asked_for_is_drawn(tmp_path: Path) -> None:
    pose = tmp_path / "pose.json"
    pose.write_text(json.dumps({"leftUpperArm": {"axis": [0, 1, 0], "angle_deg": -60}}))
    settings = ConditionsSettings(**{**SMALL, "kinds": ("depth",), "head_ring": {"views": 0}, "pose_file": pose})
    found = run_stage(STAGE, settings, NoInputs(), tmp_path / "out")
    assert found.kinds == ("depth", "mask") and set(found.rings) == {"body"}
    hand = found.body_posed.skeleton.index("leftHand")
    assert found.body_posed.skeleton.heads[hand][2] > found.body_rest.skeleton.heads[hand][2] + 0.3
    frame = found.frames[0].extra
    assert 3 < frame["depth_near_m"] < 4 < frame["depth_far_m"] < 5


def test_every_built_in_pose_can_be_named_and_no_other() -> None:
    names = set(get_args(PoseName))
    assert names == {"rest", *POSES}
    with pytest.raises(ValidationError, match="a_pose"):
        ConditionsSettings(pose="disco")


def test_the_ring_of_marching_waifu_x_can_be_said() -> None:
    settings = ConditionsSettings(
        width=768, height=1024, body_ring=BodyRingSettings(views=100, radius_m=4.0, focal_px=2240.0, elevation_deg=0.0), head_ring=HeadRingSettings(views=0)
    )
    body = mannequin()
    cameras = rings(body, settings)["body"]
    middle = (body.v_pos.min(0) + body.v_pos.max(0)) / 2
    assert len(cameras) == 100 and all((c.fx, c.fy, c.cx, c.cy, c.width, c.height) == (2240, 2240, 384, 512, 768, 1024) for c in cameras)
    assert np.allclose([np.linalg.norm(c.position - middle) for c in cameras], 4.0)
    assert np.allclose([c.azimuth_deg for c in cameras], 3.6 * np.arange(100))
    assert not np.allclose(cameras[0].c2w, cameras[-1].c2w)


def test_other_rings_hold_the_body_too() -> None:
    body = mannequin()
    for radius, elevation in ((2.5, 0.0), (4.0, 25.0), (6.0, -20.0)):
        ring = BodyRingSettings(views=8, radius_m=radius, elevation_deg=elevation, margin=0.1)
        cameras = rings(body, ConditionsSettings(body_ring=ring))["body"]
        pixels = np.concatenate([c.project(body.v_pos)[0] for c in cameras]) / [288, 384]
        assert pixels.min() >= 0.1 - 1e-9 and pixels.max() <= 0.9 + 1e-9
        assert min(pixels.min(), 1 - pixels.max()) == pytest.approx(0.1, abs=1e-6)


def test_cameras_inside_the_body_are_refused_with_the_radius_that_will_do() -> None:
    posed = mannequin().posed(POSES["t_pose"])
    near = lambda radius_m: ConditionsSettings(body_ring=BodyRingSettings(radius_m=radius_m))  # noqa: E731
    with pytest.raises(ConfigError, match=r"radius_m: 0.6 m puts cameras inside the posed body; give at least 0\.\d+ m") as caught:
        rings(posed, near(0.6))
    assert rings(posed, near(float(str(caught.value).split()[-2])))["body"][0].fx > 0


def test_settings_refuse_what_makes_no_sense() -> None:
    for wrong in ({"kinds": ("depth", "depth")}, {"kinds": ("depht",)}, {"kinds": ()}, {"width": 3}, {"samples": 9}, {"body_ring": {"views": 0}}, {"colour": 1}):
        with pytest.raises(ValidationError):
            ConditionsSettings(**wrong)
