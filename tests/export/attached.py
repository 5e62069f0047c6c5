"""Test figures with further surfaces: a rig whose head has a plate before it that can come down, and a hat that can be taken off."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from stages.artifacts.attachments import Attachment
from stages.artifacts.morphs import Morph, sparse
from stages.artifacts.rig import Rig, Skinning
from stages.export import ExportInputs
from stages.rig.inpaint import strongest
from tests.rig.figures import body
from tests.rig.stage_folders import mesh_asset

RED, GREEN = (220, 20, 20), (20, 200, 20)


def plate(name: str, centre: tuple[float, float, float], side: float, colour: tuple[int, int, int], joint: int, **more) -> Attachment:
    """A square that faces the front, of one colour, on one joint."""
    x, y, z = centre
    h = side / 2
    v_pos = np.array([[x - h, y, z - h], [x + h, y, z - h], [x + h, y, z + h], [x - h, y, z + h]], np.float32)
    triangles = np.array([[0, 1, 2], [0, 2, 3]], np.int32)
    joints = np.zeros((4, 4), np.uint16)
    joints[:, 0] = joint
    weights = np.tile(np.array([1, 0, 0, 0], np.float32), (4, 1))
    v_tex = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)
    return Attachment(name, v_pos, triangles, v_tex, triangles, np.full((8, 8, 3), colour, np.uint8), joints, weights, **more)


def attachments() -> tuple[Attachment, Attachment]:
    """The plate, whose morph ``blink`` lowers it by 10 cm, and the hat, which is a mesh of its own; ``wink`` moves a corner of it."""
    head = body(0.04).skeleton.index("head")
    down = sparse(np.tile([0.0, 0.0, -0.1], (4, 1)))
    corner = Morph(np.array([2], np.int32), np.array([[0.0, 0.0, 0.02]], np.float32))
    return (plate("plate", (0, -0.2, 1.45), 0.1, RED, head, morphs={"blink": down}),
            plate("hat", (0, -0.2, 1.62), 0.2, GREEN, head, morphs={"wink": corner}, double_sided=True, own_mesh=True))


def attached_rig(folder: Path) -> Rig:
    """The humanoid with both, ``aa`` on its own chin, and what lies behind the plate hidden."""
    b = body(0.04)
    joints, weights = strongest(b.weights)
    skinning = Skinning(b.v_pos.astype(np.float32), joints, weights, b.skeleton)
    chin = np.where((np.abs(b.v_pos - [0, -0.1, 1.36]).max(-1) < 0.06)[:, None], [0.0, -0.01, -0.02], 0.0)
    middle = b.v_pos[b.t_pos_idx].mean(1)
    hidden = (np.abs(middle[:, 0]) < 0.04) & (np.abs(middle[:, 2] - 1.45) < 0.04) & (middle[:, 1] < -0.05)
    return Rig.write(folder, skinning, {}, (), (), attachments(), {"aa": sparse(chin)}, hidden)


def attached_inputs(folder: Path) -> ExportInputs:
    """What the export stage takes."""
    return ExportInputs(mesh_asset(folder / "mesh", body(0.04).v_pos, body(0.04).t_pos_idx), attached_rig(folder / "rig"))
