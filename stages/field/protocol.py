"""What training, rendering and baking ask of a field, whatever computes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np

from stages.field.march import Samples
from stages.field.pixels import Batch


class RadianceField(Protocol):
    """See ``cpu_field.CpuField`` for shapes and units."""

    def step(self, batch: Batch, samples: Samples, step_m: np.float32, rate: float) -> np.ndarray: ...

    def render(self, unit: np.ndarray, samples: Samples, step_m: np.float32) -> np.ndarray: ...

    def evaluate(self, unit: np.ndarray, samples: Samples) -> tuple[np.ndarray, np.ndarray]: ...

    def density(self, points: np.ndarray) -> np.ndarray: ...

    def state(self) -> dict[str, np.ndarray]: ...

    def load(self, state: Mapping[str, np.ndarray]) -> None: ...
