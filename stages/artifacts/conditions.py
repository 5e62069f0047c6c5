"""What the conditions stage leaves: cameras, a picture of each kind for each view, key points, the body at rest and posed.

Files: ``transforms.json``; ``<kind>/<name>.png``; ``mask/<name>.png`` (8-bit silhouette); ``keypoints.json``;
``body.safetensors`` with ``body.json``; ``preview/``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np

from pipeline.errors import ArtifactError
from stages.artifacts.body import BodyModel, Skeleton
from stages.artifacts.cameras import Camera
from stages.artifacts.images import picture_size, read_srgb
from stages.artifacts.transforms import Frame, read_transforms, write_transforms

KINDS = ("openpose", "depth", "normal", "lineart", "softedge", "canny", "parts", "albedo", "mask")
BODY_POINTS = (
    "nose", "neck", "right_shoulder", "right_elbow", "right_wrist", "left_shoulder", "left_elbow", "left_wrist", "right_hip",
    "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle", "right_eye", "left_eye", "right_ear", "left_ear",
)  # COCO as OpenPose orders it
_REMEDY = "Run the conditions stage again."


@dataclass(frozen=True)
class ViewKeypoints:
    """Key points of one view; each array is (n, 3) float64: x px, y px, 1 if it can be seen, else 0.

    ``body`` (18) in the order of ``BODY_POINTS``; ``face`` (70) as OpenPose counts them; ``hand_left`` and ``hand_right`` (21).
    A body without a face or fingers has empty (0, 3) arrays there.
    """

    body: np.ndarray
    face: np.ndarray
    hand_left: np.ndarray
    hand_right: np.ndarray


class ConditionSet:
    """A committed conditions folder. Contents are read when asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Wrap ``folder``; raises ArtifactError if it holds no ``transforms.json``."""
        if not (folder / "transforms.json").is_file():
            raise ArtifactError(folder, "has no transforms.json", _REMEDY)
        return cls(folder)

    @cached_property
    def frames(self) -> list[Frame]:
        """Cameras with their rings, in ring order."""
        return read_transforms(self.folder / "transforms.json")

    @property
    def cameras(self) -> list[Camera]:
        """One for each view, named ``body_00`` on, then ``head_00`` on."""
        return [f.camera for f in self.frames]

    @property
    def names(self) -> list[str]:
        """Names of the views."""
        return [f.camera.name for f in self.frames]

    @property
    def rings(self) -> dict[str, list[int]]:
        """Ring name -> indices of its views, in order."""
        rings: dict[str, list[int]] = {}
        for i, frame in enumerate(self.frames):
            rings.setdefault(str(frame.extra.get("ring", "body")), []).append(i)
        return rings

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds that are there, in the order of ``KINDS``."""
        return tuple(k for k in KINDS if (self.folder / k).is_dir())

    def image(self, kind: str, name: str) -> np.ndarray:
        """One condition picture, float32 sRGB (H, W, 3). Raises ArtifactError if that kind was not rendered."""
        if kind not in self.kinds:
            raise ArtifactError(self.folder, f"holds no '{kind}' pictures, only {', '.join(self.kinds)}", f"Add {kind} to conditions.kinds.")
        return read_srgb(self.folder / kind / f"{name}.png")[..., :3]

    def mask(self, name: str) -> np.ndarray:
        """Silhouette of the posed body, float32 (H, W) in [0, 1]; edge pixels carry their coverage."""
        return self.image("mask", name)[..., 0]

    @cached_property
    def keypoints(self) -> dict[str, ViewKeypoints]:
        """View name -> its key points."""
        document = _read_json(self.folder / "keypoints.json")
        return {
            name: ViewKeypoints(**{k: np.array(v, np.float64).reshape(-1, 3) for k, v in view.items()})
            for name, view in document["views"].items()
        }

    @cached_property
    def _body(self) -> tuple[BodyModel, BodyModel, np.ndarray]:
        return read_body(self.folder)

    @property
    def body_rest(self) -> BodyModel:
        """The body in its rest pose."""
        return self._body[0]

    @property
    def body_posed(self) -> BodyModel:
        """The body as it stands in the pictures."""
        return self._body[1]

    @property
    def rest2posed(self) -> np.ndarray:
        """(J, 4, 4) transform of each joint from the rest pose to the pictures' pose, world frame."""
        return self._body[2]

    def validate(self) -> None:
        """Every view has a picture of every kind, in the camera's size, key points, and the body is whole."""
        if "mask" not in self.kinds:
            raise ArtifactError(self.folder, "has no mask folder", _REMEDY)
        for frame in self.frames:
            camera = frame.camera
            for kind in self.kinds:
                path = self.folder / kind / f"{camera.name}.png"
                if not path.is_file():
                    raise ArtifactError(path, "is missing", _REMEDY)
                if picture_size(path) != (camera.width, camera.height):
                    raise ArtifactError(path, f"is {picture_size(path)}, its camera {(camera.width, camera.height)}", _REMEDY)
            if camera.name not in self.keypoints or len(self.keypoints[camera.name].body) != len(BODY_POINTS):
                raise ArtifactError(self.folder / "keypoints.json", f"has no 18 body points for {camera.name}", _REMEDY)
        rest = self.body_rest
        if not np.allclose(rest.weights.sum(1), 1.0, atol=1e-4):
            raise ArtifactError(self.folder / "body.safetensors", "has skin weights that do not sum to 1", _REMEDY)


