"""A body for tests: ellipsoids on the humanoid's joints, with parts, weights and landmarks. Coarse on purpose, but whole."""

from __future__ import annotations

import numpy as np

from stages.artifacts.body import BodyModel, Skeleton

FINGERS = ("Thumb", "Index", "Middle", "Ring", "Little")
PARTS = (
    "scalp face ear_l ear_r eye_l eye_r iris_l iris_r mouth neck chest upper_back abdomen lower_back pelvis_front pelvis_back "
    "upper_arm_l upper_arm_r lower_arm_l lower_arm_r hand_l hand_r upper_leg_l upper_leg_r lower_leg_l lower_leg_r foot_l foot_r"
).split()
ARM = np.array([np.cos(np.radians(40)), 0, -np.sin(np.radians(40))])


def joints() -> dict[str, tuple[str | None, np.ndarray, np.ndarray]]:
    """name -> parent, head, tail; 1.58 m tall, arms 40 degrees below the horizontal."""
    p = lambda *x: np.array(x, float)  # noqa: E731
    found: dict[str, tuple[str | None, np.ndarray, np.ndarray]] = {
        "hips": (None, p(0, 0, 0.85), p(0, 0, 0.95)), "spine": ("hips", p(0, 0, 0.95), p(0, 0, 1.05)),
        "chest": ("spine", p(0, 0, 1.05), p(0, 0, 1.15)), "upperChest": ("chest", p(0, 0, 1.15), p(0, 0, 1.27)),
        "neck": ("upperChest", p(0, 0, 1.27), p(0, 0, 1.34)), "head": ("neck", p(0, 0, 1.34), p(0, 0, 1.58)),
    }
    for side, s in (("left", 1), ("right", -1)):
        flip = p(s, 1, 1)
        shoulder = p(0.15, 0, 1.25)
        elbow, wrist = shoulder + 0.24 * ARM, shoulder + 0.46 * ARM
        found |= {
            f"{side}Eye": ("head", p(0.035, -0.08, 1.44) * flip, p(0.035, -0.1, 1.44) * flip),
            f"{side}Shoulder": ("upperChest", p(0.03, 0, 1.25) * flip, shoulder * flip),
            f"{side}UpperArm": (f"{side}Shoulder", shoulder * flip, elbow * flip),
            f"{side}LowerArm": (f"{side}UpperArm", elbow * flip, wrist * flip),
            f"{side}Hand": (f"{side}LowerArm", wrist * flip, (wrist + 0.07 * ARM) * flip),
            f"{side}UpperLeg": ("hips", p(0.08, 0, 0.82) * flip, p(0.08, 0, 0.45) * flip),
            f"{side}LowerLeg": (f"{side}UpperLeg", p(0.08, 0, 0.45) * flip, p(0.08, 0, 0.07) * flip),
            f"{side}Foot": (f"{side}LowerLeg", p(0.08, 0, 0.07) * flip, p(0.08, -0.12, 0.02) * flip),
        }
        for i, finger in enumerate(FINGERS):
            base = wrist + ARM * (0.02 if i == 0 else 0.075) + p(0, -0.03 + 0.015 * i, 0)
            direction = ARM + (p(0, -0.8, 0) if i == 0 else 0)
            names = ("Metacarpal", "Proximal", "Distal") if i == 0 else ("Proximal", "Intermediate", "Distal")
            for k, segment in enumerate(names):
                parent = f"{side}Hand" if k == 0 else f"{side}{finger}{names[k - 1]}"
                at = base + direction * 0.02 * k
                found[f"{side}{finger}{segment}"] = (parent, at * flip, (at + direction * 0.02) * flip)
    return found


def ellipsoid(centre: np.ndarray, axes: np.ndarray, rows: int = 12, columns: int = 16) -> tuple[np.ndarray, np.ndarray]:
    """Vertices and outward counter-clockwise triangles; ``axes`` (3, 3) columns are the half axes, right-handed."""
    t = np.pi * np.arange(rows + 1) / rows
    a = 2 * np.pi * np.arange(columns) / columns
    unit = np.stack([np.sin(t)[:, None] * np.cos(a), np.sin(t)[:, None] * np.sin(a), np.cos(t)[:, None] + 0 * a], -1)
    i, j = np.mgrid[0:rows, 0:columns]
    k = (j + 1) % columns
    quad = [i * columns + j, (i + 1) * columns + j, (i + 1) * columns + k, i * columns + k]
    faces = np.concatenate([np.stack([quad[0], quad[1], quad[2]], -1), np.stack([quad[0], quad[2], quad[3]], -1)]).reshape(-1, 3)
    return centre + unit.reshape(-1, 3) @ axes.T, faces


def along(head: np.ndarray, tail: np.ndarray, radius: float) -> tuple[np.ndarray, np.ndarray]:
    """An ellipsoid round a bone."""
    z = (tail - head) / 2
    x = np.cross(z, [0.3, 1.0, 0.2])
    x *= radius / np.linalg.norm(x)
    y = np.cross(z, x)
    y *= radius / np.linalg.norm(y)
    return ellipsoid((head + tail) / 2, np.stack([x, y, z * 1.1], 1))


