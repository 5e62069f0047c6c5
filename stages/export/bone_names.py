"""Names of the humanoid's bones in the programs that figures are taken to.

A joint's role is its VRM name (``stages.artifacts.humanoid``); joints without a role keep their names. Mixamo's rigs have no jaw, and Epic's
mannequin neither jaw nor eyes: those are named after the habit of the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from pipeline.errors import StageError
from stages.artifacts.body import Skeleton
from stages.artifacts.humanoid import HANGS_ON

OWN = "own"
_SEGMENTS = {"Metacarpal": 1, "Proximal": 1, "Intermediate": 2, "Distal": 3}
_THUMB = {"Metacarpal": 1, "Proximal": 2, "Distal": 3}
_UNITY_THUMB = {"Metacarpal": "Proximal", "Proximal": "Intermediate", "Distal": "Distal"}

# VRM's word -> (Mixamo's, the mannequin's); sides and fingers follow from rules.
_TRUNK = {
    "hips": ("Hips", "pelvis"), "spine": ("Spine", "spine_01"), "chest": ("Spine1", "spine_02"), "upperChest": ("Spine2", "spine_03"),
    "neck": ("Neck", "neck_01"), "head": ("Head", "head"), "jaw": ("Jaw", "jaw"),
}
_LIMBS = {
    "Eye": ("Eye", "eye"), "Shoulder": ("Shoulder", "clavicle"), "UpperArm": ("Arm", "upperarm"), "LowerArm": ("ForeArm", "lowerarm"),
    "Hand": ("Hand", "hand"), "UpperLeg": ("UpLeg", "thigh"), "LowerLeg": ("Leg", "calf"), "Foot": ("Foot", "foot"), "Toes": ("ToeBase", "ball"),
}
_FINGERS = {
    "Thumb": ("Thumb", "thumb"), "Index": ("Index", "index"), "Middle": ("Middle", "middle"), "Ring": ("Ring", "ring"), "Little": ("Pinky", "pinky"),
}


def _taken_apart(bone: str) -> tuple[str, str, str, str]:
    """(side, limb, finger, segment) of a bone of arms or legs, what it has not being empty; of the trunk only the limb."""
    side = next((s for s in ("left", "right") if bone.startswith(s)), "")
    rest = bone.removeprefix(side)
    finger = next((f for f in _FINGERS if rest.startswith(f)), "")
    return (side, "", finger, rest.removeprefix(finger)) if finger else (side, rest, "", "")


def _count(finger: str, segment: str) -> int:
    return (_THUMB if finger == "Thumb" else _SEGMENTS)[segment]


def _mixamo(bone: str) -> str:
    side, limb, finger, segment = _taken_apart(bone)
    if finger:
        return f"mixamorig:{side.capitalize()}Hand{_FINGERS[finger][0]}{_count(finger, segment)}"
    return f"mixamorig:{side.capitalize()}{(_LIMBS if side else _TRUNK)[limb][0]}"


def _unreal(bone: str) -> str:
    side, limb, finger, segment = _taken_apart(bone)
    if finger:
        return f"{_FINGERS[finger][1]}_{_count(finger, segment):02d}_{side[0]}"
    return f"{_LIMBS[limb][1]}_{side[0]}" if side else _TRUNK[limb][1]


def _unity(bone: str) -> str:
    """The words of Unity's ``HumanBodyBones``."""
    side, limb, finger, segment = _taken_apart(bone)
    if finger == "Thumb":
        segment = _UNITY_THUMB[segment]
    name = limb or finger + segment
    return f"{side.capitalize()}{name[0].upper()}{name[1:]}"


_RULES: Mapping[str, Callable[[str], str]] = {"vrm": str, "mixamo": _mixamo, "unity": _unity, "unreal": _unreal}
NAMES: Mapping[str, Mapping[str, str]] = {preset: {bone: rule(bone) for bone in HANGS_ON} for preset, rule in _RULES.items()}


def renamed(skeleton: Skeleton, preset: str) -> Skeleton:
    """The skeleton with its humanoid joints named as ``preset`` does. Raises StageError if a joint without a role has such a name already."""
    if preset == OWN:
        return skeleton
    names = tuple(NAMES[preset].get(name, name) for name in skeleton.names)
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise StageError(f"export.bones {preset}: two joints would be named {', '.join(twice)}; rename one in the body's armature, or take bones: own")
    return replace(skeleton, names=names)
