"""The views stage: from condition pictures and a prompt to one picture of the character for each camera."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from pipeline.errors import StageError
from pipeline.stage import StageContext
from stages.artifacts.conditions import ConditionSet
from stages.artifacts.images import write_png
from stages.artifacts.views import ViewSet, write_view_cameras
from stages.views.chunks import Chunks, choose_chunk
from stages.views.control import ControlBranch
from stages.views.correspondence import Correspondence
from stages.views.decoding import decode_in_memory
from stages.views.denoise import Denoiser, Frames
from stages.views.estimate import Estimate, Painting, estimate
from stages.views.free_memory import free_bytes
from stages.views.given import Order, given_pictures, order_of, windows_with
from stages.views.hires import SecondPass, finished_size, shrunk
from stages.views.inversions import add_words
from stages.views.ip_adapter import Look, look_at, picture_words
from stages.views.lora import add_lora
from stages.views.measuring import measured
from stages.views.networks import Networks, open_networks
from stages.views.noise import frame_noise
from stages.views.notices import picture_notices, text_notices
from stages.views.pictures import decode, encode
from stages.views.preview import watched_rows, watched_steps, write_preview
from stages.views.prompts import cut_prompt, frame_negative, frame_prompt
from stages.views.schedule import make_scheduler
from stages.views.schemes import scheme_of
from stages.views.settings import ViewsSettings
from stages.views.surface import Synchronizer
from stages.views.text import embed
from stages.views.tokens import reader_of
from stages.views.vae import vae_in
from stages.views.vocabulary import painted_texts, word_notices
from third_party import models

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def paint(settings: ViewsSettings, conditions: ConditionSet, context: StageContext) -> ViewSet:
    """Fill ``context.out`` with ``images/<name>.png``, ``transforms.json``, ``views.json`` and a preview."""
    torch.set_num_threads(context.threads)
    folder = models.locate(settings.model)
    for notice in [*text_notices(settings, folder), *picture_notices(settings)]:
        context.warn(notice)
    pictures = picture_words(settings.ip_adapter, context.device) if settings.ip_adapter else None  # first: its encoder is large, and is let go of
    networks = _opened(settings, folder, context)
    look = look_at(networks.unet, pictures, settings.ip_adapter) if pictures and settings.ip_adapter else None
    finished = finished_size(settings, conditions, networks)
    given = given_pictures(settings, finished)
    prompts = frame_prompts(settings, conditions, folder)
    order = frame_order(settings, conditions, given)
    frames = _frames(settings, conditions, networks, prompts, order, shrunk(given, conditions))
    networks.let_go_of_text_encoder()
    denoiser = make_denoiser(settings, networks, conditions, order, context, look)
    _remember_conditions(settings, conditions, frames.names, denoiser.branches, context)
    noise = frame_noise(
        settings.seed, [places(conditions)[i] for i in order.frames], latent_shape(conditions, networks), settings.shared_noise
    )
    watched = watched_rows(conditions, order)
    expected = expected_of(settings, conditions, context.device)
    free = partial(free_bytes, context.device)
    chunks = Chunks(choose_chunk(settings, expected, free, context), settings, denoiser, frames, context)
    denoiser.halve = chunks.halve
    chunks.begin(denoiser.ticks_done())
    with measured(expected, chunks.size, denoiser, context):
        latents, glimpses = denoiser.run(frames, noise, chunks.size, context.progress.advance, watched, watched_steps(denoiser.steps))
    strips = {"denoising": glimpses}
    if settings.hires is not None:
        there = [given[i] for i in order.frames[: order.given]]
        second = SecondPass.after(denoiser, frames, latents, there, settings, settings.hires, networks, finished)
        _remember_conditions(settings, finished, frames.names, denoiser.branches, second.apart(context))
        latents, strips["denoising_again"] = second.run(settings, chunks.size, context, watched)
        del second
    _write_description(settings, finished, prompts, chunks.size, denoiser, frames, context.out)
    del denoiser, chunks
    networks.keep_vae_only()
    painted = dict(zip(order.frames, latents, strict=True))
    with networks.vae_at_work():
        decode_in_memory(networks, expected, free, context, lambda: _write_pictures(painted, finished, networks, given, context))
        views = ViewSet.open(context.out)
        write_preview(views, strips, networks, context.out / "preview")
    return views


def _opened(settings: ViewsSettings, folder: Path, context: StageContext) -> Networks:
    """The networks with what the settings add to them: another VAE, LoRAs, FreeU."""
    networks = open_networks(
        folder, [models.locate(c.model) for c in settings.controlnets], context.device, number_format(settings, context.device),
        vae_in(models.locate(settings.vae)) if settings.vae else None,
    )
    for lora in settings.loras:
        layers = add_lora({"unet": networks.unet, "text_encoder": networks.text_encoder}, lora.file, lora.weight)
        context.log.info("%s: %d layers, weight %g", lora.file.name, layers, lora.weight)
    if settings.freeu is not None:
        networks.unet.enable_freeu(**settings.freeu.model_dump())
    return networks


def expected_of(settings: ViewsSettings, conditions: ConditionSet, device: str) -> Estimate:
    """What the painting was expected to take."""
    size = conditions.cameras[0]
    painting = Painting(len(conditions.cameras), size.width, size.height)
    return estimate(settings, painting, device, models.locate(settings.model), [models.locate(c.model) for c in settings.controlnets])


def number_format(settings: ViewsSettings, device: str) -> torch.dtype:
    """The networks' number format; "auto" is float32 on a CPU and float16 on a GPU."""
    if settings.dtype == "auto":
        return torch.float32 if device == "cpu" else torch.float16
    return DTYPES[settings.dtype]


