"""What becomes of a rigged surface in poses: new crossings with itself, stretched edges, lost volume; the bare body and the maker's figure beside it.

    python -m scripts.bench.poses runs/truths --files Knight.glb --json docs/benchmarks/poses.json --png poses

    python -m scripts.bench.poses --runs outputs/mika outputs/gallery/sora --json docs/benchmarks/poses_painted.json --png poses

The folder is one that ``scripts.bench.rigs`` reads. Each figure of a reconstruction stands beside that of the body that it was bound to, and
that of what was reconstructed: its maker's surface, clothes and all, in the maker's weights. Of runs, which have no maker, the figure with its skirt open beneath
stands beside the same with it closed, and the body.

- crossing: length of the lines along which triangles run through one another in the pose and did not at rest, in heights of the figure.
  A length does not grow with the number of triangles, as a count of pairs would.
- edge stretch: the 99th percentile over edges of the longer of (posed length / length at rest) and its inverse.
- volume change: |volume in the pose / volume at rest - 1|.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from scripts.bench.machine import described, report
from scripts.bench.rigs import RigTruth, mean_of, truths_in
from scripts.body.intersections import crossing_pairs
from stages.artifacts.body import BodyModel, axis_angle_wxyz, skin
from stages.artifacts.conditions import ConditionSet
from stages.artifacts.images import contact_sheet, to_u8, write_png
from stages.artifacts.mesh import MeshAsset
from stages.artifacts.normals import vertex_normals
from stages.conditions.body import POSES
from stages.rendering.joined import Joined
from stages.rendering.picture import Surface, draw
from stages.rendering.viewpoint import looking_at
from stages.rig.bind import bind, vertex_colours
from stages.rig.inpaint import edges_of
from stages.rig.open_skirt import Opened, opened
from stages.rig.preview import textured_picture
from stages.rig.settings import RigSettings

# Left and right in world axes at rest: a split to both sides, a step over something high, a look over the shoulder.
_OWN = {
    "splits": {"leftUpperLeg": ((0, 1, 0), -58.0), "rightUpperLeg": ((0, 1, 0), 58.0)},
    "lunge": {"leftUpperLeg": ((1, 0, 0), -70.0), "leftLowerLeg": ((1, 0, 0), 70.0), "rightUpperLeg": ((1, 0, 0), 38.0), "rightLowerLeg": ((1, 0, 0), 20.0)},
    "head_turn": {"neck": ((0, 0, 1), 25.0), "head": ((0, 0, 1), 40.0)},
    "head_down": {"neck": ((1, 0, 0), 18.0), "head": ((1, 0, 0), 26.0)},
}  # fmt: skip
SUITE = {name: POSES[name] for name in ("arms_up", "relaxed", "hands_on_hips", "run", "kick", "squat", "sit", "twist", "bow")} | {
    name: {joint: axis_angle_wxyz(np.array(axis, float), angle) for joint, (axis, angle) in turns.items()} for name, turns in _OWN.items()
}
FEW = {"crossing_heights": 0.05, "edge_stretch_p99": 0.1, "volume_change": 0.02}  # of less than this, 1.5 times is nothing
SKIRTED = ("squat", "sit", "kick")  # what looks beneath a skirt
_PIXELS, AZIMUTH_DEG = 300, 30.0


def crossing_keys(v_pos: np.ndarray, t_pos_idx: np.ndarray) -> np.ndarray:
    """(N,) one number for each pair of triangles that run through one another, sorted."""
    pairs = np.sort(crossing_pairs(v_pos, t_pos_idx), axis=1)
    return np.unique(pairs[:, 0] * len(t_pos_idx) + pairs[:, 1])


def crossing_length(v_pos: np.ndarray, t_pos_idx: np.ndarray, keys: np.ndarray) -> float:
    """Metres of the lines along which the pairs of ``crossing_keys`` meet."""
    first, second = v_pos[t_pos_idx[keys // len(t_pos_idx)]], v_pos[t_pos_idx[keys % len(t_pos_idx)]]
    points = np.concatenate([_pierced(a[:, k], a[:, (k + 1) % 3], b)[:, None] for a, b in ((first, second), (second, first)) for k in range(3)], 1)
    apart = np.linalg.norm(points[:, :, None] - points[:, None], axis=-1)
    return float(np.nansum(np.where(np.isnan(apart), 0.0, apart).max((1, 2)))) if len(keys) else 0.0


def _pierced(p: np.ndarray, q: np.ndarray, triangle: np.ndarray) -> np.ndarray:
    """(N, 3) where edges from ``p`` to ``q`` (N, 3) go through triangles (N, 3, 3); NaN where they do not."""
    a, u, w = triangle[:, 0], triangle[:, 1] - triangle[:, 0], triangle[:, 2] - triangle[:, 0]
    d, h = q - p, np.cross(q - p, w)
    det = (u * h).sum(-1)
    inverse = 1 / np.where(np.abs(det) < 1e-18, np.inf, det)
    s = ((p - a) * h).sum(-1) * inverse
    g = np.cross(p - a, u)
    t, along = (d * g).sum(-1) * inverse, (w * g).sum(-1) * inverse
    through = (inverse != 0) & (s >= 0) & (t >= 0) & (s + t <= 1) & (along >= 0) & (along <= 1)
    return np.where(through[:, None], p + along[:, None] * d, np.nan)


def volume(v_pos: np.ndarray, t_pos_idx: np.ndarray) -> float:
    """Cubic metres inside a closed surface; of an open one, of the cones from its middle."""
    corners = v_pos[t_pos_idx] - v_pos.mean(0)
    return float((corners[:, 0] * np.cross(corners[:, 1], corners[:, 2])).sum() / 6)


def edge_stretch(rest: np.ndarray, posed: np.ndarray, edges: np.ndarray) -> float:
    """The 99th percentile over edges of how much longer or shorter they are, at least 1."""
    before, after = (np.maximum(np.linalg.norm(v[edges[:, 0]] - v[edges[:, 1]], axis=-1), 1e-7) for v in (rest, posed))
    return float(np.percentile(np.maximum(after / before, before / after), 99))


def figures_of(rest: np.ndarray, posed: dict[str, np.ndarray], t_pos_idx: np.ndarray) -> dict[str, dict[str, float]]:
    """Pose -> figures of a surface whose vertices are at ``rest`` (V, 3) and, in each pose, at ``posed`` (V, 3)."""
    height, edges, before = float(np.ptp(rest[:, 2])), edges_of(t_pos_idx), crossing_keys(rest, t_pos_idx)
    out = {}
    for pose, v_pos in posed.items():
        new = np.setdiff1d(crossing_keys(v_pos, t_pos_idx), before, assume_unique=True)
        out[pose] = {
            "crossing_heights": round(crossing_length(v_pos, t_pos_idx, new) / height, 3), "edge_stretch_p99": round(edge_stretch(rest, v_pos, edges), 3),
            "volume_change": round(abs(volume(v_pos, t_pos_idx) / volume(rest, t_pos_idx) - 1), 4),
        }  # fmt: skip
    return out


def within(figures: dict[str, float], of_body: dict[str, float]) -> dict[str, float]:
    """Each figure in those of the body, which count as ``FEW`` at least; of the stretch, what it is beyond 1."""
    beyond = lambda row, key: row[key] - (key == "edge_stretch_p99")  # noqa: E731
    return {key: round(beyond(figures, key) / max(beyond(of_body, key), FEW[key]), 3) for key in figures}


def compared(truth: RigTruth, mesh: MeshAsset, settings: RigSettings) -> tuple[dict[str, Any], list[np.ndarray]]:
    """Figures of the reconstruction, of its body and of the maker's own surface, pose by pose, and a picture of the first two."""
    figure, body = shown(truth.body, truth.body_posed, truth.rest2posed, mesh, settings), truth.body
    ours, bare = in_poses(figure), bare_in_poses(body)
    makers = {pose: truth.posed(body.skeleton.joint_transforms(turns)) for pose, turns in SUITE.items()}
    rows = {
        "result": figures_of(figure.v_pos, ours, figure.t_pos_idx), "body": figures_of(body.v_pos, bare, body.t_pos_idx),
        "maker": figures_of(truth.posed(body.skeleton.joint_transforms({})), makers, truth.t_pos_idx),
    }  # fmt: skip
    mean = {key: mean_of(row.values()) for key, row in rows.items()}
    tiles = [tile for pose in SUITE for tile in (textured_picture(figure, ours[pose], AZIMUTH_DEG, _PIXELS), _picture(body, bare[pose]))]
    times = {f"times_the_{other}": within(mean["result"], mean[other]) for other in ("body", "maker")}
    return {**rows, "mean": mean, **times}, tiles


