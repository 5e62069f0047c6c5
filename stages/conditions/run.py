"""The stage itself: body, pose, cameras, then view by view geometry and pictures."""

from __future__ import annotations

import json
import shutil
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.stage import StageContext, pending
from stages.artifacts.body import BodyModel
from stages.artifacts.cameras import Camera
from stages.artifacts.conditions import ConditionSet, ViewKeypoints, write_body, write_cameras, write_keypoints
from stages.artifacts.images import write_png
from stages.conditions.buffers import ViewBuffers, finer
from stages.conditions.framing import rings
from stages.conditions.keypoints import moved_by
from stages.conditions.pictures import ViewPictures, draw_view
from stages.conditions.preview import write_preview
from stages.conditions.settings import ConditionsSettings


def run(settings: ConditionsSettings, context: StageContext) -> ConditionSet:
    """Fill ``context.out``; views that an interrupted run finished are taken over. Raises ConfigError for a body or pose that will not do."""
    rest = load_body(settings, context)
    rotations, offset_m = load_rotations(settings)
    rest2posed = rest.skeleton.joint_transforms(rotations, offset_m)
    posed = rest.posed(rotations, offset_m)
    cameras = rings(posed, settings)
    flat = [camera for ring in cameras.values() for camera in ring]
    context.log.info("%d triangles, %d views of %d x %d", len(posed.t_pos_idx), len(flat), settings.width, settings.height)
    _draw_pending(posed, flat, settings, context)
    notes = {c.name: _note(context, c.name) for c in flat}
    shutil.copytree(context.work / "pictures", context.out, dirs_exist_ok=True)
    first = "albedo" if "albedo" in settings.kinds else settings.kinds[0]
    extras = {name: {"depth_near_m": n["near_m"], "depth_far_m": n["far_m"]} for name, n in notes.items()}
    write_cameras(context.out, cameras, first, extras)
    arrays = {name: {k: np.array(v).reshape(-1, 3) for k, v in note["keypoints"].items()} for name, note in notes.items()}
    write_keypoints(context.out, {name: ViewKeypoints(**points) for name, points in arrays.items()})
    write_body(context.out, rest, rest2posed)
    found = ConditionSet.open(context.out)
    write_preview(found, context.out / "preview")
    return found


def load_body(settings: ConditionsSettings, context: StageContext) -> BodyModel:
    """The project's body, or the user's brought to its terms."""
    if settings.body is None:
        from stages.conditions.body import load_base_body
        from stages.conditions.body.shape import FIGURES, Shape, shaped

        return shaped(load_base_body(), FIGURES[settings.figure] * Shape(**settings.shape.model_dump()))
    return context.backends["body import"].load(settings.body, context.work / "import")


def load_rotations(settings: ConditionsSettings) -> tuple[dict[str, np.ndarray], np.ndarray | None]:
    """Joint rotations and root offset of the pose asked for. Raises ConfigError for a file that is no pose."""
    from stages.conditions.body import POSES, load_pose

    if settings.pose_file is not None:
        return dict(load_pose(settings.pose_file)), None
    if settings.pose == "rest":
        return {}, None
    return dict(POSES[settings.pose]), None


def _draw_pending(posed: BodyModel, cameras: Sequence[Camera], settings: ConditionsSettings, context: StageContext) -> None:
    todo = pending(cameras, lambda camera: context.checkpoint.has(f"{camera.name}.json"))
    context.progress.start("views", len(cameras))
    context.progress.advance(len(cameras) - len(todo))
    if not todo:
        return
    renderer = context.backends["geometry"]
    views = renderer.render(posed, [finer(c, settings.samples) for c in todo], context.work / "geometry")
    t_joint = moved_by(posed)

    def work(fine: ViewBuffers) -> ViewPictures:
        drawn = draw_view(fine, posed, t_joint, settings)
        for kind, picture in drawn.pictures.items():
            write_png(context.work / "pictures" / kind / f"{drawn.name}.png", picture)
        return drawn

    for drawn in _in_threads(work, views, max(1, context.threads)):
        _note_done(drawn, context)
        context.progress.advance()


def _in_threads(work: Any, items: Iterator, threads: int) -> Iterator:
    """``map`` with ``threads`` workers, in order, never more than ``threads`` + 1 items ahead."""
    with ThreadPoolExecutor(threads) as pool:
        waiting: deque[Future] = deque()
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) > threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _note_done(drawn: ViewPictures, context: StageContext) -> None:
    """The note that says that the view's pictures are whole."""
    near_m, far_m = drawn.depth_range_m
    note = {"near_m": near_m, "far_m": far_m, "keypoints": {k: v.tolist() for k, v in asdict(drawn.keypoints).items()}}
    context.checkpoint.save(f"{drawn.name}.json", lambda path: _write(path, json.dumps(note)))


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def _note(context: StageContext, name: str) -> dict[str, Any]:
    return context.checkpoint.load(f"{name}.json", lambda path: json.loads(path.read_text(encoding="utf-8")))
