"""Reading GLB files, ours and other people's: every mesh in its default pose, in the world frame, with textures and skeleton.

Nodes, skins, strides, sparse and normalised accessors, strips and fans are understood; compressed geometry (Draco, meshopt) is
refused by name. Specification: Khronos glTF 2.0; skinning is section 3.7.3.
"""

from __future__ import annotations

import base64
import binascii
import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import ArtifactError
from stages.artifacts.body import Skeleton
from stages.artifacts.glb import GlbMaterial

_DTYPES = {5120: np.int8, 5121: np.uint8, 5122: np.int16, 5123: np.uint16, 5125: np.uint32, 5126: np.float32}
_COLUMNS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT2": 4, "MAT3": 9, "MAT4": 16}
_UNDERSTOOD = {"KHR_materials_unlit", "KHR_texture_transform", "KHR_mesh_quantization", "KHR_materials_specular", "KHR_materials_ior",
               "KHR_materials_emissive_strength", "VRM", "VRMC_vrm", "VRMC_materials_mtoon", "VRMC_springBone", "VRMC_node_constraint"}
# column-vector turn of glTF's axes into the world's
_TO_WORLD = np.array([[1.0, 0, 0, 0], [0, 0, -1, 0], [0, 1, 0, 0], [0, 0, 0, 1]])


@dataclass(frozen=True)
class GlbPart:
    """One primitive as it stands in the default pose, world frame.

    ``v_pos`` (V, 3) metres, ``t_pos_idx`` (F, 3), ``v_nrm`` (V, 3) or None, ``v_tex`` (V, 2) v up or None; ``joints`` and ``weights``
    (V, K) into the scene's skeleton, rows summing to 1, or None; ``material`` is an index into the scene's materials or None; ``morphs``, displacements
    (V, 3) by the names of its mesh's targets, or by their numbers where it does not name them.
    """

    name: str
    v_pos: np.ndarray
    t_pos_idx: np.ndarray
    v_nrm: np.ndarray | None
    v_tex: np.ndarray | None
    joints: np.ndarray | None
    weights: np.ndarray | None
    material: int | None
    morphs: Mapping[str, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True)
class GlbScene:
    """What a GLB file holds: parts, materials (textures as the bytes of their image files), and one skeleton for all skins.

    ``generator`` says who wrote it; ``animations`` are names.
    """

    parts: tuple[GlbPart, ...]
    materials: tuple[GlbMaterial, ...]
    skeleton: Skeleton | None
    animations: tuple[str, ...]
    generator: str


def read_glb(path: Path) -> GlbScene:
    """Read the default scene of a GLB file. Raises ArtifactError if the file is not legal or needs what we cannot decode."""
    try:
        document, binary = split_glb(Path(path).read_bytes())
        return GlbReader(document, binary).scene()
    except (KeyError, IndexError, ValueError, TypeError, struct.error, binascii.Error, UnicodeDecodeError) as error:
        raise ArtifactError(Path(path), f"not a GLB file that can be read ({type(error).__name__}: {error})",
                            "Export it again as glTF 2.0 binary, without compression") from error


def refusal(path: Path) -> str | None:
    """Why ``read_glb`` cannot decode a legal file: the extensions that it requires; None if there are none or the file is not legal."""
    try:
        missing = _not_understood(split_glb(Path(path).read_bytes())[0])
    except (KeyError, ValueError, struct.error, OSError):
        return None
    return f"it requires {', '.join(missing)}" if missing else None


def _not_understood(document: dict[str, Any]) -> list[str]:
    return sorted(set(document.get("extensionsRequired", ())) - _UNDERSTOOD)


def split_glb(data: bytes) -> tuple[dict[str, Any], bytes]:
    """The JSON document and the binary chunk of a GLB file. Raises ValueError."""
    if len(data) < 20 or data[:4] != b"glTF":
        raise ValueError("the file does not begin with 'glTF'")
    version, length = struct.unpack_from("<II", data, 4)
    if version != 2 or length > len(data):
        raise ValueError(f"version {version}, {len(data)} of {length} bytes; expected a whole file of version 2")
    chunks: dict[bytes, bytes] = {}
    at = 12
    while at + 8 <= length:
        size, kind = struct.unpack_from("<I4s", data, at)
        chunks.setdefault(kind, data[at + 8 : at + 8 + size])
        at += 8 + size
    return json.loads(chunks[b"JSON"]), chunks.get(b"BIN\0", b"")


