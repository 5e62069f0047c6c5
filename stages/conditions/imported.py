"""A body that someone brought, turned into a ``BodyModel``: humanoid joints, our frame, our rest pose, parts and landmarks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from pipeline.errors import ConfigError
from stages.artifacts.body import BodyModel, Skeleton
from stages.artifacts.bone_roles import joint_names
from stages.conditions.body_parts import part_of_triangles
from stages.conditions.landmarks import estimate_landmarks

HEIGHT_M = 1.58  # given to bodies whose own height is no person's, in metres
PLAUSIBLE_M = (0.4, 3.0)
ARM_BELOW_HORIZONTAL_DEG = 40.0


@dataclass(frozen=True)
class ImportedBody:
    """A skinned mesh as its file has it, in its rest pose, +Z up.

    ``v_pos`` (V, 3), ``t_pos_idx`` (F, 3), ``corner_uv`` (F, 3, 2) v up; ``t_material`` (F,) into ``textures``, a list of (H, W, 3) sRGB
    pictures; ``weights`` (V, B) of the bones; ``said`` bone name -> VRM joint name, as far as the file says so.
    """

    source: Path
    v_pos: np.ndarray
    t_pos_idx: np.ndarray
    corner_uv: np.ndarray
    t_material: np.ndarray
    textures: tuple[np.ndarray, ...]
    bones: Skeleton
    weights: np.ndarray
    said: Mapping[str, str]


def to_body_model(body: ImportedBody) -> BodyModel:
    """Raises ConfigError, naming the missing joints, if the armature is no humanoid's."""
    joints = joint_names(body.bones.names, body.bones.parents, body.said, body.source)
    body = _without_props(body, joints)
    skeleton, weights = _humanoid(body, joints)
    v_pos, skeleton = _upright(body.v_pos, skeleton)
    v_pos, faces, weights = _welded(v_pos, body.t_pos_idx, weights)
    kd, v_tex = _atlas(body)
    t_tex_idx = np.arange(v_tex.shape[0]).reshape(-1, 3)
    part_names, t_part = part_of_triangles(v_pos, faces, weights, skeleton)
    model = BodyModel(v_pos, faces, v_tex, t_tex_idx, t_part, part_names, skeleton, weights, {}, kd)
    model = _in_our_rest_pose(replace(model, landmarks=estimate_landmarks(model)))
    offset = np.array([0, 0, model.v_pos[:, 2].min()])
    moved = replace(model.skeleton, heads=model.skeleton.heads - offset, tails=model.skeleton.tails - offset)
    return replace(model, v_pos=model.v_pos - offset, skeleton=moved)


def _without_props(body: ImportedBody, joints: Mapping[int, str]) -> ImportedBody:
    """Triangles that hang wholly on a bone that is nobody's joint and has no joint below it (a sword's slot) are left out."""
    parents = body.bones.parents
    carrying = set(joints)
    for i in list(joints):
        while i >= 0:
            carrying.add(i)
            i = int(parents[i])
    heaviest = body.weights.argmax(1)
    alone = body.weights.max(1) > 0.999
    slot = np.array([i not in carrying and any(w in name.lower() for w in ("slot", "weapon", "prop", "socket")) for i, name in enumerate(body.bones.names)])
    keep = ~(slot[heaviest] & alone)[body.t_pos_idx].all(1)
    if keep.all():
        return body
    used, faces = np.unique(body.t_pos_idx[keep], return_inverse=True)
    return replace(
        body, v_pos=body.v_pos[used], t_pos_idx=faces.reshape(-1, 3), corner_uv=body.corner_uv[keep], t_material=body.t_material[keep],
        weights=body.weights[used],
    )


def _humanoid(body: ImportedBody, joints: Mapping[int, str]) -> tuple[Skeleton, np.ndarray]:
    """Only the joints, parents first; the weights of every other bone go to the nearest joint above it, else to the hips."""
    skeleton, order, owner = joints_alone(body.bones, joints)
    weights = np.zeros((len(body.v_pos), len(order)))
    np.add.at(weights.T, owner, body.weights.T)
    total = weights.sum(1, keepdims=True)
    return skeleton, np.where(total > 1e-6, weights / np.maximum(total, 1e-6), np.eye(len(order))[0])


def joints_alone(bones: Skeleton, joints: Mapping[int, str]) -> tuple[Skeleton, list[int], np.ndarray]:
    """The skeleton of the joints, parents first, their bones in that order, and for every bone the joint that it belongs to."""
    order = sorted(joints, key=lambda i: (_steps_up(i, bones.parents), i))
    hips = next(i for i in order if joints[i] == "hips")
    order.remove(hips)
    order.insert(0, hips)
    place = {bone: j for j, bone in enumerate(order)}
    owner = np.zeros(len(bones.names), int)
    for bone in range(len(bones.names)):
        at = bone
        while at >= 0 and at not in place:
            at = int(bones.parents[at])
        owner[bone] = place.get(at, 0)
    parents = np.array([-1] + [int(owner[bones.parents[b]]) if bones.parents[b] >= 0 else 0 for b in order[1:]])
    names = tuple(joints[b] for b in order)
    return Skeleton(names, parents, bones.heads[order], _tails(names, parents, bones.heads[order], bones.tails[order])), order, owner


def _tails(names: tuple[str, ...], parents: np.ndarray, heads: np.ndarray, tails: np.ndarray) -> np.ndarray:
    """A bone ends where the next one begins, if just one that continues it does; else where the file says."""
    out = tails.copy()
    continues = {"UpperArm": "LowerArm", "LowerArm": "Hand", "UpperLeg": "LowerLeg", "LowerLeg": "Foot", "Foot": "Toes", "Shoulder": "UpperArm"}
    for j, name in enumerate(names):
        side = next((s for s in ("left", "right") if name.startswith(s)), "")
        wanted = side + continues.get(name.removeprefix(side), "?")
        children = np.flatnonzero(parents == j)
        if wanted in names:
            out[j] = heads[names.index(wanted)]
        elif not side and len(children) == 1:
            out[j] = heads[children[0]]
    return out


