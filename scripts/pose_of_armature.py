"""Writes the pose of an armature as a pose file: ``python -m scripts.pose_of_armature armature.json pose.json``.

The first file tells the bones, parents first, as a program that holds them wrote it:
``{"bones": [{"name": "hips", "parent": -1, "head": [x, y, z], "tail": [x, y, z], "turn_wxyz": [w, x, y, z]}]}``; rest pose in metres, world
axes (+Z up), and each bone's turn from its rest, its parents' included. The second is what ``conditions.pose_file`` reads.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import ConfigError, PipelineError
from stages.artifacts.body import Skeleton
from stages.conditions.armature_pose import pose_of_armature


def read_armature(path: Path) -> tuple[Skeleton, np.ndarray]:
    """Bones and their turns (B, 4). Raises ConfigError."""
    try:
        bones = json.loads(path.read_text(encoding="utf-8"))["bones"]
        parents = np.array([int(b["parent"]) for b in bones])
        heads, tails, turns_wxyz = (_rows(bones, key, count) for key, count in (("head", 3), ("tail", 3), ("turn_wxyz", 4)))
        names = tuple(str(b["name"]) for b in bones)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{path}: expected an armature, {{\"bones\": [...]}}; {type(error).__name__}: {error}") from error
    if (parents >= np.arange(len(parents))).any():
        raise ConfigError(f"{path}: a bone stands before its parent; parents come first")
    return Skeleton(names, parents, heads, tails), turns_wxyz


def pose_text(bones: Skeleton, turns_wxyz: np.ndarray) -> str:
    """A pose file. Raises ConfigError if the armature is no humanoid's."""
    pose = pose_of_armature(bones, turns_wxyz)
    return json.dumps({name: {"quaternion_wxyz": [round(float(v), 6) for v in q]} for name, q in pose.items()}, indent=1) + "\n"


def _rows(bones: list[dict[str, Any]], key: str, count: int) -> np.ndarray:
    rows = np.array([b[key] for b in bones], float).reshape(len(bones), -1)
    if rows.shape[1:] != (count,) or not np.isfinite(rows).all():
        raise ValueError(f"{key} takes {count} finite numbers")
    return rows


def main() -> int:
    """Read the first file named on the command line, write the second."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("armature", type=Path)
    parser.add_argument("pose", type=Path)
    arguments = parser.parse_args()
    try:
        arguments.pose.write_text(pose_text(*read_armature(arguments.armature)), encoding="utf-8")
    except PipelineError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
