"""The add-on in Blender, without a window: installed from its zip, drawn, run, stopped, imported from, switched off.

The program that it starts here is a stand-in that tells what the engine tells (its lines are the engine's own, kept) and delivers a GLB that
this test made; the pose is turned into a file by the real script.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scripts import build_addon
from stages.artifacts.body import BodyModel
from stages.artifacts.glb import GlbMaterial, GlbMesh, write_glb
from stages.artifacts.images import encode_png
from stages.conditions.body import load_pose
from stages.conditions.importing import GltfImporter
from stages.rig.inpaint import strongest
from tests.pipeline.conftest import command, environment
from tests.rig.figures import body
from third_party.blender.provision import find_blender

ROOT = Path(__file__).resolve().parents[2]
BLENDER = find_blender()
pytestmark = pytest.mark.skipif(isinstance(BLENDER, str), reason=str(BLENDER))

STAND_IN = '''
import json, pathlib, shutil, signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # a job of a shell in the background would inherit that it is ignored
here = pathlib.Path(__file__).parent
said = json.loads(pathlib.Path(sys.argv[2]).read_text(encoding="utf-8"))
print("arguments " + json.dumps(sys.argv[1:]), flush=True)
out = pathlib.Path(sys.argv[sys.argv.index("--out") + 1]) / said["name"]
if said["prompt"] == "fail":
    print("error: mika.yaml:2: it is wrong. Mend it", file=sys.stderr)
    sys.exit(2)
try:
    for line in (here / "events.jsonl").read_text().splitlines():
        event = json.loads(line)
        if event["event"] == "run":
            event.update(name=said["name"], folder=str(out))
        if event["event"] == "delivered":
            out.mkdir(parents=True)
            shutil.copy(here / "figure.glb", out / (said["name"] + ".glb"))
            (out / "report.html").write_text("a report")
            event.update(files=[str(out / (said["name"] + ".glb"))], report=str(out / "report.html"))
        print(json.dumps(event), flush=True)
        time.sleep(3.0 if said["prompt"] == "slow" else 0.01)
except KeyboardInterrupt:
    print("interrupted; the same line goes on from here", file=sys.stderr)
    sys.exit(130)
'''
REAL_SCRIPT = '''
import runpy, sys
sys.path[0] = {root!r}
sys.modules.pop("scripts", None)
runpy.run_module("scripts.pose_of_armature", run_name="__main__")
'''


@pytest.fixture(scope="module")
def figure() -> BodyModel:
    return body(0.04)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, figure: BodyModel) -> Path:
    """A folder with the zip, the stand-in for the project, and a file of the user's own."""
    place = tmp_path_factory.mktemp("addon")
    for folder in ("pipeline", "stages", "scripts"):
        (place / "project" / folder).mkdir(parents=True)
        (place / "project" / folder / "__init__.py").touch()
    (place / "project/pipeline/__main__.py").write_text(STAND_IN)
    (place / "project/scripts/pose_of_armature.py").write_text(REAL_SCRIPT.format(root=str(ROOT)))
    (place / "a.yaml").write_text("name: mika\nprompt: hello\n")
    told = subprocess.run(command("run", "a.yaml", "--progress", "json"), cwd=place, env=environment(), capture_output=True, text=True, check=True)
    (place / "project/pipeline/events.jsonl").write_text(told.stdout)
    mesh = GlbMesh(figure.v_pos, figure.t_pos_idx, v_tex=np.full((1, 2), 0.5), t_tex_idx=np.zeros_like(figure.t_pos_idx))
    picture = GlbMaterial(name="skin", kd_png=encode_png(np.full((4, 4, 3), 180, np.uint8)))
    write_glb(place / "project/pipeline/figure.glb", mesh, picture, figure.skeleton, *strongest(figure.weights))
    (place / "own.yaml").write_text('{"name": "own", "prompt": "fail"}')
    build_addon.build(place / "addon.zip")
    return place


@pytest.fixture(scope="module")
def said(place: Path) -> dict[str, Any]:
    """What Blender answered."""
    request = {"zip": str(place / "addon.zip"), "project": str(place / "project"), "python": sys.executable, "outputs": str(place / "out"),
               "glb": str(place / "project/pipeline/figure.glb"), "file": str(place / "own.yaml")}
    (place / "request.json").write_text(json.dumps(request))
    around = {name: value for name, value in os.environ.items() if name not in ("CHARACTER_PIPELINE", "PYTHONPATH")}
    done = subprocess.run(BLENDER.command(Path(__file__).with_name("inside.py"), str(place / "request.json")), capture_output=True, text=True, check=False,
                          env={**around, "BLENDER_USER_RESOURCES": str(place / "user"), "PATH": "/usr/bin:/bin"}, timeout=300)
    lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT")]
    assert lines, (done.stdout + done.stderr)[-3000:]
    return json.loads(lines[0].removeprefix("RESULT"))


def test_it_installs_from_the_zip(said: dict[str, Any]) -> None:
    assert said["installed"] == ["FINISHED"] and said["enabled"]


