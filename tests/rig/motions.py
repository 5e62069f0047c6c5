"""People who move, and the BVH text that would have recorded them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.spatial.transform import Rotation

from stages.artifacts.body import Skeleton
from stages.artifacts.motion import Clip
from stages.artifacts.rotations import matrices_of, quaternions_of, shortest_turns
from stages.rig.motion.builtin import made_clip

# What each family calls the joints of ``person``, in its order.
NAMES = {
    "vrm": None,
    "cmu": "Hips LowerBack Spine Spine1 Neck Head LeftShoulder LeftArm LeftForeArm LeftHand LeftUpLeg LeftLeg LeftFoot LeftToeBase "
           "RightShoulder RightArm RightForeArm RightHand RightUpLeg RightLeg RightFoot RightToeBase",
    "mixamo": "mixamorig:Hips mixamorig:Spine mixamorig:Spine1 mixamorig:Spine2 mixamorig:Neck mixamorig:Head mixamorig:LeftShoulder mixamorig:LeftArm "
              "mixamorig:LeftForeArm mixamorig:LeftHand mixamorig:LeftUpLeg mixamorig:LeftLeg mixamorig:LeftFoot mixamorig:LeftToeBase "
              "mixamorig:RightShoulder mixamorig:RightArm mixamorig:RightForeArm mixamorig:RightHand mixamorig:RightUpLeg mixamorig:RightLeg "
              "mixamorig:RightFoot mixamorig:RightToeBase",
    "rokoko": "Hips Spine1 Spine2 Spine3 Neck Head LeftShoulder LeftArm LeftForeArm LeftHand LeftThigh LeftShin LeftFoot LeftToe "
              "RightShoulder RightArm RightForeArm RightHand RightThigh RightShin RightFoot RightToe",
    "bandai namco": "Hips Spine Chest UpperChest Neck Head Shoulder_L UpperArm_L LowerArm_L Hand_L UpperLeg_L LowerLeg_L Foot_L Toes_L "
                    "Shoulder_R UpperArm_R LowerArm_R Hand_R UpperLeg_R LowerLeg_R Foot_R Toes_R",
    "by joints": "Hips Chest Chest2 Chest3 Neck Head LeftCollar LeftShoulder LeftElbow LeftWrist LeftHip LeftKnee LeftAnkle LeftToe "
                 "RightCollar RightShoulder RightElbow RightWrist RightHip RightKnee RightAnkle RightToe",
    "daz": "hip abdomen chest chest2 neck head lCollar lShldr lForeArm lHand lThigh lShin lFoot lToe rCollar rShldr rForeArm rHand rThigh rShin rFoot rToe",
}


def person(arms_deg: float = 0.0, spread_deg: float = 0.0) -> Skeleton:
    """Twenty-two joints, 1.75 m tall, soles at z = 0; arms that far beneath the horizontal, legs that far apart."""
    rows = [("hips", "", (0, 0.01, 0.96), (0, 0, 1.08)), ("spine", "hips", (0, 0, 1.08), (0, 0, 1.2)), ("chest", "spine", (0, 0, 1.2), (0, 0, 1.32)),
            ("upperChest", "chest", (0, 0, 1.32), (0, 0, 1.45)), ("neck", "upperChest", (0, 0, 1.48), (0, -0.01, 1.58)),
            ("head", "neck", (0, -0.01, 1.58), (0, -0.01, 1.75))]
    down, out = np.radians(arms_deg), np.radians(spread_deg)
    along, leg = np.array([np.cos(down), 0, -np.sin(down)]), np.array([np.sin(out), 0, -np.cos(out)])
    shoulder, hip = np.array([0.17, 0, 1.44]), np.array([0.09, 0, 0.92])
    arm = [np.array([0.03, 0, 1.44]), shoulder, shoulder + along * 0.29, shoulder + along * 0.55, shoulder + along * 0.72]
    knee = hip + leg * 0.42 + [0, -0.01, 0]
    ankle = hip + leg * 0.83 + [0, 0.01, 0]
    lower = [hip, knee, ankle, ankle + [0, -0.13, 0.025 - ankle[2]], ankle + [0, -0.21, 0.015 - ankle[2]]]
    for side, sign in (("left", 1), ("right", -1)):
        mirror = np.array([sign, 1, 1])
        for chain, points in ((("upperChest", "Shoulder", "UpperArm", "LowerArm", "Hand"), arm), (("hips", "UpperLeg", "LowerLeg", "Foot", "Toes"), lower)):
            for k, bone in enumerate(chain[1:]):
                rows.append((side + bone, chain[0] if k == 0 else side + chain[k], points[k] * mirror, points[k + 1] * mirror))
    order = [r[0] for r in rows]
    return Skeleton(tuple(order), np.array([order.index(r[1]) if r[1] else -1 for r in rows]),
                    np.array([r[2] for r in rows], float), np.array([r[3] for r in rows], float))


def walking(skeleton: Skeleton, fps: float = 60.0, cycles: int = 3) -> Clip:
    """A walk over the ground, along -Y: ``cycles`` times two steps, feet still where they stand."""
    once = made_clip("walk", skeleton, fps)
    turns = np.concatenate([once.rotations_wxyz[:-1]] * cycles)
    places = np.concatenate([once.root_offset_m[:-1]] * cycles)
    places = places - np.arange(len(places))[:, None] / once.fps * once.ground_m_s * [0.0, 1.0, 0.0]
    return replace(once, rotations_wxyz=turns, root_offset_m=places, loops=False, ground_m_s=0.0)


def heaped(clip: Clip) -> Clip:
    """The same motion of a skeleton whose bones all lie along +X at rest, as capture programs with axes of their own in each bone write it."""
    rest = clip.skeleton
    along = np.array([rest.tails[j] - rest.heads[j] for j in range(len(rest.names))])
    own = shortest_turns(np.array([1.0, 0, 0]), along)  # a bone's own axes, in the world, at rest
    heads, tails = rest.heads.copy(), rest.tails.copy()
    for j, parent in enumerate(rest.parents):
        heads[j] = rest.heads[j] if parent < 0 else heads[parent] + own[parent].T @ (rest.heads[j] - rest.heads[parent])
        tails[j] = heads[j] + own[j].T @ along[j]
    outer = np.stack([np.eye(3) if p < 0 else own[p] for p in rest.parents])
    local = np.swapaxes(outer, -1, -2) @ matrices_of(clip.rotations_wxyz) @ own
    return replace(clip, skeleton=Skeleton(rest.names, rest.parents, heads, tails), rotations_wxyz=quaternions_of(local))


def bvh_text(clip: Clip, family: str = "cmu", order: str = "ZYX", units_a_metre: float = 100.0, up: str = "y", root_node: bool = False) -> str:
    """``clip`` as a BVH file with the names of ``family``, rotation channels in ``order``, +Y up with the front on +Z, or as it is (``up`` "z")."""
    skeleton = clip.skeleton
    names = skeleton.names if NAMES[family] is None else NAMES[family].split()
    assert len(names) == len(skeleton.names)
    axes = np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0]]) if up == "y" else np.eye(3)
    lines: list[str] = ["HIERARCHY"]

    def vector(v: np.ndarray) -> str:
        return " ".join(f"{x:.7f}" for x in axes @ v * units_a_metre)

    def joint(j: int, depth: int) -> None:
        pad = "\t" * depth
        parent = skeleton.parents[j]
        root = parent < 0
        lines.extend([f"{pad}{'ROOT' if root and not root_node else 'JOINT'} {names[j]}", f"{pad}{{"])
        lines.append(f"{pad}\tOFFSET {vector(skeleton.heads[j] - (0 if root else skeleton.heads[parent]))}")
        position = "Xposition Yposition Zposition " if root else ""
        lines.append(f"{pad}\tCHANNELS {6 if root else 3} {position}" + " ".join(f"{axis}rotation" for axis in order))
        children = np.flatnonzero(np.asarray(skeleton.parents) == j)
        for child in children:
            joint(int(child), depth + 1)
        if not len(children):
            lines.extend([f"{pad}\tEnd Site", f"{pad}\t{{", f"{pad}\t\tOFFSET {vector(skeleton.tails[j] - skeleton.heads[j])}", f"{pad}\t}}"])
        lines.append(f"{pad}}}")

    if root_node:
        lines.extend(["ROOT joint_Root", "{", "\tOFFSET 0 0 0", "\tCHANNELS 3 Zrotation Xrotation Yrotation"])
    joint(0, int(root_node))
    if root_node:
        lines.append("}")
    lines += ["MOTION", f"Frames: {clip.frames}", f"Frame Time: {1 / clip.fps:.8f}"]
    local = axes @ matrices_of(clip.rotations_wxyz) @ axes.T
    angles = Rotation.from_matrix(local.reshape(-1, 3, 3)).as_euler(order, degrees=True).reshape(clip.frames, -1, 3)
    depth_first = _depth_first(skeleton)
    for t in range(clip.frames):
        place = axes @ (skeleton.heads[0] + clip.root_offset_m[t]) * units_a_metre
        lines.append(" ".join(f"{x:.6f}" for x in [*([0, 0, 0] if root_node else []), *place, *angles[t, depth_first].ravel()]))
    return "\n".join(lines) + "\n"


def _depth_first(skeleton: Skeleton) -> list[int]:
    out: list[int] = []

    def walk(j: int) -> None:
        out.append(j)
        for child in np.flatnonzero(np.asarray(skeleton.parents) == j):
            walk(int(child))

    walk(0)
    return out
