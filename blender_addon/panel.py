# SPDX-License-Identifier: GPL-3.0-or-later
"""The panel in the 3D view's sidebar."""

from __future__ import annotations

import bpy

from . import places, preferences, session
from .job import Job
from .properties import asked_for

WIDTH = 46  # letters of a line in a sidebar of usual width
LAST_LINES = 6


class CHARACTER_PT_panel(bpy.types.Panel):
    """Describe, run, import."""

    bl_idname, bl_label = "CHARACTER_PT_panel", "Character"
    bl_space_type, bl_region_type, bl_category = "VIEW_3D", "UI", "Character"

    def draw(self, context: bpy.types.Context) -> None:
        """From top to bottom: what to make, from what, the buttons, how it goes."""
        layout = self.layout
        problem = places.problem(preferences.python(context), preferences.project(context))
        if problem:
            _lines(layout, problem, "ERROR")
        _character(layout, context.scene.character)
        _buttons(layout, context.scene.character)
        job = session.current()
        if job is not None:
            _progress(layout, job)


def _character(layout: bpy.types.UILayout, own: bpy.types.PropertyGroup) -> None:
    column = layout.column()
    column.enabled = not session.running()
    column.prop(own, "source", expand=True)
    if own.source == "WORDS":
        column.prop(own, "name")
        column.prop(own, "prompt")
    else:
        column.prop(own, "file")
        column.prop(own, "own_choice")
    if own.source == "WORDS" or own.own_choice:
        column.prop(own, "profile")
        column.prop(own, "seed")
    column.prop(own, "use_body")
    column.prop(own, "use_pose")


def _buttons(layout: bpy.types.UILayout, own: bpy.types.PropertyGroup) -> None:
    row = layout.row(align=True)
    job = session.current()
    resumes = job is not None and job.state == "stopped" and session.asked() == asked_for(own)
    row.operator("character.run", text="Resume" if resumes else "Run", icon="PLAY")
    row.operator("character.stop", icon="PAUSE")
    layout.operator("character.import_result", icon="IMPORT")
    row = layout.row(align=True)
    row.operator("character.open_folder", icon="FILE_FOLDER")
    row.operator("character.open_report", icon="URL")


def _progress(layout: bpy.types.UILayout, job: Job) -> None:
    account = job.account
    if job.state == "running":
        layout.progress(factor=account.fraction, text=f"{account.fraction:.0%}")
        _lines(layout, "Stopping" if job.stopping else account.status)
        return
    words = {"done": f"{account.name} is done", "stopped": "Stopped; running it again goes on from here", "failed": f"Failed (exit code {job.code})"}
    layout.label(text=words[job.state], icon="ERROR" if job.state == "failed" else "INFO")
    if job.state == "failed":
        for line in list(account.log)[-LAST_LINES:]:
            _lines(layout, line)
    layout.operator("character.show_log", icon="TEXT")


def _lines(layout: bpy.types.UILayout, text: str, icon: str = "NONE") -> None:
    """``text`` in lines that the sidebar can show whole, mostly."""
    line = ""
    for word in text.split():
        if line and len(line) + 1 + len(word) > WIDTH:
            layout.label(text=line, icon=icon)
            line, icon = "", "NONE"
        line = f"{line} {word}".strip()
    if line:
        layout.label(text=line, icon=icon)
