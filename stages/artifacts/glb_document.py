"""A GLB file being built: its JSON, and the binary chunk that accessors and images lie in.

Specification: Khronos glTF 2.0, sections 3.6 (data) and 4.4 (the binary container).
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

FLOAT, U8, U16, U32 = 5126, 5121, 5123, 5125
ARRAY_BUFFER, ELEMENT_ARRAY_BUFFER = 34962, 34963
LINEAR, LINEAR_MIPMAP_LINEAR, REPEAT = 9729, 9987, 10497
_TYPES = {1: "SCALAR", 2: "VEC2", 3: "VEC3", 4: "VEC4", 16: "MAT4"}


@dataclass
class GlbDocument:
    """The JSON being built and the binary chunk beside it."""

    json: dict[str, Any] = field(default_factory=dict)
    binary: bytearray = field(default_factory=bytearray)
    textures: dict[tuple[bytes, str], int] = field(default_factory=dict)  # PNG and name -> its texture, so that none is packed twice

    def add(self, kind: str, item: dict[str, Any]) -> int:
        """Append to a top-level array; returns the index."""
        self.json.setdefault(kind, []).append(item)
        return len(self.json[kind]) - 1

    def view(self, payload: bytes, target: int | None = None) -> int:
        """A buffer view of ``payload``, aligned to 4 bytes."""
        self.binary.extend(b"\0" * (-len(self.binary) % 4))
        item = {"buffer": 0, "byteOffset": len(self.binary), "byteLength": len(payload)}
        if target is not None:
            item["target"] = target
        self.binary.extend(payload)
        return self.add("bufferViews", item)

    def accessor(self, values: np.ndarray, component: int, target: int | None = None, bounds: bool = False) -> int:
        """An accessor of ``values`` (N,) or (N, C), whose dtype must be ``component``'s."""
        columns = 1 if values.ndim == 1 else int(np.prod(values.shape[1:]))
        item = {"bufferView": self.view(np.ascontiguousarray(values).tobytes(), target), "componentType": component,
                "count": len(values), "type": _TYPES[columns]}
        if bounds:
            flat = values.reshape(len(values), columns)
            item["min"], item["max"] = flat.min(0).tolist(), flat.max(0).tolist()
        return self.add("accessors", item)

    def image(self, png: bytes, name: str) -> int:
        """A PNG file packed into the binary chunk; returns the image's index."""
        return self.add("images", {"bufferView": self.view(png), "mimeType": "image/png", "name": name})

    def texture(self, png: bytes, name: str) -> dict[str, int]:
        """A texture reference for a material; the same picture under the same name is packed once."""
        if (png, name) in self.textures:
            return {"index": self.textures[png, name]}
        image = self.image(png, name)
        if "samplers" not in self.json:
            self.add("samplers", {"magFilter": LINEAR, "minFilter": LINEAR_MIPMAP_LINEAR, "wrapS": REPEAT, "wrapT": REPEAT})
        self.textures[png, name] = self.add("textures", {"sampler": 0, "source": image})
        return {"index": self.textures[png, name]}

    def extend(self, thing: dict[str, Any], extension: str, content: Mapping[str, Any]) -> None:
        """Give ``thing``, a part of the JSON or all of it, an extension, and say that the file uses it."""
        thing.setdefault("extensions", {})[extension] = dict(content)
        self.json["extensionsUsed"] = sorted({*self.json.get("extensionsUsed", ()), extension})

    def to_bytes(self) -> bytes:
        """The file: 12-byte header, JSON chunk padded with spaces, BIN chunk padded with zeros."""
        self.binary.extend(b"\0" * (-len(self.binary) % 4))
        self.json["buffers"] = [{"byteLength": len(self.binary)}]
        text = json.dumps(self.json, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()
        text += b" " * (-len(text) % 4)
        total = 12 + 8 + len(text) + 8 + len(self.binary)
        return b"".join([
            struct.pack("<4sII", b"glTF", 2, total),
            struct.pack("<I4s", len(text), b"JSON"), text,
            struct.pack("<I4s", len(self.binary), b"BIN\0"), bytes(self.binary),
        ])
