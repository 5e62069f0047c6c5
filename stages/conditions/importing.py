"""Opens the body that a user brings: glTF and VRM by our own reader, everything else through Blender."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from pipeline.errors import ArtifactError, ConfigError
from stages.artifacts.body import BodyModel, Skeleton
from stages.conditions.imported import ImportedBody, to_body_model
from third_party.blender.provision import find_blender

GLTF = (".glb", ".vrm")
KNOWN = (*GLTF, ".fbx", ".blend")


class BodyImporter(Protocol):
    """Turns a file into a body."""

    name: str

    def probe(self) -> str | None: ...

    def version(self) -> str: ...

    def load(self, path: Path, work: Path) -> BodyModel:
        """Raises ConfigError if the file is not a body that maps to a humanoid."""
        ...


def importers(path: Path) -> tuple[BodyImporter, ...]:
    """Those that can open ``path``, judged by its suffix, best first. Raises ConfigError for an unknown one."""
    suffix = path.suffix.lower()
    if suffix not in KNOWN:
        raise ConfigError(f"{path}: a body is a file of type {', '.join(KNOWN)}, not {suffix or 'one without suffix'}")
    return (GltfImporter(path), BlenderImporter()) if suffix in GLTF else (BlenderImporter(),)


@dataclass(frozen=True)
class GltfImporter:
    """GLB and VRM, read by the project itself."""

    path: Path
    name: str = "gltf"

    def probe(self) -> str | None:
        """None, or what the file asks for that our reader does not decode (Blender may: Draco, meshopt)."""
        from stages.artifacts.glb_reader import refusal

        return refusal(self.path)

    def version(self) -> str:
        """Ours."""
        return "2"

    def load(self, path: Path, work: Path) -> BodyModel:
        """See ``BodyImporter``."""
        from stages.artifacts.glb_reader import read_glb, split_glb

        try:
            scene = read_glb(path)
            document, _ = split_glb(path.read_bytes())
        except (ArtifactError, OSError) as error:
            raise ConfigError(str(error)) from error
        if scene.skeleton is None:
            raise ConfigError(f"{path}: there is no armature in it; a body needs bones and skin weights")
        return to_body_model(_from_scene(path, scene, said_by_vrm(document)))


class BlenderImporter:
    """Everything that Blender opens, through Blender as a program."""

    name = "blender"

    def probe(self) -> str | None:
        """None, or why no Blender can be run."""
        found = find_blender()
        return found if isinstance(found, str) else None

    def version(self) -> str:
        """Our script's and Blender's."""
        found = find_blender()
        return f"1+{'none' if isinstance(found, str) else found.version}"

    def load(self, path: Path, work: Path) -> BodyModel:
        """See ``BodyImporter``."""
        from third_party.blender.process import BlenderRun

        run = BlenderRun("read_body.py", {"path": str(path.resolve())}, work)
        with run:
            answer = run.response()
        if "problem" in answer:
            raise ConfigError(f"{path}: {answer['problem']}")
        with np.load(run.folder / "body.npz", allow_pickle=False) as arrays:
            found = {name: arrays[name] for name in arrays.files}
        weights = np.zeros((len(found["v_pos"]), len(answer["bones"])))
        np.add.at(weights, (found["weight_vertex"], found["weight_bone"]), found["weight"])
        bones = Skeleton(tuple(answer["bones"]), found["parents"], found["heads"], found["tails"])
        textures = tuple(found[f"texture_{i}"] for i in range(answer["textures"]))
        return to_body_model(ImportedBody(
            path, found["v_pos"], found["t_pos_idx"], found["corner_uv"], found["t_material"], textures, bones, weights, {},
        ))


def said_by_vrm(document: dict[str, Any]) -> dict[str, str]:
    """Node name -> VRM 1.0 joint name, from the VRM extension of a glTF document; empty if it has none."""
    extensions, nodes = document.get("extensions", {}), document.get("nodes", [])
    if "VRMC_vrm" in extensions:
        pairs = [(joint, bone["node"]) for joint, bone in extensions["VRMC_vrm"]["humanoid"]["humanBones"].items()]
    elif "VRM" in extensions:
        older = {"ThumbProximal": "ThumbMetacarpal", "ThumbIntermediate": "ThumbProximal"}
        pairs = [(bone["bone"], bone["node"]) for bone in extensions["VRM"]["humanoid"]["humanBones"]]
        pairs = [(next((j.replace(a, b) for a, b in older.items() if j.endswith(a)), j), n) for j, n in pairs]
    else:
        return {}
    return {nodes[n].get("name", f"joint_{n}"): joint for joint, n in pairs}


def _from_scene(path: Path, scene: Any, said: dict[str, str]) -> ImportedBody:
    from stages.artifacts.glb_reader import dense_weights

    parts = [p for p in scene.parts if p.joints is not None and len(p.t_pos_idx)]
    if not parts:
        raise ConfigError(f"{path}: no mesh in it hangs on the armature")
    starts = np.cumsum([0] + [len(p.v_pos) for p in parts])
    faces = np.concatenate([p.t_pos_idx + s for p, s in zip(parts, starts, strict=False)])
    uv = np.concatenate([(np.full((len(p.v_pos), 2), 0.5) if p.v_tex is None else p.v_tex)[p.t_pos_idx] for p in parts])
    material = np.concatenate([np.full(len(p.t_pos_idx), len(scene.materials) if p.material is None else p.material) for p in parts])
    used, material = np.unique(material, return_inverse=True)
    textures = tuple(_texture(scene.materials[m]) if m < len(scene.materials) else np.full((4, 4, 3), 0.8, np.float32) for m in used)
    weights = np.concatenate([dense_weights(p.joints, p.weights, len(scene.skeleton.names)) for p in parts])
    return ImportedBody(path, np.concatenate([p.v_pos for p in parts]), faces, uv, material, textures, scene.skeleton, weights, said)


def _texture(material: Any) -> np.ndarray:
    """Base colour (H, W, 3) float32 sRGB."""
    from PIL import Image

    from stages.artifacts.images import linear_to_srgb, srgb_to_linear

    factor = np.asarray(material.kd_factor[:3], np.float32)
    if material.kd_png is None:
        return np.tile(linear_to_srgb(factor), (4, 4, 1))
    with Image.open(io.BytesIO(material.kd_png)) as picture:
        texture = np.asarray(picture.convert("RGB"), np.float32) / 255.0
    return texture if (factor == 1).all() else linear_to_srgb(srgb_to_linear(texture) * factor)
