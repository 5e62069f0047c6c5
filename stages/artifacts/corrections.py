"""What was found to be wrong with views: where each one looked, and how its colours had drifted.

``corrections.safetensors`` in the field's folder. Cameras are corrected exactly, by moving the camera; no picture is resampled for it.
A view that is not named is as it should be.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

import numpy as np

from stages.artifacts.cameras import Camera

FILE = "corrections.safetensors"
MOST_COLOUR = 2.0  # a channel is neither brightened nor darkened by more than this


@dataclass(frozen=True)
class Correction:
    """One view. ``look`` (4,): the picture shows what its camera should see, turned by ``look[2]`` radians (clockwise as one looks at it),
    enlarged by exp(``look[3]``) and moved by ``look[:2]`` (right, down), the last in focal lengths, so that size in pixels does not matter.
    ``gain`` and ``offset`` (3,): its sRGB values are the true ones times ``gain`` plus ``offset``."""

    look: np.ndarray = field(default_factory=lambda: np.zeros(4))
    gain: np.ndarray = field(default_factory=lambda: np.ones(3))
    offset: np.ndarray = field(default_factory=lambda: np.zeros(3))

    def camera(self, camera: Camera) -> Camera:
        """The camera that really took the picture. Exact for square pixels."""
        right, down, turn, grown = self.look
        c, s, scale = np.cos(turn), np.sin(turn), float(np.exp(grown))
        roll = np.eye(4)
        roll[:2, :2] = [[c, -s], [s, c]]
        return replace(
            camera, c2w=camera.c2w @ roll, fx=camera.fx * scale, fy=camera.fy * scale, cx=camera.cx + float(right) * camera.fx,
            cy=camera.cy + float(down) * camera.fy,
        )

    def picture(self, rgba: np.ndarray) -> np.ndarray:
        """``rgba`` (H, W, 3 or 4) sRGB in its true colours."""
        gain = np.clip(self.gain, 1 / MOST_COLOUR, MOST_COLOUR)
        out = np.array(rgba, np.float32)
        out[..., :3] = ((out[..., :3] - self.offset) / gain).clip(0, 1)
        return out


@dataclass(frozen=True)
class Corrections:
    """Those of a set of views, by name."""

    by_name: Mapping[str, Correction] = field(default_factory=dict)

    def of(self, name: str) -> Correction:
        """What to do to the view ``name``."""
        return self.by_name.get(name, Correction())

    def arrays(self) -> dict[str, np.ndarray]:
        """Everything as arrays: ``look`` (N, 4), ``gain`` and ``offset`` (N, 3), in the order of the names."""
        every, sizes = list(self.by_name.values()), {"look": 4, "gain": 3, "offset": 3}
        return {k: np.array([getattr(c, k) for c in every], np.float64).reshape(len(every), size) for k, size in sizes.items()}

    @classmethod
    def of_arrays(cls, names: Sequence[str], arrays: Mapping[str, np.ndarray]) -> Self:
        """What ``arrays`` took apart."""
        return cls({n: Correction(arrays["look"][i], arrays["gain"][i], arrays["offset"][i]) for i, n in enumerate(names)})

    def centred(self) -> Self:
        """The same differences between the views, with no correction left that is common to all: those cannot be told from another world."""
        if not self.by_name:
            return self
        a = self.arrays()
        look, gain = a["look"] - a["look"].mean(0), a["gain"] / np.exp(np.log(a["gain"]).mean(0))
        return self.of_arrays(list(self.by_name), {"look": look, "gain": gain, "offset": a["offset"] - a["offset"].mean(0)})

    def write(self, folder: Path) -> None:
        """Into ``folder``."""
        from safetensors.numpy import save_file

        save_file({k: np.ascontiguousarray(v) for k, v in self.arrays().items()}, str(folder / FILE), {"names": "\n".join(self.by_name)})

    @classmethod
    def read(cls, folder: Path) -> Self:
        """What stands in ``folder``; no corrections where nothing does."""
        from safetensors import safe_open

        path = Path(folder) / FILE
        if not path.is_file():
            return cls()
        with safe_open(str(path), "numpy") as file:
            names = file.metadata()["names"]
            return cls.of_arrays(names.split("\n") if names else [], {k: file.get_tensor(k) for k in file.keys()})