def write_cameras(
    folder: Path, rings: Mapping[str, Sequence[Camera]], kind: str, extras: Mapping[str, Mapping[str, Any]] | None = None
) -> None:
    """``transforms.json`` with the rings one after the other; ``kind`` is the folder that ``file_path`` points into.

    ``extras``: view name -> what else stands with its frame, beside ``ring`` and ``azimuth_deg``.
    """
    cameras = [c for ring in rings.values() for c in ring]
    own = [{"ring": name, "azimuth_deg": round(c.azimuth_deg, 9) % 360.0} for name, ring in rings.items() for c in ring]
    frames = [o | dict((extras or {}).get(c.name, {})) for o, c in zip(own, cameras, strict=True)]
    write_transforms(folder / "transforms.json", cameras, [f"{kind}/{c.name}.png" for c in cameras], frames)


def write_keypoints(folder: Path, views: Mapping[str, ViewKeypoints]) -> None:
    """``keypoints.json``; coordinates are rounded to 1/1000 px."""

    def rows(points: np.ndarray) -> list[list[float]]:
        return [[round(float(x), 3), round(float(y), 3), int(v)] for x, y, v in points]

    document = {
        "body_points": list(BODY_POINTS),
        "views": {
            name: {part: rows(getattr(view, part)) for part in ("body", "face", "hand_left", "hand_right")}
            for name, view in views.items()
        },
    }
    (folder / "keypoints.json").write_text(json.dumps(document) + "\n", encoding="utf-8")


def write_body(folder: Path, rest: BodyModel, rest2posed: np.ndarray) -> None:
    """``body.safetensors`` and ``body.json``: the body at rest, and (J, 4, 4) transforms that pose it."""
    from safetensors.numpy import save_file

    from stages.artifacts.body import skin

    posed_skeleton = rest.skeleton.posed(rest2posed)
    arrays = {
        "v_pos_rest": rest.v_pos, "v_pos_posed": skin(rest.v_pos, rest.weights, rest2posed), "t_pos_idx": rest.t_pos_idx,
        "v_tex": rest.v_tex, "t_tex_idx": rest.t_tex_idx, "t_part": rest.t_part, "weights": rest.weights,
        "parents": rest.skeleton.parents, "heads_rest": rest.skeleton.heads, "tails_rest": rest.skeleton.tails,
        "heads_posed": posed_skeleton.heads, "tails_posed": posed_skeleton.tails, "rest2posed": rest2posed,
        "kd_u8": np.round(np.clip(rest.kd, 0, 1) * 255).astype(np.uint8),
    }
    dtypes = {"f": np.float64, "i": np.int64, "u": np.int64}
    save_file(
        {k: np.ascontiguousarray(v, v.dtype if k == "kd_u8" else dtypes[v.dtype.kind]) for k, v in arrays.items()},
        folder / "body.safetensors",
    )
    document = {
        "joints": list(rest.skeleton.names), "parts": list(rest.part_names),
        "landmarks": {k: int(v) for k, v in sorted(rest.landmarks.items())},
    }
    (folder / "body.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def read_body(folder: Path) -> tuple[BodyModel, BodyModel, np.ndarray]:
    """What ``write_body`` wrote: the body at rest, posed, and ``rest2posed`` (J, 4, 4). Raises ArtifactError."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    path = folder / "body.safetensors"
    document = _read_json(folder / "body.json")
    try:
        a = load_file(path)
        skeleton = Skeleton(tuple(document["joints"]), a["parents"], a["heads_rest"], a["tails_rest"])
        rest = BodyModel(
            a["v_pos_rest"], a["t_pos_idx"], a["v_tex"], a["t_tex_idx"], a["t_part"], tuple(document["parts"]), skeleton,
            a["weights"], document["landmarks"], a["kd_u8"].astype(np.float32) / 255.0,
        )
        posed_skeleton = replace(skeleton, heads=a["heads_posed"], tails=a["tails_posed"])
        return rest, replace(rest, v_pos=a["v_pos_posed"], skeleton=posed_skeleton), a["rest2posed"]
    except (OSError, SafetensorError) as error:
        raise ArtifactError(path, f"cannot be read ({error})", _REMEDY) from error
    except KeyError as error:
        raise ArtifactError(path, f"lacks {error}", _REMEDY) from error


def _read_json(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ArtifactError(path, f"cannot be read ({error.strerror})", _REMEDY) from error
    except json.JSONDecodeError as error:
        raise ArtifactError(path, f"is not JSON ({error})", _REMEDY) from error
