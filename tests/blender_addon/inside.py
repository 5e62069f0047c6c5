"""Runs inside Blender: the add-on from its zip through a life of its own. Arguments after ``--``: a request file; prints RESULT and JSON."""

import json
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import bpy

MODULE = "bl_ext.user_default.character_pipeline"
REQUEST = json.loads(Path(sys.argv[sys.argv.index("--") + 1]).read_text())
SAID = {}


class Recorder:
    """A layout that notes what is drawn, and holds what is asked of it against what Blender knows."""

    def __init__(self, drawn=None):
        self.drawn, self.enabled = [] if drawn is None else drawn, True

    def row(self, align=False):
        return Recorder(self.drawn)

    column = row

    def prop(self, owner, name, expand=False):
        getattr(owner, name)
        self.drawn.append(name)

    def operator(self, idname, text=None, icon="NONE"):
        kind, _, name = idname.partition(".")
        shown = getattr(getattr(bpy.ops, kind), name).get_rna_type().name
        self.drawn.append(text or shown)
        self.icon(icon)

    def label(self, text="", icon="NONE"):
        self.drawn.append(text)
        self.icon(icon)

    def progress(self, factor=0.0, text=""):
        assert 0 <= factor <= 1
        self.drawn.append(text)

    @staticmethod
    def icon(name):
        assert name in bpy.types.UILayout.bl_rna.functions["prop"].parameters["icon"].enum_items, name


def drawn():
    layout = Recorder()
    bpy.types.CHARACTER_PT_panel.draw(SimpleNamespace(layout=layout), bpy.context)
    return layout.drawn


def refusal(operator):
    try:
        operator()
    except RuntimeError as error:
        return str(error)
    return ""


def followed(session, until):
    """Tick as the timer would, until ``until``; the fractions and first words of what was drawn on the way."""
    seen, patience = [], time.monotonic() + 120
    while not until():
        assert time.monotonic() < patience, list(session.current().account.log)
        session.tick()
        if session.running():
            seen.append(session.current().account.fraction)
            assert "Run" in drawn()
        time.sleep(0.02)
    return seen


def install():
    SAID["installed"] = list(bpy.ops.extensions.package_install_files(filepath=REQUEST["zip"], repo="user_default", enable_on_install=True))
    SAID["enabled"] = MODULE in bpy.context.preferences.addons
    return sys.modules[f"{MODULE}.session"], bpy.context.preferences.addons[MODULE].preferences


def without_preferences(preferences):
    SAID["panel without a Python"] = drawn()
    SAID["run without a Python"] = refusal(bpy.ops.character.run)
    layout = Recorder()
    named = {name: getattr(preferences, name) for name in ("project", "python", "outputs")}
    type(preferences).draw(SimpleNamespace(layout=layout, **named), bpy.context)
    SAID["preferences"] = layout.drawn
    preferences.project, preferences.python, preferences.outputs = REQUEST["project"], REQUEST["python"], REQUEST["outputs"]


def stand_a_figure():
    bpy.ops.import_scene.gltf(filepath=REQUEST["glb"], disable_bone_shape=True)
    armature = next(o for o in bpy.data.objects if o.type == "ARMATURE")
    armature.rotation_mode, armature.rotation_euler = "XYZ", (0, 0, 1.0)
    for name, turn in (("leftUpperArm", (0.6, 0.1, -0.3)), ("head", (0.2, 0.3, 0.0)), ("hips", (0.1, 0.4, 0.0)), ("rightLowerLeg", (0.9, 0.0, 0.0))):
        armature.pose.bones[name].rotation_mode, armature.pose.bones[name].rotation_euler = "XYZ", turn
    next(o for o in bpy.data.objects if o.type == "MESH").modifiers.new("finer", "SUBSURF").levels = 1
    bpy.context.view_layer.update()
    SAID["heads"] = {b.name: list(armature.matrix_world @ b.head) for b in armature.pose.bones}
    return armature


def mesh_of(armature):
    return next(o for o in bpy.data.objects if o.type == "MESH" and o.find_armature() == armature)


def refused_in_pose_mode():
    bpy.ops.object.mode_set(mode="POSE")
    said = refusal(bpy.ops.character.run)
    bpy.ops.object.mode_set(mode="OBJECT")
    return said


def refused_while(thing, hidden):
    setattr(thing, hidden, True)
    said = refusal(bpy.ops.character.run)
    setattr(thing, hidden, False)
    return said


