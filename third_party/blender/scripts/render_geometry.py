"""Runs inside Blender: renders the geometry of one mesh from many cameras as raw passes. Only bpy, numpy and the standard library.

Arguments after ``--``: the folder with ``request.json`` and ``mesh.npz``. For view i an uncompressed multilayer OpenEXR
``view_00000.exr`` appears, whole at once; ``response.json`` is written last. Passes: Depth (metres along the view axis), Normal (world),
triangle (index + 1), albedo (as stored).
"""

import json
import os
import sys
from pathlib import Path

import bpy
import numpy as np


def main():
    folder = Path(sys.argv[sys.argv.index("--") + 1])
    request = json.loads((folder / "request.json").read_text())
    parent = os.getppid()
    scene = empty_scene(request)
    add_mesh(scene, np.load(folder / "mesh.npz", allow_pickle=False))
    camera = add_camera(scene)
    for i, view in enumerate(request["views"]):
        if os.getppid() != parent:
            sys.exit("the process that asked for this is gone")
        aim(scene, camera, view)
        writing = folder / f"writing_{i:05d}.exr"
        scene.render.filepath = str(writing)
        bpy.ops.render.render(write_still=True)
        os.replace(writing, folder / f"view_{i:05d}.exr")
    (folder / "response.json").write_text(json.dumps({"views": len(request["views"]), "blender": bpy.app.version_string}))


def empty_scene(request):
    """A scene in which Cycles takes one sample at the middle of each pixel and adds nothing of its own."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    scene.render.engine = "CYCLES"
    scene.cycles.device = "CPU"
    scene.cycles.samples = 1
    scene.cycles.use_adaptive_sampling = False
    scene.cycles.use_denoising = False
    scene.cycles.pixel_filter_type = "BOX"
    scene.cycles.filter_width = 0.01
    scene.cycles.max_bounces = 0
    scene.cycles.transparent_max_bounces = 0
    scene.cycles.seed = 0
    scene.cycles.debug_use_spatial_splits = False
    scene.render.use_persistent_data = True
    scene.render.film_transparent = True
    scene.render.use_compositing = False
    scene.render.use_sequencer = False
    scene.render.use_stamp = False
    scene.render.resolution_percentage = 100
    scene.render.threads_mode = "FIXED"
    scene.render.threads = request["threads"]
    scene.render.image_settings.file_format = "OPEN_EXR_MULTILAYER"
    scene.render.image_settings.color_depth = "32"
    scene.render.image_settings.exr_codec = "NONE"
    scene.render.use_file_extension = False
    layer = scene.view_layers[0]
    layer.use_pass_combined = False
    layer.use_pass_z = True
    layer.use_pass_normal = True
    for name, kind in (("triangle", "VALUE"), ("albedo", "COLOR")):
        aov = layer.aovs.add()
        aov.name, aov.type = name, kind
    return scene


def add_mesh(scene, arrays):
    """One smooth mesh whose material writes triangle and albedo into their passes."""
    v_pos, faces = arrays["v_pos"].astype(np.float32), arrays["t_pos_idx"].astype(np.int32)
    mesh = bpy.data.meshes.new("body")
    mesh.vertices.add(len(v_pos))
    mesh.vertices.foreach_set("co", v_pos.ravel())
    mesh.loops.add(faces.size)
    mesh.loops.foreach_set("vertex_index", faces.ravel())
    mesh.polygons.add(len(faces))
    mesh.polygons.foreach_set("loop_start", np.arange(0, faces.size, 3, dtype=np.int32))
    mesh.polygons.foreach_set("use_smooth", np.ones(len(faces), bool))
    mesh.uv_layers.new(name="uv").data.foreach_set("uv", arrays["corner_uv"].astype(np.float32).ravel())
    identity = mesh.attributes.new("triangle", "FLOAT", "FACE")
    identity.data.foreach_set("value", np.arange(1, len(faces) + 1, dtype=np.float32))
    mesh.update(calc_edges=True)
    mesh.materials.append(material(arrays["kd"]))
    scene.collection.objects.link(bpy.data.objects.new("body", mesh))


def material(kd):
    """Diffuse in the dark (the Normal pass wants a closure); the passes carry what is wanted. ``kd`` (H, W, 3), row 0 at v = 1, goes through without colour management."""
    height, width = kd.shape[:2]
    image = bpy.data.images.new("kd", width, height, float_buffer=True, is_data=True)
    image.pixels.foreach_set(np.dstack([kd[::-1], np.ones((height, width, 1))]).astype(np.float32).ravel())
    image.update()
    made = bpy.data.materials.new("passes")
    made.use_nodes = True
    nodes, links = made.node_tree.nodes, made.node_tree.links
    nodes.clear()
    links.new(nodes.new("ShaderNodeBsdfDiffuse").outputs[0], nodes.new("ShaderNodeOutputMaterial").inputs["Surface"])
    texture = nodes.new("ShaderNodeTexImage")
    texture.image, texture.interpolation = image, "Linear"
    uv = nodes.new("ShaderNodeUVMap")
    uv.uv_map = "uv"
    links.new(uv.outputs[0], texture.inputs["Vector"])
    identity = nodes.new("ShaderNodeAttribute")
    identity.attribute_name = "triangle"
    for name, socket, source in (("albedo", "Color", texture.outputs["Color"]), ("triangle", "Value", identity.outputs["Fac"])):
        output = nodes.new("ShaderNodeOutputAOV")
        output.aov_name = name
        links.new(source, output.inputs[socket])
    return made


def add_camera(scene):
    data = bpy.data.cameras.new("camera")
    data.sensor_fit, data.sensor_width = "HORIZONTAL", 36.0
    data.clip_start, data.clip_end = 0.01, 1000.0
    scene.camera = bpy.data.objects.new("camera", data)
    scene.collection.objects.link(scene.camera)
    return scene.camera


def aim(scene, camera, view):
    """``c2w`` has OpenGL axes, which are Blender's; the principal point becomes a shift of the lens, in widths."""
    import mathutils

    scene.render.resolution_x, scene.render.resolution_y = view["width"], view["height"]
    scene.render.pixel_aspect_x, scene.render.pixel_aspect_y = 1.0, view["fx"] / view["fy"]
    camera.data.lens = view["fx"] * 36.0 / view["width"]
    camera.data.shift_x = 0.5 - view["cx"] / view["width"]
    camera.data.shift_y = (view["cy"] - view["height"] / 2) / view["width"] * scene.render.pixel_aspect_y
    camera.matrix_world = mathutils.Matrix(view["c2w"])


main()
