"""Spring bones of a VRM: its chains of hair and cloth, and what they shall not swing into. VRMC_springBone 1.0.

A spring's last joint only says where the bone before it ends, so each chain gets a node at its tip, which is no joint of the skin.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from stages.artifacts.body import Skeleton
from stages.artifacts.chains import Chain, Collider, chains_of
from stages.artifacts.glb import z_up_to_y_up
from stages.artifacts.glb_document import GlbDocument
from stages.export.spring_settings import SpringSettings

SPEC_VERSION = "1.0"
# Which parts of the body a chain of a kind may meet. Colliders of absent joints are not there.
_MEETS = {"hair": ("head", "neck", "chest", "upperChest"), "skirt": ("hips", "leftUpperLeg", "rightUpperLeg")}


def spring_bones(
    document: GlbDocument, skeleton: Skeleton, joints: Sequence[int], colliders: Sequence[Collider], settings: Mapping[str, SpringSettings]
) -> dict[str, Any] | None:
    """The extension's content, None without chains. ``joints`` are the nodes of the skeleton's joints; ``colliders`` lie in its rest pose."""
    chains = chains_of(skeleton)
    if not chains:
        return None
    met = [c for c in colliders if any(c.joint in _MEETS[chain.kind] for chain in chains)]
    out: dict[str, Any] = {"specVersion": SPEC_VERSION}
    if met:
        out["colliders"] = [{"node": joints[skeleton.index(c.joint)], "shape": shape(c, skeleton)} for c in met]
        out["colliderGroups"] = [{"name": c.joint, "colliders": [i]} for i, c in enumerate(met)]
    out["springs"] = [_spring(document, skeleton, joints, chain, met, settings[chain.kind]) for chain in chains]
    return out


def within_reach(chain: Chain, skeleton: Skeleton, colliders: Sequence[Collider], hit_radius_m: float) -> tuple[list[int], np.ndarray]:
    """Which of the colliders a chain may meet, and the distance (joints,) that each of its joints keeps from them, metres.

    A collider that a joint lies in already at rest is none for the chain, which else would never come to rest; nor does a joint keep more
    distance than it has at rest.
    """
    tails = skeleton.tails[list(chain.joints)]
    mine = [i for i, c in enumerate(colliders) if c.joint in _MEETS[chain.kind] and c.gap_m(tails).min() > 0]
    room = np.min([colliders[i].gap_m(tails) for i in mine], 0) if mine else np.full(len(tails), np.inf)
    return mine, np.minimum(room, hit_radius_m)


def shape(collider: Collider, skeleton: Skeleton) -> dict[str, Any]:
    """A sphere or a capsule in the frame of its joint's node."""
    start, end = (z_up_to_y_up(point - skeleton.heads[skeleton.index(collider.joint)]).tolist() for point in (collider.start, collider.end))
    if start == end:
        return {"sphere": {"offset": start, "radius": collider.radius}}
    return {"capsule": {"offset": start, "radius": collider.radius, "tail": end}}


def moved(colliders: Sequence[Collider], skeleton: Skeleton, transforms: np.ndarray) -> list[Collider]:
    """Colliders that followed their joints, transformed by (J, 4, 4)."""
    out = []
    for c in colliders:
        turn, shift = transforms[skeleton.index(c.joint)][:3, :3], transforms[skeleton.index(c.joint)][:3, 3]
        out.append(replace(c, start=turn @ c.start + shift, end=turn @ c.end + shift))
    return out


def _spring(
    document: GlbDocument, skeleton: Skeleton, joints: Sequence[int], chain: Chain, colliders: Sequence[Collider], settings: SpringSettings
) -> dict[str, Any]:
    """One chain, from its root to its tip."""
    groups, keeps = within_reach(chain, skeleton, colliders, settings.hit_radius_m)
    said = [_joint(joints[j], settings, float(keep)) for j, keep in zip(chain.joints, keeps, strict=True)]
    out: dict[str, Any] = {"name": chain.name, "joints": [*said, {"node": _tip(document, skeleton, joints, chain)}]}
    if groups:
        out["colliderGroups"] = groups
    return out


def _joint(node: int, settings: SpringSettings, hit_radius_m: float) -> dict[str, Any]:
    return {"node": node, "hitRadius": round(hit_radius_m, 6), "stiffness": settings.stiffness, "gravityPower": settings.gravity_power,
            "gravityDir": [0.0, -1.0, 0.0], "dragForce": settings.drag_force}


def _tip(document: GlbDocument, skeleton: Skeleton, joints: Sequence[int], chain: Chain) -> int:
    """A node at the end of the chain's last bone."""
    last = chain.joints[-1]
    node = document.add("nodes", {"name": f"{chain.name}_tip", "translation": z_up_to_y_up(skeleton.tails[last] - skeleton.heads[last]).tolist()})
    document.json["nodes"][joints[last]].setdefault("children", []).append(node)
    return node
