"""The one writer of GLB files: a textured mesh, with its humanoid skeleton if it has one, and further surfaces on the same skeleton.

glTF 2.0 is +Y up with the front on +Z; the world is +Z up and the character faces -Y. That turn is made here and nowhere else.
Joint nodes carry translations only: at rest every rotation is the identity, so a pose is the same rotation in every program.
The bytes depend on the arguments alone. Specification: Khronos glTF 2.0, sections 3.6 (data), 3.7 (meshes, skins), 3.9
(materials), 3.11 (animations).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from stages.artifacts.body import Skeleton
from stages.artifacts.glb_document import ARRAY_BUFFER, ELEMENT_ARRAY_BUFFER, FLOAT, U8, U16, U32, GlbDocument
from stages.artifacts.glb_targets import add_targets
from stages.artifacts.mesh import TexturedMesh
from stages.artifacts.morphs import Morph, ordered
from stages.artifacts.motion import Clip
from stages.artifacts.normals import unit, vertex_normals
from stages.artifacts.rotations import continuous

GENERATOR = "anime character pipeline"


@dataclass(frozen=True)
class GlbMesh:
    """A surface in the world frame.

    ``v_pos`` (V, 3) metres; ``t_pos_idx`` (F, 3), counter-clockwise from outside; ``v_nrm`` (V, 3), computed if None; ``v_tex``
    (T, 2) with v up and ``t_tex_idx`` (F, 3), or both None; ``v_tng`` (T, 4): tangent along +u and the sign of the bitangent
    along +v, computed from ``v_tex`` if None. A ``stages.artifacts.mesh.TexturedMesh`` has the same fields, but no ``morphs``.
    """

    v_pos: np.ndarray
    t_pos_idx: np.ndarray
    v_nrm: np.ndarray | None = None
    v_tex: np.ndarray | None = None
    t_tex_idx: np.ndarray | None = None
    v_tng: np.ndarray | None = None
    morphs: Mapping[str, Morph] = field(default_factory=dict)
    plain: bool = False  # it will bear no normal map, so it needs no tangents


@dataclass(frozen=True)
class GlbMaterial:
    """A metallic-roughness material. Textures are PNG files as bytes; ``ks_png`` is (occlusion, roughness, metallic), ``normal_png`` green up.

    A factor multiplies its texture; without a texture it is the value (base colour linear, RGBA).
    """

    name: str = "character"
    kd_png: bytes | None = None
    ks_png: bytes | None = None
    normal_png: bytes | None = None
    kd_factor: tuple[float, float, float, float] = (1.0, 1.0, 1.0, 1.0)
    roughness: float = 1.0
    metallic: float = 0.0
    double_sided: bool = False


@dataclass(frozen=True)
class GlbLayer:
    """A further surface on the skeleton of the first: a mesh of its own, or one more primitive of the first's, whose morph targets it shares.

    ``joints`` and ``weights`` are None where the first has no skeleton.
    """

    name: str
    mesh: GlbMesh
    material: GlbMaterial
    joints: np.ndarray | None
    weights: np.ndarray | None
    own_mesh: bool = False


@dataclass(frozen=True)
class GlbAnimation:
    """Keys of joint rotations: ``times_s`` (K,) growing from 0, ``rotations_wxyz`` joint name -> (K, 4) about world axes, relative to the parent."""

    name: str
    times_s: np.ndarray
    rotations_wxyz: Mapping[str, np.ndarray]
    root_offset_m: np.ndarray | None = None  # (K, 3) world, added to the root joint's place


def animations_of(clips: Sequence[Clip]) -> list[GlbAnimation]:
    """Clips of one skeleton as animations. Joints that no clip turns are left out; one that any turns is in all, so that no clip leaves a pose behind."""
    if not clips:
        return []
    still = np.array([1.0, 0.0, 0.0, 0.0])
    turned = np.any([(np.abs(clip.rotations_wxyz @ still) < 1 - 1e-9).any(0) for clip in clips], 0)
    joints = [(j, name) for j, name in enumerate(clips[0].skeleton.names) if turned[j]]
    return [GlbAnimation(c.name, c.times_s, {name: c.rotations_wxyz[:, j] for j, name in joints}, c.root_offset_m) for c in clips]


def z_up_to_y_up(points: np.ndarray) -> np.ndarray:
    """World (..., 3) to glTF: (x, y, z) -> (x, z, -y)."""
    return np.stack([points[..., 0], points[..., 2], -points[..., 1]], -1)


def y_up_to_z_up(points: np.ndarray) -> np.ndarray:
    """GlTF (..., 3) to world: (x, y, z) -> (x, -z, y)."""
    return np.stack([points[..., 0], -points[..., 2], points[..., 1]], -1)


def wxyz_z_up_to_xyzw_y_up(q_wxyz: np.ndarray) -> np.ndarray:
    """Quaternions (..., 4) of the world to glTF's order and axes."""
    return np.concatenate([z_up_to_y_up(q_wxyz[..., 1:]), q_wxyz[..., :1]], -1)


