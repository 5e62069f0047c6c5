"""All condition pictures of one view, from its geometry."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from stages.artifacts.body import BodyModel
from stages.artifacts.conditions import ViewKeypoints
from stages.artifacts.images import to_u8
from stages.conditions import maps
from stages.conditions.buffers import ViewBuffers, box_down, resolved
from stages.conditions.contours import find_contours, lineart_picture
from stages.conditions.edges import canny_picture, softedge_picture
from stages.conditions.keypoints import view_keypoints
from stages.conditions.openpose import openpose_picture
from stages.conditions.settings import ConditionsSettings

_WINDOW_MARGIN_PX = 24  # room for blurs and line widths round the figure


@dataclass(frozen=True)
class ViewPictures:
    """``pictures`` kind -> (H, W, 3) uint8, always with "mask" (H, W); key points; the range of the depth picture in metres."""

    name: str
    pictures: dict[str, np.ndarray]
    keypoints: ViewKeypoints
    depth_range_m: tuple[float, float]


def draw_view(fine: ViewBuffers, body: BodyModel, t_joint: np.ndarray, settings: ConditionsSettings) -> ViewPictures:
    """``fine`` is the view with ``settings.samples`` squared samples for each pixel; ``body`` is the posed one, ``t_joint`` its ``moved_by``."""
    samples = settings.samples
    view = resolved(fine, samples)
    keypoints = view_keypoints(body, view, t_joint)
    near_far = maps.depth_range(view)
    draw = {
        "openpose": lambda: openpose_picture(keypoints, settings.width, settings.height, settings.hands, settings.face),
        "depth": lambda: maps.depth_picture(view, *near_far),
        "normal": lambda: maps.normal_picture(view),
        "parts": lambda: maps.parts_picture(view, body.part_names),
        "albedo": lambda: maps.albedo_picture(fine, samples),
    }
    pictures = {kind: to_u8(draw[kind]()) for kind in settings.kinds if kind in draw}
    pictures |= _line_pictures(fine, body.part_names, settings)
    pictures["mask"] = to_u8(maps.mask_picture(fine, samples))[..., 0]
    return ViewPictures(fine.camera.name, pictures, keypoints, near_far)


def _line_pictures(fine: ViewBuffers, part_names: tuple[str, ...], settings: ConditionsSettings) -> dict[str, np.ndarray]:
    """lineart, softedge and canny, computed in a window round the figure."""
    wanted = [k for k in ("lineart", "softedge", "canny") if k in settings.kinds]
    if not wanted:
        return {}
    samples = settings.samples
    window, place = _window(fine, samples)
    luma = maps.shaded(window)
    contours = find_contours(window, part_names)
    height = settings.height
    draw = {
        "lineart": lambda: lineart_picture(contours, samples, height),
        "softedge": lambda: softedge_picture(contours, luma, samples, height),
        "canny": lambda: canny_picture(box_down(luma, samples)),
    }
    out = {}
    for kind in wanted:
        out[kind] = np.zeros((settings.height, settings.width, 3), np.uint8)
        out[kind][place] = to_u8(draw[kind]())
    return out


def _window(fine: ViewBuffers, samples: int) -> tuple[ViewBuffers, tuple[slice, slice]]:
    """The part of the view round the figure, and where it lies in the picture (in the picture's pixels)."""
    rows, columns = (np.flatnonzero(fine.covered.any(axis)) for axis in (1, 0))
    if not len(rows):
        return fine, (slice(0, fine.part.shape[0] // samples), slice(0, fine.part.shape[1] // samples))
    place, cut = [], []
    for found, size in ((rows, fine.part.shape[0] // samples), (columns, fine.part.shape[1] // samples)):
        low, high = max(found[0] // samples - _WINDOW_MARGIN_PX, 0), min(found[-1] // samples + 1 + _WINDOW_MARGIN_PX, size)
        place.append(slice(low, high))
        cut.append(slice(low * samples, high * samples))
    here = tuple(cut)
    return replace(fine, **{k: getattr(fine, k)[here] for k in ("tri_id", "part", "depth", "normal", "albedo")}), tuple(place)
