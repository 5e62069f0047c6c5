"""Differentiable rasterization and shading: one protocol, a CUDA and a CPU implementation."""

from __future__ import annotations

from pipeline.stage import Capability
from third_party.nvdiffrast import LICENCE, NvdiffrastRasterizer

CHOICES = ("auto", "nvdiffrast", "cpu")


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
    """The choice of rasterizer; "auto" takes nvdiffrast where it can be used, else the CPU."""
    return Capability("rasterizer", wanted, (NvdiffrastBackend(), CpuBackend()))
