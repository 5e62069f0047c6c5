# SPDX-License-Identifier: GPL-3.0-or-later
"""The run that is going on, if one is, and the timer that looks after it.

Blender's application timer stays when another file is opened, which a modal operator does not.
"""

from __future__ import annotations

import bpy

from .job import Job

INTERVAL_S = 0.3
_job: Job | None = None
_asked: tuple[str, str] | None = None


def current() -> Job | None:
    """The run that was started last."""
    return _job


def asked() -> tuple[str, str] | None:
    """What it was started for, as ``begin`` was told."""
    return _asked


def running() -> bool:
    """Whether it is still going on."""
    return _job is not None and _job.state == "running"


def begin(job: Job, asked_for: tuple[str, str]) -> None:
    """Look after ``job`` from now on. ``asked_for`` tells its character from others."""
    global _job, _asked
    _job, _asked = job, asked_for
    if not bpy.app.timers.is_registered(tick):
        bpy.app.timers.register(tick, first_interval=INTERVAL_S, persistent=True)


def tick() -> float | None:
    """Take in what the run says and draw it; seconds until the next time, None when it is over."""
    going_on = _job is not None and _job.poll()
    _redraw()
    return INTERVAL_S if going_on else None


def close() -> None:
    """Stop the run and the timer."""
    global _job, _asked
    if bpy.app.timers.is_registered(tick):
        bpy.app.timers.unregister(tick)
    if _job is not None:
        _job.end()
    _job = _asked = None


def _redraw() -> None:
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type == "VIEW_3D":
                area.tag_redraw()
