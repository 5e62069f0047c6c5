# SPDX-License-Identifier: GPL-3.0-or-later
"""What is taken from the scene: an armature's bones as they rest and stand, and a GLB of it with its meshes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import bpy


class RigError(ValueError):
    """What is selected will not do; the text says why."""


def selected_armature(context: bpy.types.Context) -> bpy.types.Object:
    """The active armature, else the selected one, else the one that a selected mesh hangs on. Raises RigError."""
    active = context.view_layer.objects.active
    if active is not None and active.type == "ARMATURE":
        return active
    selected = [o for o in context.view_layer.objects if o.select_get()]
    found = [o for o in selected if o.type == "ARMATURE"] or [a for o in selected if (a := o.find_armature()) is not None]
    if len(set(found)) != 1:
        raise RigError(f"Select one armature; {len(set(found)) or 'none'} selected")
    return found[0]


def meshes_of(context: bpy.types.Context, armature: bpy.types.Object) -> list[bpy.types.Object]:
    """The visible meshes that ``armature`` moves. Raises RigError if there are none."""
    found = [o for o in context.view_layer.objects if o.type == "MESH" and o.find_armature() == armature and o.visible_get()]
    if not found:
        raise RigError(f"No visible mesh hangs on {armature.name!r}; a body needs a mesh with weights")
    return found


def described(armature: bpy.types.Object) -> dict[str, Any]:
    """Bones, parents first, in world axes and metres: where they rest, and how far each has turned since."""
    world = armature.matrix_world
    turn_of_world = world.to_quaternion()
    bones = list(armature.data.bones)  # Blender keeps parents first
    place = {bone.name: i for i, bone in enumerate(bones)}
    rows = []
    for bone in bones:
        turned = armature.pose.bones[bone.name].matrix.to_quaternion() @ bone.matrix_local.to_quaternion().inverted()
        turned = turn_of_world @ turned @ turn_of_world.inverted()
        rows.append({"name": bone.name, "parent": place[bone.parent.name] if bone.parent else -1, "head": list(world @ bone.head_local),
                     "tail": list(world @ bone.tail_local), "turn_wxyz": list(turned)})
    return {"bones": rows}


def write_described(armature: bpy.types.Object, path: Path) -> None:
    """``described`` as a JSON file."""
    path.write_text(json.dumps(described(armature)), encoding="utf-8")


def export_body(context: bpy.types.Context, armature: bpy.types.Object, path: Path) -> None:
    """Write ``armature`` at rest with its meshes, their modifiers applied, as a GLB; the selection stays as it was. Raises RigError."""
    if not armature.visible_get():
        raise RigError(f"{armature.name!r} is hidden; only what is visible can be written as a body")
    wanted = [armature, *meshes_of(context, armature)]
    if context.mode != "OBJECT":
        raise RigError("Go to Object Mode first: the body cannot be written while it is edited or posed")
    layer = context.view_layer
    kept, active = [o for o in layer.objects if o.select_get()], layer.objects.active
    try:
        _select(layer, wanted)
        layer.objects.active = armature
        bpy.ops.export_scene.gltf(filepath=str(path), export_format="GLB", use_selection=True, export_animations=False, export_morph=False,
                                  export_apply=True, export_rest_position_armature=True, export_yup=True)
    finally:
        _select(layer, kept)
        layer.objects.active = active


def _select(layer: bpy.types.ViewLayer, objects: list[bpy.types.Object]) -> None:
    for thing in layer.objects:
        thing.select_set(thing in objects)