def write_glb(
    path: Path,
    mesh: GlbMesh | TexturedMesh,
    material: GlbMaterial | None = None,
    skeleton: Skeleton | None = None,
    joints: np.ndarray | None = None,
    weights: np.ndarray | None = None,
    animations: Sequence[GlbAnimation] = (),
    name: str = "character",
    layers: Sequence[GlbLayer] = (),
    mesh_name: str | None = None,
) -> None:
    """Write one mesh, in rest pose, to ``path``, and ``layers``; skinned if ``skeleton``, ``joints`` and ``weights`` (V, 4) are all given.

    ``name`` is the scene's and the skeleton's, and the mesh's unless ``mesh_name`` gives it another.

    Raises ValueError if an index, a shape or a number is not usable, naming it.
    """
    document = glb_document(mesh, material, skeleton, joints, weights, name, layers=layers, mesh_name=mesh_name)
    for animation in animations if skeleton is not None else ():
        document.add("animations", _animation(document, animation, skeleton))
    Path(path).write_bytes(document.to_bytes())


def glb_document(
    mesh: GlbMesh | TexturedMesh, material: GlbMaterial | None = None, skeleton: Skeleton | None = None, joints: np.ndarray | None = None,
    weights: np.ndarray | None = None, name: str = "character", tangents: bool = True, layers: Sequence[GlbLayer] = (),
    mesh_name: str | None = None,
) -> GlbDocument:
    """What ``write_glb`` writes, for those who add to it: the mesh is node 0, the material is material 0, those of ``layers`` follow in their order, each once.

    Raises ValueError as it does.
    """
    if (skeleton is None) != (joints is None) or (skeleton is None) != (weights is None):
        raise ValueError("skeleton, joints and weights belong together: give all three, or none")
    if any((layer.joints is None) != (skeleton is None) for layer in layers):
        raise ValueError("layers hang on the skeleton of the first surface, or none does where there is no skeleton")
    document = GlbDocument({"asset": {"version": "2.0", "generator": GENERATOR}, "scene": 0})
    writer = _PrimitiveWriter(document, 0 if skeleton is None else len(skeleton.names), tangents)
    parts = [layer for layer in layers if not layer.own_mesh]
    names = ordered(set(_morphs(mesh)).union(*(layer.mesh.morphs for layer in parts)))
    first = {"name": mesh_name or name, "primitives": [writer.primitive(mesh, material or GlbMaterial(), joints, weights, names)]}
    document.add("meshes", first)
    _name_targets(first, names)
    document.add("nodes", {"name": mesh_name or name, "mesh": 0})
    roots = [0]
    if skeleton is not None:
        document.json["nodes"][0]["skin"] = 0
        roots += _skin(document, skeleton, name)
    for layer in layers:
        if layer.own_mesh:
            roots.append(_own_mesh(document, writer, layer))
        else:
            first["primitives"].append(writer.primitive(layer.mesh, layer.material, layer.joints, layer.weights, names))
    document.json["scenes"] = [{"name": name, "nodes": roots}]
    return document


@dataclass(frozen=True)
class _PrimitiveWriter:
    """Puts surfaces into a document; ``joint_count`` 0 for those without a skeleton."""

    document: GlbDocument
    joint_count: int
    tangents: bool
    materials: dict[GlbMaterial, int] = field(default_factory=dict)

    def primitive(
        self, mesh: GlbMesh | TexturedMesh, material: GlbMaterial, joints: np.ndarray | None, weights: np.ndarray | None, names: Sequence[str]
    ) -> dict[str, Any]:
        """One primitive with its material and a morph target for each of ``names``. Raises ValueError if it cannot be written."""
        check_mesh(mesh)
        document, index = self.document, self._material(material)
        attributes, triangles, source = _vertices(mesh)
        if not self.tangents or (isinstance(mesh, GlbMesh) and mesh.plain):
            attributes.pop("TANGENT", None)
        if self.joint_count:
            attributes |= _influences(joints[source], weights[source], self.joint_count)
        out = {
            "attributes": {key: _attribute(document, key, value) for key, value in attributes.items()},
            "indices": document.accessor(triangles.reshape(-1).astype(np.uint32), U32, ELEMENT_ARRAY_BUFFER, bounds=True),
            "material": index,
        }
        turned = {name: Morph(morph.index, z_up_to_y_up(morph.offset)) for name, morph in _morphs(mesh).items()}
        add_targets(document, out, names, turned, source)
        return out

    def _material(self, material: GlbMaterial) -> int:
        """Its index; surfaces with the same material share it."""
        if material not in self.materials:
            self.materials[material] = self.document.add("materials", _material(self.document, material))
        return self.materials[material]


