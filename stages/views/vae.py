"""A VAE of the user's own in the place of the model's: whether both mean the same by latents, told from their configs alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pipeline.errors import ConfigError


def vae_in(folder: Path) -> Path:
    """The VAE's folder in what ``views.vae`` names: the folder itself, or the part of a whole model."""
    return folder / "vae" if (folder / "vae").is_dir() else folder


def check_vae(folder: Path, model_folder: Path) -> None:
    """Raises ConfigError if ``folder`` holds no VAE, or one whose latents are not those of the model in ``model_folder``."""
    own, models = _latents(vae_in(folder)), _latents(model_folder / "vae")
    differ = [f"{what} {own[what]:g} instead of {models[what]:g}" for what in own if own[what] != models[what]]
    if differ:
        raise ConfigError(f"{folder}: its latents are others than the model's: {', '.join(differ)}; expected a VAE for the model that "
                          "`views.model` names")


def _latents(folder: Path) -> dict[str, float]:
    """What two VAEs must have in common for one to stand in for the other; what a config leaves out is as diffusers has it."""
    config = _config(folder)
    if config.get("_class_name") != "AutoencoderKL":
        raise ConfigError(f"{folder}: holds {config.get('_class_name', 'a network without a name')}; expected a VAE in diffusers' layout (AutoencoderKL)")
    return {
        "channels": config.get("latent_channels", 4),
        "pixels a latent, each way,": 2 ** (len(config.get("block_out_channels", (64,))) - 1),
        "scaling factor": config.get("scaling_factor", 0.18215),
        "shift factor": config.get("shift_factor") or 0.0,
    }


def _config(folder: Path) -> dict[str, Any]:
    try:
        found = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:  # no file, no text, no JSON
        raise ConfigError(f"{folder / 'config.json'} cannot be read ({error}); expected a VAE in diffusers' layout") from error
    return found if isinstance(found, dict) else {}
