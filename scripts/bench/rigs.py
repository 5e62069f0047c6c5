"""Rigs of reconstructed figures against the skeletons and skins that their makers gave them.

    python -m scripts.bench.rigs runs/truths --files Knight.glb Rogue.glb --json docs/benchmarks/rigs.json

``runs/truths`` holds what ``scripts.bench.reconstruction`` has made: a folder for each figure, with ``mesh`` in it. A figure from a file is bound
to that file as the user's own body, one of the generator to the base body. Truth is the maker's weights at the closest point of the true surface.

- joint error: distance of each joint, in the pose of the pictures, from the maker's.
- weight L1: sum over joints of |carried - true|, mean over vertices; 2 is the most.
- posed error: distance between the vertex posed by the rig and by the maker's skin, over twelve poses. The maker's skin is bent out of the pose
  that it was bound in, the rig out of its own rest.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from scripts.bench.machine import described, report
from scripts.bench.rig import TWELVE
from scripts.bench.truths import PROPS
from scripts.generator import HELD_OUT, build_character
from stages.artifacts.body import BodyModel, Skeleton, skin
from stages.artifacts.bone_roles import joint_names
from stages.artifacts.closest import closest_points
from stages.artifacts.glb_reader import dense_weights, read_glb
from stages.artifacts.mesh import MeshAsset
from stages.artifacts.normals import vertex_normals
from stages.artifacts.rig import Skinning
from stages.conditions.armature_pose import pose_of_armature
from stages.conditions.body import POSES, load_base_body
from stages.conditions.imported import joints_alone
from stages.conditions.importing import GltfImporter
from stages.rig.bind import bind, vertex_colours
from stages.rig.settings import RigSettings

STILL_WXYZ = (1.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True)
class RigTruth:
    """A figure as its maker skinned it, and the body that a user would give for it.

    ``v_pos`` (V, 3), ``t_pos_idx`` (F, 3) stand in the pose of the pictures, and so does ``skeleton``; ``weights`` (V, J) are of the joints of
    ``body``, which is at rest; ``rest2posed`` (J, 4, 4).
    """

    name: str
    v_pos: np.ndarray
    t_pos_idx: np.ndarray
    weights: np.ndarray
    skeleton: Skeleton
    body: BodyModel
    rest2posed: np.ndarray

    @property
    def height_m(self) -> float:
        """From the soles to the top."""
        return float(np.ptp(self.v_pos[:, 2]))

    @property
    def body_posed(self) -> BodyModel:
        """The user's body in the pose of the pictures."""
        return replace(self.body, v_pos=skin(self.body.v_pos, self.body.weights, self.rest2posed), skeleton=self.body.skeleton.posed(self.rest2posed))

    def weights_at(self, v_pos: np.ndarray, t_pos_idx: np.ndarray) -> np.ndarray:
        """(N, J) the maker's weights at the closest true points that face as a surface does; at the closest of all where none does."""
        near = closest_points(v_pos, self.v_pos, self.t_pos_idx, vertex_normals(v_pos, t_pos_idx), 0.0)
        anyhow = closest_points(v_pos, self.v_pos, self.t_pos_idx)
        found = (near.triangle >= 0)[:, None]
        return np.where(found, near.interpolate(self.weights, self.t_pos_idx), anyhow.interpolate(self.weights, self.t_pos_idx))

    def posed(self, rest2pose: np.ndarray) -> np.ndarray:
        """(V, 3) the maker's surface in the maker's skin, by joints that are turned by ``rest2pose`` (J, 4, 4) from the body's rest."""
        return skin(self.v_pos, self.weights, rest2pose @ np.linalg.inv(self.rest2posed))

    def posed2pose(self, pose: str) -> np.ndarray:
        """(J, 4, 4) from the pose of the pictures to the preset ``pose``, by the maker's joints."""
        return self.body.skeleton.joint_transforms(POSES[pose]) @ np.linalg.inv(self.rest2posed)


def of_file(path: Path) -> RigTruth:
    """A skinned GLB without what is held in its hands, in its default pose."""
    scene = read_glb(path)
    parts = [part for part in scene.parts if not any(prop in part.name for prop in PROPS)]
    starts = np.cumsum([0, *(len(part.v_pos) for part in parts)])
    bones = scene.skeleton
    skeleton, order, owner = joints_alone(bones, joint_names(bones.names, bones.parents))
    by_bone = np.concatenate([dense_weights(part.joints, part.weights, len(bones.names)) for part in parts])
    weights = np.zeros((len(by_bone), len(order)))
    np.add.at(weights.T, owner, by_bone.T)
    body = GltfImporter(path).load(path, path.parent)
    if body.skeleton.names != skeleton.names:
        raise ValueError(f"{path}: the body has joints {body.skeleton.names}, the file {skeleton.names}")
    pose = pose_of_armature(bones, np.tile(STILL_WXYZ, (len(bones.names), 1)))
    offset = skeleton.heads[0] - body.skeleton.posed(body.skeleton.joint_transforms(pose)).heads[0]
    triangles = np.concatenate([part.t_pos_idx + start for part, start in zip(parts, starts, strict=False)]).astype(np.int64)
    v_pos = np.concatenate([part.v_pos for part in parts]).astype(float)
    return RigTruth(path.stem.lower(), v_pos, triangles, weights, skeleton, body, body.skeleton.joint_transforms(pose, offset))


