"""Reading VMD, MikuMikuDance's motions: keys of bones by their Japanese names, thirty frames a second, little-endian.

A VMD file holds no skeleton, and most legs in it are moved by where the ankles go. So the keys are played on a body of the proportions that
are common there (20 units of 8 cm, arms 37 degrees beneath the horizontal), its legs by inverse kinematics where the file says so. MikuMikuDance
is left-handed, +Y up, facing -Z: (x, y, z) there is (x, z, y) here, which mirrors, so turns change their sense.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.errors import ConfigError
from stages.artifacts.body import Skeleton
from stages.artifacts.motion import Posture
from stages.artifacts.rotations import continuous, matrices_of, slerp
from stages.rig.motion.legs import Footing, stand
from stages.rig.motion.recording import Recording

FPS, LAST_FRAME = 30.0, 30 * 3600
_HEADERS = {b"Vocaloid Motion Data 0002": 20, b"Vocaloid Motion Data file": 10}  # bytes of the model's name that follows
_KEY = np.dtype([("name", "S15"), ("frame", "<u4"), ("place", "<f4", 3), ("turn", "<f4", 4), ("curves", "u1", 64)])
_SIDES = {"left": "左", "right": "右"}
_FINGERS = {"Thumb": ("親指", ("Metacarpal", "Proximal", "Distal"), "０１２"), "Index": ("人指", ("Proximal", "Intermediate", "Distal"), "１２３"),
            "Middle": ("中指", ("Proximal", "Intermediate", "Distal"), "１２３"), "Ring": ("薬指", ("Proximal", "Intermediate", "Distal"), "１２３"),
            "Little": ("小指", ("Proximal", "Intermediate", "Distal"), "１２３")}


@dataclass(frozen=True)
class Track:
    """One bone at every frame: ``places`` (K, 3) from rest and ``turns`` (K, 3, 3) relative to its parent, in our axes; ``keys`` how many it had."""

    places: np.ndarray
    turns: np.ndarray
    keys: int


def read_vmd(path: Path) -> Recording:
    """Raises ConfigError if the file is not legal or moves no body."""
    path = Path(path)
    keys = _keys(path)
    tracks = _tracks(keys, path)
    skeleton = common_body()
    posture = _played(tracks, skeleton)
    return Recording(path.name, skeleton.names, skeleton.parents, skeleton.heads, skeleton.tails, posture.turns, posture.heads[:, 0], 0, FPS)


def _keys(path: Path) -> np.ndarray:
    """All bone keys. No number in the file is believed before the bytes are there."""
    data = path.read_bytes()
    name_bytes = next((size for magic, size in _HEADERS.items() if data.startswith(magic)), None)
    if name_bytes is None:
        raise ConfigError(f"{path}: not a VMD file: expected 'Vocaloid Motion Data' at its beginning, got {data[:16]!r}")
    start = 30 + name_bytes
    count = struct.unpack_from("<I", data, start)[0] if len(data) >= start + 4 else 0
    there = max(len(data) - start - 4, 0) // _KEY.itemsize
    if count < 1 or count > there:
        raise ConfigError(f"{path}: it says that {count} keys of bones follow, and there is room for {there}; expected at least one, and all of them")
    keys = np.frombuffer(data, _KEY, count, start + 4)
    if keys["frame"].max() > LAST_FRAME:
        raise ConfigError(f"{path}: a key stands at frame {keys['frame'].max()}; motions of more than {LAST_FRAME / FPS / 60:.0f} minutes are not read")
    if not (np.isfinite(keys["place"]).all() and np.isfinite(keys["turn"]).all()):
        raise ConfigError(f"{path}: a key holds numbers that are not finite")
    return keys


def _tracks(keys: np.ndarray, path: Path) -> Mapping[str, Track]:
    names = np.array([_text(name) for name in keys["name"]])
    known = {name for name in names if name in _bones()}
    if not known & {"センター", "上半身", "下半身", "グルーブ"}:
        some = ", ".join(sorted(set(names.tolist()) - {""})[:8])
        raise ConfigError(f"{path}: it moves no body: expected bones such as センター or 上半身, found {some}")
    last = int(max(keys["frame"][names == name].max() for name in known))
    return {name: _track(keys[names == name], last) for name in known}


def _text(raw: bytes) -> str:
    """A bone's name; a character that the 15 bytes cut in half is left out."""
    return raw.split(b"\0")[0].decode("shift_jis", errors="ignore")


