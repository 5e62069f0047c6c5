"""Pictures of a face in its expressions, close up."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from stages.artifacts.body import BodyModel
from stages.artifacts.cameras import Camera, orbit
from stages.artifacts.images import contact_sheet, write_png
from stages.artifacts.mesh import TexturedMesh
from stages.artifacts.normals import vertex_normals
from stages.artifacts.rig import Skinning
from stages.rendering.joined import Joined
from stages.rendering.picture import STUDIO, draw
from stages.rig.face.fit import Face, landmarks_of
from stages.rig.face.view import Landmarks

FILE = "expressions.png"
COLUMNS, SIDE_DEG, HALF_M, DISTANCE_M = 7, 30.0, 0.082, 2.0


def write_expressions(folder: Path, mesh: TexturedMesh, skinning: Skinning, body: BodyModel, face: Face, side_px: int) -> None:
    """``expressions.png``: the face at rest and in each of its expressions, from the front and from the side."""
    folder.mkdir(parents=True, exist_ok=True)
    joined = Joined(mesh, skinning, face.attachments, face.morphs, face.hidden)
    tiles, labels = [], []
    for azimuth in (0.0, SIDE_DEG):
        camera = close_up(landmarks_of(body), azimuth, side_px)
        for name in ("rest", *joined.names):
            tiles.append(expression_picture(joined, {} if name == "rest" else {name: 1.0}, camera))
            labels.append(name)
    write_png(folder / FILE, contact_sheet(tiles, COLUMNS, labels))


def expression_picture(joined: Joined, weights: dict[str, float], camera: Camera) -> np.ndarray:
    """(height, width, 3) uint8 of a figure at rest with morphs of these weights."""
    v_pos = joined.v_pos + joined.offset(weights)
    return draw(replace(joined.surface, v_nrm=vertex_normals(v_pos, joined.t_pos_idx)), v_pos, camera, backdrop=STUDIO)


def close_up(landmarks: Landmarks, azimuth_deg: float, side_px: int) -> Camera:
    """A camera that looks at a face from the chin to the brows."""
    scale = landmarks.scale
    middle = np.array([landmarks.middle_x, landmarks.mouth[1], (landmarks.left[2] + landmarks.mouth[2]) / 2 + 0.006 * scale])
    return orbit(f"face_{azimuth_deg:g}", middle, DISTANCE_M * scale, azimuth_deg, 0.0, side_px / 2 * DISTANCE_M / HALF_M, side_px, side_px)
