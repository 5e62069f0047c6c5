"""nvdiffrast (NVIDIA, non-commercial licence) behind our ``Rasterizer``: optional, never required, CUDA only.

Imported when used. Its four calls are passed through; tensors may live anywhere, they are brought to the GPU and the results back to
where the first argument lives, inside autograd. It has not been run on the machines of this project, whose tests ask ``probe`` first.
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
            return "nvdiffrast is not installed (see github.com/NVlabs/nvdiffrast)"
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
            self._context = dr.RasterizeCudaContext(device="cuda")
        rast, _ = dr.rasterize(self._context, _on_gpu(pos), _on_gpu(tri), resolution)
        return rast.to(pos.device)

    def interpolate(self, attr: Any, rast: Any, tri: Any) -> Any:
        """See ``Rasterizer.interpolate``."""
        import nvdiffrast.torch as dr

        value, _ = dr.interpolate(_on_gpu(attr), _on_gpu(rast), _on_gpu(tri))
        return value.to(attr.device)

    def texture(self, tex: Any, uv: Any) -> Any:
        """See ``Rasterizer.texture``."""
        import nvdiffrast.torch as dr

        return dr.texture(_on_gpu(tex), _on_gpu(uv), filter_mode="linear", boundary_mode="clamp").to(tex.device)

    def antialias(self, color: Any, rast: Any, pos: Any, tri: Any) -> Any:
        """See ``Rasterizer.antialias``."""
        import nvdiffrast.torch as dr

        return dr.antialias(_on_gpu(color), _on_gpu(rast), _on_gpu(pos), _on_gpu(tri)).to(color.device)


def _on_gpu(x: Any) -> Any:
    return x.cuda().contiguous()
