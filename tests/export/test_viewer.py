"""The page with the character in three dimensions: whole in itself, and its script poses vertices as we do."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from stages.artifacts.body import skin
from stages.artifacts.cameras import orbit
from stages.artifacts.glb import GlbMaterial, animations_of, write_glb, y_up_to_z_up, z_up_to_y_up
from stages.artifacts.glb_reader import dense_weights, read_glb
from stages.export.figure import Figure
from stages.export.glb import layers_of, surface_at_rest
from stages.export.viewer.page import viewer_page
from stages.rig.motion.builtin import made_clip
from tests.export.attached import attached_rig
from tests.export.gltf_rules import check_rules
from tests.export.test_glb import PNG, figure
from tests.rig.figures import body, skeleton
from tests.rig.stage_folders import mesh_asset

SCRIPT = Path(str(resources.files("stages.export.viewer").joinpath("viewer.js")))
NODE = shutil.which("node")


@pytest.fixture(scope="module")
def light(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The humanoid with two clips, as the page carries it."""
    path = tmp_path_factory.mktemp("viewer") / "a.glb"
    mesh, joints, weights = figure()
    clips = [made_clip(name, skeleton(), 30.0) for name in ("walk", "wave")]
    write_glb(path, mesh, GlbMaterial("m", PNG), body(0.04).skeleton, joints, weights, animations_of(clips))
    return path


def test_the_page_is_whole_and_asks_the_network_for_nothing(light: Path, tmp_path: Path) -> None:
    page = viewer_page("mi<b>ka", light.read_bytes(), [{"ground_m_s": 0.9, "name": "walk"}, {"ground_m_s": 0.0, "name": "wave"}])
    assert page.startswith("<!doctype html>") and not re.search("@[A-Z]+@", page) and "<title>mi&lt;b&gt;ka</title>" in page
    assert not re.search(r"https?:|\bsrc=|\bhref=|fetch\(|XMLHttp|import\(|WebSocket", page)
    assert "default-src 'none'" in page and page.count("</script>") == 2
    (encoded, clips), = re.findall(r'show\("([A-Za-z0-9+/=]+)", (\[.*?\])\)', page)
    (tmp_path / "a.glb").write_bytes(base64.b64decode(encoded, validate=True))
    assert [a["name"] for a in check_rules(tmp_path / "a.glb").json["animations"]] == ["walk", "wave"]
    assert json.loads(clips) == [{"ground_m_s": 0.9}, {"ground_m_s": 0.0}]


def test_the_script_cannot_end_its_element() -> None:
    assert "</script" not in SCRIPT.read_text(encoding="utf-8").lower() and "<!--" not in SCRIPT.read_text(encoding="utf-8")


def node(program: str, *arguments: str) -> dict:
    """What a program prints as JSON; it finds the viewer in ``v``."""
    if NODE is None:
        pytest.skip("node is not on PATH")
    done = subprocess.run([NODE, "-e", f"const v = require(process.argv[1]), fs = require('fs');{program}", str(SCRIPT), *arguments],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-800:]
    return json.loads(done.stdout)


def test_the_script_poses_vertices_as_we_do(light: Path) -> None:
    """At keys the two agree within a tenth of a millimetre, in every clip; between keys turns go on evenly."""
    program = """
    const figure = v.readFigure(new Uint8Array(fs.readFileSync(process.argv[2])));
    const at = (clip, t) => Array.from(v.skinMatrices(figure, v.worldsAt(figure, clip, t)));
    console.log(JSON.stringify({
      clips: figure.clips.map((c) => [c.name, c.seconds]), position: Array.from(figure.position), joints: Array.from(figure.joints), weights: Array.from(figure.weights),
      indices: Array.from(figure.indices), png: figure.png.length, rest: at(null, 0), poses: figure.clips.map((c) => [0.3, 0.9].map((t) => at(c, t)))}));
    """
    got = node(program, str(light))
    assert [n for n, _ in got["clips"]] == ["walk", "wave"] and got["clips"][1][1] == pytest.approx(4.0) and got["png"] == len(PNG)
    position, joints = np.array(got["position"]).reshape(-1, 3), np.array(got["joints"]).reshape(-1, 4)
    weights, triangles = np.array(got["weights"]).reshape(-1, 4), np.array(got["indices"]).reshape(-1, 3)

    def moved(numbers: list[float]) -> np.ndarray:
        matrices = np.array(numbers).reshape(-1, 4, 4).transpose(0, 2, 1)
        blended = np.einsum("vk,vkab->vab", weights, matrices[joints])
        return y_up_to_z_up(np.einsum("vab,vb->va", blended[:, :3, :3], position) + blended[:, :3, 3])[triangles]

    mesh, our_joints, our_weights = figure()
    dense = dense_weights(our_joints.astype(int), our_weights, len(skeleton().names))
    np.testing.assert_allclose(moved(got["rest"]), mesh.v_pos[mesh.t_pos_idx], atol=1e-5)
    for name, poses in zip(("walk", "wave"), got["poses"], strict=True):
        clip = made_clip(name, skeleton(), 30.0)
        for key, pose in zip((9, 27), poses, strict=True):
            np.testing.assert_allclose(moved(pose), skin(mesh.v_pos, dense, clip.pose(key))[mesh.t_pos_idx], atol=1e-4)


