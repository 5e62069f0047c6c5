"""Names of bones in the rigs that people bring, and the VRM 1.0 joints that they stand for.

Known by their habits: VRM and VRoid, Mixamo, Unity, Unreal, Rigify, 3ds Max biped, KayKit. A file that says itself which bone is which
(VRM) is believed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from pipeline.errors import ConfigError
from stages.artifacts.humanoid import REQUIRED

_LIMBS = {
    "Shoulder": "shoulder clavicle collar collarbone scapula", "UpperArm": "upperarm arm uparm bicep", "LowerArm": "lowerarm forearm elbow lowarm",
    "Hand": "hand wrist", "UpperLeg": "upperleg upleg thigh", "LowerLeg": "lowerleg leg calf shin knee lowleg", "Foot": "foot ankle",
    "Toes": "toes toe toebase ball", "Eye": "eye faceeye eyeball",
}
_LIMB_OF = {word: part for part, words in _LIMBS.items() for word in words.split()}
_FINGER_OF = {"thumb": "Thumb", "index": "Index", "middle": "Middle", "mid": "Middle", "ring": "Ring", "little": "Little", "pinky": "Little"}
_SEGMENT_OF = {"metacarpal": 0, "proximal": 1, "intermediate": 2, "distal": 3}
_THUMB, _FINGER = ("Metacarpal", "Proximal", "Distal"), ("Proximal", "Intermediate", "Distal")
_SIDES = {"l": "left", "left": "left", "lf": "left", "r": "right", "right": "right", "rt": "right"}
_PREFIXES = {"mixamorig", "bip", "j", "c", "adj", "def", "valve", "biped", "armature", "rig", "cc", "base", "character"}
_NOT_BODY = {
    "twist", "ik", "fk", "pole", "roll", "target", "control", "ctrl", "mch", "org", "helper", "slot", "handslot", "end", "nub", "sec", "sleeve",
    "skirt", "hair", "bust", "breast", "tweak", "corrective", "socket", "weapon", "prop", "tip",
}
_TORSO = {"hips": "hips", "hip": "hips", "pelvis": "hips", "head": "head", "jaw": "jaw", "upperchest": "upperChest", "spine": "spine", "chest": "chest", "neck": "neck"}


def joint_names(
    bones: Sequence[str], parents: Sequence[int], said: Mapping[str, str] | None = None, source: Path | None = None
) -> dict[int, str]:
    """Bone index -> VRM joint name, for the bones that stand for one.

    ``said`` is what the file itself says (bone name -> joint name). Raises ConfigError naming the required joints that no bone stands for.
    """
    found: dict[str, int] = {}
    for i, bone in enumerate(bones):
        joint = (said or {}).get(bone) or named_joint(bone)
        if joint is not None and (joint not in found or _depth(i, parents) < _depth(found[joint], parents)):
            found[joint] = i
    _settle_thumbs(found, bones, parents)
    _settle_torso(found, bones, parents, bool(said and "spine" in said.values()))
    missing = [joint for joint in REQUIRED if joint not in found]
    if missing:
        where = f"{source}: " if source else ""
        raise ConfigError(
            f"{where}the armature does not map to a humanoid: no bone stands for {', '.join(missing)}. Expected names as in VRM, Mixamo, "
            f"Unity, Unreal or Rigify; found {_some(bones)}. Rename the bones and export again."
        )
    return {i: joint for joint, i in found.items()}


def named_joint(bone: str) -> str | None:
    """The joint that a bone's name alone gives away, None if none. Spines and necks are settled by their place in the chain."""
    words = _words(bone)
    if any(word in _NOT_BODY for word in words) or any(word.endswith("ik") and word != "ik" for word in words):
        return None
    sides = [_SIDES[w] for w in words if w in _SIDES]
    rest = [w for w in words if w not in _SIDES and w not in _PREFIXES]
    digits = [int(w) for w in rest if w.isdigit()]
    text = "".join(w for w in rest if not w.isdigit())
    if sides:
        return _finger(text, digits, sides[0]) or (sides[0] + _LIMB_OF[text] if text in _LIMB_OF and not digits else None)
    return None if digits else _TORSO.get(text)


