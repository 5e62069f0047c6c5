"""The shipped body: ``base_body.safetensors`` (arrays), ``base_body.json`` (names, skeleton, landmarks), ``base_body_kd.png``.

``python -m scripts.body.build`` makes the three files; nothing here knows how.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image
from safetensors.numpy import load_file, save

from pipeline.errors import ArtifactError
from stages.artifacts.body import BodyModel, Skeleton

FOLDER = Path(__file__).parent
ARRAYS, NAMES, KD = "base_body.safetensors", "base_body.json", "base_body_kd.png"
WEIGHT_ONE = 65535  # weights are stored as uint16 fractions


def load_base_body(folder: Path = FOLDER) -> BodyModel:
    """The body in rest pose. Raises ``ArtifactError`` if one of its files is absent."""
    for name in (ARRAYS, NAMES, KD):
        if not (folder / name).is_file():
            raise ArtifactError(folder, f"{name} is missing", "Run `python -m scripts.body.build` to make the body again")
    arrays = load_file(folder / ARRAYS)
    names = json.loads((folder / NAMES).read_text(encoding="utf-8"))
    with Image.open(folder / KD) as image:
        kd = np.asarray(image.convert("RGB"), np.float32) / 255.0
    joints = names["joints"]
    skeleton = Skeleton(
        tuple(j["name"] for j in joints),
        np.array([j["parent"] for j in joints]),
        np.array([j["head"] for j in joints]),
        np.array([j["tail"] for j in joints]),
    )
    return BodyModel(
        v_pos=arrays["v_pos"].astype(np.float64),
        t_pos_idx=arrays["t_pos_idx"].astype(np.int64),
        v_tex=arrays["v_tex"].astype(np.float64),
        t_tex_idx=arrays["t_tex_idx"].astype(np.int64),
        t_part=arrays["t_part"].astype(np.int64),
        part_names=tuple(names["parts"]),
        skeleton=skeleton,
        weights=_dense(arrays["joints"], arrays["weights"], len(joints)),
        landmarks=dict(names["landmarks"]),
        kd=kd,
    )


def save_base_body(body: BodyModel, folder: Path = FOLDER) -> None:
    """Write the three files. Positions are kept as float32, at most four weights a vertex as uint16 fractions."""
    joints, weights = _sparse(body.weights)
    arrays = {
        "v_pos": body.v_pos.astype(np.float32),
        "t_pos_idx": body.t_pos_idx.astype(np.uint16),
        "v_tex": body.v_tex.astype(np.float32),
        "t_tex_idx": body.t_tex_idx.astype(np.uint16),
        "t_part": body.t_part.astype(np.uint8),
        "joints": joints,
        "weights": weights,
    }
    s = body.skeleton
    rows = [
        {"name": n, "parent": int(p), "head": h.round(6).tolist(), "tail": t.round(6).tolist()}
        for n, p, h, t in zip(s.names, s.parents, s.heads, s.tails, strict=True)
    ]
    landmarks = {name: int(i) for name, i in sorted(body.landmarks.items())}
    text = json.dumps({"joints": rows, "landmarks": landmarks, "parts": list(body.part_names)}, indent=1, sort_keys=True)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / ARRAYS).write_bytes(save({k: np.ascontiguousarray(v) for k, v in arrays.items()}))
    (folder / NAMES).write_text(text + "\n", encoding="utf-8")
    Image.fromarray((body.kd * 255.0 + 0.5).astype(np.uint8)).save(folder / KD, optimize=True)


def _sparse(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(V, 4) uint8 joints and (V, 4) uint16 weights whose rows sum to ``WEIGHT_ONE`` exactly."""
    order = np.argsort(-weights, axis=1, kind="stable")[:, :4]
    kept = np.take_along_axis(weights, order, axis=1)
    if np.abs(kept.sum(1) - 1.0).max() > 1e-6:
        raise ValueError("a vertex has more than four influences, or weights that do not sum to 1")
    whole = np.floor(kept * WEIGHT_ONE + 0.5).astype(np.int64)
    whole[:, 0] += WEIGHT_ONE - whole.sum(1)
    return order.astype(np.uint8), whole.astype(np.uint16)


def _dense(joints: np.ndarray, weights: np.ndarray, count: int) -> np.ndarray:
    out = np.zeros((len(joints), count))
    np.add.at(out, (np.arange(len(joints))[:, None], joints.astype(np.int64)), weights / WEIGHT_ONE)
    return out