def mannequin() -> BodyModel:
    """The whole body."""
    bones = joints()
    names = tuple(bones)
    pieces: list[tuple[np.ndarray, np.ndarray, str, str]] = []  # vertices, faces, joint, part
    for joint, radius, part in (("hips", 0.12, "pelvis"), ("spine", 0.1, "abdomen"), ("chest", 0.11, "chest"), ("upperChest", 0.11, "chest")):
        pieces.append((*ellipsoid((bones[joint][1] + bones[joint][2]) / 2, np.diag([radius * 1.3, radius * 0.85, 0.1])), joint, part))
    pieces.append((*along(bones["neck"][1], bones["neck"][2], 0.045), "neck", "neck"))
    pieces.append((*ellipsoid(np.array([0, 0, 1.46]), np.diag([0.085, 0.1, 0.12])), "head", "face"))
    for side, s in (("left", 1), ("right", -1)):
        for joint, radius, part in (
            ("UpperArm", 0.045, "upper_arm"), ("LowerArm", 0.035, "lower_arm"), ("Hand", 0.03, "hand"), ("UpperLeg", 0.07, "upper_leg"),
            ("LowerLeg", 0.05, "lower_leg"), ("Foot", 0.04, "foot"),
        ):
            pieces.append((*along(bones[side + joint][1], bones[side + joint][2], radius), side + joint, f"{part}_{side[0]}"))
        for finger in FINGERS:
            chain = [n for n in names if n.startswith(side + finger)]
            pieces.append((*along(bones[chain[0]][1], bones[chain[-1]][2], 0.009), chain[0], f"hand_{side[0]}"))
        pieces.append((*ellipsoid(np.array([0.09 * s, 0.01, 1.44]), np.diag([0.02, 0.015, 0.03])), "head", f"ear_{side[0]}"))
        pieces.append((*ellipsoid(np.array([0.035 * s, -0.082, 1.44]), np.diag([0.02, 0.015, 0.02])), f"{side}Eye", f"eye_{side[0]}"))
    return _assembled(pieces, bones)


def _assembled(pieces: list, bones: dict) -> BodyModel:
    names = tuple(bones)
    v_pos = np.concatenate([p[0] for p in pieces])
    starts = np.cumsum([0] + [len(p[0]) for p in pieces])
    faces = np.concatenate([p[1] + s for p, s in zip(pieces, starts, strict=False)])
    weights = np.zeros((len(v_pos), len(names)))
    for p, s in zip(pieces, starts, strict=False):
        weights[s : s + len(p[0]), names.index(p[2])] = 1
    centre = v_pos[faces].mean(1)
    part = np.concatenate([np.full(len(p[1]), PARTS.index(_named(p[3]))) for p in pieces])
    back = centre[:, 1] > 0
    for front, behind in (("chest", "upper_back"), ("abdomen", "lower_back"), ("pelvis_front", "pelvis_back"), ("face", "scalp")):
        part[(part == PARTS.index(front)) & back] = PARTS.index(behind)
    part[(part == PARTS.index("face")) & (np.abs(centre - [0, -0.09, 1.39]).max(1) < 0.03)] = PARTS.index("mouth")
    skeleton = Skeleton(
        names, np.array([-1 if b[0] is None else names.index(b[0]) for b in bones.values()]),
        np.stack([b[1] for b in bones.values()]), np.stack([b[2] for b in bones.values()]),
    )
    uv = np.stack([v_pos[:, 0] + 0.7, v_pos[:, 2]], -1) / 1.6
    y, x = np.mgrid[0:64, 0:64] / 63
    kd = np.stack([x, y, 0.5 + 0 * x], -1).astype(np.float32)
    return BodyModel(v_pos, faces, uv, faces, part, tuple(PARTS), skeleton, weights, _landmarks(v_pos, starts, pieces), kd)


def _named(part: str) -> str:
    return "pelvis_front" if part == "pelvis" else part


def _landmarks(v_pos: np.ndarray, starts: np.ndarray, pieces: list) -> dict[str, int]:
    head = next(i for i, p in enumerate(pieces) if p[2] == "head")
    wanted = {"nose_tip": (0, -0.1, 1.44), "chin": (0, -0.04, 1.35), "crown": (0, 0, 1.58), "mouth_left": (0.03, -0.08, 1.4),
              "mouth_right": (-0.03, -0.08, 1.4), "mouth_top": (0, -0.09, 1.41), "mouth_bottom": (0, -0.085, 1.385)}
    for side, s in (("l", 1), ("r", -1)):
        wanted |= {f"jaw_{side}": (0.07 * s, -0.02, 1.38), f"brow_{side}_inner": (0.015 * s, -0.1, 1.49),
                   f"brow_{side}_mid": (0.035 * s, -0.09, 1.5), f"brow_{side}_outer": (0.06 * s, -0.07, 1.49)}
        for name, dx, dz in (("inner", -0.02, 0), ("outer", 0.02, 0), ("top", 0, 0.02), ("bottom", 0, -0.02)):
            wanted[f"eye_{side}_{name}"] = ((0.035 + dx) * s, -0.085, 1.44 + dz)
    span = slice(starts[head], starts[head + 1])
    found = {k: int(span.start + np.linalg.norm(v_pos[span] - w, axis=1).argmin()) for k, w in wanted.items()}
    for i, p in enumerate(pieces):
        for side, s in (("l", 1), ("r", -1)):
            if p[3] in (f"ear_{side}", f"eye_{side}"):
                here = v_pos[starts[i] : starts[i + 1]]
                found[p[3]] = int(starts[i] + (here[:, 0] * s if "ear" in p[3] else -here[:, 1]).argmax())
    return found