def shown(body: BodyModel, posed: BodyModel, rest2posed: np.ndarray, mesh: MeshAsset, settings: RigSettings) -> Joined:
    """The reconstruction bound as the rig stage binds it, its skirt opened if it has one, without chains, hands or a face."""
    v_rgb = vertex_colours(mesh.mesh)
    skinning, transfer = bind(mesh.v_pos, mesh.t_pos_idx, body, posed, rest2posed, settings, v_rgb)
    skirt = opened(skinning, mesh.v_pos, mesh.t_pos_idx, v_rgb, transfer, posed, rest2posed) if settings.skirts == "auto" else Opened()
    return Joined(mesh.mesh, skinning, skirt.attachments, None, skirt.hidden)


def in_poses(figure: Joined) -> dict[str, np.ndarray]:
    """Pose -> (V, 3) of a rigged figure."""
    return {pose: figure.posed(figure.skinning.skeleton.joint_transforms(turns)) for pose, turns in SUITE.items()}


def bare_in_poses(body: BodyModel) -> dict[str, np.ndarray]:
    """Pose -> (V, 3) of the bare body."""
    return {pose: skin(body.v_pos, body.weights, body.skeleton.joint_transforms(turns)) for pose, turns in SUITE.items()}


def of_run(run: Path, settings: RigSettings) -> tuple[dict[str, Any], list[np.ndarray]]:
    """Figures of a run's reconstruction, of the same with its skirt closed, and of its body; pictures of these two in ``SKIRTED``, closed and open in turns."""
    mesh, conditions = MeshAsset.open(run / "stages" / "mesh"), ConditionSet.open(run / "stages" / "conditions")
    body, rows, tiles = conditions.body_rest, {}, {}
    for name, skirts in (("result", settings.skirts), ("closed", "closed")):
        figure = shown(body, conditions.body_posed, conditions.rest2posed, mesh, settings.model_copy(update={"skirts": skirts}))
        poses = in_poses(figure)
        rows[name] = figures_of(figure.v_pos, poses, figure.t_pos_idx)
        tiles[name] = [textured_picture(figure, poses[pose], AZIMUTH_DEG, _PIXELS) for pose in SKIRTED]
    rows["body"] = figures_of(body.v_pos, bare_in_poses(body), body.t_pos_idx)
    mean = {key: mean_of(row.values()) for key, row in rows.items()}
    times = {"times_the_body": within(mean["result"], mean["body"]), "closed_times_the_body": within(mean["closed"], mean["body"])}
    return {**rows, "mean": mean, **times}, [tile for pair in zip(tiles["closed"], tiles["result"], strict=True) for tile in pair]


