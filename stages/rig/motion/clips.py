"""The clips that a character gets: those asked for by name, and the motion of the user's."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from pipeline.stage import StageContext
from stages.artifacts.body import Skeleton
from stages.artifacts.motion import Clip
from stages.rig.motion.builtin import made_clip
from stages.rig.motion.proportions import likeness
from stages.rig.motion.reading import read_motion
from stages.rig.motion.recording import trimmed
from stages.rig.motion.retarget import check_humanoid, retarget
from stages.rig.settings import RigSettings


def clips_of(settings: RigSettings, skeleton: Skeleton, context: StageContext) -> list[Clip]:
    """The motion first, then the clips that are not it. Raises ConfigError if they cannot be had."""
    clips: list[Clip] = []
    if isinstance(settings.motion, Path):
        clips.append(_users_own(settings, skeleton, context))
    names = [*([settings.motion] if isinstance(settings.motion, str) else []), *settings.clips]
    if names:
        check_humanoid(skeleton)
    return clips + [made_clip(name, skeleton, settings.clip_fps or 30.0) for name in dict.fromkeys(names)]


def recorded(settings: RigSettings) -> tuple[Clip, str]:
    """The part of the motion file that is asked for, and a sentence on it. Raises ConfigError if it cannot be read."""
    path = Path(settings.motion)
    settled = read_motion(path, settings.motion_animation)
    return trimmed(settled.clip, settings.motion_start_s, settings.motion_end_s, path.name), settled.said(path.name)


def _users_own(settings: RigSettings, skeleton: Skeleton, context: StageContext) -> Clip:
    source, said = recorded(settings)
    context.log.info("motion: %s", said)
    folder = context.out / "preview"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "motion.json").write_text(json.dumps({"title": "motion", "read": said}, indent=1) + "\n", encoding="utf-8")  # the report shows it
    _say_how_far(source.skeleton, skeleton, settings.reach, context)
    clip = retarget(source.resampled(settings.clip_fps or source.fps), skeleton, settings.motion_name, settings.hold_feet, settings.reach)
    return in_place(clip) if settings.in_place else clip


def _say_how_far(source: Skeleton, skeleton: Skeleton, reach: float, context: StageContext) -> None:
    """Logs it where hands reach less far than they were asked to."""
    alike = likeness(source, skeleton)
    if reach and alike < 1:
        context.log.info("motion: its body has other proportions than the character's, so hands reach for their places in it %.0f %% of the way, not %.0f %%",
                         100 * reach * alike, 100 * reach)


def in_place(clip: Clip) -> Clip:
    """The clip without its way over the ground; up and down stay."""
    return replace(clip, root_offset_m=clip.root_offset_m * [0.0, 0.0, 1.0])
