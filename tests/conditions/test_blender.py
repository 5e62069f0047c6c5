"""Blender as a program: its passes against our rasterizer's, its files, its errors."""

import os
import struct
import sys
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import ArtifactError, StageError
from stages.artifacts.cameras import Camera, orbit
from stages.conditions.blender import BlenderRenderer
from stages.conditions.software import SoftwareRenderer
from tests.conditions.mannequin import mannequin
from third_party.blender import process
from third_party.blender.exr import read_exr
from third_party.blender.provision import BlenderProgram

REFUSAL = BlenderRenderer().probe()


@pytest.mark.skipif(REFUSAL is not None, reason=str(REFUSAL))
def test_both_backends_draw_the_same_geometry(tmp_path: Path) -> None:
    body = mannequin()
    close = orbit("close", np.array([0, 0, 1.45]), 1.5, 140.0, 20.0, 700.0, 150, 200)
    shifted = Camera("shifted", orbit("a", np.array([0, 0, 0.8]), 4.0, 35.0, -15.0, 1.0, 2, 2).c2w, 430.0, 430.0, 95.0, 81.0, 150, 200)
    cameras = [orbit("front", np.array([0, 0, 0.8]), 4.0, 0.0, 0.0, 430.0, 150, 200), close, shifted]
    views = zip(BlenderRenderer().render(body, cameras, tmp_path), SoftwareRenderer().render(body, cameras, tmp_path), strict=True)
    for theirs, ours in views:
        both, either = theirs.covered & ours.covered, theirs.covered | ours.covered
        assert both.sum() / either.sum() > 0.998 and theirs.camera == ours.camera
        assert (theirs.part[both] == ours.part[both]).mean() > 0.998
        assert (theirs.tri_id[both] == ours.tri_id[both]).mean() > 0.99
        same = both & (theirs.tri_id == ours.tri_id)
        assert np.abs(theirs.depth[same] - ours.depth[same]).max() < 1e-3
        assert np.quantile((theirs.normal[same] * ours.normal[same]).sum(-1), 0.01) > 0.999
        assert np.quantile(np.abs(theirs.albedo[same] - ours.albedo[same]), 0.99) < 2e-3
        assert (theirs.normal[~theirs.covered] == 0).all() and np.isinf(theirs.depth[~theirs.covered]).all()
    assert not list(tmp_path.glob("*"))  # scratch is removed


def test_versions_enter_the_key() -> None:
    assert SoftwareRenderer().version().startswith("1+numba")
    assert REFUSAL is not None or BlenderRenderer().version().startswith("1+4.")


def exr_bytes(channels: dict[str, np.ndarray], compression: int = 0, kind: int = 2) -> bytes:
    """As the specification has it, written independently of the reader."""
    names = sorted(channels)
    height, width = channels[names[0]].shape

    def attribute(name: str, type_: str, value: bytes) -> bytes:
        return name.encode() + b"\0" + type_.encode() + b"\0" + struct.pack("<i", len(value)) + value

    listed = b"".join(n.encode() + b"\0" + struct.pack("<iBxxxii", kind, 0, 1, 1) for n in names) + b"\0"
    box = struct.pack("<iiii", 0, 0, width - 1, height - 1)
    header = b"".join([
        struct.pack("<II", 20000630, 2), attribute("channels", "chlist", listed), attribute("compression", "compression", bytes([compression])),
        attribute("dataWindow", "box2i", box), attribute("displayWindow", "box2i", box), attribute("lineOrder", "lineOrder", b"\0"), b"\0",
    ])
    lines = [struct.pack("<ii", y, 4 * width * len(names)) + b"".join(channels[n][y].astype("<f4").tobytes() for n in names) for y in range(height)]
    start = len(header) + 8 * height
    table = b"".join(struct.pack("<Q", start + y * len(lines[0])) for y in range(height))
    return header + table + b"".join(lines)


def test_exr_is_read_exactly(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    channels = {"ViewLayer.Depth.Z": rng.random((5, 7), np.float32), "ViewLayer.Normal.X": rng.random((5, 7), np.float32)}
    (tmp_path / "a.exr").write_bytes(exr_bytes(channels))
    found = read_exr(tmp_path / "a.exr")
    assert set(found) == set(channels) and all(np.array_equal(found[k], channels[k]) for k in channels)


@pytest.mark.parametrize("data", [b"", b"hello there", exr_bytes({"a": np.zeros((2, 2))}, compression=3), exr_bytes({"a": np.zeros((2, 2))}, kind=1),
                                  exr_bytes({"a": np.zeros((9, 9))})[:-40]])
def test_other_files_are_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.exr").write_bytes(data)
    with pytest.raises(ArtifactError, match="a.exr: is not an uncompressed 32-bit OpenEXR"):
        read_exr(tmp_path / "a.exr")


@pytest.fixture()
def any_python(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Plain Python in Blender's place, and a folder for the scripts that it runs."""
    monkeypatch.setattr(process, "SCRIPTS", tmp_path)
    monkeypatch.setattr(process, "program", lambda: BlenderProgram([sys.executable], "4.5.0", "bpy", Path(sys.executable)))
    return tmp_path


def test_the_tail_of_what_it_said_is_in_the_error(any_python: Path) -> None:
    (any_python / "dies.py").write_text("import sys\nfor i in range(50): print('line', i, file=sys.stderr)\nraise SystemExit(7)")
    with process.BlenderRun("dies.py", {}, any_python / "work") as run, pytest.raises(StageError) as caught:
        run.response()
    assert "ended with 7" in str(caught.value) and "line 49" in str(caught.value) and "line 20" not in str(caught.value)
    with process.BlenderRun("dies.py", {}, any_python / "work") as run, pytest.raises(StageError, match="without making view.exr"):
        list(run.files(["view.exr"]))


def test_requests_and_responses_are_files_and_a_run_left_behind_is_ended(any_python: Path) -> None:
    (any_python / "echo.py").write_text(
        "import json, sys, pathlib\nf = pathlib.Path(sys.argv[-1])\n(f / 'one.txt').write_text('1')\n"
        "(f / 'response.json').write_text((f / 'request.json').read_text())\n"
    )
    with process.BlenderRun("echo.py", {"n": 3}, any_python / "work") as run:
        assert [p.name for p in run.files(["one.txt"])] == ["one.txt"] and run.response() == {"n": 3}
    (any_python / "sleeps.py").write_text("import os, sys, time, pathlib\n(pathlib.Path(sys.argv[-1]) / 'pid.tmp').write_text(str(os.getpid()))\n"
                                          "os.replace(sys.argv[-1] + '/pid.tmp', sys.argv[-1] + '/pid')\ntime.sleep(60)")
    with process.BlenderRun("sleeps.py", {}, any_python / "work") as run:
        pid = int(next(run.files(["pid"])).read_text())
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
