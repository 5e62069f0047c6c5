"""The real recipe's settings are well formed, and what is written of them is current."""

from __future__ import annotations

import json
import re
import typing
from pathlib import Path

import pytest
from pydantic import BaseModel

import stages
from pipeline.config import load
from pipeline.fields import dotted
from pipeline.graph import wire
from pipeline.schema import json_schema, markdown
from scripts.tables import filled

ROOT = Path(__file__).resolve().parents[1]
RECIPE = stages.character()
CONFIGS = sorted(p for p in (ROOT / "configs").rglob("*.yaml") if p.parent.name not in ("profiles", "presets"))


def test_the_recipe_hangs_together() -> None:
    names = [s.stage.name for s in wire(RECIPE).steps]
    assert names == ["conditions", "views", "masks", "field", "mesh", "rig", "export"]


@pytest.mark.parametrize("stage", RECIPE.stages, ids=lambda s: s.name)
def test_settings_forbid_slips_and_say_what_they_are(stage: object) -> None:
    for model in _models(stage.settings):
        assert model.model_config.get("extra") == "forbid" and model.model_config.get("frozen"), model
        for name, info in model.model_fields.items():
            assert info.description, f"{model.__name__}.{name} has no description"
    assert not [n for n, i in dotted(stage.settings) if i.is_required()], "every stage runs with its defaults"


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: p.name)
def test_every_committed_yaml_is_right(path: Path) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    from ruamel.yaml import YAML

    assert load(RECIPE, path).common.name
    jsonschema.validate(YAML(typ="safe").load(path.read_text()), json.loads(json_schema(RECIPE)))


@pytest.mark.parametrize("profile", sorted(p.stem for p in (ROOT / "configs/profiles").glob("*.yaml")))
def test_every_profile_is_right(profile: str) -> None:
    assert load(RECIPE, None, [("prompt", "x")], profile).common.profile == profile


@pytest.mark.parametrize("preset", sorted(p.stem for p in (ROOT / "configs/presets").glob("*.yaml")))
def test_every_preset_is_right_and_can_be_named(preset: str) -> None:
    config = load(RECIPE, None, [("prompt", "x"), ("export.preset", preset)])
    assert config.stages["export"].preset == preset and config.stages["mesh"].triangles != load(RECIPE, None, [("prompt", "x")]).stages["mesh"].triangles
    assert config.stages["rig"].chain_limits.bones == (20 if preset in ("mobile", "vrchat") else 45)
    own = load(RECIPE, None, [("prompt", "x"), ("export.preset", preset), ("mesh.triangles", "1234")], "sd15")
    assert (own.stages["mesh"].triangles, own.stages["conditions"].width) == (1234, 768)
    assert set(typing.get_args(typing.get_args(type(own.stages["export"]).model_fields["preset"].annotation)[0])) == {
        p.stem for p in (ROOT / "configs/presets").glob("*.yaml")}


@pytest.mark.parametrize(("name", "make"), [("configuration.md", markdown), ("character.schema.json", json_schema)])
def test_documents_are_current(name: str, make: object) -> None:
    path = ROOT / "docs" / name
    assert path.read_text(encoding="utf-8") == make(RECIPE), "run `python -m scripts.write_docs`"


def test_tables_are_what_was_measured() -> None:
    text = (ROOT / "docs" / "views.md").read_text(encoding="utf-8")
    assert "<!-- table consistency -->" in text and filled(text) == text, "run `python -m scripts.write_docs`"
    rows = [line for line in text.splitlines() if line.startswith(("| causal |", "| joint |", "| keyframes |", "| anchors |", "| full |", "| none |"))]
    assert len(rows) == 6 and len({row.count("|") for row in rows}) == 1


def test_settings_say_what_they_take() -> None:
    rows = {line.split("`")[1]: line for line in markdown(RECIPE).splitlines() if line.startswith("| `")}
    assert "| a number above 0 or null |" in rows["body_ring.focal_px"] and "posed body" in rows["body_ring.focal_px"]
    assert "the head fills" in rows["head_ring.focal_px"] and "posed body" not in rows["head_ring.focal_px"]
    assert "YAML or JSON" in rows["pose_file"] and all("| a file or null |" in rows[name] for name in ("body", "pose_file"))
    assert not [line for line in rows.values() if "null above" in line or "null at" in line]


def test_the_readme_and_continuous_integration_run_the_same_line() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    line = re.search(r"<!-- test-line -->\n```\w*\n(.+)\n```\n<!-- /test-line -->", readme)
    assert line and line.group(1) == 'python3.11 -m venv .venv && .venv/bin/pip install -e ".[test]" && .venv/bin/python -m pytest'
    assert "--index-url" not in readme and "<!-- test-line -->" in (ROOT / ".ci/run").read_text()


def _models(model: type[BaseModel]) -> list[type[BaseModel]]:
    from pipeline.fields import model_of

    inner = [model_of(i.annotation) for i in model.model_fields.values()]
    return [model, *(m for i in inner if i is not None for m in _models(i))]
