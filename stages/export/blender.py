"""Formats that Blender writes for us: its own, FBX and USDZ, out of the same GLB that we deliver."""

from __future__ import annotations

import numpy as np

from stages.artifacts.body import Skeleton
from stages.export import glb
from stages.export.converter import CAPABILITY, BlenderConverter
from stages.export.delivery import Delivery


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
