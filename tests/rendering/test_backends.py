"""Which rasterizer is taken on which machine, decided without torch, and that those for GPUs draw what the others do."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import get_args

import pytest
import torch

import stages.rendering
from pipeline.backends import choose, licence
from pipeline.errors import MissingError
from stages.mesh.settings import MeshSettings
from stages.rendering import CHOICES, TorchBackend, gpu, rasterizer_capability
from stages.rendering.gpu import gpu_problem
from third_party.nvdiffrast import LICENCE, NvdiffrastRasterizer

ROOT = Path(__file__).resolve().parents[2]
HERE = "torch 2.13.0+cpu was built without a GPU"


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch):
    """Makes this machine look like another: torch's version, the makers of its cards, the system."""

    def made(torch_version: str | None, cards: tuple[str, ...] = (), system: str = "linux") -> None:
        def version(package: str) -> str:
            if torch_version is None:
                raise PackageNotFoundError(package)
            return torch_version

        monkeypatch.setattr(gpu, "version", version)
        monkeypatch.setattr(gpu, "_device", lambda maker: maker in cards)
        monkeypatch.setattr(gpu.sys, "platform", system)

    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.delenv("HIP_VISIBLE_DEVICES", raising=False)
    return made


@pytest.mark.parametrize(("torch_version", "cards", "system", "problem"), [
    (None, ("NVIDIA",), "linux", "torch is not installed"),
    ("2.13.0+cpu", ("NVIDIA",), "linux", HERE),
    ("2.13.0", ("NVIDIA",), "win32", "torch 2.13.0 was built without a GPU"),
    ("2.13.0", (), "darwin", "Apple's GPUs have no float64, in which edges are compared"),
    ("2.13.0", (), "linux", "there is no NVIDIA device"),
    ("2.13.0+rocm6.4", ("NVIDIA",), "linux", "there is no AMD device"),
    ("2.13.0+rocm6.4", ("AMD",), "linux", None),
    ("2.13.0", ("NVIDIA",), "linux", None),
    ("2.13.0+cu128", ("NVIDIA",), "win32", None),
])
def test_what_metadata_and_system_say_of_a_gpu(machine, torch_version: str | None, cards: tuple[str, ...], system: str, problem: str | None) -> None:
    machine(torch_version, cards, system)
    assert gpu_problem() == problem


def test_hidden_cards_are_none(machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine("2.13.0", ("NVIDIA",))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert gpu_problem() == "there is no NVIDIA device"


def test_rasterizers_are_chosen_in_order_and_say_why_not(monkeypatch: pytest.MonkeyPatch) -> None:
    choice = rasterizer_capability("auto")
    assert tuple(b.name for b in choice.backends) == CHOICES[1:] == ("nvdiffrast", "torch", "cpu")
    assert get_args(MeshSettings.model_fields["rasterizer"].annotation) == CHOICES
    assert [licence(b) for b in choice.backends] == [LICENCE, "", ""] and "non-commercial" in LICENCE
    reason = choice.backends[0].probe()
    assert reason is None or "nvdiffrast" in reason
    assert choice.backends[2].create().name == "cpu"
    monkeypatch.setattr(NvdiffrastRasterizer, "probe", lambda self: "none here")
    monkeypatch.setattr(stages.rendering, "gpu_problem", lambda: HERE)
    taken = choose(choice)
    assert taken.identity() == ["rasterizer", "cpu", "1"]
    assert taken.refused == {"nvdiffrast": "none here", "torch": f"{HERE}, and without one the compiled kernels are faster"}
    monkeypatch.setattr(stages.rendering, "gpu_problem", lambda: None)
    assert choose(choice).identity() == ["rasterizer", "torch", "1"]


def test_torch_named_needs_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stages.rendering, "gpu_problem", lambda: HERE)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    rasterizer = choose(rasterizer_capability("torch")).backend.create()
    assert rasterizer.name == "torch" and rasterizer.device.type == "cpu" and rasterizer.version() == TorchBackend().version()


def test_a_gpu_that_torch_cannot_use_is_not_passed_over_in_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(MissingError, match="look at its driver, or say `rasterizer: cpu`, which needs none"):
        TorchBackend().create()


def test_choosing_imports_no_torch() -> None:
    code = ("import sys; from pipeline.backends import choose; from stages.rendering import rasterizer_capability as c;"
            "print([choose(c(n)).backend.name for n in ('torch', 'cpu')], c('auto').backends[1].probe() is not None, 'torch' in sys.modules, 'numba' in sys.modules)")
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout.startswith("['torch', 'cpu']") and done.stdout.strip().endswith("False False"), done.stderr[-600:]


@pytest.mark.skipif(NvdiffrastRasterizer().probe() is not None, reason=str(NvdiffrastRasterizer().probe()))
def test_nvdiffrast_draws_what_the_cpu_draws() -> None:
    from stages.rendering.cpu import CpuRasterizer

    pos = torch.tensor([[[-0.7, -0.6, 0, 1], [0.8, -0.5, 0, 1], [0.1, 0.9, 0, 1]]])
    tri = torch.tensor([[0, 1, 2]], dtype=torch.int32)
    theirs, ours = NvdiffrastRasterizer(), CpuRasterizer()
    a = theirs.rasterize(pos.cuda(), tri.cuda(), (32, 32)).cpu()
    torch.testing.assert_close(a, ours.rasterize(pos, tri, (32, 32)), atol=1e-4, rtol=1e-4)