def places(conditions: ConditionSet) -> list[tuple[str, int]]:
    """(ring, index in it) of every frame, in order. Raises StageError if a ring's frames do not follow one another."""
    found = [(ring, i) for ring, members in conditions.rings.items() for i in range(len(members))]
    if [i for members in conditions.rings.values() for i in members] != list(range(len(found))):
        raise StageError(f"{conditions.folder}: the frames of its rings are mixed; each ring's must follow one another")
    return found


def frame_order(settings: ViewsSettings, conditions: ConditionSet, given: Collection[int] = ()) -> Order:
    """In which order the frames are worked on and whom each looks at, as the settings ask; some are ``given``."""
    azimuths = [[conditions.cameras[i].azimuth_deg for i in members] for members in conditions.rings.values()]
    scheme = scheme_of(settings.window, azimuths)
    windows = scheme.windows if settings.window in ("none", "full") else windows_with(scheme.windows, [len(ring) for ring in azimuths], given)
    return order_of(windows, given, scheme.first)


def latent_shape(conditions: ConditionSet, networks: Networks) -> tuple[int, int, int]:
    """(channels, h, w) of a frame's latents. Raises StageError if pictures differ in size or the size does not divide."""
    sizes = {(c.width, c.height) for c in conditions.cameras}
    factor = networks.factor
    width, height = next(iter(sizes))
    if len(sizes) != 1 or width % factor or height % factor:
        listed = ", ".join(f"{w} x {h}" for w, h in sorted(sizes))
        raise StageError(f"condition pictures are {listed}; one size, a multiple of {factor} each way, was expected")
    return networks.unet.config.in_channels, height // factor, width // factor


def frame_prompts(settings: ViewsSettings, conditions: ConditionSet, model_folder: Path) -> list[str]:
    """The text of each frame; a prompt that the text model cannot read to its end is cut, for all frames at the same word."""
    kept, _ = cut_prompt(settings, reader_of(settings, model_folder).fits)
    return [
        frame_prompt(settings, ring, camera.azimuth_deg, kept)
        for (ring, _), camera in zip(places(conditions), conditions.cameras, strict=True)
    ]


def make_denoiser(
    settings: ViewsSettings, networks: Networks, conditions: ConditionSet, order: Order, context: StageContext, look: Look | None = None
) -> Denoiser:
    """The sampling that the settings describe, its solver set to the first step."""
    scheduler = make_scheduler(settings.scheduler, networks.scheduler_config)
    scheduler.set_timesteps(settings.steps)
    branches = [
        ControlBranch(network, c.scale, c.start, c.end, str(i))
        for i, (network, c) in enumerate(zip(networks.controlnets, settings.controlnets, strict=True))
    ]
    return Denoiser(
        networks.unet, branches, scheduler, context.checkpoint, settings.guidance_scale, settings.residual_decay,
        settings.controlnet_window, 0 if settings.window == "none" else round(settings.lead * settings.steps),
        settings.temperature, _synchronizer(settings, conditions, order, networks), settings.window == "joint", look,
        _correspondence(settings, conditions, order, networks),
    )


