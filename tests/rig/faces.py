"""A head for tests: an egg on a neck, with eyes and a mouth painted on it at places that are known."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import trimesh

from stages.artifacts.body import BodyModel
from stages.artifacts.glb_reader import dense_weights
from stages.artifacts.mesh import TexturedMesh
from stages.artifacts.normals import vertex_normals
from stages.artifacts.rig import Skinning
from stages.rig.inpaint import strongest
from tests.rig.figures import body, skeleton

CENTRE, RADII = np.array([0.0, 0.0, 1.43]), np.array([0.13, 0.13, 0.2])
SKIN, LASH, WHITE, IRIS, LIP, HAIR = (np.array(c) / 255 for c in ((252, 226, 212), (45, 35, 50), (250, 250, 252), (60, 90, 200), (150, 80, 85), (240, 140, 180)))
LEFT, RIGHT, MOUTH, CHIN = np.array([0.037, 1.44]), np.array([-0.037, 1.44]), np.array([0.0, 1.37]), np.array([0.0, 1.318])
EYE_HALF, MOUTH_HALF = np.array([0.020, 0.021]), np.array([0.011, 0.0011])
SIDE_PX, SPAN_M = 840, 0.42


@dataclass(frozen=True)
class Painted:
    """What is painted: middles (x, z) of the eyes and the mouth, None for none, and how large the left eye is beside the right."""

    left: tuple[float, float] | None = tuple(LEFT)
    right: tuple[float, float] | None = tuple(RIGHT)
    mouth: tuple[float, float] | None = tuple(MOUTH)
    left_size: float = 1.0


def texture(painted: Painted) -> np.ndarray:
    """(SIDE_PX, SIDE_PX, 3): the front, without perspective; hair above 1.485 m."""
    x, z = places()
    out = np.broadcast_to(SKIN, (*x.shape, 3)).copy()
    out[z > 1.485] = HAIR
    for at, size in ((painted.left, painted.left_size), (painted.right, 1.0)):
        if at is not None:
            for share, shift, colour in ((1.0, 0.0, LASH), (0.88, -0.003, WHITE), (0.55, -0.002, IRIS)):
                half = EYE_HALF * size * share
                out[((x - at[0]) / half[0]) ** 2 + ((z - at[1] - shift) / half[1]) ** 2 < 1] = colour
    if painted.mouth is not None:
        out[((x - painted.mouth[0]) / MOUTH_HALF[0]) ** 2 + ((z - painted.mouth[1]) / MOUTH_HALF[1]) ** 2 < 1] = LIP
    return out.astype(np.float32)


def places() -> tuple[np.ndarray, np.ndarray]:
    """x and z of the texture's pixels."""
    at = (np.arange(SIDE_PX) + 0.5) / SIDE_PX * SPAN_M
    return np.meshgrid(at - SPAN_M / 2, CENTRE[2] + SPAN_M / 2 - at)


@lru_cache
def egg() -> tuple[np.ndarray, np.ndarray]:
    """Positions and triangles of the head, about 5 mm a side."""
    ball = trimesh.creation.icosphere(5)
    return np.asarray(ball.vertices) * RADII + CENTRE, np.asarray(ball.faces, np.int32)


def head(painted: Painted = Painted(), relief: np.ndarray | None = None) -> tuple[TexturedMesh, Skinning, BodyModel]:
    """The head as a mesh, bound to its skeleton, and the body that it was made on. It is large enough to hold the head of ``figures.body``.

    ``relief`` (V, 3) is added to its vertices.
    """
    v_pos, triangles = egg()
    v_pos = v_pos if relief is None else v_pos + relief
    v_tex = np.stack([v_pos[:, 0] / SPAN_M + 0.5, (v_pos[:, 2] - CENTRE[2]) / SPAN_M + 0.5], -1).astype(np.float32)
    normals = vertex_normals(v_pos, triangles).astype(np.float32)
    tangents = np.tile(np.array([1, 0, 0, 1], np.float32), (len(v_pos), 1))
    flat = np.broadcast_to(np.array([0.5, 0.5, 1.0], np.float32), (4, 4, 3))
    mesh = TexturedMesh(v_pos.astype(np.float32), normals, tangents, v_tex, triangles, triangles, texture(painted), np.full((4, 4, 3), 0.8, np.float32), flat)
    bones = skeleton()
    joints, weights = np.zeros((len(v_pos), 4), np.uint16), np.zeros((len(v_pos), 4), np.float32)
    share = np.clip((v_pos[:, 2] - 1.31) / 0.03, 0, 1)
    joints[:, 0], joints[:, 1], weights[:, 0], weights[:, 1] = bones.index("head"), bones.index("neck"), share, 1 - share
    skinning = Skinning(v_pos.astype(np.float32), joints, weights, bones)
    return mesh, skinning, body_of(v_pos, triangles, dense_weights(joints, weights, len(bones.names)))


def body_of(v_pos: np.ndarray, triangles: np.ndarray, weights: np.ndarray) -> BodyModel:
    """The same egg as a base body with landmarks."""
    front = np.flatnonzero(v_pos[:, 1] < 0)
    nearest = lambda at: int(front[np.linalg.norm(v_pos[front][:, [0, 2]] - at, axis=-1).argmin()])  # noqa: E731
    landmarks = {"eye_l": nearest(LEFT), "eye_r": nearest(RIGHT), "mouth_top": nearest(MOUTH), "chin": nearest(CHIN)}
    return BodyModel(v_pos, triangles.astype(np.int64), np.zeros((1, 2)), np.zeros_like(triangles), np.zeros(len(triangles), int), ("head",), skeleton(), weights,
                     landmarks, np.full((4, 4, 3), 0.7, np.float32))


def without_landmarks(body: BodyModel) -> BodyModel:
    """The body as one that nobody marked."""
    return replace(body, landmarks={})


def whole() -> tuple[TexturedMesh, Skinning, BodyModel]:
    """The head on the test humanoid, as a mesh and as a body."""
    mesh, skinning, egg_body = head()
    b, start = body(), len(mesh.v_pos)
    v_pos = np.concatenate([mesh.v_pos, b.v_pos.astype(np.float32)])
    triangles = np.concatenate([mesh.t_pos_idx, b.t_pos_idx.astype(np.int32) + start])
    flat = np.full((len(b.v_pos), 2), 0.02, np.float32)
    both = replace(mesh, v_pos=v_pos, t_pos_idx=triangles, t_tex_idx=triangles, v_nrm=vertex_normals(v_pos, triangles).astype(np.float32),
                   v_tex=np.concatenate([mesh.v_tex, flat]), v_tng=np.tile(np.array([1, 0, 0, 1], np.float32), (len(v_pos), 1)))
    weights = np.concatenate([egg_body.weights, b.weights])
    joints, four = strongest(weights)
    all_of_it = replace(egg_body, v_pos=v_pos.astype(float), t_pos_idx=triangles.astype(np.int64), t_tex_idx=np.zeros_like(triangles),
                        t_part=np.zeros(len(triangles), int), weights=weights)
    return both, Skinning(v_pos, joints, four, skinning.skeleton), all_of_it
