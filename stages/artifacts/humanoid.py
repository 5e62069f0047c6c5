"""The humanoid of VRM 1.0: which bones there are, which of them nobody may lack, what hangs on what.

Joints of every body that the program poses bear these names (bodies that users bring are mapped to them when they are read), so a
skeleton's names are its humanoid map. ``humanoid_map`` checks that they hang together as VRM asks; specification: VRMC_vrm 1.0, humanoid.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from stages.artifacts.body import Skeleton

_FINGERS = {"Thumb": ("Metacarpal", "Proximal", "Distal")} | dict.fromkeys(
    ("Index", "Middle", "Ring", "Little"), ("Proximal", "Intermediate", "Distal"))
_TRUNK = {
    "hips": None, "spine": "hips", "chest": "spine", "upperChest": "chest", "neck": "upperChest", "head": "neck", "leftEye": "head",
    "rightEye": "head", "jaw": "head",
}
_LIMBS = {
    "Shoulder": "upperChest", "UpperArm": "Shoulder", "LowerArm": "UpperArm", "Hand": "LowerArm", "UpperLeg": "hips", "LowerLeg": "UpperLeg",
    "Foot": "LowerLeg", "Toes": "Foot",
}


def _limbs(side: str) -> Iterator[tuple[str, str]]:
    for bone, above in _LIMBS.items():
        yield side + bone, above if above in _TRUNK else side + above
    for finger, segments in _FINGERS.items():
        for segment, above in zip(segments, ("Hand", *(finger + s for s in segments)), strict=False):
            yield side + finger + segment, side + above


# Bone -> the bone that it hangs on; where that one is absent, the next one up.
HANGS_ON: Mapping[str, str | None] = {**_TRUNK, **dict(_limbs("left")), **dict(_limbs("right"))}
REQUIRED = ("hips", "spine", "head") + tuple(
    side + part for side in ("left", "right") for part in ("UpperArm", "LowerArm", "Hand", "UpperLeg", "LowerLeg", "Foot")
)
# Bones that may only be named where the bone that they hang on is.
_NEEDS_ABOVE = {"upperChest"} | {
    side + finger + segment for side in ("left", "right") for finger, segments in _FINGERS.items() for segment in segments[1:]
}


def humanoid_map(skeleton: Skeleton) -> dict[str, int]:
    """Humanoid bone -> joint, in VRM's order; bones that VRM allows only together with one that is absent are left out."""
    found: dict[str, int] = {}
    for bone, above in HANGS_ON.items():
        if bone in skeleton.names and (bone not in _NEEDS_ABOVE or above in found):
            found[bone] = skeleton.index(bone)
    return found


def humanoid_problems(skeleton: Skeleton) -> list[str]:
    """Why the skeleton is no humanoid: required bones that are absent, bones that hang on another one than they should. Empty if it is one."""
    found = humanoid_map(skeleton)
    problems = [f"no joint stands for {', '.join(missing)}"] if (missing := [bone for bone in REQUIRED if bone not in found]) else []
    roles = {joint: bone for bone, joint in found.items()}
    for bone, joint in found.items():
        wanted, got = _expected_above(bone, found), _nearest_above(joint, skeleton, roles)
        if wanted != got:
            problems.append(f"{bone} hangs on {got or 'nothing'}, expected {wanted or 'nothing'}")
    return problems


def _expected_above(bone: str, found: Mapping[str, int]) -> str | None:
    above = HANGS_ON[bone]
    while above is not None and above not in found:
        above = HANGS_ON[above]
    return above


def _nearest_above(joint: int, skeleton: Skeleton, roles: Mapping[int, str]) -> str | None:
    """The humanoid bone next above a joint; joints without a role may lie between."""
    at = int(skeleton.parents[joint])
    while at >= 0 and at not in roles:
        at = int(skeleton.parents[at])
    return roles.get(at)
