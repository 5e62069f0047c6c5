"""A short video of the figure swaying and turning, its hair and skirt swinging as the VRM has them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from stages.artifacts.body import axis_angle_wxyz
from stages.artifacts.rig import Skinning
from stages.export.figure import Figure
from stages.export.spring_settings import SpringSettings
from stages.export.swing import Swing
from stages.rendering.viewpoint import looking_at

FILE = "swing.mp4"
FRAMES_PER_S = 20
_STEPS = 3  # of the simulation in a frame
_SECONDS, _STIR_S = 2.4, 0.8  # after a while of rest the figure moves twice, and stands again
_SWAY_M, _TURN_DEG = 0.06, 20.0


def swinging(figure: Figure, settings: Mapping[str, SpringSettings], height_px: int) -> Iterator[np.ndarray]:
    """Pictures of the figure, ``FRAMES_PER_S`` a second. Raises ValueError without a rig."""
    if figure.skinning is None:
        raise ValueError("a figure without a rig cannot swing")
    camera = looking_at(figure.v_pos, 30.0, height_px * 3 // 4 // 2 * 2, height_px // 2 * 2, margin=0.08)
    for transforms in moving(figure, figure.skinning, settings):
        yield figure.picture(camera, figure.joined.posed(transforms))


def moving(figure: Figure, skinning: Skinning, settings: Mapping[str, SpringSettings]) -> Iterator[np.ndarray]:
    """(J, 4, 4) transforms of each frame: hips sway to the side, the head turns the other way."""
    swing = Swing(skinning.skeleton, figure.colliders, settings)
    step_s = 1 / (FRAMES_PER_S * _STEPS)
    for step in range(round(_SECONDS / step_s)):
        stir = np.sin(2 * np.pi * np.clip(step * step_s - 0.2, 0, 2 * _STIR_S) / _STIR_S)
        pose = {"hips": axis_angle_wxyz(np.array([0, 0, 1.0]), _TURN_DEG * stir), "head": axis_angle_wxyz(np.array([0, 0, 1.0]), -2 * _TURN_DEG * stir)}
        transforms = swing.step(skinning.skeleton.joint_transforms(pose, np.array([_SWAY_M * stir, 0.0, 0.0])), step_s)
        if step % _STEPS == 0:
            yield transforms
