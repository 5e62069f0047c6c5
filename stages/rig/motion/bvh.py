"""Reading BVH, Biovision's hierarchy: joints with offsets, then a line of channel values for each frame.

Channels may come in any order and on any joint. Rotations apply in the order in which they stand; what a joint's position channels say
takes the place of its offset, and counts on the way from the root to the hips (bones do not stretch).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from pipeline.errors import ConfigError
from stages.artifacts.rotations import about
from stages.rig.motion.recording import Recording

LARGEST_BYTES, MOST_JOINTS = 512 * 2**20, 2000
_AXES = {"X": 0, "Y": 1, "Z": 2}


@dataclass
class _Joint:
    name: str
    parent: int
    offset: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])
    channels: list[str] = field(default_factory=list)
    ends: list[list[float]] = field(default_factory=list)


def read_bvh(path: Path) -> Recording:
    """Read a whole file. Raises ConfigError, with the line, if it is not legal."""
    path = Path(path)
    if path.stat().st_size > LARGEST_BYTES:
        raise ConfigError(f"{path}: {path.stat().st_size >> 20} MB; a BVH file of more than {LARGEST_BYTES >> 20} MB is not read")
    lines = path.read_text(encoding="utf-8-sig", errors="replace").splitlines()
    start = next((i for i, line in enumerate(lines) if line.strip().upper() == "MOTION"), None)
    if start is None or not lines or lines[0].strip().upper() != "HIERARCHY":
        raise ConfigError(f"{path}: not a BVH file: expected HIERARCHY in the first line and MOTION later, got {lines[0][:40] if lines else ''!r}")
    joints = _hierarchy(lines[:start], path)
    width = sum(len(joint.channels) for joint in joints)
    fps, values = _motion(lines, start, width, path)
    return _recording(path, joints, values, fps)


def _hierarchy(lines: list[str], path: Path) -> list[_Joint]:
    joints: list[_Joint] = []
    stack: list[int | None] = []  # None is an end site
    opening: int | None = None
    for number, line in enumerate(lines[1:], 2):
        words = line.split()
        if not words:
            continue
        key = words[0].upper()
        if key in ("ROOT", "JOINT") and len(joints) < MOST_JOINTS and None not in stack:
            joints.append(_Joint(" ".join(words[1:]), next((j for j in reversed(stack) if j is not None), -1)))
            opening = len(joints) - 1
        elif key == "END" and stack:
            opening = None
        elif key == "{":
            stack.append(opening)
        elif key == "}" and stack:
            stack.pop()
        elif key == "OFFSET" and stack:
            offset = _numbers(words[1:], 3, number, path)
            if stack[-1] is None:
                _owner(stack, joints).ends.append(offset)
            else:
                joints[stack[-1]].offset = offset
        elif key == "CHANNELS" and stack and stack[-1] is not None:
            joints[stack[-1]].channels = _channels(words, number, path)
        else:
            raise ConfigError(f"{path}:{number}: expected ROOT, JOINT, End Site, OFFSET, CHANNELS or a brace in its place, got {line.strip()[:60]!r}")
    if stack or not joints:
        raise ConfigError(f"{path}: the hierarchy holds {len(joints)} joints and {len(stack)} braces that are not closed before MOTION")
    return joints


def _owner(stack: list[int | None], joints: list[_Joint]) -> _Joint:
    return joints[next(j for j in reversed(stack) if j is not None)]


def _numbers(words: list[str], count: int, number: int, path: Path) -> list[float]:
    try:
        values = [float(word) for word in words]
    except ValueError:
        values = []
    if len(values) != count or not np.isfinite(values).all():
        raise ConfigError(f"{path}:{number}: expected {count} numbers, got {' '.join(words)[:60]!r}")
    return values


def _channels(words: list[str], number: int, path: Path) -> list[str]:
    names = [word.lower() for word in words[2:]]
    known = {f"{axis}{kind}" for axis in "xyz" for kind in ("position", "rotation")}
    if len(words) < 2 or words[1] != str(len(names)) or len(set(names)) != len(names) or set(names) - known:
        raise ConfigError(f"{path}:{number}: expected CHANNELS, how many, and as many of Xposition ... Zrotation, each once, got {' '.join(words)[:80]!r}")
    return names


def _motion(lines: list[str], start: int, width: int, path: Path) -> tuple[float, np.ndarray]:
    """Frames a second, and the values (K, width)."""
    head = [(i + 1, line) for i, line in enumerate(lines) if i > start and line.strip()]
    if len(head) < 2 or not head[0][1].strip().lower().startswith("frames:") or not head[1][1].strip().lower().startswith("frame time:"):
        raise ConfigError(f"{path}:{start + 2}: expected 'Frames:' and 'Frame Time:' after MOTION")
    (count,) = _numbers(head[0][1].split(":")[1].split(), 1, head[0][0], path)
    (step,) = _numbers(head[1][1].split(":")[1].split(), 1, head[1][0], path)
    rows = head[2:]
    if step <= 0 or count != len(rows) or count < 1:
        raise ConfigError(f"{path}:{head[0][0]}: it says {count:g} frames of {step:g} s, and {len(rows)} lines follow; expected as many lines, and time")
    try:
        values = np.array([line.split() for _, line in rows], dtype=np.float64)
    except ValueError:
        values = np.empty((0, 0))
    if values.shape != (len(rows), width) or not np.isfinite(values).all():
        for number, line in rows:
            _numbers(line.split(), width, number, path)
    # Files round the time of a frame: 0.0083333 is 120 a second.
    fps = 1.0 / step
    return (float(round(fps)) if abs(fps - round(fps)) < 0.01 * fps and abs(round(fps) * step - 1) < 2e-3 else fps), values


def _recording(path: Path, joints: list[_Joint], values: np.ndarray, fps: float) -> Recording:
    parents = np.array([joint.parent for joint in joints])
    offsets = np.array([joint.offset for joint in joints])
    heads = np.zeros_like(offsets)
    turns = np.empty((len(values), len(joints), 3, 3))
    places = np.empty((len(values), len(joints), 3))
    at = 0
    for j, joint in enumerate(joints):
        columns = values[:, at : at + len(joint.channels)]
        at += len(joint.channels)
        turn, move = _local(joint, columns)
        if joint.parent < 0:
            heads[j], turns[:, j], places[:, j] = offsets[j], turn, move
        else:
            above = turns[:, joint.parent]
            heads[j] = heads[joint.parent] + offsets[j]
            turns[:, j] = above @ turn
            places[:, j] = places[:, joint.parent] + (above @ move[..., None])[..., 0]
    carrier = _carrier(joints)
    what = f"{path.name}"
    return Recording(what, tuple(j.name for j in joints), parents, heads, _tails(joints, heads), turns, places[:, carrier], carrier, fps)


def _local(joint: _Joint, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(K, 3, 3) turn and (K, 3) translation of a joint relative to its parent."""
    turn = np.broadcast_to(np.eye(3), (len(columns), 3, 3))
    move = np.tile(np.asarray(joint.offset), (len(columns), 1))
    for c, channel in enumerate(joint.channels):
        axis = _AXES[channel[0].upper()]
        if channel.endswith("rotation"):
            turn = turn @ about(np.eye(3)[axis], np.radians(columns[:, c]))
        else:
            move[:, axis] = columns[:, c]
    return turn, move


def _carrier(joints: list[_Joint]) -> int:
    """The lowest joint in the unbranched chain from the root whose position is animated: a root node's child, the hips, may be it."""
    at = carrier = 0
    while True:
        moving = [j for j, joint in enumerate(joints) if joint.parent == at]
        if any(c.endswith("position") for c in joints[at].channels):
            carrier = at
        if len(moving) != 1:
            return carrier
        at = moving[0]


def _tails(joints: list[_Joint], heads: np.ndarray) -> np.ndarray:
    """A bone ends at its end site, or in the middle of its children; a joint with neither ends where it begins."""
    tails = heads.copy()
    for j, joint in enumerate(joints):
        ends = [heads[j] + end for end in joint.ends] or [heads[c] for c, child in enumerate(joints) if child.parent == j]
        if ends:
            tails[j] = np.mean(ends, 0)
    return tails
