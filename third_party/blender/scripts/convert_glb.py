"""Runs inside Blender: imports a GLB and saves it as .blend, FBX or USDZ. Only bpy and the standard library.

Arguments after ``--``: the folder with ``request.json``: ``glb``, ``target`` (its suffix says the format), ``tails`` (joint -> world place of its
bone's end, metres, which glTF does not hold). ``response.json`` is written.
"""

import json
import sys
from pathlib import Path

import bpy
from mathutils import Vector


def main():
    folder = Path(sys.argv[sys.argv.index("--") + 1])
    request = json.loads((folder / "request.json").read_text())
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.ops.import_scene.gltf(filepath=request["glb"])
    forget_what_the_importer_added()
    for armature in [o for o in bpy.data.objects if o.type == "ARMATURE"]:
        give_tails(armature, request["tails"])
    lay_textures_beside(folder)
    target = request["target"]
    SAVERS[Path(target).suffix](target)
    (folder / "response.json").write_text(json.dumps({"blender": bpy.app.version_string}))


def forget_what_the_importer_added():
    """The ball that it draws bones with."""
    for bone in [b for o in bpy.data.objects if o.type == "ARMATURE" for b in o.pose.bones]:
        bone.custom_shape = None
    for thing in [o for o in bpy.data.objects if o.name.startswith("Icosphere")]:
        bpy.data.objects.remove(thing)
    for collection in [c for c in bpy.data.collections if not c.all_objects and c.name.startswith("glTF_not_exported")]:
        bpy.data.collections.remove(collection)


def give_tails(armature, tails):
    """Bones end where the body's do, and roll with their front to the front: glTF's joints are points."""
    bpy.context.view_layer.objects.active = armature
    bpy.ops.object.mode_set(mode="EDIT")
    into = armature.matrix_world.inverted()
    for bone in armature.data.edit_bones:
        bone.use_connect = False
        if bone.name in tails:
            end = into @ Vector(tails[bone.name])
            if (end - bone.head).length > 1e-4:
                bone.tail = end
        front = Vector((0, -1, 0)) if abs(bone.vector.normalized().y) < 0.9 else Vector((0, 0, 1))
        bone.align_roll(front)
    bpy.ops.object.mode_set(mode="OBJECT")


def lay_textures_beside(folder):
    """Pictures packed in a GLB have no file names, and the FBX exporter would give all of them the same one. Plain white multiplies none of them."""
    for image in [i for i in bpy.data.images if i.packed_file is not None]:  # unpacking would write into the folder that we stand in
        path = folder / f"{image.name}.png"
        path.write_bytes(bytes(image.packed_file.data))
        loaded = bpy.data.images.load(str(path))
        loaded.colorspace_settings.name = image.colorspace_settings.name
        image.user_remap(loaded)
        bpy.data.images.remove(image)
    for material in [m for m in bpy.data.materials if m.node_tree is not None]:
        for socket in [n.inputs["Base Color"] for n in material.node_tree.nodes if "Base Color" in n.inputs]:
            socket.default_value = (1.0, 1.0, 1.0, 1.0) if socket.is_linked else socket.default_value


def save_blend(path):
    bpy.ops.file.pack_all()
    bpy.ops.wm.save_as_mainfile(filepath=path, compress=True)


def save_fbx(path):
    bpy.ops.export_scene.fbx(
        filepath=path, object_types={"ARMATURE", "MESH"}, axis_forward="-Z", axis_up="Y", apply_scale_options="FBX_SCALE_ALL",
        add_leaf_bones=False, use_armature_deform_only=False, bake_anim=False, path_mode="COPY", embed_textures=True, mesh_smooth_type="OFF",
    )


def save_usdz(path):
    bpy.ops.wm.usd_export(
        filepath=path, export_animation=False, export_armatures=True, only_deform_bones=False, export_materials=True, generate_preview_surface=True,
        export_textures_mode="NEW", convert_orientation=True, export_global_forward_selection="NEGATIVE_Z", export_global_up_selection="Y",
        root_prim_path="/figure",
    )


SAVERS = {".blend": save_blend, ".fbx": save_fbx, ".usdz": save_usdz}
main()
