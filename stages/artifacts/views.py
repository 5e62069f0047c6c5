"""Pictures with cameras: what the views stage paints, what the masks stage cuts out, and what users bring.

Files: ``transforms.json`` (or a user's ``transforms_{train,val,test}.json``), the pictures it names; ours stand in
``images/<name>.png``. Besides, for painted views, ``views.json`` (prompts, seeds, scheduler) and, for masked ones, ``masks.json``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np

from pipeline.errors import ArtifactError
from stages.artifacts.cameras import Camera
from stages.artifacts.images import picture_size, read_srgb, write_png
from stages.artifacts.labels import read_labels
from stages.artifacts.lens import straightened
from stages.artifacts.transforms import Frame, read_folder, write_transforms

RING_OF_OTHERS = "views"  # pictures that name no ring


class ViewSet:
    """A folder of pictures with cameras. Contents are read when asked for."""

    remedy = "Run the views stage again, or mend the folder that was given as views.folder."

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Wrap ``folder``, ours or a user's own. Raises ArtifactError if it holds no cameras."""
        views = cls(folder)
        if not views.frames:
            raise ArtifactError(folder, "holds no pictures", cls.remedy)
        return views

    @cached_property
    def frames(self) -> list[Frame]:
        """Camera, picture, split and ring of every view, in the order of the file(s)."""
        return read_folder(self.folder)

    @cached_property
    def _by_name(self) -> dict[str, Frame]:
        return {f.camera.name: f for f in self.frames}

    @property
    def cameras(self) -> list[Camera]:
        """One for each view."""
        return [f.camera for f in self.frames]

    @property
    def names(self) -> list[str]:
        """Names of the views, unique."""
        return list(self._by_name)

    @property
    def rings(self) -> dict[str, list[int]]:
        """Ring name -> indices of its views, in order; views without a ring are together under "views"."""
        rings: dict[str, list[int]] = {}
        for i, frame in enumerate(self.frames):
            rings.setdefault(str(frame.extra.get("ring", RING_OF_OTHERS)), []).append(i)
        return rings

    def split(self, name: str) -> str:
        """"train", "val" or "test"."""
        frame = self._by_name[name]
        return str(frame.extra.get("split", frame.split))

    @property
    def training_names(self) -> list[str]:
        """Views that may be learnt from: all but the user's test frames."""
        return [n for n in self.names if self.split(n) != "test"]

    @property
    def held_out_names(self) -> list[str]:
        """The user's test frames: never learnt from, only scored."""
        return [n for n in self.names if self.split(n) == "test"]

    def image(self, name: str) -> np.ndarray:
        """One picture, float32 sRGB (H, W, 3), or (H, W, 4) with straight alpha, as a pinhole takes it. Raises ArtifactError."""
        frame = self._by_name[name]
        picture = read_srgb(frame.image)
        return picture if frame.lens.straight else straightened(picture, frame.camera, frame.lens)

    @cached_property
    def description(self) -> dict[str, Any]:
        """Contents of ``views.json``: how the pictures were painted; empty for a user's folder."""
        return _read_json(self.folder / "views.json")

    def validate(self) -> None:
        """Every camera has a readable picture of its size. Raises ArtifactError."""
        for frame in self.frames:
            camera = frame.camera
            if picture_size(frame.image) != (camera.width, camera.height):
                width, height = picture_size(frame.image)
                raise ArtifactError(
                    frame.image, f"is {width} x {height}, its camera {camera.width} x {camera.height} (w x h)", self.remedy
                )


class MaskedViews(ViewSet):
    """Views with the figure cut out: RGBA, straight alpha; frames that failed are left out and named in ``masks.json``."""

    remedy = "Run the masks stage again."

    @cached_property
    def report(self) -> dict[str, Any]:
        """Contents of ``masks.json``: scores of every frame, and why some were rejected."""
        return _read_json(self.folder / "masks.json")

    @property
    def label_words(self) -> tuple[str, ...]:
        """The words of the parts that were labelled, in the order of their labels, from 1; empty if none were asked for."""
        return tuple(self.report.get("parts", ()))

    def labels(self, name: str) -> np.ndarray:
        """(H, W) uint8: which of ``label_words`` each pixel of a view shows, counted from 1; 0 none of them. Raises ArtifactError."""
        return read_labels(self.folder / "labels" / f"{name}.png", len(self.label_words))

    def validate(self) -> None:
        """Besides what every view set must hold: alpha, and a figure that is neither nothing nor everything."""
        super().validate()
        for name in self.names:
            image = self.image(name)
            if image.shape[2] != 4:
                raise ArtifactError(self._by_name[name].image, "has no alpha", self.remedy)
            if image[..., 3].max() <= 0.5:
                raise ArtifactError(self._by_name[name].image, "shows nothing: its alpha is empty", self.remedy)
            if image[..., 3].min() > 0.5:
                raise ArtifactError(self._by_name[name].image, "cuts nothing out: its alpha covers the whole picture", self.remedy)


def write_view_set(
    folder: Path, pictures: Iterable[tuple[Camera, np.ndarray]], extras: Sequence[Mapping[str, Any]] | None = None
) -> None:
    """``images/<name>.png`` and ``transforms.json``; pictures are sRGB, uint8 or floats in [0, 1], one at a time in memory."""
    cameras = []
    for camera, image in pictures:
        write_png(folder / "images" / f"{camera.name}.png", image)
        cameras.append(camera)
    write_view_cameras(folder, cameras, extras)


def write_view_cameras(folder: Path, cameras: Sequence[Camera], extras: Sequence[Mapping[str, Any]] | None = None) -> None:
    """``transforms.json`` for pictures that stand, or will stand, in ``images/``; ``extras`` carry ring, split and the like."""
    write_transforms(folder / "transforms.json", cameras, [f"images/{c.name}.png" for c in cameras], extras)


def _read_json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ArtifactError(path, f"is not JSON ({error})", "Run the stage that made it again.") from error