class GlbReader:
    """One document being read. Matrices are (4, 4) for column vectors, glTF's axes unless said."""

    def __init__(self, document: dict[str, Any], binary: bytes) -> None:
        self.json, self.binary = document, binary
        refused = _not_understood(document)
        if refused:
            raise ValueError(f"it requires {', '.join(refused)}, which is not supported")
        self.nodes = document.get("nodes", [])
        self.parent = {c: n for n, node in enumerate(self.nodes) for c in node.get("children", ())}
        self.world: dict[int, np.ndarray] = {}
        self.order: list[int] = []
        for root in self._roots():
            self._walk(root, _TO_WORLD)
        skinned = {j for skin in document.get("skins", ()) for j in skin["joints"]}
        self.joint_nodes = [n for n in self.order if n in skinned]
        self.joint_of = {n: j for j, n in enumerate(self.joint_nodes)}

    def _roots(self) -> list[int]:
        scenes = self.json.get("scenes")
        if scenes:
            return list(scenes[self.json.get("scene", 0)].get("nodes", ()))
        return [n for n in range(len(self.nodes)) if n not in self.parent]

    def _walk(self, root: int, above: np.ndarray) -> None:
        stack = [(root, above)]
        while stack:
            n, outer = stack.pop()
            if n in self.world:
                raise ValueError(f"node {n} is reached twice")
            self.world[n] = outer @ _local(self.nodes[n])
            self.order.append(n)
            stack.extend((c, self.world[n]) for c in reversed(self.nodes[n].get("children", ())))

    def scene(self) -> GlbScene:
        """Everything, decoded."""
        parts = [part for n in self.order if "mesh" in self.nodes[n] for part in self._parts(n)]
        return GlbScene(
            tuple(parts), tuple(self._material(m) for m in self.json.get("materials", ())), self._skeleton(),
            tuple(a.get("name", "") for a in self.json.get("animations", ())), self.json["asset"].get("generator", ""),
        )

    def _view(self, index: int) -> tuple[bytes, int]:
        """The bytes of a buffer view and its stride (0 if packed)."""
        view = self.json["bufferViews"][index]
        uri = self.json["buffers"][view["buffer"]].get("uri")
        data = self.binary if uri is None else _data_uri(uri)
        start = view.get("byteOffset", 0)
        payload = data[start : start + view["byteLength"]]
        if len(payload) != view["byteLength"]:
            raise ValueError(f"buffer view {index} reaches past the end of its buffer")
        return payload, view.get("byteStride", 0)

    def _packed(self, item: dict[str, Any], count: int, component: int, columns: int) -> np.ndarray:
        """(count, columns) of one component type out of ``item``'s buffer view."""
        payload, stride = self._view(item["bufferView"])
        dtype = np.dtype(_DTYPES[component]).newbyteorder("<")
        packed = dtype.itemsize * columns
        if item.get("byteOffset", 0) + (count - 1) * (stride or packed) + packed > len(payload):
            raise ValueError("an accessor reaches past the end of its buffer view")
        return np.ndarray((count, columns), dtype, payload, item.get("byteOffset", 0), (stride or packed, dtype.itemsize)).copy()

    def accessor(self, index: int) -> np.ndarray:
        """(N, C) values of an accessor; normalised integers as floats."""
        item = self.json["accessors"][index]
        columns, component, count = _COLUMNS[item["type"]], item["componentType"], item["count"]
        if "bufferView" in item:
            values = self._packed(item, count, component, columns)
        else:
            values = np.zeros((count, columns), _DTYPES[component])
        if "sparse" in item:
            sparse = item["sparse"]
            where = self._packed(sparse["indices"], sparse["count"], sparse["indices"]["componentType"], 1)[:, 0]
            values[where] = self._packed(sparse["values"], sparse["count"], component, columns)
        if item.get("normalized"):
            values = np.maximum(values / np.iinfo(values.dtype).max, -1.0)
        return values

    def _parts(self, n: int) -> list[GlbPart]:
        node = self.nodes[n]
        mesh = self.json["meshes"][node["mesh"]]
        name = node.get("name") or mesh.get("name", f"mesh_{node['mesh']}")
        triangular = [p for p in mesh["primitives"] if p.get("mode", 4) in (4, 5, 6)]
        extras = mesh.get("extras")
        called = extras.get("targetNames", ()) if isinstance(extras, dict) else ()
        return [self._part(name, n, primitive, called) for primitive in triangular]

    def _part(self, name: str, n: int, primitive: dict[str, Any], called: Sequence[str]) -> GlbPart:
        read = lambda key: self.accessor(primitive["attributes"][key]) if key in primitive["attributes"] else None  # noqa: E731
        v_pos, v_nrm, v_tex = read("POSITION").astype(np.float64), read("NORMAL"), self._texture_coordinates(primitive)
        corners = self.accessor(primitive["indices"])[:, 0].astype(np.int64) if "indices" in primitive else np.arange(len(v_pos))
        if len(corners) and corners.max() >= len(v_pos):
            raise ValueError(f"mesh {name} has an index past its last vertex")
        triangles = _triangles(corners, primitive.get("mode", 4))
        joints, weights, matrices = self._skinning(n, primitive, len(v_pos))
        v_pos = np.einsum("vab,vb->va", matrices[:, :3, :3], v_pos) + matrices[:, :3, 3]
        if v_nrm is not None:
            v_nrm = np.einsum("vba,vb->va", np.linalg.inv(matrices[:, :3, :3]), v_nrm)
            v_nrm /= np.maximum(np.linalg.norm(v_nrm, axis=-1, keepdims=True), 1e-20)
        if len(matrices) and np.linalg.det(matrices[0, :3, :3]) < 0:
            triangles = triangles[:, ::-1]
        return GlbPart(name, v_pos, triangles, v_nrm, v_tex, joints, weights, primitive.get("material"),
                       self._morphs(primitive, called, matrices[:, :3, :3]))

    def _morphs(self, primitive: dict[str, Any], called: Sequence[str], turn: np.ndarray) -> dict[str, np.ndarray]:
        """Displacements of positions by name, world axes."""
        targets = primitive.get("targets", ())
        names = list(called) if len(called) == len(targets) else [str(k) for k in range(len(targets))]
        moved = {name: target["POSITION"] for name, target in zip(names, targets, strict=True) if "POSITION" in target}
        return {name: np.einsum("vab,vb->va", turn, self.accessor(index)) for name, index in moved.items()}

    def _texture_coordinates(self, primitive: dict[str, Any]) -> np.ndarray | None:
        """(V, 2) with v up, of the set that the base colour uses, moved as its KHR_texture_transform says."""
        material = self.json["materials"][primitive["material"]] if "material" in primitive else {}
        texture = material.get("pbrMetallicRoughness", {}).get("baseColorTexture", {})
        moved = texture.get("extensions", {}).get("KHR_texture_transform", {})
        key = f"TEXCOORD_{moved.get('texCoord', texture.get('texCoord', 0))}"
        if key not in primitive["attributes"]:
            return None
        u, v = (self.accessor(primitive["attributes"][key]) * moved.get("scale", (1.0, 1.0))).T
        c, s = np.cos(moved.get("rotation", 0.0)), np.sin(moved.get("rotation", 0.0))
        right, down = moved.get("offset", (0.0, 0.0))
        return np.stack([c * u + s * v + right, 1.0 - (c * v - s * u + down)], -1)

    def _skinning(self, n: int, primitive: dict[str, Any], count: int) -> tuple[np.ndarray | None, np.ndarray | None, np.ndarray]:
        """Joints, weights, and the matrix (V, 4, 4) that takes each vertex to the world in the default pose."""
        skin = self.nodes[n].get("skin")
        sets = [k for k in range(4) if f"JOINTS_{k}" in primitive["attributes"]]
        if skin is None or not sets:
            above = self._joint_above(n)
            matrices = np.broadcast_to(self.world[n], (count, 4, 4))
            if above is None:
                return None, None, matrices
            return np.tile([self.joint_of[above], 0, 0, 0], (count, 1)), np.tile([1.0, 0, 0, 0], (count, 1)), matrices
        local = np.concatenate([self.accessor(primitive["attributes"][f"JOINTS_{k}"]) for k in sets], -1).astype(np.int64)
        weights = np.concatenate([self.accessor(primitive["attributes"][f"WEIGHTS_{k}"]) for k in sets], -1).astype(np.float64)
        weights /= np.maximum(weights.sum(-1, keepdims=True), 1e-12)
        item = self.json["skins"][skin]
        inverse = np.tile(np.eye(4), (len(item["joints"]), 1, 1))
        if "inverseBindMatrices" in item:
            inverse = self.accessor(item["inverseBindMatrices"]).reshape(-1, 4, 4).transpose(0, 2, 1).astype(np.float64)
        bind = np.stack([self.world[j] for j in item["joints"]]) @ inverse[: len(item["joints"])]
        matrices = np.einsum("vk,vkab->vab", weights, bind[local])
        return np.array([self.joint_of[j] for j in item["joints"]])[local], weights, matrices

    def _joint_above(self, n: int) -> int | None:
        """The nearest joint at or above a node."""
        at: int | None = n
        while at is not None and at not in self.joint_of:
            at = self.parent.get(at)
        return at

    def _skeleton(self) -> Skeleton | None:
        if not self.joint_nodes:
            return None
        above = [self._joint_above(self.parent[n]) if n in self.parent else None for n in self.joint_nodes]
        parents = np.array([-1 if a is None else self.joint_of[a] for a in above])
        heads = np.stack([self.world[n][:3, 3] for n in self.joint_nodes])
        names = tuple(self.nodes[n].get("name", f"joint_{n}") for n in self.joint_nodes)
        return Skeleton(names, parents, heads, np.stack([self._tail(j, parents, heads) for j in range(len(names))]))

    def _tail(self, j: int, parents: np.ndarray, heads: np.ndarray) -> np.ndarray:
        """Where a bone ends: what our writer noted, else the middle of its children, else on in its parent's direction."""
        n = self.joint_nodes[j]
        noted = self.nodes[n].get("extras", {})
        if isinstance(noted, dict) and "tail" in noted:
            return heads[j] + self.world[n][:3, :3] @ np.asarray(noted["tail"], float)
        children = heads[parents == j]
        if len(children):
            return children.mean(0)
        return heads[j] + 0.5 * (heads[j] - heads[parents[j]]) if parents[j] >= 0 else heads[j] + [0.0, 0.0, 0.1]

    def _image(self, reference: dict[str, Any] | None) -> bytes | None:
        if reference is None:
            return None
        source = self.json["textures"][reference["index"]].get("source")
        if source is None:
            return None
        image = self.json["images"][source]
        return self._view(image["bufferView"])[0] if "bufferView" in image else _data_uri(image["uri"])

    def _material(self, item: dict[str, Any]) -> GlbMaterial:
        pbr = item.get("pbrMetallicRoughness", {})
        return GlbMaterial(
            item.get("name", ""), self._image(pbr.get("baseColorTexture")), self._image(pbr.get("metallicRoughnessTexture")),
            self._image(item.get("normalTexture")), tuple(pbr.get("baseColorFactor", (1.0, 1.0, 1.0, 1.0))),
            pbr.get("roughnessFactor", 1.0), pbr.get("metallicFactor", 1.0), item.get("doubleSided", False),
        )


