"""A motion of a skeleton, and motions as files: ``clips.safetensors`` beside ``clips.json``.

``clips.safetensors``: for clip k ``rotations_wxyz.k`` (K, J, 4) f32 and ``root_offset_m.k`` (K, 3) f32. ``clips.json``: the joints' order, and
for each clip ``name``, ``fps``, ``frames``, ``loops``, ``ground_m_s``.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np

from pipeline.errors import ArtifactError
from stages.artifacts.body import Skeleton
from stages.artifacts.rotations import continuous, matrices_of, quaternions_of, slerp

CLIPS = "clips.safetensors"
LISTING = "clips.json"
REMEDY = "Run the rig stage again (--force rig)."


@dataclass(frozen=True)
class Clip:
    """Keys of a skeleton's joints at even times, the first at 0.

    ``rotations_wxyz`` (K, J, 4) float64 about world axes relative to the parent, identity at rest, as ``Skeleton.joint_transforms`` takes
    them; ``root_offset_m`` (K, 3) moves joint 0 from its place at rest. A clip that ``loops`` ends in the pose that it began with.
    One that walks on the spot is meant for a ground that passes under it at ``ground_m_s``, towards +Y.
    """

    name: str
    fps: float
    skeleton: Skeleton
    rotations_wxyz: np.ndarray
    root_offset_m: np.ndarray
    loops: bool = False
    ground_m_s: float = 0.0

    @property
    def frames(self) -> int:
        """How many keys."""
        return len(self.rotations_wxyz)

    @property
    def times_s(self) -> np.ndarray:
        """(K,) seconds."""
        return np.arange(self.frames) / self.fps

    @property
    def duration_s(self) -> float:
        """From the first key to the last."""
        return (self.frames - 1) / self.fps

    def pose(self, frame: int) -> np.ndarray:
        """(J, 4, 4) rest-to-posed transforms of one key."""
        named = dict(zip(self.skeleton.names, self.rotations_wxyz[frame], strict=True))
        return self.skeleton.joint_transforms(named, self.root_offset_m[frame])

    def posture(self) -> Posture:
        """All keys in world terms."""
        return Posture.of(self.skeleton, matrices_of(self.rotations_wxyz), self.root_offset_m)

    def resampled(self, fps: float) -> Self:
        """The same motion with keys at another rate: turns by slerp, places by straight lines. The last key is the last that still lies in the motion."""
        if fps == self.fps or self.frames < 2:
            return replace(self, fps=float(fps))
        count = max(int(self.duration_s * fps + 1e-6), 1) + 1
        at = np.minimum(np.arange(count) * self.fps / fps, self.frames - 1)
        before = np.minimum(at.astype(int), self.frames - 2)
        share = at - before
        turns = slerp(self.rotations_wxyz[before], self.rotations_wxyz[before + 1], share[:, None])
        places = self.root_offset_m[before] * (1 - share[:, None]) + self.root_offset_m[before + 1] * share[:, None]
        return replace(self, fps=float(fps), rotations_wxyz=continuous(turns), root_offset_m=places)


@dataclass(frozen=True)
class Posture:
    """Joints in the world over time: ``turns`` (K, J, 3, 3) from rest to posed, ``heads`` (K, J, 3) metres."""

    skeleton: Skeleton
    turns: np.ndarray
    heads: np.ndarray

    @classmethod
    def of(cls, skeleton: Skeleton, local: np.ndarray, root_offset_m: np.ndarray) -> Self:
        """From turns relative to the parent (K, J, 3, 3) and the root's offset (K, 3)."""
        turns = np.empty_like(local)
        for j, parent in enumerate(skeleton.parents):
            turns[:, j] = local[:, j] if parent < 0 else turns[:, parent] @ local[:, j]
        return cls.of_turns(skeleton, turns, root_offset_m)

    @classmethod
    def of_turns(cls, skeleton: Skeleton, turns: np.ndarray, root_offset_m: np.ndarray) -> Self:
        """From turns in the world (K, J, 3, 3) and the root's offset (K, 3)."""
        heads = np.empty(turns.shape[:-1])
        for j, parent in enumerate(skeleton.parents):
            if parent < 0:
                heads[:, j] = skeleton.heads[j] + (root_offset_m if j == 0 else 0.0)
            else:
                heads[:, j] = heads[:, parent] + turns[:, parent] @ (skeleton.heads[j] - skeleton.heads[parent])
        return cls(skeleton, turns, heads)

    def at(self, joint: str) -> np.ndarray:
        """(K, 3) places of a joint's head."""
        return self.heads[:, self.skeleton.index(joint)]

    def tail(self, joint: str) -> np.ndarray:
        """(K, 3) places of a joint's tail."""
        return self.carried(joint, self.skeleton.tails[self.skeleton.index(joint)])

    def carried(self, joint: str, point: np.ndarray) -> np.ndarray:
        """(K, 3) places of a ``point`` (3,) of the rest pose that moves with a joint."""
        j = self.skeleton.index(joint)
        return self.heads[:, j] + self.turns[:, j] @ (point - self.skeleton.heads[j])

    def clip(self, name: str, fps: float, loops: bool = False, ground_m_s: float = 0.0) -> Clip:
        """The keys again, relative to the parents."""
        local = self.turns.copy()
        for j, parent in enumerate(self.skeleton.parents):
            if parent >= 0:
                local[:, j] = np.swapaxes(self.turns[:, parent], -1, -2) @ self.turns[:, j]
        offset = self.heads[:, 0] - self.skeleton.heads[0]
        return Clip(name, float(fps), self.skeleton, continuous(quaternions_of(local)), offset, loops, ground_m_s)


