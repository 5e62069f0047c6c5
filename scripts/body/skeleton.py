"""Where the joints are: VRM 1.0 humanoid names, rest pose with the arms 40 degrees below the horizontal."""

from __future__ import annotations

import numpy as np

from stages.artifacts.body import Skeleton

ARM_DROP_DEG = 40.0
ARM_AXIS = np.array([np.cos(np.radians(ARM_DROP_DEG)), 0.0, -np.sin(np.radians(ARM_DROP_DEG))])
ARM_TOP = np.array([np.sin(np.radians(ARM_DROP_DEG)), 0.0, np.cos(np.radians(ARM_DROP_DEG))])
ARM_FRONT = np.array([0.0, -1.0, 0.0])

CHIN_Z, CROWN_Z = 1.325, 1.58
SHOULDER = np.array([0.127, 0.014, 1.232])
UPPER_ARM_M, LOWER_ARM_M = 0.240, 0.215
ELBOW = SHOULDER + UPPER_ARM_M * ARM_AXIS
WRIST = ELBOW + LOWER_ARM_M * ARM_AXIS
HIP, KNEE, ANKLE = np.array([0.078, 0.005, 0.815]), np.array([0.086, -0.002, 0.445]), np.array([0.092, 0.014, 0.078])
BALL, TOE_TIP = np.array([0.099, -0.092, 0.022]), np.array([0.102, -0.150, 0.016])
EYE = np.array([0.0385, -0.050, CHIN_Z + 0.112])  # where the opening lies on the face; y only starts the pocket
EYE_PIVOT = np.array([0.0341, -0.0677, CHIN_Z + 0.1138])  # middle of the flat eyeball

# finger: root (arm frame: along, front, top, from the wrist), lengths of the three bones, direction (along, front, top)
FINGERS = {
    "Thumb": ((0.018, 0.020, -0.006), (0.038, 0.028, 0.023), (0.70, 0.66, -0.28)),
    "Index": ((0.062, 0.0275, 0.002), (0.042, 0.023, 0.019), (0.985, 0.085, -0.06)),
    "Middle": ((0.065, 0.0092, 0.003), (0.045, 0.026, 0.020), (0.990, 0.020, -0.06)),
    "Ring": ((0.062, -0.0092, 0.002), (0.042, 0.024, 0.019), (0.985, -0.050, -0.07)),
    "Little": ((0.055, -0.0265, 0.000), (0.035, 0.018, 0.016), (0.975, -0.130, -0.08)),
}
CURL_DEG = 7.0  # each finger bone bends a little more than the last: a relaxed hand


def arm_point(along: float, front: float, top: float, root: np.ndarray = WRIST) -> np.ndarray:
    """World position of arm-frame coordinates, metres from ``root``."""
    return root + along * ARM_AXIS + front * ARM_FRONT + top * ARM_TOP


def finger_joints(name: str) -> np.ndarray:
    """(4, 3) joints of a finger of the left hand: three bone heads and the tip."""
    root, lengths, direction = FINGERS[name]
    p, d = np.array(root), np.array(direction) / np.linalg.norm(direction)
    out = [p]
    for length in lengths:
        p = p + length * d
        out.append(p)
        c, s = np.cos(np.radians(CURL_DEG)), np.sin(np.radians(CURL_DEG))
        d = np.array([c * d[0] + s * d[2], d[1], c * d[2] - s * d[0]])
        d /= np.linalg.norm(d)
    return np.array([arm_point(*q) for q in out])


def build_skeleton() -> Skeleton:
    """All joints, parents first."""
    z = CHIN_Z
    trunk = [
        ("hips", "", (0, 0.004, 0.865), (0, 0.004, 0.955)),
        ("spine", "hips", (0, 0.004, 0.955), (0, 0.010, 1.050)),
        ("chest", "spine", (0, 0.010, 1.050), (0, 0.018, 1.145)),
        ("upperChest", "chest", (0, 0.018, 1.145), (0, 0.024, 1.262)),
        ("neck", "upperChest", (0, 0.024, 1.262), (0, 0.012, z + 0.030)),
        ("head", "neck", (0, 0.012, z + 0.030), (0, 0.012, CROWN_Z)),
        ("jaw", "head", (0, -0.002, z + 0.045), (0, -0.062, z + 0.006)),
    ]
    rows = [(n, p, np.array(h, float), np.array(t, float)) for n, p, h, t in trunk]
    for side, sign in (("left", 1.0), ("right", -1.0)):
        flip = np.array([sign, 1.0, 1.0])
        for name, parent, head, tail in _side_bones():
            rows.append((side + name, parent if parent in ("head", "upperChest", "hips") else side + parent, head * flip, tail * flip))
    names = tuple(r[0] for r in rows)
    parents = np.array([names.index(r[1]) if r[1] else -1 for r in rows])
    return Skeleton(names, parents, np.array([r[2] for r in rows]), np.array([r[3] for r in rows]))


def _side_bones() -> list[tuple[str, str, np.ndarray, np.ndarray]]:
    """Left bones without their side's prefix."""
    bones = [
        ("Eye", "head", EYE_PIVOT, EYE_PIVOT + (0.0, -0.02, 0.0)),
        ("Shoulder", "upperChest", np.array([0.020, 0.010, 1.246]), SHOULDER),
        ("UpperArm", "Shoulder", SHOULDER, ELBOW),
        ("LowerArm", "UpperArm", ELBOW, WRIST),
        ("Hand", "LowerArm", WRIST, arm_point(*FINGERS["Middle"][0])),
    ]
    for finger in FINGERS:
        joints = finger_joints(finger)
        links = ("Metacarpal", "Proximal", "Distal") if finger == "Thumb" else ("Proximal", "Intermediate", "Distal")
        for k, link in enumerate(links):
            bones.append((finger + link, finger + links[k - 1] if k else "Hand", joints[k], joints[k + 1]))
    bones += [
        ("UpperLeg", "hips", HIP, KNEE),
        ("LowerLeg", "UpperLeg", KNEE, ANKLE),
        ("Foot", "LowerLeg", ANKLE, BALL),
        ("Toes", "Foot", BALL, TOE_TIP),
    ]
    return bones
