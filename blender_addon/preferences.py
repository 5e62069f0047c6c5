# SPDX-License-Identifier: GPL-3.0-or-later
"""Preferences: which Python, which project, where results go."""

from __future__ import annotations

from pathlib import Path

import bpy

from . import places


class CharacterPreferences(bpy.types.AddonPreferences):
    """Empty paths are looked for; what is found is shown beneath."""

    bl_idname = __package__

    project: bpy.props.StringProperty(
        name="Project", subtype="DIR_PATH",
        description="Folder of the project (with pipeline and stages in it). Empty: the one that CHARACTER_PIPELINE names, or that the command character-pipeline lies in")
    python: bpy.props.StringProperty(
        name="Python", subtype="FILE_PATH",
        description="Python that the project is installed in. Empty: .venv in the project's folder, or the one of the command character-pipeline")
    outputs: bpy.props.StringProperty(
        name="Results", subtype="DIR_PATH", default=str(places.default_outputs()), description="Folder for results; each character has one of its own in it")

    def draw(self, context: bpy.types.Context) -> None:
        """The three paths, and what they come to."""
        for name in ("project", "python", "outputs"):
            self.layout.prop(self, name)
        problem = places.problem(python(context), project(context))
        self.layout.label(text=problem or f"Runs with {python(context)}", icon="ERROR" if problem else "CHECKMARK")


def _own(context: bpy.types.Context) -> CharacterPreferences:
    return context.preferences.addons[__package__].preferences


def project(context: bpy.types.Context) -> Path | None:
    """The project's folder: the one that was named, else one that is found, else None."""
    named = _own(context).project
    return Path(bpy.path.abspath(named)) if named else places.find_project()


def python(context: bpy.types.Context) -> Path | None:
    """The interpreter: the one that was named, else one that is found, else None."""
    named = _own(context).python
    return Path(bpy.path.abspath(named)) if named else places.find_python(project(context))


def outputs(context: bpy.types.Context) -> Path:
    """The folder for results."""
    return Path(bpy.path.abspath(_own(context).outputs or str(places.default_outputs()))).absolute()
