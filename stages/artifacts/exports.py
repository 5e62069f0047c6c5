"""What the export stage leaves: the files asked for, a turntable and a contact sheet, listed in ``export.json``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from pipeline.errors import ArtifactError

LISTING = "export.json"
TURNTABLE = "turntable.mp4"
CONTACT_SHEET = "contact_sheet.png"
REMEDY = "Run the export stage again (--force export)."


@dataclass(frozen=True)
class ExportSet:
    """A folder of finished files."""

    folder: Path

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Wrap ``folder``. Raises ``ArtifactError`` if it has no listing."""
        folder = Path(folder)
        if not (folder / LISTING).is_file():
            raise ArtifactError(folder, f"there is no {LISTING}", REMEDY)
        return cls(folder)

    @cached_property
    def listing(self) -> Mapping[str, Any]:
        """``name``, ``files`` (all names, in the order written), ``rigged``, and the figures of the mesh: ``triangles``, ``vertices``,
        ``joints``, ``texture_px``, ``height_m``; ``clips``, the motions in the rigged files; with a rig also ``vrchat``, what an avatar of it costs and
        how it is ranked there; ``morphs``, the names of its morph targets, where it has any; ``parts``, those of its meshes that stand for a part of the
        character; ``levels``, further GLBs with fewer triangles."""
        try:
            return json.loads((self.folder / LISTING).read_text(encoding="utf-8"))
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            raise ArtifactError(self.folder, f"{LISTING} cannot be read ({error})", REMEDY) from error

    @property
    def files(self) -> list[Path]:
        """Everything that the user came for."""
        return [self.folder / name for name in self.listing["files"]]

    def validate(self) -> None:
        """All listed files are there, and GLB and VRM can be read back with the triangles that it should have. Raises ``ArtifactError``."""
        from stages.artifacts.glb_reader import read_glb

        levels = {level["file"]: level["triangles"] for level in self.listing.get("levels", ())}
        for path in self.files:
            if not path.is_file() or path.stat().st_size == 0:
                raise ArtifactError(self.folder, f"{path.name} is missing or empty", REMEDY)
            if path.suffix in (".glb", ".vrm"):
                scene = read_glb(path)
                triangles = sum(len(part.t_pos_idx) for part in scene.parts)
                expected = levels.get(path.name, self.listing["triangles"])
                if triangles != expected:
                    raise ArtifactError(path, f"holds {triangles} triangles, expected {expected}", REMEDY)
                if (scene.skeleton is not None) != self.listing["rigged"]:
                    raise ArtifactError(path, "has a skeleton where none was meant, or lacks one", REMEDY)
                listed = [clip["name"] for clip in self.listing.get("clips", ())] if path.suffix == ".glb" else []
                if list(scene.animations) != listed:
                    raise ArtifactError(path, f"holds the animations {list(scene.animations)}, not those listed", REMEDY)