def _own_mesh(document: GlbDocument, writer: _PrimitiveWriter, layer: GlbLayer) -> int:
    """A mesh of its own for ``layer``; returns its node."""
    names = ordered(layer.mesh.morphs)
    mesh = {"name": layer.name, "primitives": [writer.primitive(layer.mesh, layer.material, layer.joints, layer.weights, names)]}
    _name_targets(mesh, names)
    node = {"name": layer.name, "mesh": document.add("meshes", mesh)}
    return document.add("nodes", node if layer.joints is None else node | {"skin": 0})


def _name_targets(mesh: dict[str, Any], names: Sequence[str]) -> None:
    """Say in ``mesh`` what its morph targets are called, where programs look for it; all are at rest."""
    if names:
        mesh |= {"extras": {"targetNames": list(names)}, "weights": [0.0] * len(names)}


def _morphs(mesh: GlbMesh | TexturedMesh) -> Mapping[str, Morph]:
    return mesh.morphs if isinstance(mesh, GlbMesh) else {}


def check_mesh(mesh: GlbMesh | TexturedMesh) -> None:
    """Raises ValueError if ``mesh`` cannot be written."""
    if mesh.v_pos.ndim != 2 or mesh.v_pos.shape[1] != 3 or not len(mesh.t_pos_idx):
        raise ValueError(f"a mesh needs (V, 3) positions and triangles, got {mesh.v_pos.shape} and {len(mesh.t_pos_idx)}")
    for label, values in (("v_pos", mesh.v_pos), ("v_nrm", mesh.v_nrm), ("v_tex", mesh.v_tex), ("v_tng", mesh.v_tng)):
        if values is not None and not np.isfinite(values).all():
            raise ValueError(f"{label} holds numbers that are not finite")
    if (mesh.v_tex is None) != (mesh.t_tex_idx is None):
        raise ValueError("v_tex and t_tex_idx belong together: give both, or neither")
    pairs = [("t_pos_idx", mesh.t_pos_idx, len(mesh.v_pos))]
    if mesh.t_tex_idx is not None:
        pairs.append(("t_tex_idx", mesh.t_tex_idx, len(mesh.v_tex)))
        if mesh.v_tng is not None and mesh.v_tng.shape != (len(mesh.v_tex), 4):
            raise ValueError(f"v_tng must be (T, 4), one for each of {len(mesh.v_tex)} texture vertices, got {mesh.v_tng.shape}")
    for label, idx, count in pairs:
        if idx.min() < 0 or idx.max() >= count:
            raise ValueError(f"{label} reaches from {idx.min()} to {idx.max()}, expected 0 to {count - 1}")


