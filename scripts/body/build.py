"""Model the body and write the shipped asset: ``python -m scripts.body.build [folder]``."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from scripts.body.model import model
from scripts.body.relax import on_skull, relaxed
from scripts.body.skeleton import build_skeleton
from scripts.body.subdivide import catmull_clark, interpolating_cage
from scripts.body.texture import paint, unwrap
from scripts.body.weights import region_shares, skin_weights
from stages.artifacts.body import BodyModel
from stages.conditions.body.asset import FOLDER, save_base_body

PART_NAMES = tuple(
    "scalp face ear_l ear_r eye_l eye_r iris_l iris_r brow_l brow_r mouth neck chest upper_back abdomen lower_back pelvis_front "
    "pelvis_back upper_arm_l upper_arm_r lower_arm_l lower_arm_r hand_l hand_r upper_leg_l upper_leg_r lower_leg_l lower_leg_r "
    "foot_l foot_r".split()
)


def build_body(charts: tuple[np.ndarray, np.ndarray] | None = None) -> BodyModel:
    """The whole body in rest pose. ``charts`` (v_tex, t_tex_idx) of an earlier build are used as they are."""
    cage = model().compacted().mirrored()
    refinement = catmull_clark(cage.faces, len(cage.points))
    points = interpolating_cage(np.array(cage.points), refinement)
    quads = refinement.quads
    v_pos = relaxed(on_skull(refinement.matrix @ points, cage, refinement), quads)
    v_pos[:, 2] = np.maximum(v_pos[:, 2], 0.0)  # flat soles
    t_pos_idx = quads[:, [0, 1, 2, 0, 2, 3]].reshape(-1, 3)
    t_part = np.repeat([PART_NAMES.index(cage.parts[p]) for p in refinement.parents], 2)
    skeleton = build_skeleton()
    v_tex, t_tex_idx = charts or unwrap(v_pos, t_pos_idx)
    return BodyModel(
        v_pos=v_pos, t_pos_idx=t_pos_idx, v_tex=v_tex, t_tex_idx=t_tex_idx, t_part=t_part, part_names=PART_NAMES,
        skeleton=skeleton, weights=skin_weights(v_pos, region_shares(cage.regions, refinement), quads, skeleton),
        landmarks=cage.names, kd=paint(v_pos, t_pos_idx, t_part, PART_NAMES, v_tex, t_tex_idx),
    )


def main() -> None:
    """Build and save."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    body = build_body()
    save_base_body(body, folder)
    print(f"{len(body.v_pos)} vertices, {len(body.t_pos_idx)} triangles -> {folder}")


if __name__ == "__main__":
    main()
