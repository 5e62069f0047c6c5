"""Runs inside Blender: imports a mesh file with Blender's importer and renders views with truth. Only bpy, numpy and the standard library.

Argument after ``--``: the folder with ``request.json``. For view i ``view_00000.exr`` appears, whole at once: uncompressed multilayer OpenEXR with Combined,
Depth, Normal (world), albedo and orm. ``response.json`` is written last, with the middle and the radius of the mesh. Without views it is all that is written.
"""

import json
import os
import sys
from pathlib import Path

import bpy
import numpy as np
from mathutils import Euler, Matrix, Vector

IMPORTERS = {
    ".glb": "import_scene.gltf", ".gltf": "import_scene.gltf", ".obj": "wm.obj_import", ".fbx": "import_scene.fbx", ".ply": "wm.ply_import",
    ".stl": "wm.stl_import", ".usd": "wm.usd_import", ".usda": "wm.usd_import", ".usdc": "wm.usd_import", ".usdz": "wm.usd_import",
}  # fmt: skip
SUN = {"strength": 3.0, "color": (1.0, 0.93, 0.82), "angle": 0.05, "turn_deg": (48.0, 8.0, -35.0)}
SKY = {"sun": ((0.55, 0.66, 0.85), 0.45), "sky": ((0.86, 0.92, 1.0), 1.1), "none": ((0.0, 0.0, 0.0), 0.0)}  # colour and strength behind each light


def main():
    folder = Path(sys.argv[sys.argv.index("--") + 1])
    request = json.loads((folder / "request.json").read_text())
    parent = os.getppid()
    bring_in(Path(request["mesh"]), request["without"])
    points = vertices()
    middle = (points.min(0) + points.max(0)) / 2
    scene = prepared(request)
    for material in bpy.data.materials:
        with_truth(material)
    camera = bpy.data.objects.new("camera", bpy.data.cameras.new("camera"))
    camera.data.sensor_fit, camera.data.sensor_width = "HORIZONTAL", 36.0
    camera.data.clip_start, camera.data.clip_end = 0.01, 1000.0
    scene.collection.objects.link(camera)
    scene.camera = camera
    for i, view in enumerate(request["views"]):
        if os.getppid() != parent:
            sys.exit("the process that asked for this is gone")
        aim(scene, camera, view)
        writing = folder / f"writing_{i:05d}.exr"
        scene.render.filepath = str(writing)
        bpy.ops.render.render(write_still=True)
        os.replace(writing, folder / f"view_{i:05d}.exr")
    radius = float(np.linalg.norm(points - middle, axis=1).max())
    (folder / "response.json").write_text(json.dumps({"middle": middle.tolist(), "radius": radius, "blender": bpy.app.version_string}))


def bring_in(path, without):
    """The meshes of the file alone, and of them those without the words in their names."""
    if path.suffix.lower() == ".blend":
        bpy.ops.wm.open_mainfile(filepath=str(path))
    else:
        bpy.ops.wm.read_factory_settings(use_empty=True)
        if path.suffix.lower() not in IMPORTERS:
            sys.exit(f"{path.name}: one of {', '.join([*IMPORTERS, '.blend'])} was expected")
        group, name = IMPORTERS[path.suffix.lower()].split(".")
        getattr(getattr(bpy.ops, group), name)(filepath=str(path))
    for thing in list(bpy.data.objects):
        stand_in = thing.name.startswith("Icosphere")  # the glTF importer's, for drawing bones
        if thing.type in ("CAMERA", "LIGHT") or thing.type == "MESH" and (stand_in or any(word in thing.name for word in without)):
            bpy.data.objects.remove(thing)
    if not any(thing.type == "MESH" for thing in bpy.data.objects):
        sys.exit(f"{path.name} holds no mesh")


def vertices():
    """(V, 3) of all meshes as they are drawn, in the world."""
    found, graph = [], bpy.context.evaluated_depsgraph_get()
    for thing in [o for o in bpy.data.objects if o.type == "MESH"]:
        evaluated = thing.evaluated_get(graph)
        mesh = evaluated.to_mesh()
        co = np.empty(3 * len(mesh.vertices), np.float32)
        mesh.vertices.foreach_get("co", co)
        world = np.array(thing.matrix_world)
        found.append(co.reshape(-1, 3) @ world[:3, :3].T + world[:3, 3])
        evaluated.to_mesh_clear()
    return np.concatenate(found)