def _bones() -> set[str]:
    sided = "肩 腕 腕捩 ひじ 手捩 手首 足 ひざ 足首 つま先 足ＩＫ".split() + [f"{f}{d}" for f, _, digits in _FINGERS.values() for d in digits]
    return {"全ての親", "センター", "グルーブ", "腰", "上半身", "上半身2", "首", "頭", "下半身"} | {side + bone for side in _SIDES.values() for bone in sided}


def _track(keys: np.ndarray, last: int) -> Track:
    """A bone's keys at every frame up to ``last``, each channel along its Bezier curve."""
    _, first = np.unique(keys["frame"], return_index=True)
    keys = keys[first]
    at = keys["frame"].astype(float)
    x, y, z, w = keys["turn"].astype(np.float64).T
    length = np.sqrt(x * x + y * y + z * z + w * w)
    q = np.where((length < 1e-6)[:, None], [1.0, 0, 0, 0], np.stack([w, -x, -z, -y], -1) / np.maximum(length, 1e-6)[:, None])
    q, places = continuous(q), keys["place"].astype(np.float64)[:, [0, 2, 1]]
    frames = np.arange(last + 1.0)
    if len(keys) == 1:
        return Track(np.tile(places, (last + 1, 1)), np.tile(matrices_of(q), (last + 1, 1, 1)), 1)
    k = np.clip(np.searchsorted(at, frames, "right") - 1, 0, len(at) - 2)
    share = np.clip((frames - at[k]) / (at[k + 1] - at[k]), 0, 1)
    curves = keys["curves"][k + 1]
    moved = [places[k, c] + (places[k + 1, c] - places[k, c]) * _eased(share, curves, channel) for c, channel in enumerate((0, 2, 1))]
    return Track(np.stack(moved, -1), matrices_of(slerp(q[k], q[k + 1], _eased(share, curves, 3))), len(keys))


def _eased(share: np.ndarray, curves: np.ndarray, channel: int) -> np.ndarray:
    """(K,) where the Bezier curve from (0, 0) to (1, 1) of a ``channel`` (x, y, z, turn) stands at ``share``, by bisection.

    Of the 64 bytes the first 16 are the curves, but the third and fourth are used for other things; they stand again in the second row.
    """
    row = np.concatenate([curves[:, :2], curves[:, 17:19], curves[:, 4:16]], 1).astype(float) / 127
    ax, ay, bx, by = (np.clip(row[:, 4 * part + channel], 0, 1) for part in range(4))
    low, high = np.zeros_like(share), np.ones_like(share)
    curve = lambda t, a, b: 3 * (1 - t) ** 2 * t * a + 3 * (1 - t) * t**2 * b + t**3  # noqa: E731
    for _ in range(30):
        middle = (low + high) / 2
        early = curve(middle, ax, bx) < share
        low, high = np.where(early, middle, low), np.where(early, high, middle)
    return np.where(share >= 1, 1.0, curve((low + high) / 2, ay, by))