def _words(bone: str) -> list[str]:
    """"mixamorig:LeftHandThumb1" -> ["mixamorig", "left", "hand", "thumb", "1"]."""
    apart = re.sub(r"([a-z])([A-Z])", r"\1 \2", re.sub(r"^(?i:bip)[\s_]?\d+", "bip ", bone))
    return re.findall(r"[a-z]+|\d+", re.sub(r"([A-Za-z])(\d)", r"\1 \2", apart).lower())


def _finger(text: str, digits: list[int], side: str) -> str | None:
    match = re.fullmatch(r"(?:hand|f)?(thumb|index|middle|mid|ring|little|pinky)(?:finger)?(metacarpal|proximal|intermediate|distal)?", text)
    if match is None:
        return None
    thumb = match[1] == "thumb"
    if match[2] is not None:
        segment = _SEGMENT_OF[match[2]] - (0 if thumb else 1)
        segment = {3: 2, 2: 1}.get(segment, segment) if thumb else segment
    elif digits:
        segment = digits[-1] - 1
    else:
        return None
    names = _THUMB if thumb else _FINGER
    return f"{side}{_FINGER_OF[match[1]]}{names[segment]}" if 0 <= segment < 3 else None


def _settle_thumbs(found: dict[str, int], bones: Sequence[str], parents: Sequence[int]) -> None:
    """By order along the chain: what VRM 1.0 calls metacarpal, proximal, distal is proximal, intermediate, distal elsewhere."""
    for side in ("left", "right"):
        chain = [i for i, bone in enumerate(bones) if (named_joint(bone) or "").startswith(f"{side}Thumb")]
        if len(chain) == 3:
            ordered = sorted(chain, key=lambda i: _depth(i, parents))
            found |= {f"{side}Thumb{segment}": i for segment, i in zip(_THUMB, ordered, strict=True)}


def _settle_torso(found: dict[str, int], bones: Sequence[str], parents: Sequence[int], said: bool) -> None:
    """Hips, spine, chest, upperChest and neck from the chain between the legs and the head, whatever their numbers."""
    legs = [found.get("leftUpperLeg"), found.get("rightUpperLeg"), found.get("head")]
    if said or None in legs:
        return
    common = [i for i in _above(legs[0], parents) if all(i in _above(other, parents) for other in legs[1:])]
    if "hips" not in found and common:
        found["hips"] = common[0]
    chain = [i for i in reversed(_above(found["head"], parents)) if i != found["head"]]
    if found.get("hips") not in chain:
        return
    chain = chain[chain.index(found["hips"]) + 1 :]
    neck = [i for i in chain if "neck" in _words(bones[i])]
    others = {i for joint, i in found.items() if joint not in ("spine", "chest", "upperChest")}
    spine = [i for i in chain if i not in neck and i not in others]
    if not neck and len(spine) > 3 and "".join(_words(bones[spine[-1]])).startswith(("spine", "defspine")):
        neck, spine = [spine[-2]], spine[:-2]  # Rigify counts the neck among the spines
    for joint in ("spine", "chest", "upperChest", "neck"):
        found.pop(joint, None)
    found |= dict(zip(("spine", "chest"), spine, strict=False))
    if len(spine) > 2:
        found["upperChest"] = spine[-1]
    if neck:
        found["neck"] = neck[0]


def _above(i: int, parents: Sequence[int]) -> list[int]:
    """A bone and all above it, upwards."""
    chain = []
    while i >= 0:
        chain.append(i)
        i = int(parents[i])
    return chain


def _depth(i: int, parents: Sequence[int]) -> int:
    return len(_above(i, parents))


def _some(bones: Sequence[str], count: int = 12) -> str:
    return ", ".join(bones[:count]) + (f" and {len(bones) - count} more" if len(bones) > count else "") if bones else "no bones"
