"""Formats that Blender writes for us: its own, FBX and USDZ, out of the same GLB that we deliver."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from stages.artifacts.body import Skeleton
from stages.export import glb
from stages.export.delivery import Delivery
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


def write_blend(delivery: Delivery) -> list[str]:
    """``name``.blend with its textures packed; returns its name."""
    return _write(delivery, ".blend")


def write_fbx(delivery: Delivery) -> list[str]:
    """``name``.fbx, -Z forward and +Y up, textures embedded, no leaf bones; returns its name."""
    return _write(delivery, ".fbx")


def write_usdz(delivery: Delivery) -> list[str]:
    """``name``.usdz, +Y up; returns its name."""
    return _write(delivery, ".usdz")


def _write(delivery: Delivery, suffix: str) -> list[str]:
    source = delivery.context.work / f"{delivery.settings.name}.glb"
    glb.write_figure(delivery, source)
    skinning = delivery.figure.skinning
    tails = {} if skinning is None else tails_of(delivery.named(skinning.skeleton))
    file = delivery.settings.name + suffix
    converter: BlenderConverter = delivery.context.backends[CAPABILITY]
    converter.convert(source, delivery.folder / file, tails, delivery.context.work)
    return [file]


def tails_of(skeleton: Skeleton) -> dict[str, list[float]]:
    """Joint -> end of its bone, world metres."""
    return dict(zip(skeleton.names, np.asarray(skeleton.tails, float).tolist(), strict=True))
