"""Motion files by their kind."""

from __future__ import annotations

from pathlib import Path

from pipeline.errors import ConfigError
from stages.rig.motion.bvh import read_bvh
from stages.rig.motion.recording import Recording, Settled, settle

KINDS = (".bvh", ".glb", ".vmd")


def read_motion(path: Path, animation: str | None = None) -> Settled:
    """The motion in a file; ``animation`` names one of several in a GLB. Raises ConfigError with what is wrong."""
    return settle(_recording(Path(path), animation))


def _recording(path: Path, animation: str | None) -> Recording:
    suffix = path.suffix.lower()
    if suffix == ".bvh":
        return read_bvh(path)
    if suffix == ".glb":
        from stages.rig.motion.glb_animation import read_glb_animation

        return read_glb_animation(path, animation)
    if suffix == ".vmd":
        from stages.rig.motion.vmd import read_vmd

        return read_vmd(path)
    raise ConfigError(f"{path}: no motion is read from *{suffix}; expected one of {', '.join(KINDS)}, or the name of a built-in clip")
