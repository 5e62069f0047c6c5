"""IP-Adapters of every spelling do to a picture what diffusers' pipeline does, for any chunk, beside all else that a user may bring."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionControlNetPipeline
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from pipeline.checkpoint import Checkpoint
from pipeline.errors import ConfigError, MissingError
from pipeline.progress import SilentProgress
from pipeline.stage import StageContext
from stages.artifacts.conditions import ConditionSet
from stages.artifacts.images import write_png
from stages.views import STAGE, ViewsInputs
from stages.views.clip_picture import clip_pixels
from stages.views.ip_adapter import look_at, picture_words
from stages.views.lora import add_lora
from stages.views.networks import Networks, open_networks
from stages.views.noise import frame_noise
from stages.views.paint import _frames, _remember_conditions, frame_order, frame_prompts, latent_shape, make_denoiser, places
from stages.views.schedule import make_scheduler
from stages.views.settings import IPAdapterSettings, ViewsSettings
from tests.views.test_inversions import embedding
from tests.views.test_lora import branches, kohya
from tests.views.test_lora import networks as lora_networks
from tests.views.test_paint import run_stage
from tests.views.tiny import tiny_unet, write_conditions
from tests.views.tiny_adapter import TEXT, plain, plus, write_adapter, write_encoder

Build = Callable[..., ViewsSettings]
ATTENTION = "down_blocks.0.attentions.0.transformer_blocks.0.attn2"


@pytest.fixture
def encoder(tmp_path: Path) -> Path:
    return write_encoder(tmp_path / "models" / "image_encoder")


def picture(path: Path, seed: int = 0, height: int = 40, width: int = 40) -> Path:
    write_png(path, np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))
    return path


def context_in(folder: Path) -> StageContext:
    return StageContext(out=folder, work=folder, log=logging.getLogger("test"), progress=SilentProgress(), backends={},
                        checkpoint=Checkpoint(folder / "checkpoint"))


def opened(settings: ViewsSettings) -> Networks:
    return open_networks(Path(settings.model), [Path(c.model) for c in settings.controlnets], "cpu", torch.float32)


def painted(settings: ViewsSettings, conditions: ConditionSet, folder: Path, chunk: int) -> Tensor:
    """Latents, from the parts of the stage."""
    networks, context, order = opened(settings), context_in(folder), frame_order(settings, conditions)
    for lora in settings.loras:
        add_lora({"unet": networks.unet, "text_encoder": networks.text_encoder}, lora.file, lora.weight)
    look = look_at(networks.unet, picture_words(settings.ip_adapter, "cpu"), settings.ip_adapter) if settings.ip_adapter else None
    denoiser = make_denoiser(settings, networks, conditions, order, context, look)
    _remember_conditions(settings, conditions, conditions.names, denoiser.branches, context)
    frames = _frames(settings, conditions, networks, frame_prompts(settings, conditions, Path(settings.model)), order, {})
    noise = frame_noise(settings.seed, places(conditions), latent_shape(conditions, networks))
    return denoiser.run(frames, noise, chunk, lambda: None)[0]


def theirs(settings: ViewsSettings, conditions: ConditionSet, file: Path, encoder: Path, pictures: list[Path]) -> Tensor:
    """Latents of the first frame, from diffusers' pipeline."""
    networks = opened(settings)
    pipeline = StableDiffusionControlNetPipeline(
        networks.vae, networks.text_encoder, networks.tokenizer, networks.unet, networks.controlnets,
        make_scheduler(settings.scheduler, networks.scheduler_config), None, None, requires_safety_checker=False,
    )
    pipeline.set_progress_bar_config(disable=True)
    pipeline.load_ip_adapter(str(file.parent), subfolder="", weight_name=file.name, image_encoder_folder=str(encoder.relative_to(file.parent)),
                             local_files_only=True)
    pipeline.set_ip_adapter_scale(settings.ip_adapter.scale)
    seen = torch.from_numpy(conditions.image("parts", conditions.names[0])).permute(2, 0, 1)[None]
    looks = [[Image.open(path).convert("RGB") for path in pictures]]
    return pipeline(
        frame_prompts(settings, conditions, Path(settings.model))[0], [seen], height=48, width=32, num_inference_steps=settings.steps,
        guidance_scale=settings.guidance_scale, negative_prompt=settings.negative_prompt, controlnet_conditioning_scale=[1.0],
        latents=frame_noise(settings.seed, places(conditions), latent_shape(conditions, networks)), ip_adapter_image=looks, output_type="latent",
    ).images


