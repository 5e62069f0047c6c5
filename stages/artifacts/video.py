"""MP4 files that every player opens: H.264, 4:2:0, written by the ffmpeg program that imageio-ffmpeg ships."""

from __future__ import annotations

import itertools
import subprocess
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from pipeline.errors import MissingError, StageError


def write_mp4(path: Path, frames_u8: Iterable[np.ndarray], fps: float, quality: int = 18) -> Path:
    """Encode RGB frames (H, W, 3) uint8 at ``fps``; ``quality`` is x264's constant rate factor, lower is better.

    Frames with an odd side are padded by repeating the last row or column. The bytes depend on the frames and the
    encoder's version alone (one thread, no dates). Raises ``MissingError`` without ffmpeg, ``StageError`` if it fails.
    """
    path = Path(path)
    source = iter(frames_u8)
    first = next(source, None)
    if first is None:
        raise StageError(f"{path}: a video needs at least one frame, got none")
    shape = first.shape
    process = subprocess.Popen(
        _arguments(path, shape, fps, quality), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    try:
        _feed(process, path, shape, first, source)
        _, message = process.communicate()
    finally:
        if process.poll() is None:  # a frame could not be had, or the run was interrupted
            process.kill()
            process.wait()
    if process.returncode:
        raise StageError(f"{path}: ffmpeg ended with {process.returncode}: {message.decode(errors='replace')[-800:]}")
    return path


def _arguments(path: Path, shape: tuple[int, ...], fps: float, quality: int) -> list[str]:
    height, width = shape[0] + shape[0] % 2, shape[1] + shape[1] % 2
    return [
        _ffmpeg(), "-y", "-loglevel", "error", "-nostdin",
        "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", f"{fps:g}", "-i", "pipe:0",
        "-an", "-c:v", "libx264", "-preset", "fast", "-crf", str(quality), "-pix_fmt", "yuv420p", "-threads", "1",
        "-map_metadata", "-1", "-fflags", "+bitexact", "-flags:v", "+bitexact", "-movflags", "+faststart", str(path),
    ]


def _ffmpeg() -> str:
    try:
        import imageio_ffmpeg

        return imageio_ffmpeg.get_ffmpeg_exe()
    except (ImportError, RuntimeError) as error:
        raise MissingError(f"no ffmpeg to write videos with ({error}); install the imageio-ffmpeg package") from error


def _feed(
    process: subprocess.Popen, path: Path, shape: tuple[int, ...], first: np.ndarray, rest: Iterable[np.ndarray]
) -> None:
    for index, frame in enumerate(itertools.chain([first], rest)):
        if frame.shape != shape or frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3:
            raise StageError(
                f"{path}: frame {index} is {frame.dtype} {frame.shape}, expected uint8 (height, width, 3) like the first, {shape}"
            )
        padded = np.pad(frame, ((0, shape[0] % 2), (0, shape[1] % 2), (0, 0)), mode="edge")
        try:
            process.stdin.write(np.ascontiguousarray(padded).tobytes())
        except BrokenPipeError:
            return  # ffmpeg has ended; its return code and message say why

