"""Animations of GLB files as motions: ours come back as they were; others' samplers are sampled as the standard says."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import ConfigError
from stages.artifacts.glb import GlbMesh, animations_of, write_glb
from stages.artifacts.motion import Clip
from stages.artifacts.rotations import about
from stages.rig.inpaint import strongest
from stages.rig.motion.builtin import made_clip
from stages.rig.motion.glb_animation import FPS, read_glb_animation
from stages.rig.motion.reading import read_motion
from stages.rig.motion.retarget import retarget
from tests.rig.figures import body, skeleton


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Clip]]:
    path = tmp_path_factory.mktemp("glb") / "figure.glb"
    clips = [made_clip(name, skeleton(), FPS) for name in ("walk", "wave")]
    b = body(0.04)
    joints, weights = strongest(b.weights)
    write_glb(path, GlbMesh(b.v_pos, b.t_pos_idx), None, b.skeleton, joints, weights, animations_of(clips))
    return path, clips


@pytest.mark.parametrize(("name", "which"), [(None, 0), ("walk", 0), ("wave", 1)])
def test_our_own_clips_come_back(ours, name: str | None, which: int) -> None:
    path, clips = ours
    settled = read_motion(path, name)
    assert settled.unit == "metres" and settled.clip.frames == clips[which].frames
    got, meant = settled.clip.posture(), clips[which].posture()
    across = meant.at("leftUpperLeg")[0] - meant.at("rightUpperLeg")[0]
    turn = about((0, 0, 1), -np.arctan2(across[1], across[0]))
    for joint in skeleton().names:
        place = (meant.at(joint)) @ turn.T - (meant.heads[0, 0] @ turn.T) * [1, 1, 0]
        np.testing.assert_allclose(got.at(joint), place, atol=2e-6, err_msg=joint)
        np.testing.assert_allclose(got.turns[:, got.skeleton.index(joint)], turn @ meant.turns[:, meant.skeleton.index(joint)], atol=1e-5)


def test_retargeted_onto_itself_it_is_the_same_but_for_its_feet(ours) -> None:
    path, clips = ours
    clip = retarget(read_motion(path, "wave").clip, skeleton(), "wave", hold=False)
    np.testing.assert_allclose(np.abs((clip.rotations_wxyz[:, 1:] * clips[1].rotations_wxyz[:, 1:]).sum(-1)), 1, atol=1e-6)


def test_an_animation_that_is_not_there_is_named_with_those_that_are(ours, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"it holds no animation 'jump'; there are: walk, wave"):
        read_glb_animation(ours[0], "jump")
    write_glb(tmp_path / "still.glb", GlbMesh(np.eye(3), np.array([[0, 1, 2]])))
    with pytest.raises(ConfigError, match="still.glb: it holds no animation"):
        read_glb_animation(tmp_path / "still.glb")
    (tmp_path / "cut.glb").write_bytes(ours[0].read_bytes()[:3000])
    with pytest.raises(ConfigError, match="cut.glb: not a GLB file with an animation that can be read"):
        read_glb_animation(tmp_path / "cut.glb")


def bare_file(path: Path, interpolation: str, keys: np.ndarray, times: list[float], path_name: str = "rotation") -> Path:
    """A GLB without a mesh: a humanoid of nodes under a scaled, turned one, whose head moves."""
    names = ["hips", "spine", "head", *(s + p for s in ("left", "right") for p in ("UpperArm", "LowerArm", "Hand", "UpperLeg", "LowerLeg", "Foot"))]
    parent = {"spine": "hips", "head": "spine"} | {s + b: s + a for s in ("left", "right") for a, b in (
        ("UpperArm", "LowerArm"), ("LowerArm", "Hand"), ("UpperLeg", "LowerLeg"), ("LowerLeg", "Foot"))}
    places = {"hips": (0, 100, 0), "spine": (0, 20, 0), "head": (0, 40, 0), "UpperArm": (20, 30, 0), "LowerArm": (25, 0, 0), "Hand": (25, 0, 0),
              "UpperLeg": (10, 0, 0), "LowerLeg": (0, -45, 0), "Foot": (0, -45, 0)}
    nodes = []
    for name in names:
        bare = name.removeprefix("left").removeprefix("right")
        x, y, z = places[bare]
        node = {"name": name, "translation": [-x if name.startswith("right") else x, y, z]}
        children = [names.index(n) for n in names if parent.get(n, {"UpperArm": "spine", "UpperLeg": "hips"}.get(n.removeprefix("left").removeprefix("right"))) == name]
        nodes.append(node | ({"children": children} if children else {}))
    nodes.append({"name": "armature", "scale": [0.01] * 3, "children": [0]})
    binary = np.array(times, "<f4").tobytes() + keys.astype("<f4").tobytes()
    document = {
        "asset": {"version": "2.0"}, "scene": 0, "scenes": [{"nodes": [len(nodes) - 1]}], "nodes": nodes, "buffers": [{"byteLength": len(binary)}],
        "bufferViews": [{"buffer": 0, "byteOffset": 0, "byteLength": 4 * len(times)}, {"buffer": 0, "byteOffset": 4 * len(times), "byteLength": keys.size * 4}],
        "accessors": [{"bufferView": 0, "componentType": 5126, "count": len(times), "type": "SCALAR"},
                      {"bufferView": 1, "componentType": 5126, "count": keys.size // keys.shape[-1], "type": f"VEC{keys.shape[-1]}"}],
        "animations": [{"samplers": [{"input": 0, "output": 1, "interpolation": interpolation}],
                        "channels": [{"sampler": 0, "target": {"node": names.index("head") if path_name == "rotation" else 0, "path": path_name}}]}],
    }
    text = json.dumps(document).encode()
    text += b" " * (-len(text) % 4)
    path.write_bytes(struct.pack("<4sII", b"glTF", 2, 28 + len(text) + len(binary)) + struct.pack("<I4s", len(text), b"JSON") + text
                     + struct.pack("<I4s", len(binary), b"BIN\0") + binary)
    return path


QUARTER = np.array([[0, 0, 0, 1], [0, np.sin(np.pi / 4), 0, np.cos(np.pi / 4)]])  # about glTF's y, which is the world's z


@pytest.mark.parametrize(("interpolation", "keys", "middle_deg"), [
    ("LINEAR", QUARTER, 45.0), ("LINEAR", QUARTER * [[1], [-1]], 45.0), ("STEP", QUARTER, 0.0),
    ("CUBICSPLINE", np.stack([np.zeros((2, 4)), QUARTER, np.zeros((2, 4))], 1).reshape(6, 4), 45.0),
])
def test_samplers(tmp_path: Path, interpolation: str, keys: np.ndarray, middle_deg: float) -> None:
    recording = read_glb_animation(bare_file(tmp_path / "a.glb", interpolation, keys, [0.0, 1.0]))
    head = recording.turns[:, recording.names.index("head")]
    angles = np.degrees(np.arctan2(head[:, 1, 0], head[:, 0, 0]))
    assert len(angles) == 61 and angles[0] == pytest.approx(0, abs=1e-9) and angles[30] == pytest.approx(middle_deg, abs=1e-6) and angles[60] == pytest.approx(90)
    quarter = {"LINEAR": 22.5, "STEP": 0.0, "CUBICSPLINE": None}[interpolation]
    if quarter is not None:
        assert angles[15] == pytest.approx(quarter, abs=1e-6)


def test_places_of_the_hips_in_the_worlds_frame(tmp_path: Path) -> None:
    """glTF's z is forward: 50 units under a node scaled by 0.01 are half a metre towards -Y."""
    path = bare_file(tmp_path / "a.glb", "LINEAR", np.array([[0, 100, 0], [0, 110, 50.0]]), [0.0, 1.0], "translation")
    recording = read_glb_animation(path)
    np.testing.assert_allclose(recording.places[[0, 30, 60]], [[0, 0, 1.0], [0, -0.25, 1.05], [0, -0.5, 1.1]], atol=1e-7)
    settled = read_motion(path)
    assert settled.unit == "metres"
    np.testing.assert_allclose(settled.clip.posture().at("head")[60], [0, -0.5, 1.7], atol=1e-7)


def test_times_that_do_not_grow_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="times do not grow"):
        read_glb_animation(bare_file(tmp_path / "a.glb", "LINEAR", QUARTER, [1.0, 1.0]))
