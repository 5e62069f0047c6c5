"""One condition picture of one view, without a stage round it: for those who render training pictures."""

from __future__ import annotations

import numpy as np

from stages.artifacts.body import BodyModel
from stages.artifacts.cameras import Camera
from stages.conditions.buffers import ViewBuffers, finer
from stages.conditions.software import draw, vertex_normals

SAMPLES = 2  # the stage's default, so that pictures drawn here equal those of a run


def fine_view(body_posed: BodyModel, camera: Camera, samples: int = SAMPLES) -> ViewBuffers:
    """Supersampled geometry of ``body_posed`` in one camera, by the software backend."""
    return draw(body_posed, vertex_normals(body_posed.v_pos, body_posed.t_pos_idx), finer(camera, samples))


def parts_view(body_posed: BodyModel, camera: Camera, samples: int = SAMPLES) -> np.ndarray:
    """The ``parts`` picture (H, W, 3) uint8 of ``body_posed``, exactly as the conditions stage writes it."""
    from stages.artifacts.images import to_u8
    from stages.conditions.buffers import resolved
    from stages.conditions.maps import parts_picture

    return to_u8(parts_picture(resolved(fine_view(body_posed, camera, samples), samples), body_posed.part_names))
