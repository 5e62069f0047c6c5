"""Settings of the real recipe that can never work are refused, with their place, before anything runs."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import stages
from pipeline.commands import Request, prepare
from pipeline.errors import ConfigError, MissingError
from stages.artifacts.cameras import ring
from stages.artifacts.views import write_view_set

RECIPE = stages.character()
HEAD = "name: mika\nprompt: a girl\n"


def refused(tmp_path: Path, text: str, until: str | None = None) -> list[str]:
    path = tmp_path / "c.yaml"
    path.write_text(HEAD + text)
    (tmp_path / "c.safetensors").write_text("no weights at all")
    with pytest.raises(ConfigError) as caught:
        prepare(Request(RECIPE, path, until=until, out=tmp_path / "outputs", cache=tmp_path / "cache"))
    assert caught.value.exit_code == 2 and not (tmp_path / "outputs").exists()
    return [line.strip().replace(f"{tmp_path}{os.sep}", "") for line in str(caught.value).splitlines()[1:]]


@pytest.mark.parametrize(("text", "expected"), [
    ("export: {name: ../../evil/x}\n", "c.yaml:3:16: export.name: expected text of the form ^\\w[\\w.-]*$, got '../../evil/x'"),
    ("conditions: {width: 300}\n", "c.yaml:3:21: conditions.width: expected a whole number from 32 to 4096, a multiple of 8, got 300"),
    ("views: {ring_suffix: {haed: portrait}}\n", "c.yaml:3:23: views.ring_suffix.haed: there is no such setting; did you mean 'head'?"),
    ("masks:\n  sam: sam_vit_hug\n", "did you mean 'sam_vit_huge'?"),
    ("views: {model: ./own}\n", "c.yaml:3:16: views.model: there is no folder own"),
    ("conditions: {kinds: [openpose]}\n", "c.yaml:3:21: conditions.kinds: views.controlnets[0] (embedded/controlnet-parts) reads 'parts' pictures, and "
                                           "conditions.kinds draws only openpose; add parts there, or take it out of views.controlnets"),
    ("views: {prompt: ' '}\n", "c.yaml:3:17: views.prompt: expected text, got ' ', which is blank"),
    ("views:\n  loras:\n  - {file: style.safetensors}\n", "c.yaml:5:12: views.loras[0].file: there is no file style.safetensors"),
    ("views: {loras: [{file: c.yaml}]}\n", "c.yaml:3:24: views.loras[0].file: expected a .safetensors file, got c.yaml"),
    ("views: {embeddings: [{file: c.safetensors}]}\n", "c.yaml:3:29: views.embeddings[0].file: c.safetensors: is not a safetensors file (a header of "),
    ("conditions: {body: .}\n", "c.yaml:3:20: conditions.body: expected a file, but "),
    ("conditions: {pose_file: .}\n", "c.yaml:3:25: conditions.pose_file: expected a file, but "),
    ("export: {formats: obj}\n", "c.yaml:3:19: export.formats: expected a list: each text, got 'obj'; write it as [glb]. Files to write: `glb` "),
    ("rig: {motion: hop}\n", "c.yaml:3:15: rig.motion: there is no file hop"),
    ("rig: {motion: c.yaml}\n", "c.yaml:3:15: rig.motion: c.yaml: no motion is read from *.yaml; expected one of .bvh, .glb, .vmd, or the name of a built-in clip"),
    ("rig: {clips: [fly]}\n", "c.yaml:3:15: rig.clips[0]: expected one of idle, walk, wave, turn, got 'fly'"),
    ("conditions: {body: c.yaml}\n", "c.yaml:3:20: conditions.body: c.yaml: a body is a file of type .glb, .vrm, .fbx, .blend, not .yaml"),
])
def test_what_cannot_work(tmp_path: Path, text: str, expected: str) -> None:
    (said,) = refused(tmp_path, text)
    assert said == expected or said.endswith(expected) or said.startswith(expected)


def test_lists_and_their_items_from_the_command_line(tmp_path: Path) -> None:
    others = (("prompt", "a girl"), ("export.formats", "glb,obj"), ("views.controlnets.0.scale", "0.5"))
    config = prepare(Request(RECIPE, None, others, out=tmp_path / "outputs", cache=tmp_path / "cache")).config
    assert config.stages["export"].formats == ("glb", "obj")
    (control,) = config.stages["views"].controlnets
    assert (control.model, control.scale) == ("embedded/controlnet-parts", 0.5)


def test_pictures_that_are_not_painted_need_no_kinds(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(HEAD + "conditions: {kinds: [openpose], backend: software}\n")
    assert prepare(Request(RECIPE, tmp_path / "c.yaml", until="conditions")).graph.steps
    cameras = ring("a", 2, np.zeros(3), 4.0, 0.0, 20.0, 8, 10)
    write_view_set(tmp_path / "own", zip(cameras, [np.zeros((10, 8, 4), np.uint8)] * 2, strict=True))
    (tmp_path / "c.yaml").write_text(HEAD + "conditions: {kinds: [openpose]}\nviews: {source: images, folder: own}\n")
    assert prepare(Request(RECIPE, tmp_path / "c.yaml", until="views")).graph.skipped


def rgb_and_rgba(folder: Path, count: int, plain: list[int]) -> None:
    """``count`` pictures with cameras; those numbered ``plain`` have no alpha."""
    pictures = [np.zeros((10, 8, 3 if i in plain else 4), np.uint8) for i in range(count)]
    write_view_set(folder, zip(ring("a", count, np.zeros(3), 4.0, 0.0, 20.0, 8, 10), pictures, strict=True))


def test_own_pictures_of_which_some_lack_alpha(tmp_path: Path) -> None:
    rgb_and_rgba(tmp_path / "own", 5, [1, 3])
    (tmp_path / "c.yaml").write_text(HEAD + "views:\n  source: images\n  folder: own\n")
    request = Request(RECIPE, tmp_path / "c.yaml", out=tmp_path / "outputs", cache=tmp_path / "cache")
    with pytest.raises(MissingError) as caught:
        prepare(request)
    (said,) = str(caught.value).splitlines()[1:]
    assert said.startswith(f"  {tmp_path / 'c.yaml'}:5:11: views.folder: 2 of 5 pictures have no alpha ") and ": a_01, a_03; and there is no posed body" in said
    assert prepare(replace(request, until="views")).graph.steps, "only masks need it"
    rgb_and_rgba(tmp_path / "own", 5, [])
    assert prepare(request).graph.steps


def test_a_picture_that_is_gone_is_told_once_and_before_what_others_lack(tmp_path: Path) -> None:
    rgb_and_rgba(tmp_path / "own", 2, [0])
    (tmp_path / "own" / "images" / "a_01.png").unlink()
    (said,) = refused(tmp_path, "views:\n  source: images\n  folder: own\n")
    assert "no such picture" in said


def test_a_pose_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "pose.json").write_text(json.dumps({"leftUperArm": [1, 0, 0, 0]}))
    (said,) = refused(tmp_path, "conditions:\n  pose_file: pose.json\n")
    assert said.startswith("c.yaml:4:14: conditions.pose_file: pose.json: unknown joint 'leftUperArm'; did you mean 'leftUpperArm'?")


@pytest.mark.parametrize(("change", "expected"), [
    ({"camera_model": "EQUIRECTANGULAR"}, "the camera model 'EQUIRECTANGULAR' is not known"),
    ({"w": 9}, "its camera 9 x 10"),
    ({"frames": []}, "has no list of 'frames'"),
    (None, "holds neither transforms.json nor transforms_train.json"),
])
def test_own_views_that_will_not_do(tmp_path: Path, change: dict[str, object] | None, expected: str) -> None:
    (tmp_path / "own").mkdir()
    if change is not None:
        cameras = ring("a", 2, np.zeros(3), 4.0, 0.0, 20.0, 8, 10)
        write_view_set(tmp_path / "own", zip(cameras, [np.zeros((10, 8, 4), np.uint8)] * 2, strict=True))
        document = json.loads((tmp_path / "own" / "transforms.json").read_text())
        (tmp_path / "own" / "transforms.json").write_text(json.dumps(document | change))
    (said,) = refused(tmp_path, "views:\n  source: images\n  folder: own\n")
    assert said.startswith("c.yaml:5:11: views.folder: own") and expected in said


def test_an_avatar_of_own_pictures_has_no_rig(tmp_path: Path) -> None:
    cameras = ring("a", 2, np.zeros(3), 4.0, 0.0, 20.0, 8, 10)
    write_view_set(tmp_path / "own", zip(cameras, [np.zeros((10, 8, 4), np.uint8)] * 2, strict=True))
    (said,) = refused(tmp_path, "views: {source: images, folder: own}\nexport:\n  formats: [glb, vrm]\n")
    assert said == ("c.yaml:5:18: export.formats[1]: vrm needs a rig, and there is none: without conditions there is no posed body to take the "
                    "skeleton from; the export is static; take vrm out of export.formats")
