"""Chunks that are chosen for the memory and halved when it is short, decoding in tiles, and what is said of it before a run."""

from __future__ import annotations

import gc
import json
import logging
import shutil
import subprocess
import sys
import weakref
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL
from diffusers.models.autoencoders.vae import Decoder

from pipeline.errors import StageError
from pipeline.runner import run_stage
from stages.artifacts.conditions import ConditionSet
from stages.views import STAGE, ViewsInputs
from stages.views import free_memory as free_memory_of
from stages.views.chunks import KEPT, choose_chunk, chunk_for
from stages.views.denoise import Denoiser
from stages.views.estimate import Estimate, Painting, estimate
from stages.views.forecast import forecast
from stages.views.free_memory import free_bytes
from stages.views.networks import Networks
from stages.views.paint import paint
from stages.views.settings import ViewsSettings
from stages.views.shortage import is_shortage
from tests.views.test_paint import context_in, sample
from tests.views.tiny import write_conditions
from third_party.models import EMBEDDED

Build = Callable[..., ViewsSettings]


def expected(settings: ViewsSettings, device: str = "cpu", views: int = 8) -> Estimate:
    return estimate(settings, Painting(views, 288, 384), device, EMBEDDED, [EMBEDDED / "controlnet-parts"])


def test_a_chunk_is_as_large_as_the_free_memory_allows() -> None:
    settings = ViewsSettings(prompt="girl")
    known = expected(settings)
    assert chunk_for(settings, known, None) == 4 and chunk_for(settings, known, 1e12) == 4
    assert chunk_for(settings, expected(settings, "cuda"), None) == 8
    room = {chunk: known.denoising(chunk) / 0.9 for chunk in (1, 2, 3)}
    assert [chunk_for(settings, known, room[chunk] + 1) for chunk in (1, 2, 3)] == [1, 2, 3]
    assert chunk_for(settings, known, 0) == 1
    assert chunk_for(settings.model_copy(update={"chunk": 3}), known, 0) == 3  # what the user says stands
    assert chunk_for(settings.model_copy(update={"window": "full"}), known, 0) == 8
    assert chunk_for(settings, expected(settings, views=2), None) == 2


def test_a_chunk_is_chosen_once(tmp_path: Path) -> None:
    settings, context = ViewsSettings(prompt="girl"), context_in(tmp_path)
    assert choose_chunk(settings, expected(settings), lambda: 0.0, context) == 1
    assert choose_chunk(settings, expected(settings), lambda: 1e12, context) == 1


