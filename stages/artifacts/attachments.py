"""Further surfaces of a rigged figure, each with a texture of its own, on the same skeleton: lids and a mouth, or parts that can be taken off.

``attachments.safetensors`` holds the arrays of each under its number, ``attachments.json`` what they are called.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from pipeline.errors import ArtifactError
from stages.artifacts.morphs import Morph, problem_of

ATTACHMENTS, LISTING = "attachments.safetensors", "attachments.json"
_EXPECTED = {
    "v_pos_rest": (np.float32, 3), "t_pos_idx": (np.int32, 3), "v_tex": (np.float32, 2), "t_tex_idx": (np.int32, 3),
    "joints": (np.uint16, 4), "weights": (np.float32, 4),
}


@dataclass(frozen=True)
class Attachment:
    """A surface beside the main one.

    ``v_pos_rest`` (V, 3) f32 world metres in the skeleton's rest pose; ``t_pos_idx`` (F, 3) i32, counter-clockwise from outside; ``v_tex`` (T, 2)
    f32, v up, and ``t_tex_idx`` (F, 3) i32; ``kd`` (H, W, 3) uint8 sRGB, row 0 at v = 1; ``joints`` (V, 4) u16 and ``weights`` (V, 4) f32 with rows
    summing to 1; ``v_nrm`` (V, 3) f32, or None for those of the triangles (what lies folded up at rest needs its own). ``own_mesh``: it is a mesh of
    its own in the files, which programs can hide; else it is part of the figure's mesh with a material of its own, and shares its morph targets.
    """

    name: str
    v_pos_rest: np.ndarray
    t_pos_idx: np.ndarray
    v_tex: np.ndarray
    t_tex_idx: np.ndarray
    kd: np.ndarray
    joints: np.ndarray
    weights: np.ndarray
    morphs: Mapping[str, Morph] = field(default_factory=dict)
    double_sided: bool = False
    v_nrm: np.ndarray | None = None
    own_mesh: bool = False


def moved_attachment(attachment: Attachment, transforms: np.ndarray) -> Attachment:
    """The attachment as joint transforms (J, 4, 4) leave it, which is then its rest; morphs turn with it."""
    blended = np.einsum("vk,vkab->vab", attachment.weights.astype(np.float64), transforms[attachment.joints])
    turn = blended[:, :3, :3]
    v_pos = np.einsum("vab,vb->va", turn, attachment.v_pos_rest.astype(np.float64)) + blended[:, :3, 3]
    v_nrm = None if attachment.v_nrm is None else np.einsum("vab,vb->va", turn, attachment.v_nrm.astype(np.float64)).astype(np.float32)
    return replace(attachment, v_pos_rest=v_pos.astype(np.float32), v_nrm=v_nrm, morphs={name: m.turned(turn) for name, m in attachment.morphs.items()})


def write_attachments(folder: Path, attachments: Sequence[Attachment]) -> None:
    """``attachments.safetensors`` and ``attachments.json`` in ``folder``."""
    from safetensors.numpy import save_file

    tensors: dict[str, np.ndarray] = {}
    for n, a in enumerate(attachments):
        tensors |= {f"{n}.{name}": np.ascontiguousarray(getattr(a, name), dtype) for name, (dtype, _) in _EXPECTED.items()}
        tensors[f"{n}.kd"] = np.ascontiguousarray(a.kd, np.uint8)
        if a.v_nrm is not None:
            tensors[f"{n}.v_nrm"] = np.ascontiguousarray(a.v_nrm, np.float32)
        for name, morph in a.morphs.items():
            tensors[f"{n}.morph_index.{name}"] = np.ascontiguousarray(morph.index, np.int32)
            tensors[f"{n}.morph_offset.{name}"] = np.ascontiguousarray(morph.offset, np.float32)
    save_file(tensors, str(folder / ATTACHMENTS))
    listing = [{"name": a.name, "double_sided": a.double_sided, "own_mesh": a.own_mesh, "morphs": list(a.morphs)} for a in attachments]
    (folder / LISTING).write_text(json.dumps(listing, indent=1) + "\n", encoding="utf-8")


def read_attachments(folder: Path, joint_count: int, remedy: str) -> tuple[Attachment, ...]:
    """What ``write_attachments`` wrote, checked; nothing where it wrote nothing. Raises ``ArtifactError`` that ends in ``remedy``."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    if not (folder / LISTING).is_file():
        return ()
    try:
        listing, tensors = json.loads((folder / LISTING).read_text(encoding="utf-8")), load_file(str(folder / ATTACHMENTS))
        out = tuple(_read(item, tensors, f"{n}.") for n, item in enumerate(listing))
    except (json.JSONDecodeError, UnicodeDecodeError, SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise ArtifactError(folder, f"the attachments cannot be read ({type(error).__name__}: {error})", remedy) from error
    for attachment in out:
        problem = _problem(attachment, joint_count)
        if problem is not None:
            raise ArtifactError(folder, f"attachment '{attachment.name}' {problem}", remedy)
    return out


def _read(item: Mapping[str, object], tensors: Mapping[str, np.ndarray], at: str) -> Attachment:
    morphs = {name: Morph(tensors[f"{at}morph_index.{name}"], tensors[f"{at}morph_offset.{name}"]) for name in item["morphs"]}
    arrays = {name: tensors[at + name] for name in (*_EXPECTED, "kd")}
    return Attachment(name=str(item["name"]), **arrays, morphs=morphs, double_sided=bool(item["double_sided"]), v_nrm=tensors.get(f"{at}v_nrm"),
                      own_mesh=bool(item["own_mesh"]))


def _problem(a: Attachment, joint_count: int) -> str | None:
    """The first thing that makes an attachment unusable."""
    for name, (dtype, columns) in _EXPECTED.items():
        got = getattr(a, name)
        if got.dtype != dtype or got.ndim != 2 or got.shape[1] != columns:
            return f"has '{name}' as {got.dtype} {got.shape}, expected {np.dtype(dtype)} (n, {columns})"
        if not np.isfinite(got).all():
            return f"has '{name}' with numbers that are not finite"
    if a.kd.dtype != np.uint8 or a.kd.ndim != 3 or a.kd.shape[2] != 3:
        return f"has 'kd' as {a.kd.dtype} {a.kd.shape}, expected uint8 (height, width, 3)"
    count = len(a.v_pos_rest)
    if len({count, len(a.joints), len(a.weights)}) != 1 or (a.v_nrm is not None and a.v_nrm.shape != (count, 3)):
        return "has positions, normals, joints and weights in different numbers"
    if not len(a.t_pos_idx) or len(a.t_pos_idx) != len(a.t_tex_idx):
        return f"has {len(a.t_pos_idx)} position triangles and {len(a.t_tex_idx)} texture triangles"
    for name, idx, of in (("t_pos_idx", a.t_pos_idx, count), ("t_tex_idx", a.t_tex_idx, len(a.v_tex)), ("joints", a.joints, joint_count)):
        if idx.min() < 0 or idx.max() >= of:
            return f"has '{name}' from {idx.min()} to {idx.max()}, expected 0 to {of - 1}"
    if a.weights.min() < 0 or np.abs(a.weights.sum(-1, dtype=np.float64) - 1).max() > 1e-5:
        return "has skin weights that are negative or do not sum to 1"
    wrong = ((name, problem_of(morph, count)) for name, morph in a.morphs.items())
    return next((f"has a morph '{name}' that {problem}" for name, problem in wrong if problem), None)
