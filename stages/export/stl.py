"""Binary STL for printing: the bare surface in millimetres, +Z up, as slicers expect. No colours, no skeleton.

The main surface is written whole: what attachments stand for as it was reconstructed, closed, and not the attachments; but hands, which close it as well.
"""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

from stages.artifacts.parts import HANDS
from stages.export.delivery import Delivery
from stages.export.figure import Figure

ARMS = tuple(side + bone for side in ("left", "right") for bone in ("LowerArm", "Hand", "Thumb", "Index", "Middle", "Ring", "Little"))
HEADER = b"binary STL, millimetres, Z up"
_TRIANGLE = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])


def write(delivery: Delivery) -> list[str]:
    """``name``.stl; returns its name. Says so where the surface does not enclose a volume."""
    figure, height_mm = delivery.figure, delivery.settings.stl_height_mm
    v_pos, triangles = printed(figure)
    _, place = np.unique(v_pos, axis=0, return_inverse=True)  # surfaces that were joined share places, not vertices
    scale = height_mm / figure.height_m if height_mm else 1000.0
    loose = open_edges(place.reshape(-1)[triangles])
    if loose:
        delivery.context.warn(f"The STL is not watertight: {loose} edges of the surface have not just one triangle on either side; let the slicer mend it.")
    file = f"{delivery.settings.name}.stl"
    write_stl(delivery.folder / file, standing(v_pos) * scale, triangles)
    return [file]


def printed(figure: Figure) -> tuple[np.ndarray, np.ndarray]:
    """Positions (V, 3) and triangles (F, 3) of the whole main surface, as if its face were not cut, with the hands that stand for its mittens."""
    own, triangles = len(figure.mesh.v_pos), figure.mesh.t_pos_idx
    hands = next((a for a in figure.attachments if a.name == HANDS), None)
    if hands is None or figure.skinning is None:
        return figure.v_pos[:own], triangles
    hidden = np.zeros(len(triangles), bool) if figure.hidden is None else figure.hidden
    arms = [j for j, name in enumerate(figure.skinning.skeleton.names) if name.startswith(ARMS)]
    on_arm = np.where(np.isin(figure.skinning.joints, arms), figure.skinning.weights, 0).sum(-1) > 0.5
    kept = ~(hidden & on_arm[triangles].any(1))
    return np.concatenate([figure.v_pos[:own], hands.v_pos_rest]), np.concatenate([triangles[kept], hands.t_pos_idx + own])


def standing(v_pos: np.ndarray) -> np.ndarray:
    """(V, 3) moved up or down until the lowest point lies on z = 0, where the plate of a printer is."""
    return v_pos - np.array([0.0, 0.0, v_pos[:, 2].min()])


def write_stl(path: Path, v_pos: np.ndarray, t_pos_idx: np.ndarray) -> None:
    """``v_pos`` (V, 3) as they stand and ``t_pos_idx`` (F, 3), counter-clockwise from outside."""
    corners = v_pos[t_pos_idx].astype(np.float64)
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    records = np.zeros(len(corners), _TRIANGLE)
    records["normal"] = normal / np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-30)
    records["corners"] = corners
    path.write_bytes(HEADER.ljust(80, b"\0") + struct.pack("<I", len(records)) + records.tobytes())


def open_edges(t_pos_idx: np.ndarray) -> int:
    """Directed edges of the triangles that no other triangle runs the other way, or that more than one runs: 0 for a closed surface."""
    edges = t_pos_idx[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2).astype(np.int64)
    count = int(t_pos_idx.max()) + 1
    there, runs = np.unique(edges[:, 0] * count + edges[:, 1], return_counts=True)
    back = edges[:, 1] * count + edges[:, 0]
    return int((~np.isin(back, there)).sum() + (runs > 1).sum())
