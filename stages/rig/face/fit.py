"""A face fitted to a reconstruction: what was found, the attachment that moves, and what moves on the surface itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from stages.artifacts.attachments import Attachment
from stages.artifacts.body import BodyModel
from stages.artifacts.mesh import TexturedMesh
from stages.artifacts.morphs import Morph, ordered, sparse
from stages.artifacts.normals import vertex_normals
from stages.artifacts.rig import Skinning
from stages.rig.face.arkit import ARKIT
from stages.rig.face.closings import arkit_closings_of, closings_of
from stages.rig.face.cut import Cut, cut_mouth
from stages.rig.face.fields import Fields
from stages.rig.face.find import Eye, Mouth, NotFound, check_pair, find_eye, find_mouth
from stages.rig.face.lids import lids
from stages.rig.face.mouth import pocket, skin_piece, teeth
from stages.rig.face.pieces import Piece, attachment_of
from stages.rig.face.shapes import VRM
from stages.rig.face.skin import SkinWeights
from stages.rig.face.texture import face_texture
from stages.rig.face.tongue import OUT, tongue
from stages.rig.face.view import FaceView, Landmarks, front_view

NEEDED = ("eye_l", "eye_r", "mouth_top", "chin")
EDGE_M = 0.006  # of the texture beyond what is made of it


@dataclass(frozen=True)
class Face:
    """``attachments`` (none or one), ``morphs`` of the main surface, its ``hidden`` triangles; ``eyes`` and ``mouth`` as found; ``refused``, sentences on
    what was not; ``view``, None where nothing was looked for."""

    attachments: tuple[Attachment, ...] = ()
    morphs: Mapping[str, Morph] = field(default_factory=dict)
    hidden: np.ndarray | None = None
    eyes: tuple[Eye, ...] = ()
    mouth: Mouth | None = None
    refused: tuple[str, ...] = ()
    view: FaceView | None = None

    @property
    def metrics(self) -> dict[str, Any]:
        """For the rig's figures."""
        names = ordered(set(self.morphs).union(*(a.morphs for a in self.attachments)))
        return {"face_eyes": len(self.eyes), "face_mouth": self.mouth is not None, "face_expressions": names, "face_refused": list(self.refused),
                "face_triangles": sum(len(a.t_pos_idx) for a in self.attachments)}


def landmarks_of(body: BodyModel) -> Landmarks:
    """Where the body's own face is, at rest. Raises NotFound if it has none."""
    missing = [name for name in NEEDED if name not in body.landmarks]
    if missing:
        raise NotFound(f"the face: the base body has no landmarks {', '.join(missing)}")
    if "head" not in body.skeleton.names:
        raise NotFound("the face: the base body has no joint head")
    left, right, mouth, chin = (np.asarray(body.v_pos[body.landmarks[name]], float) for name in NEEDED)
    if left[0] - right[0] < 0.1 * abs(left[2] - chin[2]):
        raise NotFound("the face: the base body's eyes do not lie side by side")
    return Landmarks(left, right, mouth, chin)


def fit_face(mesh: TexturedMesh, skinning: Skinning, body: BodyModel, arkit: bool = False) -> Face:
    """The face of a surface bound to ``body``'s skeleton, with VRM's expressions and ARKit's if asked for.

    What cannot be found with confidence stays as it is, and is told.
    """
    try:
        landmarks = landmarks_of(body)
    except NotFound as reason:
        return Face(refused=(str(reason),))
    v_pos = skinning.v_pos_rest.astype(np.float64)
    view = front_view(v_pos, mesh, landmarks)
    refused: list[str] = []
    eyes = _eyes(view, landmarks, refused)
    mouth, cut = _mouth(v_pos, mesh, view, landmarks, refused)
    if not eyes and mouth is None:
        return Face(refused=tuple(refused), view=view)
    return _built(mesh, skinning, v_pos, view, landmarks, eyes, mouth, cut, refused, arkit)


