"""Runs inside Blender: opens a GLB, VRM, FBX or .blend and writes its armature and skinned meshes, at rest, as arrays. Only bpy, numpy and
the standard library.

Arguments after ``--``: the folder with ``request.json``. ``body.npz`` and ``response.json`` are written; a file that is no body is answered
with ``problem``.
"""

import json
import shutil
import sys
from pathlib import Path

import bpy
import numpy as np

TEXTURE_PX = 1024


def main():
    folder = Path(sys.argv[sys.argv.index("--") + 1])
    request = json.loads((folder / "request.json").read_text())
    try:
        open_file(Path(request["path"]), folder)
        answer = written(folder)
    except RuntimeError as error:  # what Blender's operators raise
        answer = {"problem": f"Blender cannot open it ({str(error).strip()})"}
    (folder / "response.json").write_text(json.dumps(answer))


def open_file(path, folder):
    suffix = path.suffix.lower()
    if suffix == ".blend":
        bpy.ops.wm.open_mainfile(filepath=str(path), load_ui=False, use_scripts=False)
        return
    bpy.ops.wm.read_factory_settings(use_empty=True)
    if suffix == ".fbx":
        bpy.ops.import_scene.fbx(filepath=str(path), use_anim=False)
        return
    as_glb = folder / "body.glb"  # the importer goes by the suffix
    shutil.copyfile(path, as_glb)
    bpy.ops.import_scene.gltf(filepath=str(as_glb), bone_heuristic="TEMPERANCE")


def written(folder):
    armatures = [o for o in bpy.context.scene.objects if o.type == "ARMATURE"]
    pairs = [(armature, skinned_by(armature)) for armature in armatures]
    pairs = [(a, meshes) for a, meshes in pairs if meshes]
    if not pairs:
        return {"problem": "there is no armature with a mesh on it"}
    armature, meshes = max(pairs, key=lambda pair: sum(len(m.data.vertices) for m in pair[1]))
    armature.data.pose_position = "REST"
    bpy.context.view_layer.update()
    bones = list(armature.data.bones)
    names = [bone.name for bone in bones]
    world = np.array(armature.matrix_world)
    at = lambda points: np.array([list(p) for p in points]) @ world[:3, :3].T + world[:3, 3]  # noqa: E731
    arrays = {
        "parents": np.array([-1 if b.parent is None else names.index(b.parent.name) for b in bones]),
        "heads": at([b.head_local for b in bones]), "tails": at([b.tail_local for b in bones]),
    }
    materials = []
    pieces = [piece(mesh, names, materials) for mesh in meshes]
    starts = np.cumsum([0] + [len(p["v_pos"]) for p in pieces])
    for key in pieces[0]:
        shift = key in ("t_pos_idx", "weight_vertex")
        arrays[key] = np.concatenate([p[key] + s if shift else p[key] for p, s in zip(pieces, starts)])
    for i, material in enumerate(materials):
        arrays[f"texture_{i}"] = texture_of(material)
    np.savez(folder / "body.npz", **arrays)
    return {"bones": names, "textures": len(materials)}


def skinned_by(armature):
    """Visible meshes that the armature moves."""
    moved = []
    for thing in bpy.context.scene.objects:
        if thing.type != "MESH" or thing.hide_render or not len(thing.data.polygons):
            continue
        by_modifier = any(m.type == "ARMATURE" and m.object == armature for m in thing.modifiers)
        if by_modifier or (thing.parent == armature and (thing.parent_type == "BONE" or len(thing.vertex_groups))):
            moved.append(thing)
    return moved


