# SPDX-License-Identifier: GPL-3.0-or-later
"""Characters in Blender: describe one in the sidebar, run the pipeline in a process of its own, import what it made.

Only ``registration`` and what it imports need ``bpy``; ``places``, ``orders``, ``document``, ``events`` and ``job`` are plain Python.
"""


def register() -> None:
    """Called by Blender when the add-on is switched on."""
    from . import registration

    registration.register()


def unregister() -> None:
    """Called by Blender when the add-on is switched off; a run that is going on is stopped, and can be resumed."""
    from . import registration

    registration.unregister()
