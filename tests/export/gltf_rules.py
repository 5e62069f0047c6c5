"""The rules of glTF 2.0 that our files must keep, checked from the raw JSON and bytes, without our reader's decoding."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np

SIZES = {5120: 1, 5121: 1, 5122: 2, 5123: 2, 5125: 4, 5126: 4}
DTYPES = {5121: "u1", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
COLUMNS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}


class Raw:
    """A GLB taken apart."""

    def __init__(self, path: Path) -> None:
        data = path.read_bytes()
        magic, version, length = struct.unpack_from("<4sII", data)
        assert (magic, version, length) == (b"glTF", 2, len(data))
        size, kind = struct.unpack_from("<I4s", data, 12)
        assert kind == b"JSON" and size % 4 == 0
        self.json = json.loads(data[20 : 20 + size])
        binary_size, kind = struct.unpack_from("<I4s", data, 20 + size)
        assert kind == b"BIN\0" and binary_size % 4 == 0 and 28 + size + binary_size == len(data)
        self.binary = data[28 + size :]
        assert self.json["asset"]["version"] == "2.0"
        assert self.json["buffers"] == [{"byteLength": len(self.binary)}]

    def values(self, index: int) -> np.ndarray:
        """An accessor as (N, C), having checked its place."""
        a = self.json["accessors"][index]
        view = self.json["bufferViews"][a["bufferView"]]
        size, columns = SIZES[a["componentType"]], COLUMNS[a["type"]]
        start = view["byteOffset"] + a.get("byteOffset", 0)
        assert start % 4 == 0 and view["byteOffset"] + view["byteLength"] <= len(self.binary)
        assert a["count"] * columns * size <= view["byteLength"] - a.get("byteOffset", 0)
        return np.frombuffer(self.binary, DTYPES[a["componentType"]], a["count"] * columns, start).reshape(-1, columns)

    def world(self, rotations: dict[int, np.ndarray] | None = None, places: dict[int, np.ndarray] | None = None) -> dict[int, np.ndarray]:
        """Node -> global (4, 4), with node rotations (3, 3) and translations (3,) replaced."""
        out: dict[int, np.ndarray] = {}

        def walk(n: int, above: np.ndarray) -> None:
            node = self.json["nodes"][n]
            local = np.eye(4)
            local[:3, 3] = (places or {}).get(n, node.get("translation", (0, 0, 0)))
            if rotations and n in rotations:
                local[:3, :3] = rotations[n]
            assert n not in out, "a node has two parents"
            out[n] = above @ local
            for child in node.get("children", ()):
                walk(child, out[n])

        for root in self.json["scenes"][self.json["scene"]]["nodes"]:
            walk(root, np.eye(4))
        assert len(out) == len(self.json["nodes"]), "a node is not in the scene"
        return out

    def attributes(self) -> dict[str, np.ndarray]:
        """Those of the only primitive."""
        (mesh,) = self.json["meshes"]
        (primitive,) = mesh["primitives"]
        return {k: self.values(v) for k, v in primitive["attributes"].items()}

    def primitives(self) -> list[tuple[dict, dict[str, np.ndarray]]]:
        """All of them, and their attributes."""
        found = [p for mesh in self.json["meshes"] for p in mesh["primitives"]]
        return [(p, {k: self.values(v) for k, v in p["attributes"].items()}) for p in found]

    def inverse_binds(self) -> np.ndarray:
        """(J, 4, 4) for column vectors."""
        return self.values(self.json["skins"][0]["inverseBindMatrices"]).reshape(-1, 4, 4).transpose(0, 2, 1).astype(float)


def check_rules(path: Path) -> Raw:
    """Assert every rule; returns the file taken apart."""
    raw = Raw(path)
    doc = raw.json
    _check_geometry(raw)
    for texture in doc.get("textures", ()):
        assert texture["source"] < len(doc["images"]) and texture["sampler"] < len(doc["samplers"])
    for image in doc.get("images", ()):
        view = doc["bufferViews"][image["bufferView"]]
        assert raw.binary[view["byteOffset"] :].startswith(b"\x89PNG") and image["mimeType"] == "image/png"
        assert "target" not in view and "byteStride" not in view
    world = raw.world()
    if "skins" in doc:
        _check_skin(raw, world)
    return raw


def _check_geometry(raw: Raw) -> None:
    for primitive, attributes in raw.primitives():
        _check_primitive(raw, primitive, attributes)
    for view in raw.json["bufferViews"]:
        assert view["byteOffset"] % 4 == 0


def _check_primitive(raw: Raw, primitive: dict, attributes: dict[str, np.ndarray]) -> None:
    count = len(attributes["POSITION"])
    assert {len(v) for v in attributes.values()} == {count}
    position = raw.json["accessors"][primitive["attributes"]["POSITION"]]
    assert position["min"] == attributes["POSITION"].min(0).tolist() and position["max"] == attributes["POSITION"].max(0).tolist()
    indices = raw.values(primitive["indices"])
    assert len(indices) % 3 == 0 and indices.max() == count - 1
    assert set(np.unique(indices)) == set(range(count)), "a vertex that nothing uses"
    np.testing.assert_allclose(np.linalg.norm(attributes["NORMAL"], axis=-1), 1, atol=1e-5)
    if "TANGENT" in attributes:
        tangent = attributes["TANGENT"]
        np.testing.assert_allclose(np.linalg.norm(tangent[:, :3], axis=-1), 1, atol=1e-5)
        assert set(np.unique(tangent[:, 3])) <= {-1.0, 1.0}
        assert np.abs((tangent[:, :3] * attributes["NORMAL"]).sum(-1)).max() < 1e-4


def _check_skin(raw: Raw, world: dict[int, np.ndarray]) -> None:
    skin = raw.json["skins"][0]
    nodes = raw.json["nodes"]
    skinned = [n for n, node in enumerate(nodes) if "mesh" in node]
    assert all("skin" in nodes[n] and n in raw.json["scenes"][0]["nodes"] for n in skinned)
    names = [nodes[j]["name"] for j in skin["joints"]]
    assert len(set(names)) == len(names)
    for node in (nodes[j] for j in skin["joints"]):
        assert "rotation" not in node and "scale" not in node and "matrix" not in node
    for j, inverse in zip(skin["joints"], raw.inverse_binds(), strict=True):
        np.testing.assert_allclose(world[j] @ inverse, np.eye(4), atol=1e-6)
    for _, attributes in raw.primitives():
        _check_influences(attributes["JOINTS_0"], attributes["WEIGHTS_0"], len(skin["joints"]))


def _check_influences(joints: np.ndarray, weights: np.ndarray, count: int) -> None:
    assert joints.max() < count and weights.min() >= 0
    np.testing.assert_allclose(weights.astype(float).sum(-1), 1, atol=3e-7)
    assert (joints[weights == 0] == 0).all() and (np.diff(weights, axis=-1) <= 1e-7).all()
    for row, w in zip(joints, weights, strict=True):
        used = row[w > 0]
        assert len(set(used)) == len(used), "a joint is named twice"