def common_body() -> Skeleton:
    """The joints of a body as motions are made for it, in units of 8 cm, our axes; hips and spine both turn about the waist."""
    rows = [("hips", "", (0, 0.2, 12.3), (0, 0.2, 11.2)), ("spine", "hips", (0, 0.2, 12.3), (0, 0.1, 13.7)), ("chest", "spine", (0, 0.1, 13.7), (0, 0.2, 16.4)),
            ("neck", "chest", (0, 0.2, 16.4), (0, 0, 17.3)), ("head", "neck", (0, 0, 17.3), (0, 0, 20.0))]
    along = np.array([0.8, 0.0, -0.6])
    shoulder = np.array([1.4, 0.2, 15.9])
    arm = [np.array([0.3, 0.2, 16.0]), shoulder, shoulder + 2.8 * along, shoulder + 5.4 * along, shoulder + 6.4 * along]
    leg = [np.array(p) for p in ((0.95, 0.1, 11.2), (1.0, 0.0, 6.2), (1.05, 0.3, 1.2), (1.1, -1.3, 0.3))]
    for side, sign in (("left", 1), ("right", -1)):
        mirror = np.array([sign, 1, 1])
        for chain, points in ((("chest", "Shoulder", "UpperArm", "LowerArm", "Hand"), arm), (("hips", "UpperLeg", "LowerLeg", "Foot"), leg)):
            for k, bone in enumerate(chain[1:]):
                rows.append((side + bone, chain[0] if k == 0 else side + chain[k], points[k] * mirror, points[k + 1] * mirror))
        for finger, (_, parts, _) in _FINGERS.items():
            for k, part in enumerate(parts):
                start = arm[3] + (0.9 + 0.3 * k) * along
                rows.append((f"{side}{finger}{part}", f"{side}Hand" if k == 0 else f"{side}{finger}{parts[k - 1]}", start * mirror, (start + 0.3 * along) * mirror))
    names = [row[0] for row in rows]
    return Skeleton(tuple(names), np.array([names.index(r[1]) if r[1] else -1 for r in rows]), np.array([r[2] for r in rows], float), np.array([r[3] for r in rows], float))


def _played(tracks: Mapping[str, Track], skeleton: Skeleton) -> Posture:
    frames = len(next(iter(tracks.values())).places)
    still = Track(np.zeros((frames, 3)), np.tile(np.eye(3), (frames, 1, 1)), 0)
    of = lambda name: tracks.get(name, still)  # noqa: E731
    above, place = of("全ての親").turns, of("全ての親").places
    rest = np.zeros(3)
    for name, point in (("センター", [0, 0.2, 8.0]), ("グルーブ", [0, 0.2, 8.2]), ("腰", skeleton.heads[0])):
        place = place + (above @ (np.asarray(point) - rest + of(name).places)[..., None])[..., 0]
        above, rest = above @ of(name).turns, np.asarray(point)
    turns = np.tile(np.eye(3), (frames, len(skeleton.names), 1, 1))
    for j, joint in enumerate(skeleton.names):
        parent = above if joint in ("hips", "spine") else turns[:, skeleton.parents[j]]
        turned = parent
        for bone in _japanese(joint):
            turned = turned @ of(bone).turns
        turns[:, j] = turned
    posture = Posture.of_turns(skeleton, turns, place - skeleton.heads[0])
    return stand(posture, {side: f for side in _SIDES if (f := _ankle(of, side, skeleton)) is not None})


def _japanese(joint: str) -> tuple[str, ...]:
    """The bones whose turns make up a joint's, relative to its parent's."""
    torso = {"hips": "下半身", "spine": "上半身", "chest": "上半身2", "neck": "首", "head": "頭"}
    if joint in torso:
        return (torso[joint],)
    side = next(s for s in _SIDES if joint.startswith(s))
    part, sign = joint.removeprefix(side), _SIDES[side]
    limbs = {"Shoulder": ("肩",), "UpperArm": ("腕", "腕捩"), "LowerArm": ("ひじ", "手捩"), "Hand": ("手首",), "UpperLeg": ("足",), "LowerLeg": ("ひざ",), "Foot": ("足首",)}
    if part in limbs:
        return tuple(sign + bone for bone in limbs[part])
    finger = next(f for f in _FINGERS if part.startswith(f))
    name, parts, digits = _FINGERS[finger]
    return (sign + name + digits[parts.index(part.removeprefix(finger))],)


def _ankle(of: Callable[[str], Track], side: str, skeleton: Skeleton) -> Footing | None:
    """Where the ankle's own bone puts a foot; None where the file moves the leg by its joints instead."""
    sign = _SIDES[side]
    target, thigh = of(f"{sign}足ＩＫ"), of(f"{sign}足")
    if target.keys == 0 or (target.keys == 1 and thigh.keys > 1):
        return None
    root = of("全ての親")
    rest = skeleton.heads[skeleton.index(f"{side}Foot")]
    ankles = root.places + (root.turns @ (rest + target.places)[..., None])[..., 0]
    return Footing(ankles, root.turns @ target.turns, None)
