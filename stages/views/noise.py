"""Starting noise: a frame's depends on (seed, ring, index) alone, never on how many frames there are or how they are cut."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence

import torch
from torch import Tensor


def frame_noise(seed: int, frames: Sequence[tuple[str, int]], shape: tuple[int, int, int], shared: float = 0.0) -> Tensor:
    """Unit normal noise (frames, *shape), float32 on the CPU; ``frames`` are (ring, index).

    ``shared`` in [0, 1] is the share of the variance that all frames have in common: the frames' noises correlate by it.
    """
    common = _normal(f"{seed}/shared", shape)
    own = torch.stack([_normal(f"{seed}/{ring}/{index}", shape) for ring, index in frames])
    return math.sqrt(shared) * common + math.sqrt(1.0 - shared) * own


def _normal(label: str, shape: tuple[int, int, int]) -> Tensor:
    number = int.from_bytes(hashlib.sha256(f"noise/{label}".encode()).digest()[:8], "big") >> 1
    return torch.randn(shape, generator=torch.Generator().manual_seed(number))
