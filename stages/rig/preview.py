"""Pictures of a rig: showcase poses, weights as colours, where the body was believed, and chains of hair and skirt, bent."""

from __future__ import annotations

import colorsys
from dataclasses import replace
from pathlib import Path

import numpy as np

from stages.artifacts.body import axis_angle_wxyz
from stages.artifacts.chains import chains_of
from stages.artifacts.images import contact_sheet, write_png
from stages.artifacts.normals import vertex_normals
from stages.artifacts.rig import Skinning
from stages.artifacts.showcase_poses import showcase_pose
from stages.rendering.joined import Joined
from stages.rendering.picture import draw, draw_colours
from stages.rendering.viewpoint import looking_at

BENT_DEG = 30.0
SHOWN = ("A-pose", "T-pose", "walk", "arms up", "squat", "wave")


def write_preview(folder: Path, figure: Joined, skinning: Skinning, confidence: np.ndarray, height_px: int) -> None:
    """``poses.png`` of all surfaces; of the main one ``weights.png``: each joint's colour, mixed by weight, beside the trust (white: taken from the body, red: inpainted);
    ``chains.png``, where there are chains."""
    folder.mkdir(parents=True, exist_ok=True)
    mesh, poses = figure.mesh, posed_pictures(figure, skinning, height_px)
    write_png(folder / "poses.png", contact_sheet(list(poses.values()), 3, list(poses)))
    rest = skinning.v_pos_rest.astype(np.float64)
    colours = np.einsum("vk,vkc->vc", skinning.weights, joint_colours(skinning.skeleton.names)[skinning.joints])
    red = np.array([0.85, 0.15, 0.1])
    trust = confidence[:, None] * 0.9 + (1 - confidence[:, None]) * red
    tiles = []
    for azimuth in (0.0, 180.0):
        camera = looking_at(rest, azimuth, height_px, height_px)
        tiles += [draw_colours(rest, mesh.t_pos_idx, rgb, camera) for rgb in (colours, trust)]
    write_png(folder / "weights.png", contact_sheet(tiles, 4, ["weights", "trust", "weights, back", "trust, back"]))
    if chains_of(skinning.skeleton):
        pictures = chain_pictures(figure, skinning, height_px)
        write_png(folder / "chains.png", contact_sheet(list(pictures.values()), 4, list(pictures)))


def chain_pictures(figure: Joined, skinning: Skinning, height_px: int) -> dict[str, np.ndarray]:
    """Title -> picture: the chains' joints in colours on grey clay, and the textured surface with every chain's root bent to one side."""
    skeleton, rest = skinning.skeleton, skinning.v_pos_rest.astype(np.float64)
    chains = chains_of(skeleton)
    joints = [j for chain in chains for j in chain.joints]
    colours = np.full((len(skeleton.names), 3), 0.8)
    colours[joints] = joint_colours(tuple(str(j) for j in joints))
    mixed = np.einsum("vk,vkc->vc", skinning.weights, colours[skinning.joints])
    bend = axis_angle_wxyz(np.array([0.0, 1.0, 0.0]), BENT_DEG)
    bent = figure.posed(skeleton.joint_transforms({skeleton.names[chain.joints[0]]: bend for chain in chains}))
    pictures = {}
    for side, azimuth in (("", 20.0), (", back", 160.0)):
        camera = looking_at(rest, azimuth, height_px, height_px)
        shade = 0.45 + 0.55 * np.maximum(vertex_normals(rest, figure.mesh.t_pos_idx) @ camera.c2w[:3, 2], 0)[:, None]
        pictures[f"chains{side}"] = draw_colours(rest, figure.mesh.t_pos_idx, mixed * shade, camera)
        pictures[f"bent by {BENT_DEG:.0f} degrees{side}"] = textured_picture(figure, bent, azimuth, height_px)
    return pictures


def textured_picture(figure: Joined, v_pos: np.ndarray, azimuth_deg: float, height_px: int) -> np.ndarray:
    """The textured surfaces with their vertices at ``v_pos`` (V, 3)."""
    surface = replace(figure.surface, v_nrm=vertex_normals(v_pos, figure.t_pos_idx))
    return draw(surface, v_pos, looking_at(v_pos, azimuth_deg, height_px, height_px))


def posed_pictures(figure: Joined, skinning: Skinning, height_px: int) -> dict[str, np.ndarray]:
    """Name -> picture of the textured surfaces in each showcase pose."""
    pictures = {}
    for name in SHOWN:
        transforms = skinning.skeleton.joint_transforms(showcase_pose(skinning.skeleton, name))
        pictures[name] = textured_picture(figure, figure.posed(transforms), 20.0, height_px)
    return pictures


def joint_colours(names: tuple[str, ...]) -> np.ndarray:
    """(J, 3) colours in [0, 1]: hues a golden angle apart, left and right of a pair in the same hue, light and dark."""
    out = []
    pairs: dict[str, int] = {}
    for name in names:
        bone = name.removeprefix("left").removeprefix("right")
        hue = pairs.setdefault(bone, len(pairs)) * 0.618034 % 1.0
        out.append(colorsys.hsv_to_rgb(hue, 0.75, 0.6 if name.startswith("right") else 0.95))
    return np.array(out)