def prepared(request):
    """Cycles on the CPU with the passes, and the light."""
    scene = bpy.context.scene
    scene.render.engine = "CYCLES"
    scene.cycles.device = "CPU"
    scene.cycles.samples = request["samples"]
    scene.cycles.seed = request["seed"]
    scene.cycles.use_adaptive_sampling = False
    scene.cycles.use_denoising = False
    scene.cycles.max_bounces = 4 if request["light"] != "none" else 0
    scene.render.use_persistent_data = True
    scene.render.film_transparent = True
    scene.render.use_compositing = scene.render.use_sequencer = scene.render.use_stamp = False
    scene.render.resolution_percentage = 100
    scene.render.image_settings.file_format = "OPEN_EXR_MULTILAYER"
    scene.render.image_settings.color_depth, scene.render.image_settings.exr_codec = "32", "NONE"
    scene.render.use_file_extension = False
    layer = scene.view_layers[0]
    layer.use_pass_combined = layer.use_pass_z = layer.use_pass_normal = True
    for name in ("albedo", "orm"):
        aov = layer.aovs.add()
        aov.name, aov.type = name, "COLOR"
    add_light(scene, request["light"], request["environment"])
    return scene


def add_light(scene, light, environment):
    """A sun with a weak sky, an even sky, a picture all round, or nothing."""
    world = scene.world = bpy.data.worlds.new("light")
    world.use_nodes = True
    behind = world.node_tree.nodes["Background"]
    if environment:
        picture = world.node_tree.nodes.new("ShaderNodeTexEnvironment")
        picture.image = bpy.data.images.load(environment)
        world.node_tree.links.new(picture.outputs["Color"], behind.inputs["Color"])
        return
    color, behind.inputs["Strength"].default_value = SKY[light]
    behind.inputs["Color"].default_value = (*color, 1.0)
    if light == "sun":
        data = bpy.data.lights.new("sun", "SUN")
        data.energy, data.color, data.angle = SUN["strength"], SUN["color"], SUN["angle"]
        sun = bpy.data.objects.new("sun", data)
        sun.rotation_euler = Euler([np.radians(a) for a in SUN["turn_deg"]])
        scene.collection.objects.link(sun)


def with_truth(material):
    """Outputs beside the material's own: base colour, and (1, roughness, metallic)."""
    material.use_nodes = True
    nodes, links = material.node_tree.nodes, material.node_tree.links
    shader = next((n for n in nodes if n.type == "BSDF_PRINCIPLED"), None)
    packed = nodes.new("ShaderNodeCombineColor")
    packed.inputs["Red"].default_value = 1.0
    for slot, name, otherwise in (("Green", "Roughness", 1.0), ("Blue", "Metallic", 0.0)):
        feed(links, shader, name, packed.inputs[slot], otherwise)
    orm, albedo = (nodes.new("ShaderNodeOutputAOV") for _ in range(2))
    orm.aov_name, albedo.aov_name = "orm", "albedo"
    links.new(packed.outputs["Color"], orm.inputs["Color"])
    feed(links, shader, "Base Color", albedo.inputs["Color"], tuple(material.diffuse_color))


def feed(links, shader, name, socket, otherwise):
    """Give ``socket`` what the shader's input has, or a value."""
    if shader is None:
        socket.default_value = otherwise
    elif shader.inputs[name].is_linked:
        links.new(shader.inputs[name].links[0].from_socket, socket)
    else:
        socket.default_value = shader.inputs[name].default_value


def aim(scene, camera, view):
    """``c2w`` has OpenGL axes, which are Blender's; the principal point becomes a shift of the lens, in widths."""
    scene.render.resolution_x, scene.render.resolution_y = view["width"], view["height"]
    scene.render.pixel_aspect_x, scene.render.pixel_aspect_y = 1.0, view["fx"] / view["fy"]
    camera.data.lens = view["fx"] * 36.0 / view["width"]
    camera.data.shift_x = 0.5 - view["cx"] / view["width"]
    camera.data.shift_y = (view["cy"] - view["height"] / 2) / view["width"] * scene.render.pixel_aspect_y
    camera.matrix_world = Matrix([Vector(row) for row in view["c2w"]])


main()
