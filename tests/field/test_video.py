"""The MP4 writer: decodes back, is deterministic, refuses frames that do not agree."""

from __future__ import annotations

import subprocess
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest

from pipeline.errors import StageError
from stages.artifacts.video import write_mp4


def frames(count: int, height: int, width: int) -> list[np.ndarray]:
    ramp = np.linspace(0, 200, width)[None, :, None] * np.ones((height, 1, 3))
    return [np.clip(ramp + 8 * i, 0, 255).astype(np.uint8) for i in range(count)]


def decode(path: Path, height: int, width: int) -> np.ndarray:
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-loglevel", "error", "-i", str(path), "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    raw = subprocess.run(command, check=True, capture_output=True).stdout
    return np.frombuffer(raw, np.uint8).reshape(-1, height, width, 3)


def test_frames_come_back(tmp_path: Path) -> None:
    source = frames(6, 48, 64)
    got = decode(write_mp4(tmp_path / "a.mp4", iter(source), 12), 48, 64)
    assert got.shape == (6, 48, 64, 3)
    assert np.abs(got.astype(int) - np.stack(source)).mean() < 3


def test_odd_sizes_are_padded(tmp_path: Path) -> None:
    assert decode(write_mp4(tmp_path / "a.mp4", frames(2, 33, 47), 24), 34, 48).shape[0] == 2


def test_same_frames_same_bytes(tmp_path: Path) -> None:
    a, b = (write_mp4(tmp_path / n, frames(5, 32, 32), 24).read_bytes() for n in ("a.mp4", "b.mp4"))
    assert a == b


def test_frames_that_differ_in_size_are_refused(tmp_path: Path) -> None:
    with pytest.raises(StageError, match=r"frame 1 is uint8 \(16, 16, 3\), expected uint8"):
        write_mp4(tmp_path / "a.mp4", [*frames(1, 32, 32), *frames(1, 16, 16)], 24)


def test_no_frames_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StageError, match="at least one frame"):
        write_mp4(tmp_path / "a.mp4", [], 24)


def test_ffmpeg_failure_is_told(tmp_path: Path) -> None:
    with pytest.raises(StageError, match="ffmpeg ended with"):
        write_mp4(tmp_path / "missing" / "a.mp4", frames(2, 32, 32), 24)
