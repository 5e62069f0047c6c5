# SPDX-License-Identifier: GPL-3.0-or-later
"""What the panel asks for; kept with the scene."""

from __future__ import annotations

from collections.abc import Iterable

import bpy

from . import places, preferences


def _profiles(self: bpy.types.PropertyGroup, context: bpy.types.Context, typed: str) -> Iterable[str]:
    return [name for name in places.profiles(preferences.project(context)) if typed in name]


class CharacterSettings(bpy.types.PropertyGroup):
    """One character."""

    source: bpy.props.EnumProperty(name="From", items=[
        ("WORDS", "Words", "A name and a description, from which a character file is written"),
        ("FILE", "File", "A character file (YAML) that is there")])
    name: bpy.props.StringProperty(name="Name", default="mika", description="Of the character; its results get a folder of this name")
    prompt: bpy.props.StringProperty(
        name="Prompt", description="What the character looks like",
        default="a girl with long pink hair, blue eyes, a white shirt, a navy skirt, black stockings and brown shoes")
    file: bpy.props.StringProperty(name="File", subtype="FILE_PATH", description="Character file (YAML)")
    own_choice: bpy.props.BoolProperty(name="Other profile and seed", description="Use the profile and the seed of this panel and not those of the file")
    profile: bpy.props.StringProperty(
        name="Profile", default="embedded", search=_profiles, description="Bundle of defaults: embedded runs anywhere, sd15 takes a GPU and models")
    seed: bpy.props.IntProperty(name="Seed", default=0, min=0, description="Another seed, another character")
    use_body: bpy.props.BoolProperty(
        name="Selected Armature as Body", description="The selected armature with its meshes is the body that is dressed and painted, in its rest pose")
    use_pose: bpy.props.BoolProperty(
        name="Current Pose", description="The character is painted and reconstructed in the pose that the selected armature has now")


def asked_for(own: CharacterSettings) -> tuple[str, str]:
    """What tells the panel's character from others: a name, or a file."""
    return own.source, own.name if own.source == "WORDS" else bpy.path.abspath(own.file)
