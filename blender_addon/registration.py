# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that Blender is told of, and the order of it."""

from __future__ import annotations

import bpy

from . import operators, panel, preferences, properties, session

CLASSES = (
    preferences.CharacterPreferences, properties.CharacterSettings, operators.CHARACTER_OT_run, operators.CHARACTER_OT_stop,
    operators.CHARACTER_OT_import, operators.CHARACTER_OT_open_folder, operators.CHARACTER_OT_open_report, operators.CHARACTER_OT_show_log,
    panel.CHARACTER_PT_panel,
)


def register() -> None:
    """Classes, and the settings that every scene has of its own."""
    for each in CLASSES:
        bpy.utils.register_class(each)
    bpy.types.Scene.character = bpy.props.PointerProperty(type=properties.CharacterSettings)


def unregister() -> None:
    """The other way round; a run that is going on is stopped first."""
    session.close()
    del bpy.types.Scene.character
    for each in reversed(CLASSES):
        bpy.utils.unregister_class(each)