def _local(node: dict[str, Any]) -> np.ndarray:
    """(4, 4) of a node relative to its parent."""
    if "matrix" in node:
        return np.asarray(node["matrix"], float).reshape(4, 4).T
    x, y, z, w = np.asarray(node.get("rotation", (0, 0, 0, 1)), float)
    out = np.eye(4)
    out[:3, :3] = [[1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
                   [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
                   [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)]]
    out[:3, :3] *= np.asarray(node.get("scale", (1, 1, 1)), float)
    out[:3, 3] = node.get("translation", (0, 0, 0))
    return out


def _triangles(corners: np.ndarray, mode: int) -> np.ndarray:
    """(F, 3) of a list (4), a strip (5) or a fan (6)."""
    if mode == 4:
        return corners[: len(corners) // 3 * 3].reshape(-1, 3)
    k = np.arange(len(corners) - 2)
    if mode == 5:
        return np.stack([corners[k], corners[k + 1 + k % 2], corners[k + 2 - k % 2]], -1)
    return np.stack([corners[k + 1], corners[k + 2], np.full(len(k), corners[0])], -1)


def _data_uri(uri: str) -> bytes:
    if not uri.startswith("data:"):
        raise ValueError(f"it refers to another file ({uri!r}); pack everything into the one GLB")
    return base64.b64decode(uri.partition(",")[2], validate=True)


def dense_weights(joints: np.ndarray, weights: np.ndarray, count: int) -> np.ndarray:
    """(V, count) weight matrix of (V, K) influences."""
    out = np.zeros((len(joints), count))
    np.add.at(out, (np.arange(len(joints))[:, None], joints), weights)
    return out
