"""Runs inside Blender: imports a GLB with Blender's importer, poses its armature, renders shots in even light. Request: a JSON file."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

import bpy
from mathutils import Matrix


def main() -> None:
    """Render every shot of the request to ``shot_NN.png`` in its folder, RGBA, straight alpha."""
    request = json.loads(Path(sys.argv[sys.argv.index("--") + 1]).read_text())
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.ops.import_scene.gltf(filepath=request["glb"])
    for shape in [o for o in bpy.data.objects if o.name.startswith("Icosphere")]:
        bpy.data.objects.remove(shape)  # the importer's stand-in for drawing bones
    scene = prepared_scene(request["samples"])
    camera = bpy.data.objects.new("camera", bpy.data.cameras.new("camera"))
    scene.collection.objects.link(camera)
    scene.camera = camera
    for i, shot in enumerate(request["shots"]):
        for armature in [o for o in bpy.data.objects if o.type == "ARMATURE"]:
            pose(armature, {name: Matrix(rows) for name, rows in shot["transforms"].items()})
        aim(scene, camera, shot)
        scene.render.filepath = str(Path(request["folder"]) / f"shot_{i:02d}.png")
        bpy.ops.render.render(write_still=True)


def prepared_scene(samples: int) -> bpy.types.Scene:
    """Cycles on the CPU, white light from everywhere, none that cloth throws onto skin, transparent film, colours as they are."""
    scene = bpy.context.scene
    scene.render.engine = "CYCLES"
    scene.cycles.device = "CPU"
    scene.cycles.samples = samples
    scene.cycles.use_denoising = True
    scene.cycles.max_bounces = 0
    scene.render.film_transparent = True
    scene.render.image_settings.file_format = "PNG"
    scene.render.image_settings.color_mode = "RGBA"
    scene.view_settings.view_transform = "Standard"
    scene.world = bpy.data.worlds.new("even light")
    scene.world.use_nodes = True
    scene.world.node_tree.nodes["Background"].inputs["Color"].default_value = (1, 1, 1, 1)
    return scene


def aim(scene: bpy.types.Scene, camera: bpy.types.Object, shot: dict) -> None:
    """The camera and picture size of one shot."""
    width, height = shot["width"], shot["height"]
    scene.render.resolution_x, scene.render.resolution_y, scene.render.resolution_percentage = width, height, 100
    camera.matrix_world = Matrix(shot["c2w"])
    camera.data.sensor_fit = "HORIZONTAL"
    camera.data.angle = 2 * math.atan(width / 2 / shot["focal_px"])
    camera.data.clip_start, camera.data.clip_end = 0.05, 100.0


def pose(armature: bpy.types.Object, transforms: dict[str, Matrix]) -> None:
    """Give each bone the rest-to-posed transform (world frame) of its name; bones without one stay at rest relative to their parent."""
    to_world = armature.matrix_world
    into = to_world.inverted()
    posed: dict[str, Matrix] = {}
    for bone in armature.data.bones:  # parents first
        rest, parent = bone.matrix_local, bone.parent
        inherited = posed[parent.name] @ parent.matrix_local.inverted() @ rest if parent else rest
        wanted = into @ transforms[bone.name] @ to_world @ rest if bone.name in transforms else inherited
        armature.pose.bones[bone.name].matrix_basis = inherited.inverted() @ wanted
        posed[bone.name] = wanted
    bpy.context.view_layer.update()


main()