def _upright(v_pos: np.ndarray, skeleton: Skeleton) -> tuple[np.ndarray, Skeleton]:
    """Facing -Y (the left arm on +X), soles at z = 0, hips over the origin, a person's height."""
    at = {name: skeleton.heads[j] for j, name in enumerate(skeleton.names)}
    turn = turn_to_front(skeleton)
    if at["head"][2] < at["hips"][2]:
        raise ConfigError("the imported body stands on its head: its up axis is not +Z after import (nor +Y in glTF)")
    v = v_pos @ turn.T
    height = np.ptp(v[:, 2])
    scale = 1.0 if PLAUSIBLE_M[0] <= height <= PLAUSIBLE_M[1] else HEIGHT_M / height
    origin = np.append((at["hips"] @ turn.T)[:2], v[:, 2].min())
    place = lambda x: (x @ turn.T - origin) * scale  # noqa: E731
    return place(v_pos), replace(skeleton, heads=place(skeleton.heads), tails=place(skeleton.tails))


def turn_to_front(skeleton: Skeleton) -> np.ndarray:
    """(3, 3) turn about +Z after which the left arm lies on +X; what is within 3 degrees of that stays."""
    left = skeleton.heads[skeleton.index("leftUpperArm")] - skeleton.heads[skeleton.index("rightUpperArm")]
    angle = -np.arctan2(left[1], left[0])
    if np.abs(angle) < np.radians(3):
        return np.eye(3)
    return np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])


def _welded(v_pos: np.ndarray, faces: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Vertices that share a place and their weights become one: files split them at seams of texture and normal."""
    key = np.round(np.c_[v_pos / max(np.ptp(v_pos[:, 2]), 1e-9) * 2e5, weights * 100]).astype(np.int64)
    _, first, index = np.unique(key, axis=0, return_index=True, return_inverse=True)
    faces = index.reshape(-1)[faces]
    whole = (faces[:, 0] != faces[:, 1]) & (faces[:, 1] != faces[:, 2]) & (faces[:, 0] != faces[:, 2])
    if not whole.all():
        faces[~whole] = faces[~whole][:, :1]  # kept, so that triangles stay aligned with their texture; they have no area
    return v_pos[first], faces, weights[first]


def _atlas(body: ImportedBody) -> tuple[np.ndarray, np.ndarray]:
    """All textures side by side in one picture (H, W, 3), and texture coordinates (3 F, 2) in it."""
    size = max(64, min(1024, max(max(t.shape[:2]) for t in body.textures)))
    count = len(body.textures)
    kd = np.concatenate([_resized(t, size) for t in body.textures], 1)
    uv = body.corner_uv - np.floor(body.corner_uv.min(1, keepdims=True))
    uv = np.clip(uv, 0.5 / size, 1 - 0.5 / size) if count > 1 else uv
    uv = np.stack([(uv[..., 0] + body.t_material[:, None]) / count, uv[..., 1]], -1) if count > 1 else uv
    return kd.astype(np.float32), uv.reshape(-1, 2)


def _resized(texture: np.ndarray, size: int) -> np.ndarray:
    rows, columns = (np.minimum((np.arange(size) + 0.5) * n / size, n - 1).astype(int) for n in texture.shape[:2])
    return texture[rows[:, None], columns[None]]


def _in_our_rest_pose(model: BodyModel) -> BodyModel:
    return model.posed(turns_to_our_rest(model.skeleton))


def turns_to_our_rest(skeleton: Skeleton) -> dict[str, np.ndarray]:
    """Local turns (w, x, y, z): arms straight, 40 degrees below the horizontal, legs straight down, as the built-in poses take for granted."""
    out, turned = {}, {}
    down = np.radians(ARM_BELOW_HORIZONTAL_DEG)
    for j, name in enumerate(skeleton.names):
        above = turned.get(int(skeleton.parents[j]), np.eye(3))
        side = 1.0 if name.startswith("left") else -1.0
        wanted = None
        if name.endswith(("UpperArm", "LowerArm")):
            wanted = np.array([side * np.cos(down), 0, -np.sin(down)])
        elif name.endswith(("UpperLeg", "LowerLeg")):
            wanted = np.array([0.0, 0, -1])
        if wanted is None:
            turned[j] = above
            continue
        now = skeleton.tails[j] - skeleton.heads[j]
        if name.endswith("Leg") and np.degrees(np.arccos(np.clip(-now[2] / np.linalg.norm(now), -1, 1))) < 12:
            turned[j] = above  # a stance is not a pose
            continue
        out[name] = _shortest_turn_wxyz(now, above.T @ wanted)
        turned[j] = above @ _matrix(out[name])
    return out


def _shortest_turn_wxyz(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    a, b = a / np.linalg.norm(a), b / np.linalg.norm(b)
    q = np.array([1 + a @ b, *np.cross(a, b)])
    return q / np.linalg.norm(q) if np.linalg.norm(q) > 1e-6 else np.array([0.0, 0, 0, 1])


def _matrix(q_wxyz: np.ndarray) -> np.ndarray:
    from stages.artifacts.body import rotation_matrix

    return rotation_matrix(q_wxyz)


def _steps_up(i: int, parents: np.ndarray) -> int:
    count = 0
    while i >= 0:
        i, count = int(parents[i]), count + 1
    return count
