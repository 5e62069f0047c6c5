"""The implementations of the field: compiled kernels on the CPU, torch on whatever torch runs on."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

    from stages.field.encoding import GridLayout
    from stages.field.march import Samples
    from stages.field.pixels import Batch
    from stages.field.settings import FieldSettings


class RadianceField(Protocol):
    """What training, rendering and baking ask of a field; see ``cpu_field.CpuField`` for shapes and units."""

    def step(self, batch: Batch, samples: Samples, step_m: np.float32, rate: float) -> np.ndarray: ...

    def render(self, unit: np.ndarray, samples: Samples, step_m: np.float32) -> np.ndarray: ...

    def evaluate(self, unit: np.ndarray, samples: Samples) -> tuple[np.ndarray, np.ndarray]: ...

    def density(self, points: np.ndarray) -> np.ndarray: ...

    def state(self) -> dict[str, np.ndarray]: ...

    def load(self, state: Mapping[str, np.ndarray]) -> None: ...


@dataclass(frozen=True)
class Numba:
    """Kernels compiled by numba, on the CPU."""

    name: str = "numba"

    def probe(self) -> str | None:
        """None unless numba is missing."""
        return None if find_spec("numba") else "numba is not installed"

    def version(self) -> str:
        """Version of numba."""
        return version("numba")

    def create(self, layout: GridLayout, settings: FieldSettings, rng: np.random.Generator, device: str) -> RadianceField:
        """A fresh field; ``device`` is not asked."""
        from stages.field.cpu_field import CpuField

        return CpuField(layout, settings, rng)


@dataclass(frozen=True)
class Torch:
    """Torch operations under autograd, on the CPU or on CUDA."""

    name: str = "torch"

    def probe(self) -> str | None:
        """None unless torch is missing."""
        return None if find_spec("torch") else "torch is not installed"

    def version(self) -> str:
        """Version of torch, with its build."""
        try:
            return version("torch")
        except PackageNotFoundError:
            return "missing"

    def create(self, layout: GridLayout, settings: FieldSettings, rng: np.random.Generator, device: str) -> RadianceField:
        """A fresh field on ``device``."""
        from stages.field.torch_field import TorchField

        return TorchField(layout, settings, rng, device)


BACKENDS = (Numba(), Torch())
