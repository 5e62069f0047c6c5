"""Differentiable rasterization and shading: one protocol; nvdiffrast, torch operations and compiled kernels for the CPU behind it."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.errors import MissingError
from pipeline.stage import Capability
from stages.rendering.gpu import gpu_problem
from third_party.nvdiffrast import LICENCE, NvdiffrastRasterizer

CHOICES = ("auto", "nvdiffrast", "torch", "cpu")


class CpuBackend:
    """The CPU rasterizer as a choice: says yes without importing torch or numba, and is made when it is used."""

    name = "cpu"

    def probe(self) -> str | None:
        """Always usable."""
        return None

    def version(self) -> str:
        """Raised when pictures or gradients change."""
        return "1"

    def create(self) -> object:
        """The ``Rasterizer``."""
        from stages.rendering.cpu import CpuRasterizer

        return CpuRasterizer()


@dataclass(frozen=True)
class TorchBackend:
    """Torch operations as a choice, on the GPU. ``anywhere``: on the CPU, too, if there is none, where the compiled kernels are faster."""

    anywhere: bool = False
    name: str = "torch"

    def probe(self) -> str | None:
        """None if torch seems to have a GPU here, or may do without. Does not import it."""
        problem = gpu_problem()
        return None if self.anywhere or problem is None else f"{problem}, and without one the compiled kernels are faster"

    def version(self) -> str:
        """Raised when pictures or gradients change."""
        return "1"

    def create(self) -> object:
        """The ``Rasterizer``. Raises MissingError if it needs a GPU that is there, as it seems, and torch cannot use it."""
        import torch

        from stages.rendering.torch_ops import TorchRasterizer

        if torch.cuda.is_available():  # AMD's, too
            return TorchRasterizer("cuda")
        if not self.anywhere:
            raise MissingError("rasterizer: this machine and this torch look as if there were a GPU, but torch can use none; look at its driver, "
                               "or say `rasterizer: cpu`, which needs none")
        return TorchRasterizer("cpu")


class NvdiffrastBackend:
    """nvdiffrast as a choice; see ``third_party.nvdiffrast``."""

    name = "nvdiffrast"
    licence = LICENCE

    def probe(self) -> str | None:
        """None if it can be used on this machine."""
        return NvdiffrastRasterizer().probe()

    def version(self) -> str:
        """Version of the installed package."""
        return NvdiffrastRasterizer().version()

    def create(self) -> object:
        """The ``Rasterizer``."""
        return NvdiffrastRasterizer()


def rasterizer_capability(wanted: str = "auto") -> Capability:
    """The choice of rasterizer; "auto" takes nvdiffrast where it can be used, torch where it has a GPU, else the CPU."""
    return Capability("rasterizer", wanted, (NvdiffrastBackend(), TorchBackend(anywhere=wanted == "torch"), CpuBackend()))
