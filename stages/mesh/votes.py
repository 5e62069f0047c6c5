"""What the labelled pictures say about each triangle: every view that sees it votes with the label that it shows there."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from stages.artifacts.cameras import Camera
from stages.artifacts.normals import unit, vertex_normals
from stages.artifacts.views import MaskedViews
from stages.mesh.laying import DEPTH_SLACK, LEAST_FACING
from stages.mesh.observed import Observed
from stages.mesh.paint import calmed
from stages.mesh.project import depth_map, trust

SPOTS = np.array([(1, 1, 1), (4, 1, 1), (1, 4, 1), (1, 1, 4)]) / np.array([[3], [6], [6], [6]])  # where a triangle is looked at
RIM_WORTH = 1e-3  # of a pixel at an outline beside one well inside
UNLABELLED = 0.5  # worth of a pixel that shows no part: a part that was overlooked is more common than one that was made up


def votes(v_pos: np.ndarray, faces: np.ndarray, observed: Sequence[Observed], views: MaskedViews) -> np.ndarray:
    """(F, 1 + words) weights of the labels, 0 none of the words, for the triangles of a surface in the frame of ``observed``.

    A view counts by how straight it looks, by its pixels per square metre, and little near outlines, as for colours.
    """
    normals = unit(calmed(vertex_normals(v_pos, faces), faces), np.array([0.0, 0.0, 1.0]))
    points = np.einsum("sk,fkc->fsc", SPOTS, v_pos[faces].astype(np.float64)).reshape(-1, 3)
    facing = np.einsum("sk,fkc->fsc", SPOTS, normals[faces]).reshape(-1, 3)
    total = np.zeros((len(faces), 1 + len(views.label_words)))
    triangle = np.repeat(np.arange(len(faces)), len(SPOTS))
    for group in observed:
        for k, camera in enumerate(group.cameras):
            depth = depth_map(v_pos, faces, camera)
            alpha = group.alpha[k, ..., 0].numpy()
            place, weight = seen(points, facing, camera, depth, np.where(alpha > 0.5, trust(depth, alpha) ** 2 + RIM_WORTH, 0.0))
            label = views.labels(camera.name)[place[:, 0], place[:, 1]]
            weight = weight * np.where(label > 0, 1.0, UNLABELLED)
            np.add.at(total, (triangle, label), weight)
    return total


def seen(
    points: np.ndarray, normals: np.ndarray, camera: Camera, depth: np.ndarray, worth: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Row and column (N, 2) of the pixel that each point falls on, and the weight of what is there (N,), by the pixels' ``worth`` (H, W): 0 where the point is hidden or turned away."""
    pixel, z = camera.project(points)
    place = np.floor(pixel[:, ::-1]).astype(np.int64)
    inside = ((place >= 0) & (place < depth.shape)).all(1) & (z > 1e-6)
    place = np.clip(place, 0, np.array(depth.shape) - 1)
    ray = camera.position - points
    cosine = (ray * normals).sum(-1) / np.maximum(np.linalg.norm(ray, axis=-1), 1e-9)
    visible = inside & (cosine > LEAST_FACING) & (z <= depth[place[:, 0], place[:, 1]] * (1 + DEPTH_SLACK))
    weight = worth[place[:, 0], place[:, 1]] * np.maximum(cosine, 0) ** 2 * (camera.fx / np.maximum(z, 1e-6)) ** 2
    return place, np.where(visible, weight, 0.0)
