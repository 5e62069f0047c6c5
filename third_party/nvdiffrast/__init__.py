"""nvdiffrast (NVIDIA, non-commercial licence) behind our ``Rasterizer``: optional, never required, CUDA only.

Imported when used. It has not been run by this project's tests, which ask ``probe`` first; its four calls are passed through.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import Any

LICENCE = "Nvidia Source Code License (1-Way Commercial): non-commercial use only"


class NvdiffrastRasterizer:
    """The four operations on CUDA tensors."""

    name = "nvdiffrast"

    def __init__(self) -> None:
        self._context: Any = None

    def probe(self) -> str | None:
        """None if nvdiffrast is installed and a CUDA device is there. Torch is imported only if nvdiffrast is found."""
        if find_spec("nvdiffrast") is None:
            return "nvdiffrast is not installed (NVIDIA, non-commercial licence; see github.com/NVlabs/nvdiffrast)"
        import torch

        if not torch.cuda.is_available():
            return "nvdiffrast needs a CUDA device and torch sees none"
        return None

    def version(self) -> str:
        """Version of the installed package, "absent" if there is none."""
        try:
            return version("nvdiffrast")
        except PackageNotFoundError:
            return "absent"

    def rasterize(self, pos: Any, tri: Any, resolution: tuple[int, int]) -> Any:
        """See ``stages.rendering.protocol.Rasterizer.rasterize``."""
        import nvdiffrast.torch as dr

        if self._context is None:
            self._context = dr.RasterizeCudaContext(device=pos.device)
        rast, _ = dr.rasterize(self._context, pos.contiguous(), tri, resolution)
        return rast

    def interpolate(self, attr: Any, rast: Any, tri: Any) -> Any:
        """See ``Rasterizer.interpolate``."""
        import nvdiffrast.torch as dr

        value, _ = dr.interpolate(attr.contiguous(), rast, tri)
        return value

    def texture(self, tex: Any, uv: Any) -> Any:
        """See ``Rasterizer.texture``."""
        import nvdiffrast.torch as dr

        return dr.texture(tex.contiguous(), uv.contiguous(), filter_mode="linear", boundary_mode="clamp")

    def antialias(self, color: Any, rast: Any, pos: Any, tri: Any) -> Any:
        """See ``Rasterizer.antialias``."""
        import nvdiffrast.torch as dr

        return dr.antialias(color.contiguous(), rast, pos.contiguous(), tri)
