"""Close-ups of hands, as they were reconstructed and as they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from stages.artifacts.cameras import Camera, orbit
from stages.artifacts.images import contact_sheet, write_png
from stages.artifacts.mesh import TexturedMesh
from stages.artifacts.rig import Skinning
from stages.artifacts.showcase_poses import showcase_pose
from stages.rendering.joined import Joined
from stages.rendering.picture import STUDIO, draw
from stages.rig.hands.fit import Hands

SIDE_PX, HALF_M, RADIUS_M = 288, 0.14, 2.0
LOOKS = ((0.0, 10.0), (90.0, 10.0), (180.0, 10.0), (270.0, 10.0))  # azimuth, elevation
POSES = ("T-pose", "walk", "wave", "squat")


def write_hands(folder: Path, mesh: TexturedMesh, skinning: Skinning, hands: Hands) -> None:
    """``hands.png``: each hand that was fitted, before and after, from four sides; below, from the front in four poses."""
    before = Joined(mesh, skinning)
    after = Joined(mesh, skinning, (hands.attachment,), None, hands.hidden)
    tiles, titles = [], []
    for side in hands.sides:
        for name, joined in (("reconstructed", before), ("fitted", after)):
            for azimuth, elevation in LOOKS:
                tiles.append(_picture(joined, joined.v_pos, skinning.skeleton.heads, skinning, side, azimuth, elevation))
                titles.append(f"{side}, {name}, {azimuth:.0f} degrees")
        for pose in POSES:
            transforms = skinning.skeleton.joint_transforms(showcase_pose(skinning.skeleton, pose))
            heads = skinning.skeleton.posed(transforms).heads
            tiles.append(_picture(after, after.posed(transforms), heads, skinning, side, 25.0, 10.0))
            titles.append(f"{side}, {pose}")
    write_png(folder / "hands.png", contact_sheet(tiles, 4, titles))


def _picture(joined: Joined, v_pos: np.ndarray, heads: np.ndarray, skinning: Skinning, side: str, azimuth: float, elevation: float) -> np.ndarray:
    names = skinning.skeleton.names
    middle = (heads[names.index(side + "Hand")] + heads[names.index(side + "MiddleProximal")]) / 2 if side + "MiddleProximal" in names else heads[names.index(side + "Hand")]
    return draw(joined.surface, v_pos, _camera(middle, azimuth, elevation), supersample=3, backdrop=STUDIO)


def _camera(middle: np.ndarray, azimuth: float, elevation: float) -> Camera:
    return orbit("hand", middle, RADIUS_M, azimuth, elevation, SIDE_PX / 2 * RADIUS_M / HALF_M, SIDE_PX, SIDE_PX)