def _synchronizer(settings: ViewsSettings, conditions: ConditionSet, order: Order, networks: Networks) -> Synchronizer | None:
    if settings.surface_sync == 0:
        return None
    _, h, w = latent_shape(conditions, networks)
    return Synchronizer.of(conditions.body_posed, [conditions.cameras[i] for i in order.frames], h, w, settings.surface_sync)


def _correspondence(settings: ViewsSettings, conditions: ConditionSet, order: Order, networks: Networks) -> Correspondence | None:
    if settings.correspondence == 0:
        return None
    _, h, w = latent_shape(conditions, networks)
    return Correspondence(conditions.body_posed, [conditions.cameras[i] for i in order.frames], h, w, settings.correspondence)


def _frames(
    settings: ViewsSettings, conditions: ConditionSet, networks: Networks, prompts: Sequence[str], order: Order, given: Mapping[int, np.ndarray]
) -> Frames:
    negatives = [frame_negative(settings, camera.azimuth_deg) for camera in conditions.cameras]
    texts = list(dict.fromkeys([*negatives, *prompts]))
    embeddings = embed(
        networks.tokenizer, networks.text_encoder, texts, settings.clip_skip, settings.prompt_blocks, add_words(networks.text_encoder, settings)
    )
    with networks.vae_at_work() if order.given else nullcontext():
        there = [encode(networks, given[i]) for i in order.frames[: order.given]]
    return Frames(
        names=[conditions.names[i] for i in order.frames],
        windows=order.windows,
        texts=embeddings,
        prompt_rows=[texts.index(prompts[i]) for i in order.frames],
        negative_rows=[texts.index(negatives[i]) for i in order.frames],
        given=torch.stack(there) if there else None,
    )


def _remember_conditions(
    settings: ViewsSettings, conditions: ConditionSet, names: Sequence[str], branches: Sequence[ControlBranch], context: StageContext
) -> None:
    for branch, chosen in zip(branches, settings.controlnets, strict=True):
        for name in names:
            branch.remember(
                context.checkpoint, name,
                lambda name=name, kind=chosen.kind: torch.from_numpy(conditions.image(kind, name)).permute(2, 0, 1),
            )


def _write_pictures(
    latents: Mapping[int, Tensor], conditions: ConditionSet, networks: Networks, given: Mapping[int, np.ndarray], context: StageContext
) -> None:
    context.progress.start("decoding", len(conditions.cameras))
    extras = []
    for i, ((ring, _), camera) in enumerate(zip(places(conditions), conditions.cameras, strict=True)):
        picture = given[i] if i in given else decode(networks, latents[i])
        write_png(context.out / "images" / f"{camera.name}.png", picture)
        extras.append({"ring": ring, "azimuth_deg": round(camera.azimuth_deg, 9) % 360.0})
        context.progress.advance()
    write_view_cameras(context.out, conditions.cameras, extras)


def _write_description(
    settings: ViewsSettings, conditions: ConditionSet, prompts: Sequence[str], chunk: int, denoiser: Denoiser, frames: Frames, out: Path
) -> None:
    folder = models.locate(settings.model)
    document = {
        "model": settings.model, "vae": settings.vae, "scheduler": settings.scheduler, "steps": settings.steps, "seed": settings.seed,
        "guidance_scale": settings.guidance_scale, "window": settings.window, "lead_steps": denoiser.lead, "temperature": settings.temperature, "surface_sync": settings.surface_sync,
        "correspondence": settings.correspondence,
        "chunk": chunk, **({"hires": settings.hires.model_dump()} if settings.hires else {}),
        "references": [path.name for path in (settings.reference, *(r.file for r in settings.references)) if path],
        "looked_at": [path.name for path in settings.ip_adapter.pictures] if settings.ip_adapter else [],
        "painted_again": list(settings.redo),
        "evaluations_per_view_and_step": round(denoiser.evaluations_each(frames), 4),
        "words_unknown": word_notices(painted_texts(settings), settings.model, folder),
        "prompts": dict(zip(conditions.names, prompts, strict=True)),
        "negative_prompts": {camera.name: frame_negative(settings, camera.azimuth_deg) for camera in conditions.cameras},
    }
    (out / "views.json").write_text(json.dumps(document, indent=1, ensure_ascii=False, sort_keys=True) + "\n", encoding="utf-8")
