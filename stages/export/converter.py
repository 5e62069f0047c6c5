"""Blender as the program that writes what only it can; imported where it is decided what can run, so it imports little."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from third_party.blender.provision import find_blender

CAPABILITY = "conversion"
FORMATS = ("blend", "fbx", "usdz")
TIMEOUT_S = 900.0


class BlenderConverter:
    """Blender as a program."""

    name = "blender"

    def probe(self) -> str | None:
        """None, or why no Blender can be run."""
        found = find_blender()
        return f"{found} (export.formats names what only Blender writes: {', '.join(FORMATS)})" if isinstance(found, str) else None

    def version(self) -> str:
        """Our script's and Blender's."""
        found = find_blender()
        return f"1+{'none' if isinstance(found, str) else found.version}"

    def convert(self, glb_path: Path, target: Path, tails: Mapping[str, list[float]], work: Path) -> None:
        """Write ``target``, whose suffix says the format. ``tails``: joint -> where its bone ends, world metres. Raises StageError."""
        from third_party.blender.process import BlenderRun

        run = BlenderRun("convert_glb.py", {"glb": str(glb_path.resolve()), "target": str(target.resolve()), "tails": tails}, work)
        with run:
            run.response(TIMEOUT_S)
        shutil.rmtree(run.folder)
