"""The registry of models: what it says, where it looks, how it refuses."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pipeline.errors import ConfigError, MissingError
from third_party import models, models_command


def touch(folder: Path, files: list[str]) -> Path:
    for file in files:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_bytes(file.encode())
    return folder


def test_every_entry_is_pinned_licensed_and_free_of_pickles() -> None:
    for model in models.registry().values():
        assert re.fullmatch(r"[0-9a-f]{40}", model.revision), model.name
        assert model.licence and model.purpose and model.size_gb > 0
        assert any(file.endswith(".safetensors") for file in model.files) or model.name.endswith("_tokenizer")
        for file, digest in model.files.items():
            assert Path(file).suffix in (".json", ".txt", ".safetensors") and re.fullmatch(r"([0-9a-f]{64})?", digest), file


def test_a_model_is_found_where_it_was_fetched_or_in_the_cache_of_hugging_face(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIPELINE_MODELS", str(tmp_path / "own"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    model = models.registry()["sd15_openpose"]
    with pytest.raises(MissingError, match="models fetch sd15_openpose"):
        models.locate("sd15_openpose")
    cached = tmp_path / "hub" / "models--lllyasviel--control_v11p_sd15_openpose" / "snapshots" / model.revision
    touch(cached, list(model.files))
    assert models.locate("sd15_openpose") == cached == models.find("sd15_openpose")
    own = touch(tmp_path / "own" / "sd15_openpose", ["config.json"])
    assert models.locate("sd15_openpose") == cached  # half a model is none
    touch(own, list(model.files))
    assert models.locate("sd15_openpose") == own
    assert models.use("sd15_openpose").revision == model.revision


def test_a_wrong_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIPELINE_MODELS", str(tmp_path))
    touch(tmp_path / "sd15", list(models.registry()["sd15"].files))
    problems = models.verify("sd15")
    assert len(problems) == 3 and all("expected" in p and "fetch it again" in p for p in problems)


@pytest.mark.parametrize("action", ["list", "licences"])
def test_the_licences_of_models_and_of_programs_are_said(action: str) -> None:
    said: list[str] = []
    assert models_command.run(action, [], said.append) == 0
    text = "\n".join(said)
    assert re.search(r"nvdiffrast +Nvidia Source Code License .*non-commercial use only", text) and re.search("Blender +GPL-3.0-or-later", text)
    for model in models.registry().values():
        assert re.search(rf"^{model.name} .*{re.escape(model.licence)}", text, re.MULTILINE), model.name


def test_unknown_names_are_answered_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="sd15_openpose"):
        models.locate("sd51")
    with pytest.raises(ConfigError, match="not in models.toml"):
        models.fetch("embedded")
    with pytest.raises(MissingError, match="restore third_party/embedded"):
        models.locate("embedded/no-such-part")


def test_the_digest_follows_contents_and_names(tmp_path: Path) -> None:
    first = models.folder_digest(touch(tmp_path / "a", ["config.json", "unet/model.safetensors"]))
    assert first == models.folder_digest(touch(tmp_path / "b", ["unet/model.safetensors", "config.json", "README.md"]))
    (tmp_path / "b" / "config.json").write_text("{}")
    assert models.folder_digest(tmp_path / "b") != first
    assert models.use(str(tmp_path / "a")) == models.ModelUse("a", first, "the user's own")


def test_another_model_in_a_pipelines_folder_is_not_part_of_it(tmp_path: Path) -> None:
    pipeline = touch(tmp_path / "a", ["unet/model.safetensors", "controlnet-depth/model.safetensors", "words.json"])
    (pipeline / "model_index.json").write_text('{"_class_name": "StableDiffusionPipeline", "unet": ["diffusers", "UNet2DConditionModel"]}')
    before = models.folder_digest(pipeline)
    (pipeline / "controlnet-depth" / "model.safetensors").write_text("trained further")
    assert models.folder_digest(pipeline) == before
    for file in ("unet/model.safetensors", "words.json"):
        (pipeline / file).write_text("other weights")
        assert models.folder_digest(pipeline) != before
        before = models.folder_digest(pipeline)
