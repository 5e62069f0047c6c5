# SPDX-License-Identifier: GPL-3.0-or-later
"""What the panel's buttons do."""

from __future__ import annotations

from pathlib import Path

import bpy
from mathutils import Matrix, Vector

from . import document, orders, places, preferences, rigs, session
from .job import Job
from .properties import CharacterSettings, asked_for

LOG = "Character Log"


class OrderError(ValueError):
    """The panel's fields will not do; the text says why."""


class CHARACTER_OT_run(bpy.types.Operator):
    """Make the character in the background, going on from what is kept of it"""

    bl_idname, bl_label = "character.run", "Run"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """One run at a time."""
        return not session.running()

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Write the character file and start the program."""
        try:
            session.begin(_job(context), asked_for(context.scene.character))
        except (OrderError, rigs.RigError, OSError, RuntimeError) as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        return {"FINISHED"}


class CHARACTER_OT_stop(bpy.types.Operator):
    """Stop the run; Run goes on from there"""

    bl_idname, bl_label = "character.stop", "Stop"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """While it runs and was not asked to stop."""
        return session.running() and not session.current().stopping

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Ask for it; the panel says when it has happened."""
        session.current().stop()
        return {"FINISHED"}


class CHARACTER_OT_import(bpy.types.Operator):
    """Import the GLB that was made, with its armature and materials"""

    bl_idname, bl_label, bl_options = "character.import_result", "Import", {"REGISTER", "UNDO"}

    at_cursor: bpy.props.BoolProperty(name="At 3D Cursor", default=True, description="Stand it on the 3D cursor and not at the origin")

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """There is a GLB of this character."""
        glb = result(context)
        return glb is not None and glb.is_file()

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Import, move, and select what came."""
        before = set(bpy.data.objects)
        try:
            bpy.ops.import_scene.gltf(filepath=str(result(context)), **_importer_options())
        except RuntimeError as error:
            self.report({"ERROR"}, f"{result(context)}: {error}")
            return {"CANCELLED"}
        came = [o for o in bpy.data.objects if o not in before]
        target = context.scene.cursor.location if self.at_cursor else Vector()
        for root in [o for o in came if o.parent is None]:
            root.matrix_world = Matrix.Translation(target) @ root.matrix_world
        self.report({"INFO"}, f"Imported {result(context).name}")
        return {"FINISHED"}


class CHARACTER_OT_open_folder(bpy.types.Operator):
    """Open the folder with the results"""

    bl_idname, bl_label = "character.open_folder", "Results"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """It is there."""
        return folder(context).is_dir()

    def execute(self, context: bpy.types.Context) -> set[str]:
        """In the system's file manager."""
        bpy.ops.wm.path_open(filepath=str(folder(context)))
        return {"FINISHED"}


class CHARACTER_OT_open_report(bpy.types.Operator):
    """Open the report in the browser"""

    bl_idname, bl_label = "character.open_report", "Report"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """It is there."""
        return (folder(context) / "report.html").is_file()

    def execute(self, context: bpy.types.Context) -> set[str]:
        """It is one file, and asks for no network."""
        bpy.ops.wm.url_open(url=(folder(context) / "report.html").as_uri())
        return {"FINISHED"}


class CHARACTER_OT_show_log(bpy.types.Operator):
    """Put what the run said into a text, to be read in the Text Editor"""

    bl_idname, bl_label = "character.show_log", "Log to Text Editor"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """There was a run."""
        return session.current() is not None

    def execute(self, context: bpy.types.Context) -> set[str]:
        """One text, written anew each time."""
        block = bpy.data.texts.get(LOG) or bpy.data.texts.new(LOG)
        block.from_string("\n".join(session.current().account.log) + "\n")
        self.report({"INFO"}, f"The log is the text {LOG!r}")
        return {"FINISHED"}


def _importer_options() -> dict[str, bool]:
    """Bones as they are, where the importer can; older ones draw each as a ball."""
    known = bpy.ops.import_scene.gltf.get_rna_type().properties
    return {"disable_bone_shape": True} if "disable_bone_shape" in known else {}


def folder(context: bpy.types.Context) -> Path:
    """Where the results of the character in the panel lie: what the last run said, if it was of this one, else by its name, or its file's."""
    job, own = session.current(), context.scene.character
    if job is not None and job.account.folder is not None and session.asked() == asked_for(own):
        return job.account.folder
    name = own.name if own.source == "WORDS" else Path(own.file).stem
    return preferences.outputs(context) / (name or "unnamed")


def result(context: bpy.types.Context) -> Path | None:
    """The GLB of the character in the panel, made now or earlier."""
    job, place = session.current(), folder(context)
    if job is not None and job.account.glb is not None and job.account.folder == place:
        return job.account.glb
    return place / f"{place.name}.glb"


def _job(context: bpy.types.Context) -> Job:
    """Everything written that the run reads, and the run started. Raises OrderError or RigError."""
    python, project = preferences.python(context), preferences.project(context)
    problem = places.problem(python, project)
    if problem:
        raise OrderError(problem)
    outputs, own = preferences.outputs(context), context.scene.character
    source, stem = _source(own)
    (outputs / "characters").mkdir(parents=True, exist_ok=True)
    body, pose, before = _from_scene(context, own, outputs / "characters" / stem, python)
    if source is None:
        source = outputs / "characters" / f"{own.name}.yaml"
        source.write_text(document.text(document.settings(own.name, own.prompt, own.seed, own.profile, body, pose)), encoding="utf-8")
        changes = {}
    else:
        changes = _changes(own, body, pose)
    return Job([*before, orders.run(python, source, outputs, changes)], project or outputs, orders.environment())


def _source(own: CharacterSettings) -> tuple[Path | None, str]:
    """The file that was chosen, None where one is to be written, and the stem of the names of what is written beside it."""
    if own.source == "FILE":
        path = Path(bpy.path.abspath(own.file)).absolute()
        if not own.file or not path.is_file():
            raise OrderError(f"There is no character file {own.file!r}")
        return path, path.stem
    problem = document.name_problem(own.name) or (None if own.prompt.strip() else "The character needs a prompt")
    if problem:
        raise OrderError(problem)
    return None, own.name


def _from_scene(context: bpy.types.Context, own: CharacterSettings, stem: Path, python: Path) -> tuple[Path | None, Path | None, list[list[str]]]:
    """The body and the pose as files, None for what is not asked for, and the commands that have to run first."""
    if not (own.use_body or own.use_pose):
        return None, None, []
    armature, body, pose, before = rigs.selected_armature(context), None, None, []
    if own.use_body:
        body = stem.with_name(f"{stem.name}.body.glb")
        rigs.export_body(context, armature, body)
    if own.use_pose:
        pose, described = stem.with_name(f"{stem.name}.pose.json"), stem.with_name(f"{stem.name}.armature.json")
        rigs.write_described(armature, described)
        before = [orders.pose(python, described, pose)]
    return body, pose, before


def _changes(own: CharacterSettings, body: Path | None, pose: Path | None) -> dict[str, str]:
    """What the panel says otherwise than the file."""
    said = {"conditions.body": body, "conditions.pose_file": pose}
    changes = {name: str(path) for name, path in said.items() if path is not None}
    return changes | ({"profile": own.profile, "seed": str(own.seed)} if own.own_choice else {})
