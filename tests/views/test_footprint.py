"""What networks hold and compute, counted from config files, against what torch makes of the same networks on its meta device."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import AutoencoderKL, ControlNetModel, DDIMScheduler, UNet2DConditionModel
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from pipeline.checkpoint import Checkpoint
from pipeline.errors import ArtifactError
from stages.views.control import BranchInput, ControlBranch
from stages.views.denoise import Denoiser, Frames
from stages.views.estimate import Estimate, Painting, estimate
from stages.views.footprint import Tally, controlnet_tally, decoder_tally, unet_tally
from stages.views.settings import ControlNetSettings, HiresSettings, ViewsSettings
from stages.views.windows import plan_chunks, ring_windows
from tests.views.headers import write_headers
from tests.views.tracked import peak_bytes
from third_party.models import EMBEDDED

SD15 = Path(__file__).resolve().parents[2] / "third_party" / "single_file" / "configs"
EXACT = 0.005  # what is left is biases, time embeddings and the text's keys and values
SHAPES = [(SD15, 128, 96), (EMBEDDED, 48, 36)]


def config(folder: Path, network: str) -> dict[str, Any]:
    return json.loads((next(p for p in (folder / network, folder / f"{network}-parts") if p.is_dir()) / "config.json").read_text())


@cache
def network(kind: type[nn.Module], folder: Path, name: str) -> nn.Module:
    with torch.device("meta"):
        return kind.from_config(config(folder, name)).eval()


def called(net: nn.Module, name: str, given: dict[str, Any], count: int, h: int, w: int) -> Any:
    latents = torch.empty(count, given.get("in_channels", 4), h, w, device="meta")
    if name == "vae":
        return net.decode(torch.empty(count, given.get("latent_channels", 4), h, w, device="meta"))
    text = torch.empty(count, 77, given["cross_attention_dim"], device="meta")
    if name == "controlnet":
        picture = torch.empty(count, given["block_out_channels"][0], h, w, device="meta")
        return net(latents, torch.tensor(1), text, picture, return_dict=False)
    more = {"added_cond_kwargs": {"text_embeds": text}} if given.get("addition_embed_type") else {}
    return net(latents, torch.tensor(1), text, **more)


def counted(name: str, given: dict[str, Any], h: int, w: int) -> Tally:
    if name == "vae":
        return decoder_tally(given, h, w)
    return unet_tally(given, h, w, 77, None, False) if name == "unet" else controlnet_tally(given, h, w, 77, None)


@pytest.mark.parametrize(("folder", "h", "w"), SHAPES)
@pytest.mark.parametrize(("kind", "name"), [(UNet2DConditionModel, "unet"), (ControlNetModel, "controlnet"), (AutoencoderKL, "vae")])
def test_what_a_network_holds_and_computes(kind: type[nn.Module], name: str, folder: Path, h: int, w: int) -> None:
    given, tally = config(folder, name), counted(name, config(folder, name), h, w)
    net = network(kind, folder, name)
    if name == "controlnet":
        net.controlnet_cond_embedding = nn.Identity()
    goes_in = given["block_out_channels"][0] * h * w if name == "controlnet" else 0
    assert peak_bytes(lambda: called(net, name, given, 4, h, w)) / 16 == pytest.approx(tally.peak + goes_in, rel=0.02)
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        called(net, name, given, 1, h, w)
    assert counter.get_total_flops() == pytest.approx(tally.flops, rel=EXACT)


@pytest.fixture(scope="module")
def sd15(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_headers(tmp_path_factory.mktemp("sd15"), SD15)


def controls(count: int) -> tuple[ControlNetSettings, ...]:
    return tuple(ControlNetSettings(model="x", kind="depth") for _ in range(count))


def denoiser(folder: Path, branches: int, work: Path) -> Denoiser:
    scheduler = DDIMScheduler()
    scheduler.set_timesteps(2)
    nets = [ControlBranch(network(ControlNetModel, folder, "controlnet"), 1.0, 0.0, 1.0, str(i)) for i in range(branches)]
    return Denoiser(network(UNet2DConditionModel, folder, "unet"), nets, scheduler, Checkpoint(work), 4.0)


def chunks_peak(folder: Path, work: Path, branches: int, chunk: int, h: int, w: int) -> int:
    """Bytes alive at the worst moment of three chunks, float32."""
    painter, given = denoiser(folder, branches, work), config(folder, "unet")
    count, rows = 3 * chunk, list(range(3 * chunk))
    texts = torch.empty(2, 77, given["cross_attention_dim"], device="meta")
    frames = Frames([str(i) for i in rows], ring_windows([count]), texts, [0] * count, [1] * count)
    latents, times = torch.empty(count, given["in_channels"], h, w, device="meta"), torch.ones(count, dtype=torch.int64)

    painter._pictures = lambda speaking, *_: [  # what would be recalled from the disk
        BranchInput(b, torch.empty(2 * chunk, given["block_out_channels"][0], h, w, device="meta")) for b in speaking
    ]

    def work_off() -> None:
        for plan in plan_chunks(frames.windows, chunk):
            painter._chunk(frames, plan, latents, times, [0] * count, painter.branches)

    return peak_bytes(work_off)


@pytest.mark.parametrize(("branches", "chunk"), [(0, 1), (1, 2), (3, 1), (3, 4)])
def test_what_a_chunk_holds(branches: int, chunk: int, sd15: Path, tmp_path: Path) -> None:
    """The whole of it: both halves of guidance, the window's keys and values, what is carried, the ControlNets' residuals."""
    settings = ViewsSettings(prompt="girl", controlnets=controls(branches), guidance_scale=4.0)
    expected = estimate(settings, Painting(3 * chunk, 768, 1024), "cpu", sd15, [sd15 / "controlnet"] * branches)
    got = chunks_peak(SD15, tmp_path / "work", branches, chunk, 128, 96)
    assert got == pytest.approx(chunk * expected.frame + expected.carried, rel=0.01)


def at_full_size(sd15: Path, views: int = 32, **changes: Any) -> Estimate:
    """Stable Diffusion 1.5 with three ControlNets at 768 x 1024 in half precision."""
    settings = ViewsSettings(**{"prompt": "girl", "controlnets": controls(3), "guidance_scale": 8.0, "lead": 0.0, "steps": 25} | changes)
    return estimate(settings, Painting(views, 768, 1024), "cuda", sd15, [sd15 / "controlnet"] * len(settings.controlnets))


def test_stable_diffusion_with_three_controlnets_stays_under_12_gb(sd15: Path) -> None:
    expected = at_full_size(sd15)
    sizes = {name: count for name, count in expected.weights.items() if not name.startswith("controlnet")}
    assert sizes == {"unet": 2 * 859_520_964, "vae": 2 * 83_653_863, "text_encoder": 4 * 123_060_480}
    assert expected.weights["controlnet 2"] == 2 * 361_279_120
    assert [round(expected.peak(chunk) / 1e9, 1) for chunk in (1, 2, 4, 8)] == [5.8, 6.5, 7.8, 10.4]
    assert expected.decoding(tiled=True) < expected.decoding(tiled=False) / 2
    assert expected.peak(8) < 12e9 and expected.fitting(4e9, 8) == 5 and expected.fitting(1e8, 8) == 1 and expected.fitting(None, 8) == 8


def test_the_peak_does_not_grow_with_the_views_but_with_full_windows_it_does(sd15: Path) -> None:
    peaks = {views: at_full_size(sd15, views).peak(8) for views in (12, 48, 100)}
    assert len(set(peaks.values())) == 1
    assert at_full_size(sd15, 8).peak(8) < peaks[12]  # nothing is carried
    assert at_full_size(sd15, 100, window="full").frame > 2 * at_full_size(sd15, 12, window="full").frame


def test_time_follows_views_steps_and_the_steps_in_which_controlnets_speak(sd15: Path) -> None:
    whole = at_full_size(sd15)
    assert whole.evaluations == 2 * 32 * 25 and at_full_size(sd15, guidance_scale=1.0).evaluations == 32 * 25
    assert at_full_size(sd15, lead=0.4).evaluations == 2 * (32 * 25 + 1)
    assert at_full_size(sd15, keep=sd15, redo=("body_03",)).evaluations == 2 * (25 + 3)
    joint = at_full_size(sd15, window="joint")
    assert joint.evaluations == 2 * 25 * (1 + 2 + 30 * 3) and joint.together == 3
    keys = at_full_size(sd15, window="keyframes")
    assert keys.together == 7 and keys.peak(1) == keys.peak(7) > whole.peak(1)
    assert at_full_size(sd15, window="full").peak(1) == at_full_size(sd15, window="full").peak(32)
    again = at_full_size(sd15, hires=HiresSettings(scale=2.0, strength=0.4))
    assert again.evaluations == 2 * 32 * (25 + 4 * 10) and again.decode > 3 * whole.decode
    halves = tuple(control.model_copy(update={"end": 0.5}) for control in controls(3))
    bare = at_full_size(sd15, controlnets=()).evaluation_flops
    assert at_full_size(sd15, controlnets=halves).evaluation_flops - bare == pytest.approx((whole.evaluation_flops - bare) / 2)


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="config.json cannot be read"):
        estimate(ViewsSettings(prompt="girl"), Painting(1, 64, 64), "cpu", tmp_path, [])
    for name in ("unet", "vae"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text("{}")
    with pytest.raises(ArtifactError, match="holds no safetensors file"):
        estimate(ViewsSettings(prompt="girl", controlnets=()), Painting(1, 64, 64), "cpu", tmp_path, [])
