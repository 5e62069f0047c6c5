"""What a safetensors file holds, from its header alone: names and shapes, without torch."""

from __future__ import annotations

import json
import struct
from pathlib import Path

from pipeline.errors import ConfigError

LONGEST = 10**7  # bytes of a header


def shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Tensor name -> shape. Raises ConfigError for what is no safetensors file, or a broken one."""
    try:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > LONGEST:
                raise ValueError(f"a header of {length} bytes")
            header = json.loads(file.read(length))
        entries = {key: entry for key, entry in header.items() if key != "__metadata__"}
        end = max((int(entry["data_offsets"][1]) for entry in entries.values()), default=0)
        if path.stat().st_size < 8 + length + end:
            raise ValueError("it ends too early")
        return {key: tuple(map(int, entry["shape"])) for key, entry in entries.items()}
    except (OSError, struct.error, ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        raise ConfigError(f"{path}: is not a safetensors file ({error})") from error
