"""Poses: named presets, and files that people write.

A pose maps joint names to unit quaternions (w, x, y, z): a turn about the joint's head in world axes at rest, relative to its
parent (``Skeleton.joint_transforms``). Presets are written for the left side and mirrored.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from pipeline.errors import ConfigError
from stages.artifacts.body import axis_angle_wxyz

Pose = dict[str, np.ndarray]

FINGER_NAMES = ("Thumb", "Index", "Middle", "Ring", "Little")
_SIDE_JOINTS = (
    "Eye", "Shoulder", "UpperArm", "LowerArm", "Hand", "UpperLeg", "LowerLeg", "Foot", "Toes",
    *(f + link for f in FINGER_NAMES for link in (
        ("Metacarpal", "Proximal", "Distal") if f == "Thumb" else ("Proximal", "Intermediate", "Distal"))),
)
JOINT_NAMES = (
    "hips", "spine", "chest", "upperChest", "neck", "head", "jaw",
    *(side + j for side in ("left", "right") for j in _SIDE_JOINTS),
)
_HALF = np.sqrt(0.5)
_DROP = np.radians(40.0)
FORWARD_BEND = (1.0, 0.0, 0.0)  # a positive turn about +X carries what points up to the back; legs' feet to the front
ELBOW_AXIS = (np.sin(_DROP), 0.0, np.cos(_DROP))  # left arm at rest: a negative turn brings the hand to the front
FINGER_AXIS = (0.0, 1.0, 0.0)  # a positive turn of the left fingers closes the hand


def multiply(a_wxyz: np.ndarray, b_wxyz: np.ndarray) -> np.ndarray:
    """(4,) the turn ``b`` followed by the turn ``a``."""
    aw, av, bw, bv = a_wxyz[0], np.asarray(a_wxyz[1:]), b_wxyz[0], np.asarray(b_wxyz[1:])
    return np.array([aw * bw - av @ bv, *(aw * bv + bw * av + np.cross(av, bv))])


def mirror(q_wxyz: np.ndarray) -> np.ndarray:
    """(4,) the same turn seen in the plane x = 0."""
    w, x, y, z = q_wxyz
    return np.array([w, x, -y, -z])


def turn(*steps: tuple[tuple[float, float, float], float]) -> np.ndarray:
    """(4,) unit quaternion of (axis, degrees) turns, the first applied first."""
    q = np.array([1.0, 0.0, 0.0, 0.0])
    for axis, angle_deg in steps:
        q = multiply(axis_angle_wxyz(np.array(axis), angle_deg), q)
    return q


X, Y, Z = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)


def _pose(trunk: Mapping[str, np.ndarray], left: Mapping[str, np.ndarray], right: Mapping[str, np.ndarray] | None = None) -> Pose:
    """``left`` and ``right`` are both written as for a left side; ``right`` None means the same as left."""
    out = dict(trunk)
    out.update({"left" + name: q for name, q in left.items()})
    out.update({"right" + name: mirror(q) for name, q in (left if right is None else right).items()})
    return out


def _fist(angle_deg: float) -> Pose:
    """All fingers but the thumb closed by ``angle_deg`` at each joint, the thumb laid across."""
    out = {f + k: turn((FINGER_AXIS, angle_deg)) for f in FINGER_NAMES[1:] for k in ("Proximal", "Intermediate", "Distal")}
    out.update({"Thumb" + k: turn((ELBOW_AXIS, 0.35 * angle_deg)) for k in ("Proximal", "Distal")})
    return out


def _presets() -> dict[str, Pose]:
    down = lambda deg: turn((Y, deg))  # noqa: E731  # a positive turn about +Y lowers the left arm
    elbow = lambda deg: turn((ELBOW_AXIS, -deg))  # noqa: E731
    stand = {"UpperLeg": turn((Y, -1.0))}
    return {
        "a_pose": {},
        "t_pose": _pose({}, {"UpperArm": down(-36.0), "Shoulder": down(-4.0)}),
        "relaxed": _pose({}, {"UpperArm": down(26.0), "LowerArm": elbow(14.0), "Hand": elbow(4.0)}),
        "arms_up": _pose({}, {"Shoulder": down(-22.0), "UpperArm": down(-86.0), "LowerArm": elbow(10.0)}),
        "arms_forward": _pose({}, {"Shoulder": turn((Z, -12.0)), "UpperArm": turn((Z, -66.0), (X, -22.0))}),
        "hands_on_hips": _pose({}, {"UpperArm": down(8.0), "LowerArm": down(62.0), "Hand": down(-14.0)}),
        "walk": _pose(
            {"spine": turn((Z, 4.0)), "hips": turn((Z, -4.0))},
            {"UpperLeg": turn((X, -26.0)), "LowerLeg": turn((X, 8.0)), "Foot": turn((X, 6.0)), "UpperArm": turn((Y, 26.0), (X, 20.0)), "LowerArm": elbow(12.0)},
            {"UpperLeg": turn((X, 18.0)), "LowerLeg": turn((X, 26.0)), "Foot": turn((X, 12.0)), "UpperArm": turn((Y, 26.0), (X, -20.0)), "LowerArm": elbow(22.0)},
        ),
        "run": _pose(
            {"spine": turn((X, 8.0), (Z, 8.0)), "hips": turn((Z, -6.0))},
            {"UpperLeg": turn((X, -58.0)), "LowerLeg": turn((X, 72.0)), "UpperArm": turn((Y, 26.0), (X, 34.0)), "LowerArm": elbow(72.0)},
            {"UpperLeg": turn((X, 24.0)), "LowerLeg": turn((X, 58.0)), "Foot": turn((X, 20.0)), "UpperArm": turn((Y, 26.0), (X, -30.0)), "LowerArm": elbow(70.0)},
        ),
        "squat": _pose(
            {"spine": turn((X, 18.0)), "chest": turn((X, 8.0)), "head": turn((X, -16.0)), "hips": turn((X, 10.0))},
            {"UpperLeg": turn((X, -92.0), (Z, 14.0)), "LowerLeg": turn((X, 104.0)), "Foot": turn((X, -24.0)), "UpperArm": turn((Z, -50.0))},
        ),
        "sit": _pose({}, {"UpperLeg": turn((X, -86.0)), "LowerLeg": turn((X, 84.0)), "UpperArm": turn((Y, 24.0), (X, -20.0)), "LowerArm": elbow(34.0)}),
        "wave": _pose(
            {"head": turn((Y, 6.0))}, {"Shoulder": down(-14.0), "UpperArm": down(-48.0), "LowerArm": down(-62.0), "Hand": down(8.0)},
            {"UpperArm": down(26.0), "LowerArm": elbow(12.0)},
        ),
        "kick": _pose(
            {"spine": turn((X, 6.0))},
            {"UpperLeg": turn((X, -68.0)), "LowerLeg": turn((X, 14.0)), "Foot": turn((X, 22.0)), "UpperArm": turn((X, 18.0))}, {**stand},
        ),
        "twist": _pose(
            {"spine": turn((Z, 16.0)), "chest": turn((Z, 14.0)), "upperChest": turn((Z, 8.0)), "neck": turn((Z, 10.0)), "head": turn((Z, 14.0))},
            {"UpperArm": down(20.0), "LowerArm": elbow(50.0)},
        ),
        "bow": _pose(
            {"hips": turn((X, 12.0)), "spine": turn((X, 22.0)), "chest": turn((X, 14.0)), "neck": turn((X, 8.0)), "head": turn((X, 10.0))},
            {"UpperArm": turn((Y, 22.0), (X, -30.0)), "LowerArm": elbow(16.0), "UpperLeg": turn((X, -12.0))},
        ),
        "fists": _pose({}, {"LowerArm": elbow(92.0), "UpperArm": down(22.0), **_fist(62.0)}),
    }


POSES: dict[str, Pose] = _presets()


def load_pose(path: Path | str) -> Pose:
    """A pose from YAML or JSON: ``joint: value`` (or the same under a key ``joints``).

    A value is ``{quaternion_wxyz: [w, x, y, z]}``, ``{axis: [x, y, z], angle_deg: a}``, ``{axis_angle_deg: [x, y, z]}`` (the vector's
    length is the angle), ``{euler_xyz_deg: [x, y, z]}`` (turns about world X, then Y, then Z), or a bare list: four numbers
    are a quaternion, three are Euler degrees. Raises ``ConfigError`` with what was found and what was expected.
    """
    path = Path(path)
    table = _read_table(path)
    if isinstance(table.get("joints"), Mapping):
        table = table["joints"]
    pose: Pose = {}
    for name, value in table.items():
        if name not in JOINT_NAMES:
            close = difflib.get_close_matches(str(name), JOINT_NAMES, n=1)
            hint = f"did you mean {close[0]!r}?" if close else "use VRM 1.0 humanoid names such as 'leftUpperArm'"
            raise ConfigError(f"{path}: unknown joint {name!r}; {hint}")
        pose[str(name)] = _rotation(path, str(name), value)
    return pose


def _read_table(path: Path) -> Mapping:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: the pose file cannot be read ({error})") from error
    try:
        table = json.loads(text) if path.suffix.lower() == ".json" else YAML(typ="safe").load(text)
    except (json.JSONDecodeError, YAMLError) as error:
        raise ConfigError(f"{path}: not a legal {'JSON' if path.suffix.lower() == '.json' else 'YAML'} file: {error}") from error
    if not isinstance(table, Mapping):
        raise ConfigError(f"{path}: expected joint names with rotations, got {type(table).__name__}")
    return table


def _rotation(path: Path, name: str, value: object) -> np.ndarray:
    keys = set(value) if isinstance(value, Mapping) else set()
    if keys == {"quaternion_wxyz"}:
        return _quaternion(path, name, value["quaternion_wxyz"])
    if keys == {"axis", "angle_deg"}:
        axis, (angle,) = _numbers(path, name, value["axis"], 3), _numbers(path, name, [value["angle_deg"]], 1)
        if not axis.any():
            raise ConfigError(f"{path}: {name}: the axis is zero; expected a direction such as [0, 0, 1]")
        return axis_angle_wxyz(axis, float(angle))
    if keys == {"axis_angle_deg"}:
        vector = _numbers(path, name, value["axis_angle_deg"], 3)
        angle = float(np.linalg.norm(vector))
        return axis_angle_wxyz(vector, angle) if angle else np.array([1.0, 0.0, 0.0, 0.0])
    if keys == {"euler_xyz_deg"}:
        return _euler(_numbers(path, name, value["euler_xyz_deg"], 3))
    if isinstance(value, list) and len(value) == 4:
        return _quaternion(path, name, value)
    if isinstance(value, list) and len(value) == 3:
        return _euler(_numbers(path, name, value, 3))
    raise ConfigError(
        f"{path}: {name}: got {value!r}; expected [w, x, y, z], [x, y, z] degrees, or one of "
        "{quaternion_wxyz: ...}, {axis: ..., angle_deg: ...}, {axis_angle_deg: ...}, {euler_xyz_deg: ...}"
    )


def _euler(degrees: np.ndarray) -> np.ndarray:
    return turn((X, degrees[0]), (Y, degrees[1]), (Z, degrees[2]))


def _quaternion(path: Path, name: str, value: object) -> np.ndarray:
    q = _numbers(path, name, value, 4)
    length = float(np.linalg.norm(q))
    if length < 1e-6:
        raise ConfigError(f"{path}: {name}: the quaternion is zero; expected four numbers of length 1")
    return q / length


def _numbers(path: Path, name: str, value: object, count: int) -> np.ndarray:
    good = isinstance(value, list) and len(value) == count
    if not good or not all(isinstance(x, (int, float)) and not isinstance(x, bool) and np.isfinite(x) for x in value):
        raise ConfigError(f"{path}: {name}: got {value!r}; expected {count} finite number{'s' if count > 1 else ''}")
    return np.array(value, float)
