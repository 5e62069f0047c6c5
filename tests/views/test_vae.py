"""A VAE of the user's own: it decodes in place of the model's, is part of the key, and has to mean the same by latents."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

import stages
from pipeline.commands import Request, prepare
from pipeline.errors import ConfigError, MissingError
from stages.artifacts.conditions import ConditionSet
from stages.views import STAGE, ViewsInputs
from stages.views.networks import open_networks
from stages.views.paint import encode
from stages.views.settings import ViewsSettings
from stages.views.vae import check_vae, vae_in
from tests.views.test_paint import run_stage
from tests.views.tiny import tiny_vae

Build = Callable[..., ViewsSettings]


@pytest.fixture
def own(tmp_path: Path) -> Path:
    tiny_vae(9).save_pretrained(tmp_path / "own")
    return tmp_path / "own"


def changed(folder: Path, **config: object) -> Path:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | config))
    return folder


def test_it_paints_as_a_model_that_has_it_paints(
    settings: Build, model_folder: Path, own: Path, conditions: ConditionSet, tmp_path: Path
) -> None:
    shutil.copytree(model_folder, tmp_path / "whole")
    shutil.rmtree(tmp_path / "whole" / "vae")
    shutil.copytree(own, tmp_path / "whole" / "vae")
    painted = {}
    for name, changes in {"plain": {}, "own": {"vae": str(own)}, "part": {"vae": str(tmp_path / "whole")}, "whole": {"model": str(tmp_path / "whole")}}.items():
        views = run_stage(STAGE, settings(steps=2, **changes), ViewsInputs(conditions), tmp_path / "out" / name)
        painted[name] = np.stack([views.image(view) for view in views.names])
        assert views.description["vae"] == changes.get("vae")
    assert (painted["own"] == painted["whole"]).all() and (painted["part"] == painted["whole"]).all() and (painted["own"] != painted["plain"]).any()


def test_given_pictures_are_encoded_with_it(model_folder: Path, own: Path) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (48, 32, 3), dtype=np.uint8)
    with torch.inference_mode():
        theirs = tiny_vae(9).encode(torch.from_numpy(picture).permute(2, 0, 1)[None] / 127.5 - 1).latent_dist.mode()[0] * 0.5
    torch.testing.assert_close(encode(open_networks(model_folder, [], "cpu", torch.float32, own), picture), theirs, rtol=0, atol=1e-5)


def test_its_contents_are_part_of_the_key(settings: Build, own: Path) -> None:
    before = STAGE.models(settings(vae=str(own)))
    tiny_vae(10).save_pretrained(own)
    after = STAGE.models(settings(vae=str(own)))
    assert [use.name for use in before][-1] == "own" and before[:-1] == after[:-1] == STAGE.models(settings()) and before[-1] != after[-1]


def test_one_of_the_registry_has_to_be_fetched(settings: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIPELINE_MODELS", str(tmp_path))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(MissingError, match="models fetch sd_vae_ft_mse`"):
        STAGE.models(settings(vae="sd_vae_ft_mse"))


@pytest.mark.parametrize(("config", "said"), [
    ({"latent_channels": 16}, "channels 16 instead of 4; expected a VAE for the model that `views.model` names"),
    ({"block_out_channels": [4, 8, 8]}, "pixels a latent, each way, 4 instead of 8"),
    ({"scaling_factor": 0.13025, "shift_factor": 0.1}, "scaling factor 0.13025 instead of 0.5, shift factor 0.1 instead of 0"),
    ({"_class_name": "ControlNetModel"}, "own: holds ControlNetModel; expected a VAE"),
])
def test_what_means_something_else_by_latents_is_refused(config: dict[str, object], said: str, model_folder: Path, own: Path) -> None:
    with pytest.raises(ConfigError, match=said):
        check_vae(changed(own, **config), model_folder)


def test_a_folder_without_a_vae_is_refused(model_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("nothing")
    for folder in (tmp_path, tmp_path / "none"):
        with pytest.raises(ConfigError, match=r"config\.json cannot be read .*expected a VAE"):
            check_vae(folder, model_folder)
    assert vae_in(model_folder) == model_folder / "vae"


def test_it_is_told_before_the_run_and_where(own: Path, tmp_path: Path) -> None:
    """The embedded model's latents are others; one file is answered with the command that lays it out."""
    (tmp_path / "c.yaml").write_text("name: mika\nprompt: a girl\nviews:\n  vae: ./own\n")
    with pytest.raises(ConfigError, match=r"c\.yaml:4:8: views\.vae: .*own: its latents are others than the model's: channels 4 instead of 8, scaling factor 0\.5"):
        prepare(Request(stages.character(), tmp_path / "c.yaml", out=tmp_path / "outputs", cache=tmp_path / "cache"))
    (tmp_path / "mse.safetensors").touch()
    (tmp_path / "c.yaml").write_text("name: mika\nprompt: a girl\nviews:\n  vae: ./mse.safetensors\n")
    with pytest.raises(MissingError, match=r"mse\.safetensors is a checkpoint in one file; `python -m pipeline models convert .*mse\.safetensors`"):
        prepare(Request(stages.character(), tmp_path / "c.yaml", out=tmp_path / "outputs", cache=tmp_path / "cache"))
