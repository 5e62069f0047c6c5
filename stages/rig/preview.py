"""Pictures of a rig: showcase poses, weights as colours, where the body was believed, and chains of hair and skirt, bent."""

from __future__ import annotations

import colorsys
from pathlib import Path

import numpy as np

from stages.artifacts.body import axis_angle_wxyz
from stages.artifacts.chains import chains_of
from stages.artifacts.images import contact_sheet, to_u8, write_png
from stages.artifacts.mesh import MeshAsset
from stages.artifacts.normals import vertex_normals
from stages.artifacts.rig import Skinning
from stages.artifacts.showcase_poses import showcase_pose
from stages.rendering.picture import Surface, draw, draw_colours
from stages.rendering.viewpoint import looking_at

BENT_DEG = 30.0
SHOWN = ("A-pose", "T-pose", "walk", "arms up", "squat", "wave")


def write_preview(folder: Path, mesh: MeshAsset, skinning: Skinning, confidence: np.ndarray, height_px: int) -> None:
    """``poses.png``; ``weights.png``: each joint's colour, mixed by weight, beside the trust (white: taken from the body, red: inpainted);
    ``chains.png``, where there are chains."""
    folder.mkdir(parents=True, exist_ok=True)
    poses = posed_pictures(mesh, skinning, height_px)
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
        pictures = chain_pictures(mesh, skinning, height_px)
        write_png(folder / "chains.png", contact_sheet(list(pictures.values()), 4, list(pictures)))


def chain_pictures(mesh: MeshAsset, skinning: Skinning, height_px: int) -> dict[str, np.ndarray]:
    """Title -> picture: the chains' joints in colours on grey clay, and the textured surface with every chain's root bent to one side."""
    skeleton, rest = skinning.skeleton, skinning.v_pos_rest.astype(np.float64)
    chains = chains_of(skeleton)
    joints = [j for chain in chains for j in chain.joints]
    colours = np.full((len(skeleton.names), 3), 0.8)
    colours[joints] = joint_colours(tuple(str(j) for j in joints))
    mixed = np.einsum("vk,vkc->vc", skinning.weights, colours[skinning.joints])
    bend = axis_angle_wxyz(np.array([0.0, 1.0, 0.0]), BENT_DEG)
    bent = skinning.posed(skeleton.joint_transforms({skeleton.names[chain.joints[0]]: bend for chain in chains}))
    pictures = {}
    for side, azimuth in (("", 20.0), (", back", 160.0)):
        camera = looking_at(rest, azimuth, height_px, height_px)
        shade = 0.45 + 0.55 * np.maximum(vertex_normals(rest, mesh.t_pos_idx) @ camera.c2w[:3, 2], 0)[:, None]
        pictures[f"chains{side}"] = draw_colours(rest, mesh.t_pos_idx, mixed * shade, camera)
        pictures[f"bent by {BENT_DEG:.0f} degrees{side}"] = textured_picture(mesh, bent, azimuth, height_px)
    return pictures


def textured_picture(mesh: MeshAsset, v_pos: np.ndarray, azimuth_deg: float, height_px: int) -> np.ndarray:
    """The textured surface with its vertices at ``v_pos`` (V, 3)."""
    textured = mesh.mesh
    surface = Surface(vertex_normals(v_pos, textured.t_pos_idx), textured.t_pos_idx, textured.v_tex, textured.t_tex_idx, to_u8(textured.kd))
    return draw(surface, v_pos, looking_at(v_pos, azimuth_deg, height_px, height_px))


def posed_pictures(mesh: MeshAsset, skinning: Skinning, height_px: int) -> dict[str, np.ndarray]:
    """Name -> picture of the textured surface in each showcase pose."""
    pictures = {}
    for name in SHOWN:
        transforms = skinning.skeleton.joint_transforms(showcase_pose(skinning.skeleton, name))
        pictures[name] = textured_picture(mesh, skinning.posed(transforms), 20.0, height_px)
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