def run_with_body_and_pose(session, own, armature):
    for thing in bpy.context.view_layer.objects:
        thing.select_set(False)
    bpy.context.view_layer.objects.active = None
    own.name, own.prompt, own.seed, own.use_body, own.use_pose = "mika", 'red "hair"', 5, True, True
    SAID["run without an armature"] = refusal(bpy.ops.character.run)
    armature.select_set(True)
    bpy.context.view_layer.objects.active = armature
    SAID["refused bodies"] = [refused_in_pose_mode(), refused_while(armature, "hide_viewport"), refused_while(mesh_of(armature), "hide_viewport")]
    armature.select_set(True)
    bpy.context.view_layer.objects.active = armature
    SAID["run"] = list(bpy.ops.character.run())
    SAID["selected after"] = [o.name for o in bpy.context.view_layer.objects if o.select_get()] == [armature.name]
    SAID["second run is refused"] = not bpy.ops.character.run.poll()
    SAID["timer"] = bpy.app.timers.is_registered(session.tick)
    SAID["fractions"] = followed(session, lambda: not session.running())
    SAID["state"], SAID["log"], SAID["panel when done"] = session.current().state, list(session.current().account.log), drawn()


def import_result():
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)  # another file, the same preferences
    bpy.context.scene.character.name = "mika"
    bpy.context.scene.cursor.location = (1, 2, 3)
    SAID["imported"] = list(bpy.ops.character.import_result())
    bpy.context.view_layer.update()
    armature = next(o for o in bpy.data.objects if o.type == "ARMATURE")
    mesh = next(o for o in bpy.data.objects if o.type == "MESH")
    points = [mesh.matrix_world @ v.co for v in mesh.data.vertices]
    SAID["lowest"] = [min(p[i] for p in points) for i in range(3)]
    SAID["bones"], SAID["materials"] = sorted(b.name for b in armature.data.bones), [m.name for m in mesh.data.materials]
    SAID["roots at"] = [list(o.matrix_world.translation) for o in bpy.data.objects if o.parent is None]
    bpy.ops.character.show_log()
    SAID["text"] = bpy.data.texts["Character Log"].as_string()
    SAID["open"] = [bpy.ops.character.open_folder.poll(), bpy.ops.character.open_report.poll()]


def stop_and_fail(session):
    own = bpy.context.scene.character
    own.name, own.prompt = "slow", "slow"
    bpy.ops.character.run()
    followed(session, lambda: session.current().account.fraction > 0)
    bpy.ops.character.stop()
    SAID["panel when stopping"] = drawn()
    followed(session, lambda: not session.running())
    SAID["stopped"], SAID["panel when stopped"] = [session.current().state, session.current().code], drawn()
    own.name, own.prompt = "fail", "fail"
    SAID["panel for another"] = drawn()
    bpy.ops.character.run()
    followed(session, lambda: not session.running())
    SAID["failed"], SAID["panel when failed"] = [session.current().state, session.current().code], drawn()
    own.source, own.file = "FILE", "//nowhere.yaml"
    SAID["panel for files"], SAID["no such file"] = drawn(), refusal(bpy.ops.character.run)
    own.file, own.own_choice, own.seed = REQUEST["file"], True, 9
    bpy.ops.character.run()
    followed(session, lambda: not session.running())
    SAID["a file's arguments"] = session.current().account.log[0]


def switch_off_while_it_runs(session):
    own = bpy.context.scene.character
    own.source, own.name, own.prompt = "WORDS", "slow", "slow"
    bpy.ops.character.run()
    followed(session, lambda: session.current().account.fraction > 0)
    job = session.current()
    bpy.ops.preferences.addon_disable(module=MODULE)
    SAID["after"] = {"enabled": MODULE in bpy.context.preferences.addons, "scene": hasattr(bpy.types.Scene, "character"), "panel": hasattr(bpy.types, "CHARACTER_PT_panel"),
                     "operator": "run" in dir(bpy.ops.character), "timer": bpy.app.timers.is_registered(session.tick), "job": job.state}
    bpy.ops.preferences.addon_enable(module=MODULE)
    SAID["enabled again"] = "Run" in drawn()


bpy.ops.wm.read_factory_settings(use_empty=True)
session, preferences = install()
without_preferences(preferences)
run_with_body_and_pose(session, bpy.context.scene.character, stand_a_figure())
import_result()
session = sys.modules[f"{MODULE}.session"]
stop_and_fail(session)
switch_off_while_it_runs(session)
print("RESULT" + json.dumps(SAID))
