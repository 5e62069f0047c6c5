"""What a profile lacks is named at once, with one command, wherever it is asked: by a run, by ``setup``, by ``doctor``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import stages
from pipeline.cli import Doors, main
from pipeline.commands import Request, prepare
from pipeline.errors import MissingError
from pipeline.setup import provide
from stages.masks import STAGE as MASKS
from stages.views import STAGE as VIEWS
from third_party import models

ROOT = Path(__file__).resolve().parents[1]
RECIPE = stages.character()
NAMES = ["sd15", "sd15_openpose", "sd15_lineart", "sd15_depth", "grounding_dino_base", "sam_vit_huge"]
LINE = f"python -m pipeline models fetch {' '.join(NAMES)}"


@pytest.fixture(autouse=True)
def nothing_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIPELINE_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))


def held(name: str) -> None:
    for file in models.registry()[name].files:
        path = models.models_folder() / name / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def refusal(tmp_path: Path, text: str = "") -> str:
    (tmp_path / "c.yaml").write_text(f"name: mika\nprompt: a girl\nprofile: sd15\n{text}")
    with pytest.raises(MissingError) as caught:
        prepare(Request(RECIPE, tmp_path / "c.yaml", out=tmp_path / "outputs", cache=tmp_path / "cache"))
    return str(caught.value)


def test_a_run_names_the_models_of_all_stages_and_one_command(tmp_path: Path) -> None:
    said = refusal(tmp_path)
    assert said.startswith("6 models are not on this machine: 'sd15' (stable-diffusion-v1-5/stable-diffusion-v1-5, 4 GB, CreativeML OpenRAIL-M), ")
    assert said.count("models fetch") == 1 and f"`{LINE}` downloads them" in said
    for name in NAMES[1:]:
        held(name)
    assert refusal(tmp_path) == (
        "model 'sd15' (stable-diffusion-v1-5/stable-diffusion-v1-5, 4 GB, CreativeML OpenRAIL-M) is not on this machine; "
        "`python -m pipeline models fetch sd15` downloads it"
    )


def test_what_else_is_missing_is_told_beside_them(tmp_path: Path) -> None:
    models_line, other = refusal(tmp_path, "mesh: {rasterizer: nvdiffrast}\n").splitlines()
    assert LINE in models_line and other.startswith("mesh: rasterizer cannot be done on this machine: nvdiffrast")


def test_auto_does_without_the_models_of_a_backend_that_is_not_taken(tmp_path: Path) -> None:
    said = refusal(tmp_path, "masks: {backend: auto}\n")
    assert f"`python -m pipeline models fetch {' '.join(NAMES[:4])}`" in said and "sam_vit_huge" not in said


def test_a_stage_alone_names_all_of_its_own() -> None:
    settings = VIEWS.settings(model="sd15", controlnets=[{"model": n, "kind": "depth"} for n in ("sd15_depth", "embedded/controlnet-parts", "sd15_canny")])
    with pytest.raises(MissingError, match=r"3 models .*`python -m pipeline models fetch sd15 sd15_depth sd15_canny` downloads them to .*models"):
        VIEWS.models(settings)
    (capability,) = MASKS.capabilities(MASKS.settings(grounding_dino="grounding_dino_base", sam="sam_vit_huge"))
    assert "models fetch grounding_dino_base sam_vit_huge`" in str(capability.backends[0].probe())


def test_setup_names_them_after_everything_was_prepared() -> None:
    prepared: list[str] = []
    recipe = replace(RECIPE, stages=tuple(replace(s, prepare=lambda n=s.name: prepared.append(n)) for s in RECIPE.stages))
    with pytest.raises(MissingError, match=f"^6 models .*`{LINE}`"):
        provide(recipe, "sd15", lambda line: None)
    assert prepared == [s.name for s in RECIPE.stages]


DOORS = Doors(lambda: {"character": RECIPE}, lambda say, profile: None, lambda: [], lambda action, names, say, tokenizer: 0)


@pytest.mark.parametrize("asked", [("--profile", "sd15"), (str(ROOT / "configs/character_sd15.yaml"),)])
def test_doctor_knows_profiles_and_files(asked: tuple[str, ...], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.doctor.package_findings", list)
    monkeypatch.setattr("pipeline.doctor.machine_findings", lambda folder: [])
    assert main(["doctor", *asked], DOORS) == 3
    said = capsys.readouterr().out.splitlines()
    at = next(i for i, line in enumerate(said) if line.startswith("MISSING models: 6 models are not on this machine: 'sd15'"))
    assert said[at + 1 : at + 3] == ["          costs: views and masks, and what follows, cannot run", f"          mend:  {LINE}"]
    assert said[-1] == "1 missing" and not any(line.startswith("MISSING masks") for line in said)
    for name in NAMES:
        held(name)
    assert main(["doctor", *asked], DOORS) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[-1] == f"everything that {'profile sd15' if asked[0] == '--profile' else asked[0]} needs is here"
    assert "ok      masks, model: sam_vit_huge, Apache-2.0" in said and "ok      masks, matting: grounded_sam" in said


def test_doctor_names_the_profiles_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--profile", "sd51"], DOORS) == 2
    assert "expected one of embedded, sd15, wide, got 'sd51'; did you mean 'sd15'?" in capsys.readouterr().err


def test_a_checkpoint_in_one_file_is_answered_with_the_line_that_lays_it_out(tmp_path: Path) -> None:
    (tmp_path / "my anime.safetensors").touch()
    (tmp_path / "c.yaml").write_text("name: mika\nprompt: a girl\nviews: {model: my anime.safetensors}\n")
    asked = Request(RECIPE, tmp_path / "c.yaml", out=tmp_path / "outputs", cache=tmp_path / "cache")
    with pytest.raises(MissingError) as caught:
        prepare(asked)
    assert str(caught.value) == (
        f"{tmp_path}/my anime.safetensors is a checkpoint in one file; `python -m pipeline models convert '{tmp_path}/my anime.safetensors'` "
        "lays it out once, and then it is called 'my anime'"
    )
    (models.models_folder() / "my anime").mkdir(parents=True)
    (models.models_folder() / "my anime" / "model_index.json").touch()
    with pytest.raises(MissingError, match="a model called 'my anime' was laid out before: write my anime in its place"):
        prepare(asked)