def write_clips(folder: Path, clips: Sequence[Clip]) -> None:
    """Store clips of one skeleton in ``folder``."""
    from safetensors.numpy import save_file

    tensors = {}
    for k, clip in enumerate(clips):
        tensors[f"rotations_wxyz.{k}"] = np.ascontiguousarray(clip.rotations_wxyz, np.float32)
        tensors[f"root_offset_m.{k}"] = np.ascontiguousarray(clip.root_offset_m, np.float32)
    save_file(tensors, str(folder / CLIPS))
    listed = [{"name": c.name, "fps": c.fps, "frames": c.frames, "loops": c.loops, "ground_m_s": c.ground_m_s} for c in clips]
    listing = {"joints": list(clips[0].skeleton.names), "clips": listed}
    (folder / LISTING).write_text(json.dumps(listing, indent=1) + "\n", encoding="utf-8")


def read_clips(folder: Path, skeleton: Skeleton) -> tuple[Clip, ...]:
    """The clips of ``skeleton`` in ``folder``, none if there are no such files. Raises ``ArtifactError`` if they are not whole."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    if not (folder / LISTING).is_file():
        return ()
    try:
        listing = json.loads((folder / LISTING).read_text(encoding="utf-8"))
        tensors = load_file(str(folder / CLIPS))
        clips = tuple(
            Clip(item["name"], float(item["fps"]), skeleton, tensors[f"rotations_wxyz.{k}"].astype(np.float64),
                 tensors[f"root_offset_m.{k}"].astype(np.float64), bool(item["loops"]), float(item["ground_m_s"]))
            for k, item in enumerate(listing["clips"]))
        joints, frames = tuple(listing["joints"]), [item["frames"] for item in listing["clips"]]
    except (json.JSONDecodeError, KeyError, TypeError, ValueError, UnicodeDecodeError, SafetensorError, OSError) as error:
        raise ArtifactError(folder, f"the clips cannot be read ({type(error).__name__}: {error})", REMEDY) from error
    if joints != skeleton.names:
        raise ArtifactError(folder, "the clips are of another skeleton", REMEDY)
    for clip, count in zip(clips, frames, strict=True):
        _check(folder, clip, count)
    return clips


def _check(folder: Path, clip: Clip, frames: int) -> None:
    turns, joints = clip.rotations_wxyz, len(clip.skeleton.names)
    if turns.shape != (frames, joints, 4) or clip.root_offset_m.shape != (frames, 3) or frames < 1:
        raise ArtifactError(folder, f"clip '{clip.name}' holds {turns.shape} turns and {clip.root_offset_m.shape} places, "
                            f"expected {frames} frames of {joints} joints", REMEDY)
    if not (np.isfinite(turns).all() and np.isfinite(clip.root_offset_m).all() and np.isfinite(clip.fps) and clip.fps > 0):
        raise ArtifactError(folder, f"clip '{clip.name}' holds numbers that are not finite", REMEDY)
    if np.abs(np.linalg.norm(turns, axis=-1) - 1).max() > 1e-5:
        raise ArtifactError(folder, f"clip '{clip.name}' holds quaternions that are not of length 1", REMEDY)
