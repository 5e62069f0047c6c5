"""The character file that the add-on writes is read by the program as it was meant."""

from __future__ import annotations

from pathlib import Path

import pytest
from ruamel.yaml import YAML

import stages
from blender_addon.document import name_problem, settings, text
from pipeline.commands import Request, prepare

PROMPTS = ["a girl with red hair", 'quotes " and \\ and \'', "two\nlines\tand a tab", "桜色の髪 😀", "control \x07 \x7f \x85 \u2028 \ufeff end", "{not: [a, map]} # no comment", "yes"]


@pytest.mark.parametrize("prompt", PROMPTS)
def test_every_prompt_comes_through(prompt: str) -> None:
    said = settings("mika", prompt, 7, "embedded", Path("/a b/body.glb"), Path("pose.json"))
    assert YAML(typ="safe").load(text(said)) == said
    assert said["conditions"] == {"body": str(Path("/a b/body.glb")), "pose_file": "pose.json"}


def test_the_program_takes_it(tmp_path: Path) -> None:
    (tmp_path / "mika.pose.json").write_text('{"head": {"euler_xyz_deg": [0, 0, 20]}}')
    path = tmp_path / "mika.yaml"
    path.write_text(text(settings("mika", "a girl with red hair", 7, "embedded", None, tmp_path / "mika.pose.json")), encoding="utf-8")
    config = prepare(Request(stages.character(), path, out=tmp_path, cache=tmp_path / "cache")).config
    assert (config.common.name, config.common.profile) == ("mika", "embedded")
    assert config.stages["conditions"].pose_file == tmp_path / "mika.pose.json" and config.stages["views"].seed == 7


@pytest.mark.parametrize(("name", "said"), [
    ("mika", None), ("mika-2.b", None), ("美香", None), ("", "needs a name"), ("../mika", "letters, digits"), (".hidden", "letters, digits"),
    ("a b", "letters, digits"), ("a/b", "letters, digits"), ("x" * 81, "at most 80"),
])
def test_names_are_those_of_folders(name: str, said: str | None) -> None:
    problem = name_problem(name)
    assert problem is None if said is None else said in problem


def test_names_and_lengths_are_the_programs() -> None:
    from blender_addon import document
    from pipeline import stage

    assert document.NAME.pattern == stage.NAME.strip("^$") and document.NAME_LENGTH == stage.NAME_LENGTH
