"""The implementations of the field: compiled kernels on the CPU, torch on whatever torch runs on, nerfstudio in an environment of its own."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from pipeline.stage import Backend, StageContext
    from stages.field.encoding import GridLayout
    from stages.field.protocol import RadianceField
    from stages.field.scene import Scene
    from stages.field.settings import FieldSettings
    from stages.field.training import Training


class LearntHere:
    """A backend whose field our own loop trains."""

    def learn(self, settings: FieldSettings, scene: Scene, context: StageContext) -> Training:
        """Every step that is left, with progress and checkpoints."""
        from stages.field.learn import learn

        return learn(settings, scene, context)


@dataclass(frozen=True)
class Numba(LearntHere):
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
class Torch(LearntHere):
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


@dataclass(frozen=True)
class Nerfstudio:
    """nerfstudio as a program; ``python`` is the interpreter of its environment, None for the one whose ``ns-train`` is on PATH."""

    python: str | None = None
    name: str = "nerfstudio"

    def probe(self) -> str | None:
        """None if it is found."""
        from third_party.nerfstudio import find_nerfstudio

        found = find_nerfstudio(self.python)
        return found if isinstance(found, str) else None

    def version(self) -> str:
        """Our script's and nerfstudio's."""
        from third_party.nerfstudio import find_nerfstudio

        found = find_nerfstudio(self.python)
        return f"1+{'none' if isinstance(found, str) else found.version}"

    def learn(self, settings: FieldSettings, scene: Scene, context: StageContext) -> Training:
        """Train there, read back here."""
        from stages.field.elsewhere import learn

        return learn(settings, scene, context)


BACKENDS = (Numba(), Torch())


def backends(settings: FieldSettings) -> tuple[Backend, ...]:
    """Those to choose from; nerfstudio is for who names it."""
    return (*BACKENDS, Nerfstudio(settings.nerfstudio_python)) if settings.backend == "nerfstudio" else BACKENDS
