"""Reading an animation of a GLB file: the joints of its skins, or every node where there is no skin, turned as its channels say.

Linear, stepped and cubic samplers (Khronos glTF 2.0, appendix C) are sampled evenly. What channels scale is left out: bones do not stretch.
"""

from __future__ import annotations

import binascii
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import ConfigError
from stages.artifacts.glb import y_up_to_z_up
from stages.artifacts.glb_reader import GlbReader, split_glb
from stages.artifacts.rotations import matrices_of, slerp
from stages.rig.motion.recording import Recording

FPS, LONGEST_S = 60.0, 3600.0
_BROKEN = (KeyError, IndexError, ValueError, TypeError, struct.error, binascii.Error, UnicodeDecodeError, json.JSONDecodeError)


def read_glb_animation(path: Path, name: str | None = None) -> Recording:
    """The animation ``name``, else the first. Raises ConfigError if there is none or the file is not legal."""
    try:
        reader = GlbReader(*split_glb(Path(path).read_bytes()))
        return _recording(reader, _chosen(reader.json, path, name), path)
    except _BROKEN as error:
        raise ConfigError(f"{path}: not a GLB file with an animation that can be read ({type(error).__name__}: {error})") from error


def _chosen(document: dict[str, Any], path: Path, name: str | None) -> dict[str, Any]:
    animations = document.get("animations", [])
    names = [a.get("name", f"animation {k}") for k, a in enumerate(animations)]
    if not animations:
        raise ConfigError(f"{path}: it holds no animation")
    if name is None:
        return animations[0]
    if name not in names:
        raise ConfigError(f"{path}: it holds no animation '{name}'; there are: {', '.join(names)}")
    return animations[names.index(name)]


def _recording(reader: GlbReader, animation: dict[str, Any], path: Path) -> Recording:
    samplers = [_Sampler(reader, sampler) for sampler in animation["samplers"]]
    seconds = max(float(s.times_s[-1]) for s in samplers)
    if not 0 < seconds <= LONGEST_S:
        raise ValueError(f"an animation of {seconds:g} s; expected more than 0 and at most {LONGEST_S:g}")
    times = np.arange(round(seconds * FPS) + 1) / FPS
    moved = _moved(reader, animation, samplers, times)
    nodes = reader.joint_nodes or reader.order
    rest = np.stack([reader.world[n] for n in nodes])
    world = _worlds(reader, moved, len(times))
    posed = np.stack([world[n] for n in nodes], 1)
    parents = _parents(reader, nodes)
    heads = rest[:, :3, 3]
    turns = _rotation(posed) @ np.swapaxes(_rotation(rest), -1, -2)
    names = tuple(reader.nodes[n].get("name", f"node {n}") for n in nodes)
    carrier = _hips(names, parents, path)
    return Recording(path.name, names, parents, heads, _tails(parents, heads), turns, posed[:, carrier, :3, 3], carrier, FPS)


def _hips(names: tuple[str, ...], parents: np.ndarray, path: Path) -> int:
    """The joint whose place counts."""
    from stages.rig.motion.roles import roles_of

    return next(i for i, role in roles_of(names, parents, path.name).items() if role == "hips")


def _parents(reader: GlbReader, nodes: list[int]) -> np.ndarray:
    """The nearest of ``nodes`` above each of them, -1 where there is none."""
    place = {n: j for j, n in enumerate(nodes)}
    out = []
    for n in nodes:
        above = reader.parent.get(n)
        while above is not None and above not in place:
            above = reader.parent.get(above)
        out.append(-1 if above is None else place[above])
    return np.array(out)


def _tails(parents: np.ndarray, heads: np.ndarray) -> np.ndarray:
    """A bone ends in the middle of its children; a last one goes on in its parent's direction."""
    tails = heads.copy()
    for j, parent in enumerate(parents):
        children = heads[parents == j]
        if len(children):
            tails[j] = children.mean(0)
        elif parent >= 0:
            tails[j] = heads[j] + 0.5 * (heads[j] - heads[parent])
    return tails


def _rotation(matrices: np.ndarray) -> np.ndarray:
    """(..., 3, 3) rotations of (..., 4, 4) without their scale, by the nearest rotation."""
    u, _, v = np.linalg.svd(matrices[..., :3, :3])
    flip = np.ones((*matrices.shape[:-2], 3))
    flip[..., 2] = np.linalg.det(u @ v)
    return (u * flip[..., None, :]) @ v