def test_free_memory_is_that_of_the_machine_and_of_the_container(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(free_memory_of, "MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(free_memory_of, "CONTROL_GROUP", tmp_path)
    (tmp_path / "meminfo").write_text("MemTotal: 9000 kB\nMemFree: 10 kB\nMemAvailable:    5000 kB\n")
    assert free_bytes("cpu") == 5000 * 1024
    for name, text in (("memory.max", "3000000"), ("memory.current", "2000000"), ("memory.stat", "anon 7\ninactive_file 500000\n")):
        (tmp_path / name).write_text(text)
    assert free_bytes("cpu") == 1_500_000
    (tmp_path / "memory.max").write_text("max")
    assert free_bytes("cpu") == 5000 * 1024


def test_it_knows_a_shortage_when_it_sees_one() -> None:
    with pytest.raises(RuntimeError) as failed:
        torch.empty(2**55, dtype=torch.uint8)
    assert is_shortage(failed.value)
    assert is_shortage(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")) and is_shortage(MemoryError())
    assert not is_shortage(RuntimeError("mat1 and mat2 shapes cannot be multiplied (2x3 and 4x5)"))


class Narrow:
    """Stands for a chunk's evaluation on a device that holds no more than ``most`` frames from call number ``since`` on."""

    def __init__(self, most: int, since: int = 0, error: type[Exception] = torch.OutOfMemoryError) -> None:
        self.most, self.since, self.error = most, since, error
        self.sizes: list[int] = []
        self.true = Denoiser._chunk

    def installed(self, patch: pytest.MonkeyPatch) -> Narrow:
        patch.setattr(Denoiser, "_chunk", lambda denoiser, *arguments: self(denoiser, *arguments))
        return self

    def __call__(self, denoiser: Denoiser, frames: Any, plan: Any, *rest: Any) -> torch.Tensor:
        self.sizes.append(len(plan.frames))
        if len(self.sizes) > self.since and len(plan.frames) > self.most:
            raise self.error("out of memory")
        return self.true(denoiser, frames, plan, *rest)


def pictures(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((folder / "images").iterdir())}


@pytest.mark.parametrize("error", [torch.OutOfMemoryError, MemoryError])
def test_a_shortage_halves_the_chunk_and_the_result_is_that_of_the_smaller_one(
    error: type[Exception], settings: Build, conditions: ConditionSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    run_stage(STAGE, settings(chunk=2), ViewsInputs(conditions), tmp_path / "small", threads=1)
    narrow = Narrow(2, error=error).installed(monkeypatch)
    views = run_stage(STAGE, settings(chunk=8), ViewsInputs(conditions), tmp_path / "cut", threads=1, log=logging.getLogger("test.memory"))
    assert narrow.sizes == [8, 4] + [2] * 4 * 4  # the first tick begins anew twice
    assert pictures(tmp_path / "cut") == pictures(tmp_path / "small") and views.description["chunk"] == 2
    said = [message for message in caplog.messages if "memory" in message]
    assert said == ["the memory did not hold 8 views at once; it goes on with 4", "the memory did not hold 4 views at once; it goes on with 2"]


@pytest.mark.parametrize("lead", [0.0, 0.5])
def test_a_shortage_in_the_middle_changes_nothing_but_the_last_digits(
    lead: float, settings: Build, conditions: ConditionSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = settings(lead=lead, controlnet_window=True)
    small, _ = sample(chosen, conditions, tmp_path / "small", 2)
    Narrow(2, since=3).installed(monkeypatch)
    halved: list[tuple[int, int]] = []
    built = Denoiser.__post_init__

    def armed(denoiser: Denoiser) -> None:
        built(denoiser)
        denoiser.halve = lambda chunk, tick: halved.append((chunk, tick)) or chunk // 2

    monkeypatch.setattr(Denoiser, "__post_init__", armed)
    cut, _ = sample(chosen, conditions, tmp_path / "cut", 4)
    assert halved == [(4, 1 if lead == 0 else 2)] and (cut - small).abs().max() < 1e-4


def test_a_resumed_run_cuts_as_the_halved_one(
    settings: Build, conditions: ConditionSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(Exception):
        pass

    narrow = Narrow(3, since=2).installed(monkeypatch)
    run_stage(STAGE, settings(chunk=4), ViewsInputs(conditions), tmp_path / "whole", threads=1)
    with monkeypatch.context() as patch:
        again = Narrow(3, since=2).installed(patch)
        patch.setattr(again, "true", lambda *arguments: dies(again, narrow.true, arguments))

        def dies(of: Narrow, true: Callable[..., torch.Tensor], arguments: tuple[Any, ...]) -> torch.Tensor:
            if len(of.sizes) == 9:
                raise Killed
            return true(*arguments)

        with pytest.raises(Killed):
            run_stage(STAGE, settings(chunk=4), ViewsInputs(conditions), tmp_path / "out", work_dir=tmp_path / "work", threads=1)
    assert json.loads((tmp_path / "work" / "checkpoint" / KEPT).read_text()) == 2
    narrow.sizes.clear()
    run_stage(STAGE, settings(chunk=4), ViewsInputs(conditions), tmp_path / "out", work_dir=tmp_path / "work", threads=1)
    assert set(narrow.sizes) == {2} and pictures(tmp_path / "out") == pictures(tmp_path / "whole")


def test_where_nothing_can_be_halved_it_says_what_to_do(
    settings: Build, conditions: ConditionSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Narrow(0).installed(monkeypatch)
    with pytest.raises(StageError, match=r"does not hold a single view; take smaller pictures .* fewer views.controlnets, .*float16.*, or device: cpu"):
        run_stage(STAGE, settings(), ViewsInputs(conditions), tmp_path / "out", threads=1)
    with pytest.raises(StageError, match="does not hold 8 views at once, and window: full looks at all of them together; write window: causal"):
        run_stage(STAGE, settings(window="full"), ViewsInputs(conditions), tmp_path / "out", threads=1)


def test_other_errors_pass(settings: Build, conditions: ConditionSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(RuntimeError):
        def __str__(self) -> str:
            return "shapes cannot be multiplied"

    narrow = Narrow(0, error=Broken).installed(monkeypatch)
    with pytest.raises(Broken):
        run_stage(STAGE, settings(), ViewsInputs(conditions), tmp_path / "out", threads=1)
    assert len(narrow.sizes) == 1


@pytest.fixture(scope="module")
def tall(tmp_path_factory: pytest.TempPathFactory) -> ConditionSet:
    """Two views of 64 x 128 px, larger than the tiles of ``small_tiles``."""
    return write_conditions(tmp_path_factory.mktemp("tall"), body=2, head=0, width=64, height=128)


@pytest.fixture(scope="module")
def small_tiles(model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model, with tiles of 64 px."""
    folder = shutil.copytree(model_folder, tmp_path_factory.mktemp("tiles") / "model")
    given = json.loads((folder / "vae" / "config.json").read_text())
    (folder / "vae" / "config.json").write_text(json.dumps(given | {"sample_size": 64}))
    return folder


def decoded_sizes(patch: pytest.MonkeyPatch, limit: int | None = None) -> list[tuple[int, ...]]:
    """Latents' sizes as they go into the decoder from now on; more than ``limit`` of them are too many for the memory."""
    sizes: list[tuple[int, ...]] = []
    forward = Decoder.forward

    def noted(decoder: Decoder, latents: torch.Tensor, *rest: Any) -> torch.Tensor:
        sizes.append(tuple(latents.shape[2:]))
        if limit is not None and latents[0, 0].numel() > limit:
            raise torch.OutOfMemoryError("out of memory")
        return forward(decoder, latents, *rest)

    patch.setattr(Decoder, "forward", noted)
    return sizes


def test_pictures_are_decoded_in_tiles_where_one_does_not_fit(
    settings: Build, small_tiles: Path, tall: ConditionSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = settings(model=str(small_tiles), steps=1)
    sizes = decoded_sizes(monkeypatch)
    whole = run_stage(STAGE, chosen, ViewsInputs(tall), tmp_path / "whole", threads=1)
    assert set(sizes) == {(16, 8)}
    known = estimate(chosen, Painting(2, 64, 128), "cpu", small_tiles, [small_tiles / "controlnet-parts"])
    assert known.tile < known.decode
    monkeypatch.setattr("stages.views.paint.free_bytes", lambda device: known.decoding(tiled=True))
    sizes.clear()
    tiled = run_stage(STAGE, chosen, ViewsInputs(tall), tmp_path / "tiled", threads=1)
    assert sizes and max(h * w for h, w in sizes) == 64
    assert np.abs(tiled.image("body_01") - whole.image("body_01")).mean() < 0.1


def test_a_decoding_that_runs_out_of_memory_begins_anew_in_tiles(
    settings: Build, small_tiles: Path, tall: ConditionSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    chosen = settings(model=str(small_tiles), steps=1, chunk=2)
    with monkeypatch.context() as patch:
        sizes = decoded_sizes(patch, limit=64)
        run_stage(STAGE, chosen, ViewsInputs(tall), tmp_path / "out", threads=1, log=logging.getLogger("test.tiles"))
        assert sizes[0] == (16, 8) and max(h * w for h, w in sizes[1:]) == 64
    assert "the memory does not hold a whole picture's decoding; pictures are decoded in tiles, which may show faintly where they meet" in caplog.messages
    monkeypatch.setattr("stages.views.paint.free_bytes", lambda device: 0.0)
    run_stage(STAGE, chosen, ViewsInputs(tall), tmp_path / "known", threads=1)
    assert pictures(tmp_path / "out") == pictures(tmp_path / "known")


def test_where_not_even_a_tile_fits_it_says_what_to_do(
    settings: Build, small_tiles: Path, tall: ConditionSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded_sizes(monkeypatch, limit=0)
    for model in (str(small_tiles), settings().model):  # the second has tiles that are larger than the pictures
        with pytest.raises(StageError, match="does not hold one picture's decoding; take smaller pictures"):
            run_stage(STAGE, settings(model=model, steps=1), ViewsInputs(tall), tmp_path / "out", threads=1)


def test_what_is_not_at_work_is_not_on_the_device(
    settings: Build, conditions: ConditionSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The autoencoder comes for the pictures alone, when the rest is gone; the text model is gone when the denoising begins."""
    seen: list[str] = []
    to, denoised, let_go = AutoencoderKL.to, Denoiser.run, Networks.let_go_of_text_encoder
    texts: list[weakref.ref] = []

    def moved(vae: AutoencoderKL, *where: Any, **more: Any) -> AutoencoderKL:
        seen.append(f"vae {where[0]}")
        return to(vae, *where, **more)

    def run(denoiser: Denoiser, *arguments: Any) -> Any:
        gc.collect()
        seen.append("denoising" if texts and texts[0]() is None else "denoising beside the text model")
        return denoised(denoiser, *arguments)

    monkeypatch.setattr(AutoencoderKL, "to", moved)
    monkeypatch.setattr(Denoiser, "run", run)
    monkeypatch.setattr(Networks, "let_go_of_text_encoder", lambda networks: texts.append(weakref.ref(networks.text_encoder)) or let_go(networks))
    run_stage(STAGE, settings(steps=1), ViewsInputs(conditions), tmp_path / "out", threads=1)
    assert seen == ["vae cpu", "denoising", "vae cpu", "vae cpu"]  # opened, at work, and back
    networks = Networks(*[object()] * 2, None, object(), [object()], {}, device="cuda")
    vae: list[str] = []
    networks.vae = SimpleNamespace(to=vae.append)
    with pytest.raises(ZeroDivisionError), networks.vae_at_work():
        vae.append("works")
        raise ZeroDivisionError
    assert vae == ["cuda", "works", "cpu"]


def test_what_it_took_stands_beside_what_was_expected(settings: Build, conditions: ConditionSet, tmp_path: Path, model_folder: Path) -> None:
    context = replace(context_in(tmp_path), out=tmp_path / "out")
    paint(settings(lead=0.5), conditions, context)
    known = estimate(settings(lead=0.5), Painting(8, 32, 48), "cpu", model_folder, [model_folder / "controlnet-parts"])
    figures = context.figures
    assert figures["flops"] == known.evaluation_flops * known.evaluations and known.evaluations == 2 * (8 * 4 + 1)
    assert figures["seconds"] > 0 and figures["expected_peak_bytes"] == known.peak(4)


def test_what_painting_takes_is_said_in_a_line() -> None:
    settings = ViewsSettings(prompt="girl")
    said = forecast(settings, Painting(32, 288, 384), "cpu", 2, {})
    assert said.startswith("about 0.7 GB of memory with 4 views at once (weights 0.1 GB)")
    assert said.endswith("if this machine does 80 GFLOP/s (assumed: nothing was painted here yet)")
    flops = estimate(settings, Painting(32, 288, 384), "cpu", EMBEDDED, [EMBEDDED / "controlnet-parts"]).flops
    assert forecast(settings, Painting(32, 288, 384), "cpu", 2, {"flops": flops / 4, "seconds": 30}).endswith(
        "; about 2 min at the speed of the last run here")
    gpu = forecast(settings, Painting(32, 288, 384), "cuda", 2, {})
    assert "GPU memory with 8 views at once, " in gpu and "not measured on a GPU" in gpu
    assert "how long is not known, since nothing was painted on this GPU yet" in gpu and "GFLOP/s" not in gpu


def test_a_machine_that_is_too_small_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stages.views.forecast.free_bytes", lambda device: 3e8)
    said = forecast(ViewsSettings(prompt="girl"), Painting(32, 288, 384), "cpu", 2, {})
    assert "with 1 view at once (weights 0.1 GB), but only 0.3 GB are free; " in said


def test_foretelling_loads_no_network_library() -> None:
    code = ("import sys; from stages.views.forecast import forecast; from stages.views.estimate import Painting; "
            "from stages.views.settings import ViewsSettings; forecast(ViewsSettings(prompt='a'), Painting(8, 288, 384), 'cuda', 2, {}); "
            "print([m for m in ('torch', 'transformers', 'diffusers') if m in sys.modules])")
    done = subprocess.run([sys.executable, "-c", code], cwd=EMBEDDED.parents[1], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr[-600:]