def piece(thing, bone_names, materials):
    """Arrays of one mesh with its modifiers applied, world frame."""
    evaluated = thing.evaluated_get(bpy.context.evaluated_depsgraph_get())
    mesh = evaluated.to_mesh()
    mesh.calc_loop_triangles()
    count, triangles = len(mesh.vertices), len(mesh.loop_triangles)
    co = np.empty(count * 3, np.float32)
    mesh.vertices.foreach_get("co", co)
    world = np.array(thing.matrix_world)
    faces, loops, slots = np.empty(triangles * 3, np.int32), np.empty(triangles * 3, np.int32), np.empty(triangles, np.int32)
    mesh.loop_triangles.foreach_get("vertices", faces)
    mesh.loop_triangles.foreach_get("loops", loops)
    mesh.loop_triangles.foreach_get("material_index", slots)
    uv = np.full((len(mesh.loops), 2), 0.5, np.float32)
    if mesh.uv_layers.active is not None:
        flat = np.empty(len(mesh.loops) * 2, np.float32)
        mesh.uv_layers.active.data.foreach_get("uv", flat)
        uv = flat.reshape(-1, 2)
    vertex, bone, weight = influences(thing, mesh, bone_names)
    out = {
        "v_pos": co.reshape(-1, 3).astype(np.float64) @ world[:3, :3].T + world[:3, 3], "t_pos_idx": faces.reshape(-1, 3).astype(np.int64),
        "corner_uv": uv[loops].reshape(-1, 3, 2).astype(np.float64), "t_material": material_indices(thing, slots, materials),
        "weight_vertex": vertex, "weight_bone": bone, "weight": weight,
    }
    evaluated.to_mesh_clear()
    if np.linalg.det(world[:3, :3]) < 0:
        out["t_pos_idx"], out["corner_uv"] = out["t_pos_idx"][:, ::-1], out["corner_uv"][:, ::-1]
    return out


def influences(thing, mesh, bone_names):
    """Vertex, bone and weight of every influence; a mesh parented to a bone hangs on it whole."""
    if thing.parent_type == "BONE" and thing.parent_bone in bone_names and not any(m.type == "ARMATURE" for m in thing.modifiers):
        every = np.arange(len(mesh.vertices))
        return every, np.full(len(every), bone_names.index(thing.parent_bone)), np.ones(len(every))
    groups = {g.index: bone_names.index(g.name) for g in thing.vertex_groups if g.name in bone_names}
    found = [(v.index, groups[g.group], g.weight) for v in mesh.vertices for g in v.groups if g.group in groups and g.weight > 0]
    table = np.array(found, np.float64).reshape(-1, 3)
    return table[:, 0].astype(np.int64), table[:, 1].astype(np.int64), table[:, 2]


def material_indices(thing, slots, materials):
    """(F,) into ``materials``, which grows."""
    names = [slot.material.name if slot.material else "" for slot in thing.material_slots] or [""]
    for name in names:
        if name not in materials:
            materials.append(name)
    table = np.array([materials.index(name) for name in names])
    return table[np.minimum(slots, len(table) - 1)]


def texture_of(name):
    """(H, W, 3) float32 sRGB base colour of a material: its picture, or one flat colour."""
    material = bpy.data.materials.get(name)
    colour = (0.8, 0.8, 0.8)
    if material is not None:
        colour = tuple(material.diffuse_color[:3])
        nodes = material.node_tree.nodes if material.use_nodes else []
        shader = next((n for n in nodes if "Base Color" in n.inputs), None)
        if shader is not None:
            colour = tuple(shader.inputs["Base Color"].default_value[:3])
            image = upstream_image(shader.inputs["Base Color"])
        else:
            image = next((n.image for n in nodes if n.type == "TEX_IMAGE" and n.image), None)
        if image is not None and image.size[0]:
            return pixels(image)
    linear = np.clip(np.array(colour), 0, 1)
    srgb = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.tile(srgb.astype(np.float32), (4, 4, 1))


def upstream_image(socket, depth=6):
    """The first picture that feeds a socket."""
    for link in socket.links if depth else ():
        if link.from_node.type == "TEX_IMAGE" and link.from_node.image:
            return link.from_node.image
        for other in link.from_node.inputs:
            found = upstream_image(other, depth - 1)
            if found is not None:
                return found
    return None


def pixels(image):
    """Row 0 on top; 8-bit pictures come as they are stored."""
    width, height = image.size
    flat = np.empty(width * height * 4, np.float32)
    image.pixels.foreach_get(flat)
    picture = flat.reshape(height, width, 4)[::-1, :, :3]
    step = max(1, max(width, height) // TEXTURE_PX)
    return np.ascontiguousarray(picture[::step, ::step])


main()
