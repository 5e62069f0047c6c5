"""How well a motion file sits on the project's body: ``python -m scripts.bench.retarget walk.bvh -o docs/benchmarks/retarget.json``.

Slide is how far heel or ball of a foot travels over the ground within one contact of the source, in total (aim: <= 2 cm). Contacts are told twice: as
the retargeting tells them, and by a stricter rule of the benchmark's own, so that it does not only judge itself. Ground is how far the body's
surface, skinned, is beneath z = 0 (aim: <= 1 cm). End effectors are hands, feet and head (aim: <= 5 cm mean): "scaled" compares with the source
scaled by its legs, as a whole, so that a body with other proportions cannot reach 0; "by limb" goes from where each limb begins on our body along the
source's bones, each as long as ours (for the head: along the source's back, scaled by its length). Both look at the joints' places alone. Hands that reach (``rig.reach``) come nearer to the one and leave
the other; so they are measured with none of it, the default and all of it, with what it might cost: arms in the body, and how hard joints start and stop.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from scripts.bench.machine import described, report
from stages.artifacts.body import BodyModel
from stages.artifacts.motion import Clip, Posture
from stages.artifacts.normals import vertex_normals
from stages.artifacts.rig import skin_sparse
from stages.artifacts.rotations import matrices_of
from stages.conditions.body import load_base_body
from stages.rig.inpaint import strongest
from stages.rig.motion.contacts import SIDES, Contacts, contacts_of, runs
from stages.rig.motion.feet import sole_of
from stages.rig.motion.proportions import leg_length
from stages.rig.motion.reading import read_motion
from stages.rig.motion.retarget import retarget
from stages.rig.settings import RigSettings

EFFECTORS = ("leftHand", "rightHand", "leftFoot", "rightFoot", "head")
ARMS = tuple(side + part for side in SIDES for part in ("UpperArm", "LowerArm"))
EVERY = 4  # frames, of those in which arms are looked for in the body
KINDS: dict[str, tuple[bool, float]] = {
    "reach": (True, RigSettings().reach), "reach_whole": (True, 1.0), "feet_held": (True, 0.0), "turns_alone": (False, 0.0),
}


def slides(posture: Posture, heel: np.ndarray, toe: np.ndarray) -> list[float]:
    """Centimetres over the ground of each contact of each heel and each ball."""
    out = []
    for k, side in enumerate(SIDES):
        sole = sole_of(posture.skeleton, side)
        for point, mask in ((sole.heel, heel[:, k]), (sole.ball, toe[:, k])):
            path = posture.carried(f"{side}Foot", point)[:, :2]
            out += [100 * float(np.linalg.norm(np.diff(path[a:b], axis=0), axis=-1).sum()) for a, b in runs(mask)]
    return out


def strict_contacts(source: Clip) -> tuple[np.ndarray, np.ndarray]:
    """(K, 2) heels and toes within 2 cm of the lowest that each ever is for long (its 5th percentile) and slower than 0.2 m/s, three frames or more."""
    posture = source.posture()
    out = []
    for part in ("Foot", "Toes"):
        points = np.stack([posture.at(side + part) for side in SIDES], 1)
        speed = np.linalg.norm(np.gradient(points, axis=0), axis=-1) * source.fps
        mask = (points[..., 2] < np.percentile(points[..., 2], 5, axis=0) + 0.02) & (speed < 0.2)
        for k in range(2):
            for a, b in runs(mask[:, k]):
                if b - a < 3:
                    mask[a:b, k] = False
        out.append(mask)
    return out[0], out[1]


def beneath_cm(body: BodyModel, clip: Clip) -> np.ndarray:
    """(K,) how far the lowest vertex of the skinned surface is beneath z = 0."""
    joints, weights = strongest(body.weights)
    low = body.v_pos[:, 2] < 0.25
    return np.array([-100 * skin_sparse(body.v_pos[low], joints[low], weights[low], clip.pose(t))[:, 2].min() for t in range(clip.frames)])


def effector_errors(source: Clip, clip: Clip, contacts: Contacts) -> dict[str, dict[str, float]]:
    """Mean centimetres by end effector: against the source scaled as a whole from between the hip joints, and against its directions by limb."""
    theirs, ours = source.posture(), clip.posture()
    scale = leg_length(clip.skeleton) / leg_length(source.skeleton)
    middle = lambda posture: (posture.at("leftUpperLeg") + posture.at("rightUpperLeg")) / 2  # noqa: E731
    ankle = np.mean([clip.skeleton.heads[clip.skeleton.index(f"{s}Foot")][2] for s in SIDES])
    placed = middle(theirs) * scale
    placed[:, 2] = ankle + scale * (middle(theirs)[:, 2] - contacts.ankle_m)
    out: dict[str, dict[str, float]] = {"scaled": {}, "by_limb": {}}
    for joint in EFFECTORS:
        whole = placed + scale * (theirs.at(joint) - middle(theirs))
        for kind, wanted in (("scaled", whole), ("by_limb", along_limb(theirs, ours, joint))):
            out[kind][joint] = 100 * float(np.linalg.norm(ours.at(joint) - wanted, axis=-1).mean())
    for kind in out.values():
        kind["mean"] = float(np.mean(list(kind.values())))
    return {kind: {joint: round(cm, 2) for joint, cm in values.items()} for kind, values in out.items()}


def along_limb(theirs: Posture, ours: Posture, joint: str) -> np.ndarray:
    """(K, 3) where ``joint`` would be if each bone of its limb lay as the source's does."""
    side = next((s for s in SIDES if joint.startswith(s)), "")
    chain = ["hips", "head"] if not side else [side + part for part in (("UpperArm", "LowerArm", "Hand") if joint.endswith("Hand") else ("UpperLeg", "LowerLeg", "Foot"))]
    place = ours.at(chain[0])
    for above, below in zip(chain, chain[1:]):
        bone = theirs.at(below) - theirs.at(above)
        length = np.linalg.norm(ours.skeleton.heads[ours.skeleton.index(below)] - ours.skeleton.heads[ours.skeleton.index(above)])
        if side:
            place = place + length * bone / np.linalg.norm(bone, axis=-1, keepdims=True)
        else:
            rest = theirs.skeleton
            place = place + bone * length / np.linalg.norm(rest.heads[rest.index(below)] - rest.heads[rest.index(above)])
    return place


