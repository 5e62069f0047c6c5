"""Views that disagree, brought to what all of them agree on: the field, half learnt, is the consensus that each is measured against."""

from __future__ import annotations

import numpy as np
from PIL import Image

from stages.artifacts.corrections import Corrections
from stages.field.pixels import Pixels, View
from stages.field.protocol import RadianceField
from stages.field.register import difference
from stages.field.render import render
from stages.field.scene import Scene

SHARES = (0.1, 0.25, 0.45)  # of the steps after which views are measured
SIDE_PX = 192  # the longest side at which that is done


def rounds_of(steps: int) -> tuple[int, ...]:
    """The steps before which views are measured again."""
    return tuple(round(share * steps) for share in SHARES)


def agreed(field: RadianceField, scene: Scene, now: Corrections, look: bool, colour: bool) -> Corrections:
    """Corrections of the training views by what ``field`` says they should show, starting the search from those of ``now``."""
    found = {}
    for view in scene.training:
        scale = min(1.0, SIDE_PX / max(view.camera.width, view.camera.height))
        camera = view.camera.resized(round(view.camera.width * scale), round(view.camera.height * scale))
        picture = shrunk(view.rgba, camera.width, camera.height)
        name = view.camera.name
        found[name] = difference(render(field, scene, camera).rgba, picture, camera, now.of(name), look, colour)
    return Corrections(found).centred()


def shrunk(rgba: np.ndarray, width: int, height: int) -> np.ndarray:
    """``rgba`` (H, W, 4), straight alpha, at a smaller size; itself where that is its own."""
    if rgba.shape[:2] == (height, width):
        return rgba
    solid = np.concatenate([rgba[..., :3] * rgba[..., 3:], rgba[..., 3:]], -1)
    small = np.stack([np.asarray(Image.fromarray(solid[..., k]).resize((width, height), Image.Resampling.BOX)) for k in range(4)], -1)
    return np.concatenate([small[..., :3] / np.maximum(small[..., 3:], 1e-6), small[..., 3:]], -1).clip(0, 1)


def corrected_pixels(scene: Scene, corrections: Corrections, sharpen: float) -> Pixels:
    """The training pixels, as ``corrections`` has them."""
    views = [
        View((fix := corrections.of(v.camera.name)).camera(v.camera), fix.picture(v.rgba)) for v in scene.training
    ]
    return Pixels(views, scene.box, scene.occupancy, sharpen)