def test_without_a_python_it_says_what_to_do(said: dict[str, Any]) -> None:
    sentence = "Preferences: name the Python that the project is installed in, such as .venv/bin/python in its folder"
    assert " ".join(said["panel without a Python"]).startswith(sentence)
    assert sentence in said["run without a Python"] and sentence in said["preferences"]
    assert said["preferences"][:3] == ["project", "python", "outputs"]


def test_the_panel_holds_what_can_be_done(said: dict[str, Any]) -> None:
    fields = ["source", "name", "prompt", "profile", "seed", "use_body", "use_pose", "Run", "Stop", "Import", "Results", "Report"]
    assert said["panel without a Python"][-len(fields):] == fields
    assert said["panel when done"] == [*fields, "mika is done", "Log to Text Editor"]
    assert said["panel for files"][:8] == ["source", "file", "own_choice", "use_body", "use_pose", "Run", "Stop", "Import"]


def test_it_runs_in_the_background_and_ends(said: dict[str, Any]) -> None:
    assert said["run"] == ["FINISHED"] and said["timer"]
    assert said["second run is refused"]  # the first is still under way when the button has returned
    assert said["state"] == "done" and said["fractions"] == sorted(said["fractions"]) and any(0 < f < 1 for f in said["fractions"])
    assert "count: starts" in said["log"] and said["text"].splitlines() == said["log"] and said["open"] == [True, True]


def test_what_was_asked_for_stands_in_the_character_file(said: dict[str, Any], place: Path) -> None:
    folder = place / "out/characters"
    assert json.loads((folder / "mika.yaml").read_text()) == {
        "name": "mika", "prompt": 'red "hair"', "seed": 5, "profile": "embedded",
        "conditions": {"body": str(folder / "mika.body.glb"), "pose_file": str(folder / "mika.pose.json")}}
    assert f'["run", "{folder / "mika.yaml"}", "--out", "{place / "out"}", "--progress", "json"]' in said["log"][0]


def test_what_cannot_be_written_as_a_body_is_said(said: dict[str, Any]) -> None:
    posing, hidden, bare = said["refused bodies"]
    assert "Go to Object Mode first" in posing and "is hidden; only what is visible" in hidden and "No visible mesh hangs on" in bare


def test_body_and_pose_stand_as_the_armature_did(said: dict[str, Any], place: Path, figure: BodyModel) -> None:
    """The exported body, posed by the pose file, has its joints where Blender had them, but for the way it faces and where it stands."""
    path = place / "out/characters/mika.body.glb"
    model = GltfImporter(path).load(path, place)
    posed = model.skeleton.posed(model.skeleton.joint_transforms(load_pose(place / "out/characters/mika.pose.json")))
    back = np.array([[np.cos(1), np.sin(1), 0], [-np.sin(1), np.cos(1), 0], [0, 0, 1]])
    wanted = np.array([said["heads"][name] for name in posed.names]) @ back.T
    assert np.abs((posed.heads - posed.heads[0]) - (wanted - wanted[0])).max() < 1e-4
    assert len(model.t_pos_idx) == 6 * len(figure.t_pos_idx), "subdivided by a modifier: three quads a triangle"
    assert said["selected after"] and "Select one armature; none selected" in said["run without an armature"]


def test_the_result_is_imported_at_the_cursor(said: dict[str, Any], figure: BodyModel) -> None:
    assert said["imported"] == ["FINISHED"] and said["bones"] == sorted(figure.skeleton.names) and said["materials"] == ["skin"]
    assert said["roots at"] == [[1, 2, 3]]
    assert np.allclose(said["lowest"], figure.v_pos.min(0) + [1, 2, 3], atol=1e-5)


def test_it_stops_and_can_resume(said: dict[str, Any]) -> None:
    assert said["stopped"] == ["stopped", 130] and "Stopping" in said["panel when stopping"]
    assert "Resume" in said["panel when stopped"] and "Stopped; running it again goes on from here" in said["panel when stopped"]
    assert "Run" in said["panel for another"] and "Resume" not in said["panel for another"]


def test_a_failure_shows_the_programs_own_words(said: dict[str, Any]) -> None:
    assert said["failed"] == ["failed", 2] and "Failed (exit code 2)" in said["panel when failed"]
    assert "error: mika.yaml:2: it is wrong. Mend it" in said["panel when failed"]


def test_a_file_of_ones_own_is_run_as_it_is_but_for_what_the_panel_says(said: dict[str, Any], place: Path) -> None:
    assert "There is no character file '//nowhere.yaml'" in said["no such file"]
    assert json.loads(said["a file's arguments"].removeprefix("arguments "))[1:] == [
        str(place / "own.yaml"), "--out", str(place / "out"), "--progress", "json", "--profile=embedded", "--seed=9"]


def test_switched_off_nothing_is_left_and_the_run_is_stopped(said: dict[str, Any]) -> None:
    assert said["after"] == {"enabled": False, "scene": False, "panel": False, "operator": False, "timer": False, "job": "stopped"}
    assert said["enabled again"]