def corner_tangents(v_pos: np.ndarray, triangles: np.ndarray, v_tex: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Per-vertex (V, 3) direction of growing u (not normalised) and (V,) handedness, v up, summed over faces by area."""
    e1, e2 = (v_pos[triangles[:, k]] - v_pos[triangles[:, 0]] for k in (1, 2))
    d1, d2 = (v_tex[triangles[:, k]] - v_tex[triangles[:, 0]] for k in (1, 2))
    area = d1[:, 0] * d2[:, 1] - d1[:, 1] * d2[:, 0]
    sign = np.sign(area)
    tangent = (e1 * d2[:, 1:] - e2 * d1[:, 1:]) * sign[:, None]
    size = np.linalg.norm(np.cross(e1, e2), axis=-1)
    tangent = unit(tangent, np.zeros(3)) * size[:, None]
    corners = triangles.ravel()
    total = np.stack([np.bincount(corners, np.repeat(tangent[:, c], 3), len(v_pos)) for c in range(3)], -1)
    hand = np.bincount(corners, np.repeat(sign * size, 3), len(v_pos))
    return total, np.where(hand < 0, -1.0, 1.0)


def _vertices(mesh: GlbMesh | TexturedMesh) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    """Attributes of glTF's vertices (one for each pair of position and texture corner), triangles, and their source in ``v_pos``."""
    pos = mesh.t_pos_idx.astype(np.int64).ravel()
    tex = np.zeros_like(pos) if mesh.t_tex_idx is None else mesh.t_tex_idx.astype(np.int64).ravel()
    stride = 1 if mesh.v_tex is None else len(mesh.v_tex)
    key, corner = np.unique(pos * stride + tex, return_inverse=True)
    source, tex_source = key // stride, key % stride
    triangles = corner.reshape(-1, 3)
    v_nrm = vertex_normals(mesh.v_pos, mesh.t_pos_idx) if mesh.v_nrm is None else unit(mesh.v_nrm, np.array([0.0, 0.0, 1.0]))
    normal = v_nrm[source].astype(np.float64)
    out = {"POSITION": z_up_to_y_up(mesh.v_pos[source]), "NORMAL": z_up_to_y_up(normal)}
    if mesh.v_tex is not None:
        v_tex = mesh.v_tex[tex_source].astype(np.float64)
        out["TEXCOORD_0"] = np.stack([v_tex[:, 0], 1.0 - v_tex[:, 1]], -1)
        tangent, hand = corner_tangents(mesh.v_pos[source], triangles, v_tex)
        if mesh.v_tng is not None:
            tangent, hand = mesh.v_tng[tex_source, :3], np.where(mesh.v_tng[tex_source, 3] < 0, -1.0, 1.0)
        out["TANGENT"] = np.concatenate([z_up_to_y_up(_orthogonal(tangent, normal)), hand[:, None]], -1)
    return {name: value.astype(np.float32) for name, value in out.items()}, triangles, source


def _orthogonal(tangent: np.ndarray, normal: np.ndarray) -> np.ndarray:
    """Unit tangents square to the unit normals; any such direction where the tangent says nothing."""
    along = np.where(np.abs(normal[:, :1]) < 0.9, np.array([1.0, 0.0, 0.0]), np.array([0.0, 1.0, 0.0]))
    square = lambda t: t - normal * (t * normal).sum(-1, keepdims=True)  # noqa: E731
    first = square(unit(tangent, np.zeros(3)))
    weak = np.linalg.norm(first, axis=-1, keepdims=True) < 1e-4
    return unit(np.where(weak, square(along), first), along)


def _influences(joints: np.ndarray, weights: np.ndarray, count: int) -> dict[str, np.ndarray]:
    """Four influences, strongest first, summing to 1 in float32; an unused slot names joint 0."""
    if joints.shape != weights.shape or joints.shape[1] != 4:
        raise ValueError(f"joints and weights must both be (V, 4), got {joints.shape} and {weights.shape}")
    if joints.min() < 0 or joints.max() >= count:
        raise ValueError(f"joints reach from {joints.min()} to {joints.max()}, expected 0 to {count - 1}")
    w = weights.astype(np.float64)
    if not np.isfinite(w).all() or w.min() < 0 or (w.sum(-1) <= 0).any():
        raise ValueError("skin weights must be finite, not negative, and not all zero at any vertex")
    order = np.argsort(-w, axis=-1, kind="stable")
    w = np.take_along_axis(w, order, -1)
    w = (w / w.sum(-1, keepdims=True)).astype(np.float32)
    w[:, 0] = (1.0 - w[:, 1:].astype(np.float64).sum(-1)).astype(np.float32)
    j = np.where(w > 0, np.take_along_axis(joints, order, -1), 0)
    return {"JOINTS_0": j.astype(np.uint8 if count <= 256 else np.uint16), "WEIGHTS_0": w}


def _attribute(document: GlbDocument, name: str, values: np.ndarray) -> int:
    component = {"float32": FLOAT, "uint8": U8, "uint16": U16}[values.dtype.name]
    return document.accessor(values, component, ARRAY_BUFFER, bounds=name == "POSITION")


def _material(document: GlbDocument, material: GlbMaterial) -> dict[str, Any]:
    pbr: dict[str, Any] = {
        "baseColorFactor": list(material.kd_factor), "roughnessFactor": material.roughness, "metallicFactor": material.metallic,
    }
    out: dict[str, Any] = {"name": material.name, "pbrMetallicRoughness": pbr}
    if material.double_sided:
        out["doubleSided"] = True
    if material.kd_png is not None:
        pbr["baseColorTexture"] = document.texture(material.kd_png, "kd")
    if material.ks_png is not None:
        pbr["metallicRoughnessTexture"] = document.texture(material.ks_png, "ks")
        pbr["metallicFactor"] = pbr["roughnessFactor"] = 1.0
        out["occlusionTexture"] = dict(pbr["metallicRoughnessTexture"])
    if material.normal_png is not None:
        out["normalTexture"] = document.texture(material.normal_png, "normal")
    return out


def _skin(document: GlbDocument, skeleton: Skeleton, name: str) -> list[int]:
    """Joint nodes and the skin; returns the root nodes. A joint's tail, relative to its head, stands in the node's extras."""
    heads, tails = z_up_to_y_up(skeleton.heads), z_up_to_y_up(skeleton.tails)
    first = len(document.json["nodes"])
    for j, joint in enumerate(skeleton.names):
        parent = int(skeleton.parents[j])
        offset = heads[j] - heads[parent] if parent >= 0 else heads[j]
        node: dict[str, Any] = {"name": joint, "translation": offset.tolist(), "extras": {"tail": (tails[j] - heads[j]).tolist()}}
        children = [first + c for c in np.flatnonzero(np.asarray(skeleton.parents) == j).tolist()]
        if children:
            node["children"] = children
        document.add("nodes", node)
    inverse = np.tile(np.eye(4, dtype=np.float32), (len(heads), 1, 1))
    inverse[:, 3, :3] = -heads  # column-major: the translation is the last row
    roots = [first + j for j, parent in enumerate(skeleton.parents) if parent < 0]
    skin = {"name": name, "joints": list(range(first, first + len(heads))),
            "inverseBindMatrices": document.accessor(inverse, FLOAT)}
    if len(roots) == 1:
        skin["skeleton"] = roots[0]
    document.add("skins", skin)
    return roots


def _animation(document: GlbDocument, animation: GlbAnimation, skeleton: Skeleton) -> dict[str, Any]:
    """One glTF animation: a rotation channel for each joint, and a translation of the root if it moves."""
    _check_animation(animation, skeleton)
    times = document.accessor(animation.times_s.astype(np.float32), FLOAT, bounds=True)
    channels: list[dict[str, Any]] = []
    samplers: list[dict[str, Any]] = []

    def channel(joint: str, path: str, values: np.ndarray) -> None:
        samplers.append({"input": times, "output": document.accessor(values.astype(np.float32), FLOAT), "interpolation": "LINEAR"})
        node = document.json["skins"][0]["joints"][skeleton.index(joint)]
        channels.append({"sampler": len(samplers) - 1, "target": {"node": node, "path": path}})

    for joint, keys in animation.rotations_wxyz.items():
        channel(joint, "rotation", wxyz_z_up_to_xyzw_y_up(continuous(keys / np.linalg.norm(keys, axis=-1, keepdims=True))))
    if animation.root_offset_m is not None:
        root = int(np.flatnonzero(np.asarray(skeleton.parents) < 0)[0])
        channel(skeleton.names[root], "translation", z_up_to_y_up(animation.root_offset_m + skeleton.heads[root]))
    return {"name": animation.name, "channels": channels, "samplers": samplers}


def _check_animation(animation: GlbAnimation, skeleton: Skeleton) -> None:
    """Raises ValueError if an animation cannot be written."""
    times, what = animation.times_s, f"animation '{animation.name}'"
    if times.ndim != 1 or not len(times) or times[0] != 0 or (np.diff(times.astype(np.float32)) <= 0).any() or not np.isfinite(times).all():
        raise ValueError(f"{what}: its times must grow from 0")
    unknown = sorted(set(animation.rotations_wxyz) - set(skeleton.names))
    if unknown or not (animation.rotations_wxyz or animation.root_offset_m is not None):
        raise ValueError(f"{what}: it turns {', '.join(unknown) or 'nothing'}, which is not in the skeleton")
    keys = {joint: (values, 4) for joint, values in animation.rotations_wxyz.items()}
    if animation.root_offset_m is not None:
        keys["the root's place"] = (animation.root_offset_m, 3)
    for label, (values, columns) in keys.items():
        if values.shape != (len(times), columns) or not np.isfinite(values).all() or (columns == 4 and (np.linalg.norm(values, axis=-1) < 1e-6).any()):
            raise ValueError(f"{what}: {label} needs ({len(times)}, {columns}) finite numbers, quaternions not zero, got {values.shape}")