def trunk_lean_deg(posture: Posture) -> float:
    """How far the line from between the hip joints to the head leans forward of the upright, on the average, as the hips face."""
    middle = (posture.at("leftUpperLeg") + posture.at("rightUpperLeg")) / 2
    across = posture.at("leftUpperLeg") - posture.at("rightUpperLeg")
    forward = np.cross(across, [0.0, 0.0, 1.0])
    forward /= np.linalg.norm(forward, axis=-1, keepdims=True)
    back = posture.at("head") - middle
    return float(np.degrees(np.arctan2((back * forward).sum(-1), back[:, 2])).mean())


def accelerations(clip: Clip) -> dict[str, dict[str, float]]:
    """Of each joint of the arms relative to the one above it, rad/s^2: the 99th percentile over the frames and the largest."""
    out = {}
    for joint in ARMS:
        turns = Rotation.from_matrix(matrices_of(clip.rotations_wxyz[:, clip.skeleton.index(joint)]))
        speed = (turns[1:] * turns[:-1].inv()).as_rotvec() * clip.fps
        hard = np.linalg.norm(np.diff(speed, axis=0), axis=-1) * clip.fps
        out[joint] = {"p99": round(float(np.percentile(hard, 99)), 1), "largest": round(float(hard.max()), 1)}
    return out


def arms_in_body(body: BodyModel, clip: Clip) -> dict[str, dict[str, float]]:
    """How deep forearms and hands are in trunk and legs: the largest depth (cm), and in how many of the frames looked at it is over 5 mm."""
    names = np.array(body.skeleton.names)[body.weights.argmax(1)]
    trunk = np.flatnonzero(np.isin(names, ["hips", "spine", "chest", "upperChest", *(s + part for s in SIDES for part in ("UpperLeg", "LowerLeg"))]))
    others = ("Leg", "Foot", "Toes", "Eye", "Shoulder", "UpperArm")
    arm = {side: np.array([n.startswith(side) and not n.endswith(others) for n in names]) for side in SIDES}
    depth: dict[str, list[float]] = {side: [] for side in SIDES}
    for t in range(0, clip.frames, EVERY):
        v_pos = body.posed(dict(zip(clip.skeleton.names, clip.rotations_wxyz[t], strict=True)), clip.root_offset_m[t]).v_pos
        normals, tree = vertex_normals(v_pos, body.t_pos_idx)[trunk], cKDTree(v_pos[trunk])
        for side in SIDES:
            away, near = tree.query(v_pos[arm[side]])
            inside = -((v_pos[arm[side]] - v_pos[trunk][near]) * normals[near]).sum(-1)
            depth[side].append(100 * float(inside[away < 0.06].max(initial=0.0)))
    return {side: {"largest_cm": round(max(d), 2), "frames_over_5_mm": sum(x > 0.5 for x in d), "frames": len(d)} for side, d in depth.items()}


def spread(values: list[float]) -> dict[str, Any]:
    """How many, their mean and their largest."""
    return {"contacts": len(values), "mean_cm": round(float(np.mean(values)), 3), "largest_cm": round(float(np.max(values)), 3)} if values else {"contacts": 0}


def measured(path: Path, fps: float) -> dict[str, Any]:
    """All figures of one motion: with hands that reach, with feet held alone, with neither."""
    body, settled = load_base_body(), read_motion(path)
    source = settled.clip.resampled(fps)
    contacts, strict = contacts_of(source), strict_contacts(source)
    figures: dict[str, Any] = {"motion": settled.said(path.name), "fps": fps, "source": {
        "trunk_lean_deg": round(trunk_lean_deg(source.posture()), 2), "acceleration_rad_s2": accelerations(source)}}
    for kind, (hold, reach) in KINDS.items():
        started = time.process_time()
        clip = retarget(source, body.skeleton, "bench", hold, reach)
        seconds = time.process_time() - started
        posture, beneath = clip.posture(), beneath_cm(body, clip)
        figures[kind] = {
            "rig.reach": reach,
            "slide": spread(slides(posture, contacts.heel, contacts.toe)), "slide_strict_contacts": spread(slides(posture, *strict)),
            "beneath_ground_cm": {"largest": round(float(beneath.max()), 2), "frames_over_1_cm": int((beneath > 1).sum()), "frames": clip.frames},
            "end_effectors_cm": effector_errors(source, clip, contacts), "trunk_lean_deg": round(trunk_lean_deg(posture), 2),
            "acceleration_rad_s2": accelerations(clip), "arms_in_body": arms_in_body(body, clip), "cpu_seconds": round(seconds, 3),
        }
    return figures


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("motion", type=Path)
    parser.add_argument("--fps", type=float, default=30.0, help="keys a second of the clip")
    parser.add_argument("-o", "--output", type=Path, help="JSON file for the figures")
    arguments = parser.parse_args()
    report(measured(arguments.motion, arguments.fps) | {"machine": described()}, arguments.output)


if __name__ == "__main__":
    main()
