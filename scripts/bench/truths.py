"""Meshes whose surface and colours are known, drawn from chosen cameras: what reconstructions are held to.

Two sources: files (OBJ with one texture, GLB with one material, of which parts may be left out by name) and the generator's characters.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from scripts.bench.lights import Light, LitSurface
from scripts.generator import HELD_OUT, build_character, render
from scripts.generator.assemble import Character
from stages.artifacts.cameras import Camera, orbit
from stages.artifacts.glb_reader import read_glb
from stages.artifacts.normals import vertex_normals
from stages.artifacts.views import ViewSet, write_view_set
from stages.conditions.body import POSES, load_base_body
from stages.rendering.picture import Surface, draw

SIDE_PX = 512
LEARNT, BETWEEN = 48, 24
RADIUS = 3.2  # of the cameras' sphere, in radii of the mesh's own
MARGIN = 0.04
LOWEST_DEG, HIGHEST_DEG = -25.0, 65.0
GOLDEN_DEG = 137.50776405003785
SUPERSAMPLE = 4
ROUGHNESS = 0.6  # of a lit surface that does not say it
PROPS = ("Sword", "Shield", "Knife", "Crossbow", "Throwable")  # held in the hands of the KayKit adventurers
HEADS = ("Head", "Helmet")


@dataclass(frozen=True)
class Truth:
    """A closed or open surface in the world frame (+Z up), metres, with unit normals ``v_nrm``, and which of its triangles are the head's, (F,) bool.
    Without ``lit`` its pictures are unlit."""

    name: str
    v_pos: np.ndarray
    t_pos_idx: np.ndarray
    head: np.ndarray
    look: Surface | Character
    v_nrm: np.ndarray
    roughness: float = ROUGHNESS
    lit: LitSurface | None = None

    def under(self, light: Light, exposure: float | None = None) -> Truth:
        """The same surface, lit; without ``exposure`` its bright points by 1."""
        lit = LitSurface(self.v_pos, self.t_pos_idx, self.v_nrm, light, self.roughness)
        return replace(self, lit=lit.exposed() if exposure is None else replace(lit, exposure=exposure))

    def picture(self, camera: Camera) -> np.ndarray:
        """(H, W, 4) float32 sRGB, straight alpha."""
        flat = self._unlit(camera)
        return flat if self.lit is None else self.lit.picture(flat, camera)

    def _unlit(self, camera: Camera) -> np.ndarray:
        if isinstance(self.look, Character):
            rgb, alpha = render(self.look, camera)[:2]
        else:
            rgb, black = (draw(self.look, self.v_pos, camera, supersample=SUPERSAMPLE, backdrop=(v, v, v)).astype(np.float32) / 255 for v in (255, 0))
            alpha = 1 - (rgb - black).mean(-1)
        a = alpha[..., None]
        return np.concatenate([((rgb - (1 - a)) / np.maximum(a, 1e-3)).clip(0, 1), a], -1).astype(np.float32)

    def cameras(self, between: bool = False) -> list[Camera]:
        """LEARNT or BETWEEN cameras, evenly spread on a band of a sphere round the mesh by the golden angle; each set has its own phase."""
        middle = (self.v_pos.min(0) + self.v_pos.max(0)) / 2
        radius = float(np.linalg.norm(self.v_pos - middle, axis=1).max())
        return band("between", middle, radius, BETWEEN, 71.0) if between else band("view", middle, radius, LEARNT, 0.0)


def band(prefix: str, middle: np.ndarray, own: float, count: int, phase_deg: float, side_px: int = SIDE_PX) -> list[Camera]:
    """``count`` cameras round a sphere of radius ``own`` (metres) about ``middle`` (3,), which each holds whole: on a band of a larger sphere, each a golden angle
    further round than the last, from LOWEST_DEG to HIGHEST_DEG evenly by height."""
    radius = RADIUS * own
    focal = (0.5 - MARGIN) * side_px * np.sqrt(radius**2 - own**2) / own
    heights = np.linspace(*np.sin(np.radians([LOWEST_DEG, HIGHEST_DEG])), count)
    return [
        orbit(f"{prefix}_{i:02d}", middle, radius, (phase_deg + GOLDEN_DEG * i) % 360, float(np.degrees(np.arcsin(z))), focal, side_px, side_px)
        for i, z in enumerate(heights)
    ]


def write_truth(folder: Path, truth: Truth, cameras: Sequence[Camera]) -> ViewSet:
    """RGBA pictures with ``transforms.json``."""
    write_view_set(folder, ((c, truth.picture(c)) for c in cameras), [{"ring": "body"} for _ in cameras])
    return ViewSet.open(folder)


def part_of(pictures: ViewSet, folder: Path, cameras: Sequence[Camera]) -> ViewSet:
    """Those of ``pictures`` that ``cameras`` took, in a folder of their own."""
    write_view_set(folder, ((c, pictures.image(c.name)) for c in cameras), [{"ring": "body"} for _ in cameras])
    return ViewSet.open(folder)


def of_file(path: Path) -> Truth:
    """A mesh file: OBJ, y up, whose texture lies beside it as ``<name>_texture.png``; or GLB, without PROPS."""
    return _of_obj(path) if path.suffix == ".obj" else _of_glb(path)


def of_generator(index: int) -> Truth:
    """The held-out character ``index`` in A-pose."""
    character = build_character(HELD_OUT[index], load_base_body()).posed(POSES["a_pose"])
    chin = load_base_body().posed(POSES["a_pose"])
    height = chin.v_pos[chin.landmarks["chin"]][2]
    head = (character.v_pos[character.t_pos_idx][..., 2] > height).all(1)
    normals = vertex_normals(character.v_pos, character.t_pos_idx)
    return Truth(f"character_{index:02d}", character.v_pos, character.t_pos_idx, head, character, normals)


def _of_obj(path: Path) -> Truth:
    rows: dict[str, list[list[str]]] = {"v": [], "vt": [], "f": []}
    for line in path.read_text().splitlines():
        kind, *rest = line.split() or [""]
        if kind in rows:
            rows[kind].append(rest)
    v_pos = np.array(rows["v"], float)[:, [0, 2, 1]] * (1, -1, 1)
    corners = [[tuple(int(n) - 1 for n in corner.split("/")[:2]) for corner in face] for face in rows["f"]]
    triangles = np.array([(face[0], a, b) for face in corners for a, b in zip(face[1:], face[2:], strict=False)])
    kd = np.asarray(Image.open(path.with_name(f"{path.stem}_texture.png")).convert("RGB"))
    normals = vertex_normals(v_pos, triangles[..., 0])
    look = Surface(normals, triangles[..., 0], np.array(rows["vt"], float)[:, :2], triangles[..., 1], kd)
    return Truth(path.stem, v_pos - (0, 0, v_pos[:, 2].min()), triangles[..., 0], np.zeros(len(triangles), bool), look, normals)


def _of_glb(path: Path) -> Truth:
    scene = read_glb(path)
    parts = [part for part in scene.parts if not any(prop in part.name for prop in PROPS)]
    starts = np.cumsum([0, *(len(part.v_pos) for part in parts)])
    v_pos, v_nrm, v_tex = (np.concatenate([getattr(part, name) for part in parts]) for name in ("v_pos", "v_nrm", "v_tex"))
    faces = np.concatenate([part.t_pos_idx + start for part, start in zip(parts, starts, strict=False)]).astype(np.int64)
    head = np.concatenate([np.full(len(part.t_pos_idx), any(word in part.name for word in HEADS)) for part in parts])
    kd = np.asarray(Image.open(io.BytesIO(scene.materials[parts[0].material].kd_png)).convert("RGB"))
    return Truth(path.stem.lower(), v_pos.astype(float), faces, head, Surface(v_nrm, faces, v_tex, faces, kd), v_nrm.astype(float))