def _moved(reader: GlbReader, animation: dict[str, Any], samplers: list[_Sampler], times: np.ndarray) -> dict[tuple[int, str], np.ndarray]:
    """(node, path) -> values at ``times``."""
    out = {}
    for channel in animation["channels"]:
        target = channel["target"]
        if target.get("path") in ("rotation", "translation") and "node" in target and target["node"] in reader.world:
            out[target["node"], target["path"]] = samplers[channel["sampler"]].at(times, target["path"] == "rotation")
    if not out:
        raise ValueError("no channel turns or moves a node of the scene")
    return out


def _worlds(reader: GlbReader, moved: dict[tuple[int, str], np.ndarray], frames: int) -> dict[int, np.ndarray]:
    """Node -> (K, 4, 4) in the world, z up."""
    still: dict[int, np.ndarray] = {}
    to_world = np.eye(4)
    to_world[:3, :3] = y_up_to_z_up(np.eye(3)).T
    for n in reader.order:
        node = reader.nodes[n]
        above = still[reader.parent[n]] if n in reader.parent else np.broadcast_to(to_world, (frames, 4, 4))
        still[n] = above @ _locals(node, moved.get((n, "rotation")), moved.get((n, "translation")), frames)
    return still


def _locals(node: dict[str, Any], rotation: np.ndarray | None, translation: np.ndarray | None, frames: int) -> np.ndarray:
    """(K, 4, 4) of a node relative to its parent."""
    if "matrix" in node:
        return np.broadcast_to(np.asarray(node["matrix"], float).reshape(4, 4).T, (frames, 4, 4))
    out = np.tile(np.eye(4), (frames, 1, 1))
    q = np.asarray(node.get("rotation", (0, 0, 0, 1)), float) if rotation is None else rotation
    out[:, :3, :3] = matrices_of(q[..., [3, 0, 1, 2]]) * np.asarray(node.get("scale", (1, 1, 1)), float)
    out[:, :3, 3] = node.get("translation", (0, 0, 0)) if translation is None else translation
    return out


class _Sampler:
    """Keys of one channel, and their values between."""

    def __init__(self, reader: GlbReader, sampler: dict[str, Any]) -> None:
        self.times_s = reader.accessor(sampler["input"])[:, 0].astype(np.float64)
        values = reader.accessor(sampler["output"]).astype(np.float64)
        self.kind = sampler.get("interpolation", "LINEAR")
        self.tangents = None
        if self.kind == "CUBICSPLINE":
            values = values.reshape(len(self.times_s), 3, -1)
            self.tangents, values = (values[:, 0], values[:, 2]), values[:, 1]
        self.values = values
        if len(values) != len(self.times_s) or not len(values) or (np.diff(self.times_s) <= 0).any() or not np.isfinite(values).all():
            raise ValueError("a sampler's times do not grow, or its values are not as many as its times")

    def at(self, times: np.ndarray, turns: bool) -> np.ndarray:
        """Values at ``times``, held before the first key and after the last."""
        if len(self.times_s) == 1:
            return np.repeat(self.values, len(times), 0)
        k = np.clip(np.searchsorted(self.times_s, times, "right") - 1, 0, len(self.times_s) - 2)
        step = self.times_s[k + 1] - self.times_s[k]
        share = np.clip((times - self.times_s[k]) / step, 0, 1)
        a, b = self.values[k], self.values[k + 1]
        if self.kind == "STEP":
            return np.where((share >= 1)[:, None], b, a)
        if self.tangents is not None:
            return _hermite(a, self.tangents[1][k] * step[:, None], b, self.tangents[0][k + 1] * step[:, None], share[:, None])
        return slerp(a, b, share) if turns else a + share[:, None] * (b - a)


def _hermite(a: np.ndarray, leaving: np.ndarray, b: np.ndarray, arriving: np.ndarray, t: np.ndarray) -> np.ndarray:
    t2, t3 = t * t, t * t * t
    return (2 * t3 - 3 * t2 + 1) * a + (t3 - 2 * t2 + t) * leaving + (3 * t2 - 2 * t3) * b + (t3 - t2) * arriving
