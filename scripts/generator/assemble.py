"""Attributes and a body to a dressed character: pieces from every maker, one mesh, one texture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from stages.artifacts.body import BodyModel, Skeleton, skin

PARTS = ("skin", "hair", "eye", "top", "bottom", "legwear", "shoes", "accessory")


@dataclass(frozen=True)
class Piece:
    """A patch of mesh with its place in the texture.

    ``v_pos`` (V, 3) metres at rest; ``tri`` (F, 3); ``uv`` (F, 3, 2) texture coordinates of the corners; ``weights`` (V, J);
    ``part`` one of PARTS; ``t_piece`` (F,) numbers of separate things inside the patch that get a line between them;
    ``quiet``, for all or (F,) each, draws no such lines.
    """

    v_pos: np.ndarray
    tri: np.ndarray
    uv: np.ndarray
    weights: np.ndarray
    part: str
    t_piece: np.ndarray | None = None
    quiet: bool | np.ndarray = False


@dataclass(frozen=True)
class Character:
    """A dressed character. ``v_pos`` (V, 3), ``t_pos_idx`` (F, 3) int64, ``t_uv`` (F, 3, 2) v up, ``kd`` (S, S, 3) float32 sRGB with
    row 0 at v = 1, ``t_part`` (F,) int64 index into ``part_names``, ``t_ink`` (F,) parts as lines see them, ``t_piece`` (F,), ``t_quiet`` (F,)
    bool, ``weights`` (V, J), ``mips`` the texture and its halvings."""

    v_pos: np.ndarray
    t_pos_idx: np.ndarray
    t_uv: np.ndarray
    kd: np.ndarray
    t_part: np.ndarray
    t_ink: np.ndarray
    t_piece: np.ndarray
    t_quiet: np.ndarray
    weights: np.ndarray
    skeleton: Skeleton
    mips: tuple[np.ndarray, ...] = ()
    part_names: tuple[str, ...] = PARTS

    def posed(self, rotations_wxyz: Mapping[str, np.ndarray], root_offset_m: np.ndarray | None = None) -> Self:
        """The character with its skeleton turned, as ``BodyModel.posed``."""
        transforms = self.skeleton.joint_transforms(rotations_wxyz, root_offset_m)
        return replace(self, v_pos=skin(self.v_pos, self.weights, transforms), skeleton=self.skeleton.posed(transforms))

    @property
    def v_tex(self) -> np.ndarray:
        """(3 F, 2) texture coordinates, v up; corner k of triangle f is row 3 f + k."""
        return self.t_uv.reshape(-1, 2)

    @property
    def t_tex_idx(self) -> np.ndarray:
        """(F, 3) rows of ``v_tex``."""
        return np.arange(3 * len(self.t_pos_idx)).reshape(-1, 3)


def joined(pieces: Sequence[Piece], kd: np.ndarray, skeleton: Skeleton) -> Character:
    """One mesh of all pieces; pieces keep their own vertices."""
    from scripts.generator.draw import mip_chain

    start = np.cumsum([0, *(len(p.v_pos) for p in pieces)])
    numbers, used = [], 0
    for p in pieces:
        local = np.zeros(len(p.tri), np.int64) if p.t_piece is None else np.asarray(p.t_piece, np.int64)
        numbers.append(local + used)
        used += int(local.max(initial=0)) + 1
    part = np.concatenate([np.full(len(p.tri), PARTS.index(p.part)) for p in pieces])
    kd = np.clip(kd, 0, 1)
    return Character(
        v_pos=np.concatenate([p.v_pos for p in pieces]),
        t_pos_idx=np.concatenate([p.tri + s for p, s in zip(pieces, start[:-1], strict=True)]).astype(np.int64),
        t_uv=np.concatenate([p.uv for p in pieces]).astype(np.float32),
        kd=kd,
        t_part=part,
        t_ink=np.where(part == PARTS.index("eye"), PARTS.index("skin"), part),
        t_piece=np.concatenate(numbers),
        t_quiet=np.concatenate([np.broadcast_to(np.asarray(p.quiet, bool), (len(p.tri),)) for p in pieces]),
        weights=np.concatenate([p.weights for p in pieces]),
        skeleton=skeleton,
        mips=mip_chain(kd),
    )


def character_mesh(character: Character) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(v_pos (V, 3), t_pos_idx (F, 3), v_color (V, 3) sRGB): the surface with its texture sampled at the vertices (the mean over the
    corners that meet there). For the texture itself take ``v_tex``, ``t_tex_idx`` and ``kd``."""
    size = character.kd.shape[0]
    x = np.clip((character.t_uv[..., 0] * size).astype(int), 0, size - 1)
    y = np.clip(((1 - character.t_uv[..., 1]) * size).astype(int), 0, size - 1)
    corner = character.kd[y, x].reshape(-1, 3)
    index = character.t_pos_idx.ravel()
    total = np.stack([np.bincount(index, corner[:, k], len(character.v_pos)) for k in range(3)], 1)
    count = np.maximum(np.bincount(index, minlength=len(character.v_pos)), 1)[:, None]
    return character.v_pos, character.t_pos_idx, total / count


def build_character(attributes: Attributes, body: BodyModel) -> Character:  # noqa: F821
    """The character of ``attributes`` in the rest pose of ``body``."""
    from scripts.generator.wardrobe import dressed

    return dressed(attributes, body)