@pytest.mark.parametrize(("tensors", "count", "guidance"), [(plain(), 1, 4.0), (plain(), 2, 1.0), (plus(), 1, 4.0), (plus(), 2, 4.0)],
                         ids=["plain", "plain, two pictures, no guidance", "plus", "plus, two pictures"])
def test_equals_diffusers_pipeline(
    tensors: dict[str, Tensor], count: int, guidance: float, settings: Build, encoder: Path, tmp_path: Path
) -> None:
    file = write_adapter(tmp_path / "adapter.safetensors", tensors)
    pictures = [picture(tmp_path / f"{i}.png", i, 50 + 9 * i, 40) for i in range(count)]
    conditions = write_conditions(tmp_path / "conditions", body=1, head=0)
    chosen = settings(
        window="none", guidance_scale=guidance, negative_prompt="blue",
        ip_adapter={"file": file, "image_encoder": str(encoder), "image": pictures if count > 1 else pictures[0], "scale": 0.8},
    )
    ours = painted(chosen, conditions, tmp_path / "ours", 1)
    torch.testing.assert_close(ours, theirs(chosen, conditions, file, encoder, pictures), rtol=0, atol=1e-4)
    silent = painted(chosen.model_copy(update={"ip_adapter": None}), conditions, tmp_path / "silent", 1)
    assert (ours - silent).abs().max() > 1e-2


