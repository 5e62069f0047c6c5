"""The one module that knows ``transforms.json``.

Read and written are the forms of NeRF (``camera_angle_x``, ``transforms_{train,val,test}.json``, file names without
extension), instant-ngp (``fl_x fl_y cx cy w h``) and nerfstudio (the same in each frame). ``transform_matrix`` is ``c2w`` with
OpenGL axes, as in ``cameras.Camera``; the world is whatever the file's author used and is not changed. Lenses may be bent (``k1 k2 k3 k4 p1 p2``,
``camera_model``, ``is_fisheye``); what we write is straight.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import ArtifactError
from stages.artifacts.cameras import Camera
from stages.artifacts.images import picture_size
from stages.artifacts.lens import COEFFICIENTS, Lens

SPLITS = ("train", "val", "test")
EXTENSIONS = (".png", ".jpg", ".jpeg", ".webp", ".PNG", ".JPG", ".JPEG")
_INTRINSICS = ("fl_x", "fl_y", "cx", "cy", "w", "h")
_MODELS = ("OPENCV", "PINHOLE", "SIMPLE_PINHOLE", "OPENCV_FISHEYE")  # as nerfstudio names them


@dataclass(frozen=True)
class Frame:
    """One line of ``frames``: its camera, its picture, the split that it came from, whatever else stood there, and the lens that bent the
    picture, which ``ViewSet.image`` undoes."""

    camera: Camera
    image: Path
    split: str = "train"
    extra: Mapping[str, Any] = field(default_factory=dict)
    lens: Lens = Lens()


def write_transforms(
    path: Path, cameras: Sequence[Camera], file_paths: Sequence[str], extras: Sequence[Mapping[str, Any]] | None = None
) -> None:
    """Write ``path`` (usually ``folder/transforms.json``); ``file_paths`` are relative to its folder, one for each camera.

    Intrinsics that all share stand at the top, where every reader looks; where any differs they stand in the frames alone, for nerfstudio believes the
    top and then looks no further. ``extras`` are added to the frames (``ring``, ``azimuth_deg``...); where their ``split`` keeps frames for testing, these
    are listed at the top as nerfstudio asks for it, so that it does not learn from them either.
    """
    if not cameras or len(cameras) != len(file_paths) or (extras is not None and len(extras) != len(cameras)):
        raise ValueError(f"{len(cameras)} cameras, {len(file_paths)} file paths: one for each was expected")
    top = _intrinsics(cameras[0])
    shared = all(_intrinsics(c) == top for c in cameras)
    frames = []
    for i, camera in enumerate(cameras):
        frame: dict[str, Any] = {"file_path": file_paths[i], "transform_matrix": camera.c2w.tolist()}
        if not shared:
            frame.update(_intrinsics(camera))
        frames.append(frame | dict(extras[i] if extras else {}))
    angles = {"camera_angle_x": 2 * math.atan(top["w"] / (2 * top["fl_x"])), "camera_angle_y": 2 * math.atan(top["h"] / (2 * top["fl_y"]))}
    document = (angles | top if shared else {}) | _split_lists(frames) | {"frames": frames}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def _split_lists(frames: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    """``{train,val,test}_filenames``, of which nerfstudio takes all three or none; val are the test frames where there are no others."""
    of = {split: [f["file_path"] for f in frames if f.get("split", "train") == split] for split in SPLITS}
    if not of["test"]:
        return {}
    learnt = [f["file_path"] for f in frames if f["file_path"] not in of["test"]]
    return {"train_filenames": learnt, "val_filenames": of["val"] or of["test"], "test_filenames": of["test"]}


def read_transforms(path: Path, split: str = "train") -> list[Frame]:
    """The frames of one file, in its order. Raises ArtifactError naming the file and the frame."""
    document = _load(path)
    frames = document.get("frames")
    if not isinstance(frames, list) or not frames:
        raise ArtifactError(path, "has no list of 'frames'", "The instant-ngp, nerfstudio or NeRF-synthetic form was expected.")
    return _uniquely_named(path.parent, [_frame(path, i, entry, document, split) for i, entry in enumerate(frames)])


def read_folder(folder: Path) -> list[Frame]:
    """All frames of a folder: ``transforms.json``, or ``transforms_{train,val,test}.json`` with their splits.

    Frames of split "test" must never be trained on; see ``for_training``. Raises ArtifactError.
    """
    single = folder / "transforms.json"
    if single.is_file():
        return read_transforms(single)
    found = [s for s in SPLITS if (folder / f"transforms_{s}.json").is_file()]
    if not found:
        raise ArtifactError(folder, "holds neither transforms.json nor transforms_train.json", "Put a file with the cameras there.")
    return _uniquely_named(folder, [frame for s in found for frame in read_transforms(folder / f"transforms_{s}.json", s)])


def for_training(frames: Sequence[Frame]) -> list[Frame]:
    """The frames that may be learnt from: all but those of the test split."""
    return [f for f in frames if f.split != "test"]


def held_out(frames: Sequence[Frame]) -> list[Frame]:
    """The frames of the test split."""
    return [f for f in frames if f.split == "test"]


def _uniquely_named(folder: Path, frames: list[Frame]) -> list[Frame]:
    """Cameras are named after their pictures; where ``cam0/0000`` meets ``cam1/0000`` after their whole paths in ``folder``.

    Raises ArtifactError naming two pictures that still share a name.
    """
    if len({f.camera.name for f in frames}) == len(frames):
        return frames
    taken: dict[str, Path] = {}
    named = []
    for frame in frames:
        name = _path_name(folder, frame.image)
        if name in taken:
            problem = f"the pictures {taken[name]} and {frame.image} would both be the view '{name}'"
            raise ArtifactError(folder, problem, "List every picture once, and let their names differ in more than punctuation.")
        taken[name] = frame.image
        named.append(replace(frame, camera=replace(frame.camera, name=name)))
    return named


def _path_name(folder: Path, image: Path) -> str:
    """``cam0/rgb/0000.png`` -> ``cam0_rgb_0000``; whatever is no letter, digit, dot or dash becomes an underscore."""
    inside = Path(os.path.relpath(image, folder)).with_suffix("").as_posix()
    return re.sub(r"[^\w.-]+", "_", inside).lstrip("._") or "view"


def _intrinsics(camera: Camera) -> dict[str, float | int]:
    return {"fl_x": camera.fx, "fl_y": camera.fy, "cx": camera.cx, "cy": camera.cy, "w": camera.width, "h": camera.height}


def _load(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ArtifactError(path, f"cannot be read ({error.strerror})", "A file with cameras was expected here.") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ArtifactError(path, f"is not JSON ({error})", "Mend or export it again.") from error
    if not isinstance(document, dict):
        raise ArtifactError(path, f"holds a {type(document).__name__}", "A JSON object with 'frames' was expected.")
    return document


def _frame(path: Path, i: int, entry: Any, document: Mapping[str, Any], split: str) -> Frame:
    if not isinstance(entry, dict) or not isinstance(entry.get("file_path"), str):
        raise ArtifactError(path, f"frame {i} has no 'file_path'", "Each frame names its picture.")
    where = f"frame {i} ({entry['file_path']})"
    lens = _lens(path, where, {**document, **entry})
    image = _picture(path, where, entry["file_path"])
    fx, fy, cx, cy, width, height = _calibration(path, where, {**document, **entry}, image)
    camera = Camera(image.stem, _matrix(path, where, entry.get("transform_matrix")), fx, fy, cx, cy, width, height)
    known = {"file_path", "transform_matrix", *_INTRINSICS, *COEFFICIENTS, "camera_model", "is_fisheye"}
    return Frame(camera, image, split, {k: v for k, v in entry.items() if k not in known}, lens)


def _picture(path: Path, where: str, file_path: str) -> Path:
    image = path.parent / file_path
    if image.is_file():
        return image
    for extension in EXTENSIONS:
        candidate = image.with_name(image.name + extension)
        if candidate.is_file():
            return candidate
    raise ArtifactError(path, f"{where}: there is no such picture", f"Looked for it in {image.parent}, with and without extension.")


def _calibration(
    path: Path, where: str, values: Mapping[str, Any], image: Path
) -> tuple[float, float, float, float, int, int]:
    """fx fy cx cy width height; a frame's own numbers win over the file's, a missing size is the picture's."""

    def number(key: str) -> float | None:
        value = values.get(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value <= 0:
            raise ArtifactError(path, f"{where}: '{key}' is {value!r}", "A positive number was expected.")
        return float(value)

    width, height = number("w"), number("h")
    if width is None or height is None:
        width, height = picture_size(image)
    fx, fy, angle_x, angle_y = number("fl_x"), number("fl_y"), number("camera_angle_x"), number("camera_angle_y")
    if fx is None and angle_x is not None:
        fx = width / (2 * math.tan(angle_x / 2))
    if fx is None:
        raise ArtifactError(path, f"{where}: neither 'fl_x' nor 'camera_angle_x' is given", "One of them is needed, for the frame or the file.")
    if fy is None:
        fy = height / (2 * math.tan(angle_y / 2)) if angle_y is not None and "fl_x" not in values else fx
    cx, cy = number("cx"), number("cy")
    return fx, fy, width / 2 if cx is None else cx, height / 2 if cy is None else cy, int(width), int(height)


def _matrix(path: Path, where: str, value: Any) -> np.ndarray:
    try:
        c2w = np.array(value, np.float64)
    except (TypeError, ValueError):
        c2w = np.zeros(0)
    if c2w.shape == (3, 4):
        c2w = np.vstack([c2w, [0.0, 0.0, 0.0, 1.0]])
    if c2w.shape != (4, 4) or not np.isfinite(c2w).all():
        raise ArtifactError(path, f"{where}: 'transform_matrix' is not 4 rows of 4 numbers", "Camera to world, OpenGL axes, was expected.")
    if not np.allclose(c2w[:3, :3].T @ c2w[:3, :3], np.eye(3), atol=1e-3):
        raise ArtifactError(path, f"{where}: 'transform_matrix' is no rotation and translation", "Its first three columns must be orthonormal.")
    return c2w


def _lens(path: Path, where: str, values: Mapping[str, Any]) -> Lens:
    """The lens of a frame. Raises ArtifactError for one whose model is not known."""
    model = str(values.get("camera_model", "OPENCV"))
    if model not in _MODELS:
        problem = f"{where}: the camera model {model!r} is not known"
        raise ArtifactError(path, problem, f"Known are {', '.join(_MODELS)}; undistort the pictures to one of them.")
    bent = {}
    for name in COEFFICIENTS:
        value = values.get(name) or 0.0
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise ArtifactError(path, f"{where}: '{name}' is {value!r}", "A number was expected.")
        bent[name] = float(value)
    return Lens(**bent, fisheye=bool(values.get("is_fisheye")) or model == "OPENCV_FISHEYE")