def _picture(body: BodyModel, v_pos: np.ndarray) -> np.ndarray:
    surface = Surface(vertex_normals(v_pos, body.t_pos_idx), body.t_pos_idx, body.v_tex, body.t_tex_idx, to_u8(body.kd))
    return draw(surface, v_pos, looking_at(v_pos, AZIMUTH_DEG, _PIXELS, _PIXELS))


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path, nargs="*", help="folders that scripts.bench.reconstruction has filled")
    parser.add_argument("--runs", type=Path, nargs="*", default=[], help="folders of runs")
    parser.add_argument("--files", type=Path, nargs="*", default=[], help="skinned GLB files")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--png", type=Path, help="folder for a sheet of each figure: result and body in every pose; of runs, skirts closed and open in three")
    o = parser.parse_args()
    machine, settings, rows = described(), RigSettings(), {}
    if o.png:
        o.png.mkdir(parents=True, exist_ok=True)
    for work in o.work:
        for truth in truths_in(work, o.files):
            rows[truth.name], tiles = compared(truth, MeshAsset.open(work / truth.name / "mesh"), settings)
            if o.png:
                write_png(o.png / f"{truth.name}.png", contact_sheet(tiles, 8, [label for pose in SUITE for label in (pose, "body")]))
    for run in o.runs:
        rows[run.name], tiles = of_run(run, settings)
        if o.png:
            write_png(o.png / f"{run.name}.png", contact_sheet(tiles, len(tiles)))
    kinds = dict.fromkeys(key for row in rows.values() for key in row if key.endswith(("times_the_body", "times_the_maker")))
    means = {times: mean_of(row[times] for row in rows.values() if times in row) for times in kinds}
    report({"machine": machine, "settings": settings.model_dump(mode="json"), "figures": rows, **means}, o.json)


if __name__ == "__main__":
    main()