def of_generator(index: int) -> RigTruth:
    """The held-out character ``index`` in A-pose, on the base body."""
    body = load_base_body()
    rest2posed = body.skeleton.joint_transforms(POSES["a_pose"])
    figure = build_character(HELD_OUT[index], body).posed(POSES["a_pose"])
    return RigTruth(f"character_{index:02d}", figure.v_pos, figure.t_pos_idx, figure.weights, figure.skeleton, body, rest2posed)


def rigged(truth: RigTruth, mesh: MeshAsset, settings: RigSettings) -> Skinning:
    """The reconstruction bound as the rig stage binds it, without chains, which change nothing while they are not turned."""
    return bind(mesh.v_pos, mesh.t_pos_idx, truth.body, truth.body_posed, truth.rest2posed, settings, vertex_colours(mesh.mesh))[0]


def joint_errors(truth: RigTruth, skinning: Skinning) -> np.ndarray:
    """(J,) metres between the rig's joints and the maker's, in the pose of the pictures."""
    turns = skinning.skeleton.posed(truth.rest2posed)
    return np.linalg.norm(turns.heads - truth.skeleton.heads, axis=-1)


def posed_errors(truth: RigTruth, mesh: MeshAsset, skinning: Skinning, weights: np.ndarray) -> np.ndarray:
    """(12, V) metres between the two skins in the twelve poses; ``weights`` (V, J) are the maker's."""
    out = []
    for pose in TWELVE:
        ours = skinning.posed(skinning.skeleton.joint_transforms(POSES[pose]))
        out.append(np.linalg.norm(ours - skin(mesh.v_pos.astype(float), weights, truth.posed2pose(pose)), axis=-1))
    return np.array(out)


def figures_of(truth: RigTruth, mesh: MeshAsset, settings: RigSettings) -> dict[str, Any]:
    """The figures of one reconstruction; lengths in percent of the figure's height."""
    skinning = rigged(truth, mesh, settings)
    weights = truth.weights_at(mesh.v_pos, mesh.t_pos_idx)
    percent = 100 / truth.height_m
    joints = joint_errors(truth, skinning) * percent
    errors = posed_errors(truth, mesh, skinning, weights) * percent
    carried = dense_weights(skinning.joints, skinning.weights, len(truth.body.skeleton.names))
    worst = errors.mean(1).argmax()
    return {
        "vertices": len(mesh.v_pos), "joint_error_percent": round(float(joints.mean()), 4), "joint_error_max_percent": round(float(joints.max()), 4),
        "weight_l1": round(float(np.abs(carried - weights).sum(-1).mean()), 4), "posed_p50_percent": round(float(np.median(errors)), 3),
        "posed_p95_percent": round(float(np.percentile(errors, 95)), 3), "posed_max_percent": round(float(errors.max()), 2),
        "worst_pose": TWELVE[worst], "worst_pose_p95_percent": round(float(np.percentile(errors[worst], 95)), 3),
    }  # fmt: skip


def truths_in(work: Path, files: Iterable[Path]) -> list[RigTruth]:
    """A truth for every finished reconstruction in ``work`` whose rig is known, those of ``files`` first."""
    own = [of_file(path) for path in files if (work / path.stem.lower() / "mesh" / "mesh.safetensors").is_file()]
    made = sorted(folder.parent.name for folder in work.glob("character_*/mesh") if (folder / "mesh.safetensors").is_file())
    return [*own, *(of_generator(int(name.removeprefix("character_"))) for name in made)]


def mean_of(rows: Iterable[dict[str, Any]]) -> dict[str, float]:
    """The mean of each number over ``rows``; empty for none."""
    rows = list(rows)
    return {key: round(float(np.mean([row[key] for row in rows])), 4) for key in (rows[0] if rows else ()) if not isinstance(rows[0][key], str)}


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path, nargs="+", help="folders that scripts.bench.reconstruction has filled")
    parser.add_argument("--files", type=Path, nargs="*", default=[], help="skinned GLB files")
    parser.add_argument("--json", type=Path)
    o = parser.parse_args()
    machine, settings, rows = described(), RigSettings(), {}
    for work in o.work:
        for truth in truths_in(work, o.files):
            rows[truth.name] = figures_of(truth, MeshAsset.open(work / truth.name / "mesh"), settings)
    own = {path.stem.lower() for path in o.files}
    means = {"own": mean_of(row for name, row in rows.items() if name in own), "generated": mean_of(row for name, row in rows.items() if name not in own)}
    report({"machine": machine, "settings": settings.model_dump(mode="json"), "figures": rows, "mean": means}, o.json)


if __name__ == "__main__":
    main()