def renamed(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """As they are called in diffusers' UNet after it has loaded them."""
    unet = tiny_unet()
    state: dict[str, dict[str, Tensor]] = {"image_proj": {}, "ip_adapter": {}}
    for name, tensor in tensors.items():
        root, _, rest = name.partition(".")
        state[root][rest] = tensor
    unet._load_ip_adapter_weights([state], low_cpu_mem_usage=False)
    return {k: v for k, v in unet.state_dict().items() if "_ip." in k or k.startswith("encoder_hid_proj")}


@pytest.mark.parametrize("tensors", [plain(), plus()], ids=["plain", "plus"])
def test_diffusers_names_are_read_as_the_published_ones(tensors: dict[str, Tensor], encoder: Path, tmp_path: Path) -> None:
    words = {}
    for name, spelt in {"published": tensors, "diffusers": renamed(tensors)}.items():
        file = write_adapter(tmp_path / f"{name}.safetensors", spelt)
        unet = lora_networks()["unet"]
        chosen = IPAdapterSettings(file=file, image_encoder=str(encoder), image=picture(tmp_path / "a.png"))
        made = picture_words(chosen, "cpu")
        look_at(unet, made, chosen)
        words[name] = [made.words, *(layer.processor.key for n, layer in unet.named_modules() if n.endswith(".attn2"))]
    assert len(words["published"]) == 5
    for a, b in zip(words["published"], words["diffusers"], strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)


def test_beside_everything_else_the_chunk_does_not_matter(
    settings: Build, encoder: Path, conditions: ConditionSet, tmp_path: Path
) -> None:
    """LoRA on the same layers, a learned word, a leading frame (so that frames of one chunk are at other steps), half the steps silent."""
    made = branches(lora_networks(), {"unet": (f"{ATTENTION}.to_q", f"{ATTENTION}.to_v"), "text_encoder": ()})
    save_file(kohya(made), tmp_path / "style.safetensors")
    everything = {
        "prompt": "girl, easy", "loras": ({"file": tmp_path / "style.safetensors"},), "lead": 0.5, "steps": 4, "controlnet_window": True,
        "embeddings": ({"file": embedding(tmp_path / "easy.safetensors")},),
        "ip_adapter": {"file": write_adapter(tmp_path / "adapter.safetensors", plain()), "image_encoder": str(encoder),
                       "image": picture(tmp_path / "a.png"), "scale": 1.0, "start": 0.25, "end": 0.75},
    }
    whole = painted(settings(**everything), conditions, tmp_path / "whole", 8)
    for chunk in (1, 3):
        cut = painted(settings(**everything), conditions, tmp_path / str(chunk), chunk)
        assert (cut - whole).abs().max() < 1e-4
    for change in ({"loras": ()}, {"prompt": "girl"}, {"ip_adapter": None}, {"ip_adapter": everything["ip_adapter"] | {"end": 1.0}}):
        other = painted(settings(**everything | change), conditions, tmp_path / str(change)[:30].replace("/", "_"), 8)
        assert (other - whole).abs().amax((1, 2, 3)).min() > 1e-4, change


def test_the_stage_paints_with_it_and_its_files_are_in_the_key(settings: Build, encoder: Path, conditions: ConditionSet, tmp_path: Path) -> None:
    chosen = {"file": write_adapter(tmp_path / "adapter.safetensors", plain()), "image_encoder": str(encoder), "image": picture(tmp_path / "a.png")}
    pictures = {}
    for name, adapter in {"none": None, "silent": chosen | {"scale": 0.0}, "loud": chosen | {"scale": 1.0}}.items():
        views = run_stage(STAGE, settings(ip_adapter=adapter, steps=2), ViewsInputs(conditions), tmp_path / "out" / name)
        pictures[name] = views.image(views.names[0])
        assert views.description["looked_at"] == (["a.png"] if adapter else [])
    assert (pictures["none"] == pictures["silent"]).all() and (pictures["none"] != pictures["loud"]).any()
    before = STAGE.models(settings(ip_adapter=chosen))
    write_encoder(encoder, seed=8)
    after = STAGE.models(settings(ip_adapter=chosen))
    assert before[-1].name == "image_encoder" and before[:-1] == after[:-1] and before[-1] != after[-1]


def test_those_of_the_registry_are_fetched_by_name(settings: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIPELINE_MODELS", str(tmp_path))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    chosen = settings(ip_adapter={"file": "ip_adapter_sd15", "image": picture(tmp_path / "a.png")})
    with pytest.raises(MissingError, match="models fetch ip_adapter_image_encoder ip_adapter_sd15` downloads them"):
        STAGE.models(chosen)
    write_adapter(tmp_path / "ip_adapter_sd15" / "models" / "ip-adapter_sd15.safetensors", plain())
    write_encoder(tmp_path / "ip_adapter_image_encoder" / "models" / "image_encoder")
    assert [use.revision[:8] for use in STAGE.models(chosen)][-2:] == ["018e4027"] * 2
    assert picture_words(chosen.ip_adapter, "cpu").words.shape == (2, 4, TEXT)


@pytest.mark.parametrize(("height", "width"), [(40, 40), (300, 224), (225, 611), (31, 90), (1024, 768)])
def test_a_picture_is_seen_as_transformers_shows_it(height: int, width: int, tmp_path: Path) -> None:
    path = picture(tmp_path / "a.png", 3, height, width)
    for size in (224, 33):
        wanted = CLIPImageProcessorPil(size=size, crop_size=size)(Image.open(path), return_tensors="np")["pixel_values"][0]
        np.testing.assert_allclose(clip_pixels(path, size), wanted, rtol=0, atol=1e-5)


def test_an_adapter_for_another_unet_changes_nothing(encoder: Path, tmp_path: Path) -> None:
    tensors = plain()
    short = {k: v for k, v in tensors.items() if not k.startswith("ip_adapter.5.")}
    chosen = IPAdapterSettings(file=write_adapter(tmp_path / "a.safetensors", short), image_encoder=str(encoder), image=picture(tmp_path / "a.png"))
    unet = lora_networks()["unet"]
    before = dict(unet.attn_processors)
    with pytest.raises(ConfigError, match="is for a UNet with 3 layers that look at the text, the model's has 4"):
        look_at(unet, picture_words(chosen, "cpu"), chosen)
    assert unet.attn_processors == before