def _eyes(view: FaceView, landmarks: Landmarks, refused: list[str]) -> tuple[Eye, ...]:
    """Both eyes or none."""
    try:
        left, right = (find_eye(view, landmarks, side) for side in ("left", "right"))
        check_pair(left, right, landmarks)
    except NotFound as reason:
        refused.append(str(reason))
        return ()
    return left, right


def _mouth(v_pos: np.ndarray, mesh: TexturedMesh, view: FaceView, landmarks: Landmarks, refused: list[str]) -> tuple[Mouth | None, Cut | None]:
    """The mouth and the cut through it, or neither."""
    seen = np.zeros(len(mesh.t_pos_idx), bool)
    seen[np.unique(view.triangle[view.triangle >= 0])] = True
    try:
        mouth = find_mouth(view, landmarks)
        return mouth, cut_mouth(v_pos, mesh.t_pos_idx, seen, mouth, landmarks.scale)
    except NotFound as reason:
        refused.append(str(reason))
        return None, None


def _built(
    mesh: TexturedMesh, skinning: Skinning, v_pos: np.ndarray, view: FaceView, landmarks: Landmarks, eyes: tuple[Eye, ...], mouth: Mouth | None,
    cut: Cut | None, refused: list[str], arkit: bool,
) -> Face:
    skin = SkinWeights(view, mesh.t_pos_idx, skinning)
    fields = Fields.of(view, landmarks, eyes, mouth, ARKIT if arkit else VRM)
    closings = arkit_closings_of if arkit else closings_of
    texture = face_texture(view, landmarks, eyes, _box(view, landmarks, eyes, cut))
    pieces: list[Piece] = [piece for eye in eyes for piece in lids(eye, closings(eye.side), view, texture, skin, landmarks.scale)]
    if mouth is not None and cut is not None:
        around = skin_piece(cut, v_pos, vertex_normals(v_pos, mesh.t_pos_idx), fields, texture, skin)
        pieces += [around, pocket(cut, around.v_pos[cut.upper], mouth, fields, texture, skin), teeth(around.v_pos, mouth, fields, texture, skin)]
        pieces += [tongue(around.v_pos[cut.upper], mouth, fields, texture, skin)] if OUT in fields.shapes.mouths else []
    seen = np.unique(mesh.t_pos_idx[np.unique(view.triangle[view.triangle >= 0])])
    morphs = {name: _on_surface(fields, name, v_pos, seen) for name in fields.names}
    moving = {name: morph for name, morph in morphs.items() if len(morph.index)}
    return Face((attachment_of(pieces, texture.kd),), moving, None if cut is None else cut.hidden, eyes, mouth, tuple(refused), view)


def _on_surface(fields: Fields, name: str, v_pos: np.ndarray, seen: np.ndarray) -> Morph:
    """An expression's displacement of the vertices that are seen from the front."""
    offset = np.zeros_like(v_pos)
    offset[seen] = fields.offset(name, v_pos[seen])
    return sparse(offset, 5e-6)


def _box(view: FaceView, landmarks: Landmarks, eyes: tuple[Eye, ...], cut: Cut | None) -> tuple[int, int, int, int]:
    """First and last rows and columns of the view that the face's texture needs."""
    places = [np.array([[eye.left_m, np.polyval(eye.bottom, 0)], [eye.right_m, np.polyval(eye.top, 0)]]) for eye in eyes]
    places += [] if cut is None else [cut.places]
    low, high = np.concatenate(places).min(0) - EDGE_M * landmarks.scale, np.concatenate(places).max(0) + EDGE_M * landmarks.scale
    (top, bottom), (left, right) = (np.clip(n, 0, size).astype(int).tolist() for n, size in zip(
        view.pixels(np.array([low[0], high[0]]), np.array([high[1], low[1]])), view.y.shape, strict=True))
    return top, bottom, left, right