def test_the_scripts_camera_is_ours() -> None:
    """Azimuth 0 is the front, positive towards the character's left; the same point of the picture as our own camera's."""
    got = node("console.log(JSON.stringify([0, 0.7, -2].map((a) => Array.from(v.multiply(v.perspective(0.6, 0.8, 0.1, 50), v.orbitView(a, 0.3, 4, [0.1, 1.0, -0.2]))))));")
    point = np.array([0.3, -0.2, 1.4])
    focal = 100 / 2 / np.tan(0.3)
    for azimuth, numbers in zip((0, 0.7, -2), got, strict=True):
        clip = np.array(numbers).reshape(4, 4).T @ [*z_up_to_y_up(point), 1.0]
        camera = orbit("c", np.array([0.1, 0.2, 1.0]), 4.0, np.degrees(azimuth), np.degrees(0.3), focal, 80, 100)
        pixel, _ = camera.project(point[None])
        np.testing.assert_allclose([(clip[0] / clip[3] + 1) * 40, (1 - clip[1] / clip[3]) * 50], pixel[0], atol=1e-6)


def test_time_goes_round_and_stands_still() -> None:
    got = node("""
    const s = {playing: true, clip: {seconds: 2}, t: 1.9, played: 5}; v.advance(s, 0.3); const first = [s.t, s.played]; s.playing = false; v.advance(s, 1);
    const z = {distance: 3, nearest: 1}; v.zoom(z, 100); const far = z.distance; v.zoom(z, 1e-6); console.log(JSON.stringify([first, s.t, far, z.distance]));""")
    assert got[0] == pytest.approx([0.2, 5.3]) and got[1] == got[0][0] and got[2:] == [12, 1]


def test_the_script_reads_every_surface_and_its_morphs(tmp_path: Path) -> None:
    rig = attached_rig(tmp_path / "rig")
    figure = Figure(mesh_asset(tmp_path / "mesh", body(0.04).v_pos, body(0.04).t_pos_idx).mesh, rig.skinning, (), (), rig.attachments, rig.morphs, rig.hidden)
    skinning, layers = rig.skinning, layers_of(rig.attachments, "m")
    write_glb(tmp_path / "a.glb", surface_at_rest(figure, skinning), GlbMaterial("m", PNG), skinning.skeleton, skinning.joints, skinning.weights, layers=layers)
    got = node("""
    const f = v.readFigure(new Uint8Array(fs.readFileSync(process.argv[2])));
    console.log(JSON.stringify({names: f.expressions, parts: f.parts.map((p) => [p.position.length, p.png.length > 0, p.bothSides]),
      morphs: f.parts.map((p) => [...p.morphs].map(([n, d]) => [n, Array.from(d)]))}));""", str(tmp_path / "a.glb"))
    ours = read_glb(tmp_path / "a.glb").parts
    assert got["names"] == ["aa", "blink", "wink"] and got["parts"] == [[3 * len(p.v_pos), True, p.name == "hat"] for p in ours]
    for part, morphs in zip(ours, got["morphs"], strict=True):
        assert [name for name, _ in morphs] == list(part.morphs)
        for name, moved in morphs:
            np.testing.assert_allclose(y_up_to_z_up(np.array(moved).reshape(-1, 3)), part.morphs[name], atol=1e-7)


def test_eyes_are_open_most_of_the_time_and_shut_now_and_then() -> None:
    shut = np.array(node("console.log(JSON.stringify(Array.from({length: 6000}, (_, k) => v.blinkAt(k / 100))));"))
    assert shut.min() == 0 and shut.max() == 1 and 0.02 < (shut > 0.5).mean() < 0.1
    begins = np.flatnonzero((shut[1:] > 0.5) & (shut[:-1] <= 0.5))
    assert 14 <= len(begins) <= 30 and np.abs(np.diff(shut)).max() < 0.2
