"""A clip as a video: the textured surface on a tiled floor, so that one sees whether feet slide, the camera going along."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from scipy import ndimage

from stages.artifacts.cameras import Camera, orbit
from stages.artifacts.motion import Clip
from stages.artifacts.normals import vertex_normals
from stages.artifacts.rig import Skinning
from stages.artifacts.video import write_mp4
from stages.rendering.joined import Joined
from stages.rendering.picture import STUDIO, Surface, draw
from stages.rendering.viewpoint import viewing_distance

AZIMUTH_DEG, ELEVATION_DEG = 35.0, 8.0
TILE_M, TILES = 0.25, 24
BELOW_M = 0.002  # so that soles at z = 0 hide the floor
_LIGHT, _DARK = (206, 211, 219), (176, 183, 194)
_ROWS = 8  # of each colour, beneath the texture


def write_clip_video(folder: Path, figure: Joined, skinning: Skinning, clip: Clip, longest_s: float, height_px: int) -> Path:
    """``clip_<name>.mp4`` in ``folder``: the clip's first ``longest_s`` seconds, played over again from its start if it loops."""
    height = height_px // 2 * 2
    frames = shown_frames(clip, longest_s)
    return write_mp4(folder / f"clip_{clip.name}.mp4", pictures(figure, skinning, clip, frames, (height, height), AZIMUTH_DEG), clip.fps)


def shown_frames(clip: Clip, longest_s: float) -> list[int]:
    """Which keys are shown; the last of a loop is its first and is not shown twice."""
    count = max(round(longest_s * clip.fps), 1)
    if clip.loops:
        return [t % (clip.frames - 1) for t in range(count)]
    return list(range(min(clip.frames, count)))


def pictures(
    figure: Joined, skinning: Skinning, clip: Clip, frames: list[int], size_px: tuple[int, int], azimuth_deg: float
) -> Iterator[np.ndarray]:
    """(H, W, 3) uint8 of the named keys, ``size_px`` (width, height)."""
    floor = Floor(figure)
    cameras = following(clip, frames, skinning, size_px, azimuth_deg)
    for k, (frame, camera) in enumerate(zip(frames, cameras, strict=True)):
        yield floor.picture(figure.posed(clip.pose(frame)), camera, k / clip.fps * clip.ground_m_s)


def following(clip: Clip, frames: list[int], skinning: Skinning, size_px: tuple[int, int], azimuth_deg: float) -> list[Camera]:
    """Cameras that go along with the hips over the ground, smoothly, all with one focal length that holds the figure at rest and more."""
    rest = skinning.v_pos_rest
    tall = float(np.ptp(rest[:, 2]))
    way = clip.root_offset_m[frames][:, :2]
    loop = "wrap" if clip.loops else "nearest"
    way = ndimage.gaussian_filter1d(way, 0.4 * clip.fps, axis=0, mode=loop)
    highest = max(float(clip.root_offset_m[frames][:, 2].max()), 0.0)
    radius = viewing_distance(rest)
    width, height = size_px
    focal = min(width / 0.85, height / 1.15) * radius / (tall + highest)
    centre = np.array([*((rest.min(0) + rest.max(0)) / 2)[:2], (tall + highest) / 2])
    return [orbit(f"clip_{k}", centre + [*step, 0.0], radius, azimuth_deg, ELEVATION_DEG, float(focal), width, height) for k, step in enumerate(way)]


class Floor:
    """A figure's surfaces with a floor of tiles joined to them, in one texture: the figure's, and two colours beneath."""

    def __init__(self, figure: Joined) -> None:
        surface = figure.surface
        kd = surface.kd_u8
        below = np.concatenate([np.full((_ROWS, kd.shape[1], 3), colour, np.uint8) for colour in (_LIGHT, _DARK)])
        self.kd = np.concatenate([kd, below])
        share = len(kd) / len(self.kd)
        rows = (np.array([1.5, 0.5]) * _ROWS) / len(self.kd)
        v_tex = surface.v_tex * [1.0, share] + [0.0, 1.0 - share]
        self.v_tex = np.concatenate([v_tex, np.stack([[0.5, 0.5], rows], -1)])
        self.faces, self.count = figure.t_pos_idx, len(figure.v_pos)
        self.points, corners, dark = tiles()
        self.t_pos_idx = np.concatenate([surface.t_pos_idx, corners + self.count])
        colour = len(v_tex) + dark.astype(int)
        self.t_tex_idx = np.concatenate([surface.t_tex_idx, np.repeat(colour[:, None], 3, 1)])

    def picture(self, v_pos: np.ndarray, camera: Camera, passed_m: float = 0.0) -> np.ndarray:
        """The figure with its vertices at ``v_pos``, and the tiles round where it is, ``passed_m`` of which have gone by under it."""
        middle = np.round(v_pos[:, :2].mean(0) / (2 * TILE_M)) * 2 * TILE_M
        points = np.concatenate([v_pos, self.points + [middle[0], middle[1] + passed_m % (2 * TILE_M), -BELOW_M]])
        normals = np.concatenate([vertex_normals(v_pos, self.faces), np.tile([0.0, 0.0, 1.0], (len(self.points), 1))])
        surface = Surface(normals, self.t_pos_idx, self.v_tex, self.t_tex_idx, self.kd)
        return draw(surface, points, camera, backdrop=STUDIO)


def tiles() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points (N, 3), triangles (T, 3) seen from above, and whether each is dark (T,), of a square of tiles round the origin."""
    line = (np.arange(TILES + 1) - TILES / 2) * TILE_M
    x, y = np.meshgrid(line, line, indexing="ij")
    points = np.stack([x.ravel(), y.ravel(), np.zeros(x.size)], -1)
    i, j = (a.ravel() for a in np.meshgrid(np.arange(TILES), np.arange(TILES), indexing="ij"))
    a, b, c, d = i * (TILES + 1) + j, (i + 1) * (TILES + 1) + j, (i + 1) * (TILES + 1) + j + 1, i * (TILES + 1) + j + 1
    triangles = np.stack([np.stack([a, b, c], -1), np.stack([a, c, d], -1)], 1).reshape(-1, 3)
    return points, triangles, np.repeat((i + j) % 2 == 1, 2)
