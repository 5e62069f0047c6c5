"""Expressions of a VRM: each preset that the figure has a morph target for, bound to it on every mesh; other morph targets are custom ones.

Specification: vrm-c, VRMC_vrm 1.0, expressions.
"""

from __future__ import annotations

from typing import Any

from stages.artifacts.glb_document import GlbDocument
from stages.artifacts.morphs import PRESETS

# Lids that an emotion has drawn already must not be drawn again by a blink, nor a mouth that it holds open be opened further by speech, nor eyes
# wander behind lids that are shut.
_DRAWS_LIDS = ("happy", "angry", "sad", "relaxed")
_OPENS_MOUTH = ("happy", "surprised")
_SHUTS_EYES = ("happy", "blink")


def expressions(document: GlbDocument) -> dict[str, Any]:
    """The content of ``expressions``: empty without morph targets."""
    binds = binds_of(document)
    out = {kind: {name: _expression(name, found) for name, found in binds.items() if (name in PRESETS) == (kind == "preset")}
           for kind in ("preset", "custom")}
    return {kind: content for kind, content in out.items() if content}


def binds_of(document: GlbDocument) -> dict[str, list[dict[str, Any]]]:
    """Name of a morph target -> where it is: node, and place among its mesh's targets."""
    binds: dict[str, list[dict[str, Any]]] = {}
    for n, node in enumerate(document.json["nodes"]):
        names = document.json["meshes"][node["mesh"]].get("extras", {}).get("targetNames", ()) if "mesh" in node else ()
        for index, name in enumerate(names):
            binds.setdefault(name, []).append({"node": n, "index": index, "weight": 1.0})
    return binds


def _expression(name: str, binds: list[dict[str, Any]]) -> dict[str, Any]:
    out: dict[str, Any] = {"morphTargetBinds": binds, "isBinary": False}
    if name in _DRAWS_LIDS:
        out["overrideBlink"] = "blend"
    if name in _OPENS_MOUTH:
        out["overrideMouth"] = "blend"
    if name in _SHUTS_EYES:
        out["overrideLookAt"] = "blend"
    return out
