"""Every mistake is answered with its place, what was expected and what was likely meant."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.arguments import split
from pipeline.cli import VALUE_FLAGS
from pipeline.config import Config, key_settings, load, told
from pipeline.document import Document, Place
from pipeline.errors import ConfigError
from pipeline.graph import Mistake
from pipeline.userfiles import settle_models
from tests.pipeline.fake_program import PIXEL, RECIPE


def read(tmp_path: Path, text: str, *others: tuple[str, str | None], **more: object) -> Config:
    path = tmp_path / "c.yaml"
    path.write_text(text)
    more.setdefault("profiles", tmp_path / "profiles")
    return load(RECIPE, path, others, **more)


def mistakes(tmp_path: Path, text: str, *others: tuple[str, str | None], **more: object) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, text, *others, **more)
    assert caught.value.exit_code == 2
    return [line.strip().replace(f"{tmp_path}{os.sep}", "") for line in str(caught.value).splitlines()[1:]]


def test_defaults_and_what_stages_take_from_the_run(tmp_path: Path) -> None:
    config = read(tmp_path, "name: mika\nprompt: hello\nseed: 4\n")
    assert (config.stages["count"].seed, config.stages["words"].prompt, config.stages["glue"].name) == (4, "hello", "mika")
    config = read(tmp_path, "name: mika\nprompt: hello\nseed: 4\ncount: {seed: 9}\nglue:\n")
    assert config.stages["count"].seed == 9


HEAD = "name: mika\nprompt: hello\n"


@pytest.mark.parametrize(("text", "expected"), [
    ("name: mika\n", "c.yaml:1:1: prompt: required, and not given: What the character looks like, in plain words."),
    ("name: mika\npromt: x\nprompt: y\n", "c.yaml:2:1: promt: there is no such setting; did you mean 'prompt'?"),
    (HEAD + "cuont: {}\n", "c.yaml:3:1: cuont: there is no such setting; did you mean 'count'?"),
    (HEAD + "count:\n  stpes: 3\n", "c.yaml:4:3: count.stpes: there is no such setting; did you mean 'steps'?"),
    (HEAD + "count:\n  modulus: 3\n", "c.yaml:4:3: count.modulus: there is no such setting; did you mean 'words.modulus'?"),
    (HEAD + "steps: 3\n", "c.yaml:3:1: steps: there is no such setting; did you mean 'count.steps'?"),
    (HEAD + "count:\n  steps: many\n", "c.yaml:4:10: count.steps: expected a whole number from 1 to 1000, got 'many'"),
    (HEAD + "count: {steps: 0}\n", "c.yaml:3:16: count.steps: expected a whole number from 1 to 1000, got 0"),
    (HEAD + "count: {steps: 2.5}\n", "c.yaml:3:16: count.steps: expected a whole number from 1 to 1000, got 2.5"),
    (HEAD + "count: {pen: golf}\n", "c.yaml:3:14: count.pen: expected one of auto, gold, lead, got 'golf'; did you mean 'gold'?"),
    (HEAD + "glue: {formats: [txt, mmd]}\n", "c.yaml:3:23: glue.formats[1]: expected one of txt, md, got 'mmd'; did you mean 'md'?"),
    (HEAD + "count: 5\n", "c.yaml:3:8: count: expected a section of `setting: value` lines, got 5"),
    ("name: 12\nprompt: x\n", "c.yaml:1:7: name: expected text of the form ^\\w[\\w.-]*$, got 12; put it in quotes"),
    ("name: mika\nprompt: '  '\n", "c.yaml:2:9: prompt: expected text, got '  ', which is blank"),
    ("name: a/b\nprompt: x\n", "c.yaml:1:7: name: expected text of the form ^\\w[\\w.-]*$, got 'a/b'"),
])
def test_one_mistake(tmp_path: Path, text: str, expected: str) -> None:
    assert mistakes(tmp_path, text) == [expected]


def test_all_mistakes_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    said = mistakes(tmp_path, "name: mika\nseed: -1\ncount:\n  steps: x\n  bad: 1\nwords:\n  modulus: 0\n")
    assert [line.split(": ")[1] for line in said] == ["prompt", "seed", "count.steps", "count.bad", "words.modulus"]


@pytest.mark.parametrize(("text", "start"), [
    ("name: [mika\n", "c.yaml:2:1: this is not legal YAML"),
    ("name: a\nname: b\n", "c.yaml:2:1: this is not legal YAML: while constructing a mapping found duplicate key"),
    ("- a\n", "c.yaml:1:1: expected settings as `key: value` lines"),
    ("count:\n\tsteps: 1\n", "c.yaml:2:1: this is not legal YAML"),
])
def test_what_is_not_yaml(tmp_path: Path, text: str, start: str) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(RECIPE, path, profiles=tmp_path)
    assert str(caught.value).replace(f"{tmp_path}{os.sep}", "").startswith(start)


def test_a_missing_yaml_is_named_with_its_neighbour(tmp_path: Path) -> None:
    (tmp_path / "character.yaml").write_text("name: a")
    with pytest.raises(ConfigError, match=r"charakter.yaml: no such file; did you mean .*character.yaml\?"):
        load(RECIPE, tmp_path / "charakter.yaml")


def test_paths_start_from_the_yaml_and_must_be_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_views").mkdir()
    (tmp_path / "n.txt").write_text("four")
    monkeypatch.chdir("/")
    config = read(tmp_path, HEAD + "count: {folder: my_views, start: n.txt}\n")
    assert config.stages["count"].folder == tmp_path / "my_views"
    assert mistakes(tmp_path, HEAD + "count: {folder: my_view}\n") == [
        f"c.yaml:3:17: count.folder: there is no folder {tmp_path / 'my_view'}; did you mean 'my_views'?".replace(f"{tmp_path}/", "")]
    assert "expected a folder, but" in mistakes(tmp_path, HEAD + "count: {folder: n.txt}\n")[0]
    assert "expected a file, but" in mistakes(tmp_path, HEAD + "count: {start: my_views}\n")[0]


def test_an_unreadable_file_is_an_error_before_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "n.txt").write_text("x")
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert "cannot be read" in mistakes(tmp_path, HEAD + "count: {start: n.txt}\n")[0]


@pytest.mark.parametrize(("name", "data", "said"), [
    ("a.png", PIXEL[:-20], "is a PNG that ends too early"),
    ("a.png", PIXEL[:45] + b"\0" + PIXEL[46:], "is a damaged PNG"),
    ("a.png", b"hello", "is not a picture"),
    ("a.jpg", b"\xff\xd8\xff\xe0", "is a JPEG that ends too early"),
    ("a.png", b"", "is empty"),
])
def test_a_damaged_picture_in_a_folder_is_found(tmp_path: Path, name: str, data: bytes, said: str) -> None:
    (tmp_path / "v").mkdir()
    (tmp_path / "v" / "good.png").write_bytes(PIXEL)
    assert read(tmp_path, HEAD + "count: {folder: v}\n")
    (tmp_path / "v" / name).write_bytes(data)
    line = mistakes(tmp_path, HEAD + "count: {folder: v}\n")[0]
    assert line.startswith("c.yaml:3:17") and name in line and said in line


def test_keys_see_contents_of_paths_and_not_what_only_says_how_fast(tmp_path: Path) -> None:
    for name, text in (("a", "same"), ("b", "same"), ("c", "other")):
        (tmp_path / name).write_text(text)
    keys = [key_settings(read(tmp_path, HEAD + f"count: {{start: {n}, chunk: {c}}}\n").stages["count"]) for n, c in (("a", 1), ("b", 2), ("c", 1))]
    assert keys[0] == keys[1] != keys[2]
    assert "chunk" not in keys[0]


def test_profiles_lie_under_the_yaml_and_their_mistakes_are_theirs(tmp_path: Path) -> None:
    profiles = tmp_path / "profiles"
    profiles.mkdir()
    (profiles / "embedded.yaml").write_text("count: {steps: 7, pen: lead}\nseed: 3\n")
    (profiles / "broken.yaml").write_text("count:\n  steps: 0\n")
    config = read(tmp_path, HEAD + "count: {steps: 9}\n")
    assert (config.stages["count"].steps, config.stages["count"].pen, config.common.seed) == (9, "lead", 3)
    assert mistakes(tmp_path, HEAD, profile="broken") == ["profiles/broken.yaml:2:10: count.steps: expected a whole number from 1 to 1000, got 0"]
    assert mistakes(tmp_path, HEAD + "profile: embeded\n") == [
        "c.yaml:3:10: profile: expected one of broken, embedded, got 'embeded'; did you mean 'embedded'?"]


def test_presets_lie_between_the_profile_and_the_yaml(tmp_path: Path) -> None:
    profiles, presets = tmp_path / "profiles", tmp_path / "presets"
    for folder, text in ((profiles, "count: {steps: 7, pen: lead}\nseed: 3\n"), (presets, "count: {steps: 8}\nseed: 4\n")):
        folder.mkdir()
        (folder / "embedded.yaml").write_text(text)
    (presets / "lead.yaml").write_text("count:\n  steps: 0\n")
    (tmp_path / "secret.yaml").write_text("seed: 5\n")
    (tmp_path / "c.yaml").write_text(HEAD + "count: {pen: gold}\n")
    steps = lambda *others: (c := load(recipe, tmp_path / "c.yaml", others, profiles=profiles)).stages["count"].steps * 10 + c.common.seed  # noqa: E731
    recipe = replace(RECIPE, presets={"glue.name": presets})
    assert [steps(), steps(("glue.name", "embedded")), steps(("glue.name", "embedded"), ("count.steps", "9"))] == [73, 84, 94]
    assert [steps(("glue.name", "none")), steps(("glue.name", "../secret"))] == [73, 73]  # names of no preset lay nothing over
    with pytest.raises(ConfigError, match=r"presets.lead\.yaml:2:10: count\.steps: expected a whole number from 1 to 1000, got 0"):
        steps(("glue.name", "lead"))


def test_documents_merge_by_section_and_an_empty_mapping_means_none(tmp_path: Path) -> None:
    from pipeline.document import read_yaml

    (tmp_path / "low.yaml").write_text("s: {a: 1, words: {x: 1}, list: [1, 2]}\nt: {b: 1}\n")
    (tmp_path / "high.yaml").write_text("s:\n  list: [3]\n  words: {}\nt: {}\n")
    merged = read_yaml(tmp_path / "low.yaml").overlaid(read_yaml(tmp_path / "high.yaml"))
    assert merged.values == {"s": {"a": 1, "words": {}, "list": [3]}, "t": {"b": 1}}
    assert str(merged.place(("s", "list", 0))).endswith("high.yaml:2:10") and str(merged.place(("s", "a"))).endswith("low.yaml:1:8")
    assert ("s", "list", 1) not in merged.items


def test_merge_keys_are_read_and_stand_where_the_mapping_does(tmp_path: Path) -> None:
    text = HEAD + "count: &base {steps: 3, chunk: 2}\n"
    config = read(tmp_path, text.replace("name: mika", "name: mika\nwords: {<<: {modulus: 5}}") + "glue:\n  <<: {name: other}\n  formats: [md]\n")
    assert (config.stages["count"].steps, config.stages["words"].modulus, config.stages["glue"].name) == (3, 5, "other")
    assert mistakes(tmp_path, text + "words:\n  <<: *base\n  modulus: 5\n") == [
        "c.yaml:5:3: words.chunk: there is no such setting; did you mean 'count.chunk'?",
        "c.yaml:5:3: words.steps: there is no such setting; did you mean 'count.steps'?"]


def test_models_are_known_names_or_folders_from_where_they_are_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine" / "unet").mkdir(parents=True)
    monkeypatch.chdir("/")
    document = Document(start=Place(tmp_path / "c.yaml"))

    def settle(*words: object) -> list[str]:
        document.set(("s",), {"list": [{"model": w} for w in words]}, Place(tmp_path / "c.yaml", 3, 4))
        return [c.text for c in settle_models(document, "s.list.model", ["sd15", "own", "own/part"])]

    assert settle("sd15", "own/part", "mine", "./mine/unet", str(tmp_path / "mine"), None, 5) == []
    mine = str(tmp_path / "mine")
    assert [item["model"] for item in document.values["s"]["list"]] == ["sd15", "own/part", mine, str(tmp_path / "mine" / "unet"), mine, None, 5]
    (tmp_path / "mine.safetensors").touch()  # what a file is taken for, the stage says
    assert settle("mine.safetensors") == [] and document.values["s"]["list"][0]["model"] == f"{mine}.safetensors"
    assert settle("sd-15", "own/pat", "min/unet", "./mine/unit") == [
        "s.list[0].model: expected a folder or one of sd15, own, own/part, got 'sd-15'; did you mean 'sd15'?",
        "s.list[1].model: expected a folder or one of sd15, own, own/part, got 'own/pat'; did you mean 'own/part'?",
        f"s.list[2].model: there is no folder {tmp_path / 'min' / 'unet'}",
        f"s.list[3].model: there is no folder {tmp_path / 'mine' / 'unit'}; did you mean 'unet'?"]


def test_mistakes_between_settings_stand_at_what_the_user_wrote(tmp_path: Path) -> None:
    profiles = tmp_path / "profiles"
    profiles.mkdir()
    (profiles / "embedded.yaml").write_text("count: {steps: 7}\n")
    mistake = Mistake("glue", (("count", "steps"), ("words", "modulus")), "they do not fit")
    for text, expected in ((HEAD, "embedded.yaml:1:16: count.steps"), (HEAD + "words: {modulus: 5}\n", "c.yaml:3:18: words.modulus"),
                           (HEAD + "count: {steps: 9}\nwords: {modulus: 5}\n", "c.yaml:3:16: count.steps")):
        (complaint,) = told([mistake], read(tmp_path, text).written)
        assert str(complaint).endswith(f"{os.sep}{expected}: they do not fit")


def test_the_command_line_wins_and_is_checked_alike(tmp_path: Path) -> None:
    config = read(tmp_path, HEAD + "count: {steps: 9}\n", ("count.steps", "3"), ("glue.formats", "[txt, md]"), ("prompt", "a: b"))
    assert (config.stages["count"].steps, config.stages["glue"].formats, config.stages["words"].prompt) == (3, ["txt", "md"], "a: b")
    said = mistakes(tmp_path, HEAD, ("count.stps", "3"), ("count.steps", "0"), ("utnil", "x"), ("cuont.steps", "1"), ("count", "1"), ("words.modulus", None))
    assert said == sorted([
        "command line, --count.stps: there is no such setting; did you mean 'steps'?",
        "command line, --count.steps: count.steps: expected a whole number from 1 to 1000, got 0",
        "command line, --utnil: there is no such flag or setting; did you mean --until?",
        "command line, --cuont.steps: there is no section 'cuont'; did you mean --count.steps?",
        "command line, --count: count is a section; expected one of its settings, such as --count.steps",
        "command line, --words.modulus: needs a value: a whole number at least 1"], key=lambda line: line.split(": ", 1)[1])


@pytest.mark.parametrize(("text", "expected"), [
    ("md", ["md"]), ("txt,md", ["txt", "md"]), (" txt , md,", ["txt", "md"]), ("[md, txt]", ["md", "txt"])])
def test_lists_of_words_need_no_brackets_on_the_command_line(tmp_path: Path, text: str, expected: list[str]) -> None:
    assert read(tmp_path, HEAD, ("glue.formats", text)).stages["glue"].formats == expected


def test_lists_that_are_none_are_answered_with_an_example(tmp_path: Path) -> None:
    assert mistakes(tmp_path, HEAD + "glue: {formats: md}\n") == [
        "c.yaml:3:17: glue.formats: expected a list: each one of txt, md (at least 1), got 'md'; write it as [txt, md]"]
    assert mistakes(tmp_path, HEAD, ("glue.formats", "txt,pdf")) == [
        "command line, --glue.formats: glue.formats[1]: expected one of txt, md, got 'pdf'"]
    assert mistakes(tmp_path, HEAD, ("glue.formats", "")) == [
        "command line, --glue.formats: glue.formats: expected a list: each one of txt, md (at least 1), got a list [] "
        "(List should have at least 1 item after validation, not 0)"]


def test_items_of_lists_that_are_there_can_be_set(tmp_path: Path) -> None:
    profiles = tmp_path / "profiles"
    profiles.mkdir()
    (profiles / "embedded.yaml").write_text("glue: {inks: [{colour: red}, {colour: blue, drops: 2}]}\n")
    (profiles / "plain.yaml").write_text("seed: 1\n")
    inks = lambda *arguments, **more: [(i.colour, i.drops) for i in read(tmp_path, *arguments, **more).stages["glue"].inks]  # noqa: E731
    own = HEAD + "glue: {inks: [{colour: green}]}\n"
    assert inks(HEAD, ("glue.inks.0.drops", "5"), profile="plain") == [("black", 5)]  # the default
    assert inks(HEAD, ("glue.inks.1.colour", "pink")) == [("red", 1), ("pink", 2)]  # the profile's
    assert inks(own, ("glue.inks[0].drops", "7")) == [("green", 7)]  # the YAML's, as complaints spell it
    assert read(tmp_path, HEAD + "glue: {formats: [txt, md]}\n", ("glue.formats.1", "txt")).stages["glue"].formats == ["txt", "txt"]
    said = mistakes(tmp_path, own, ("glue.inks.1.drops", "7"), ("glue.inks.0.drop", "7"), ("glue.inks.0.drops", "0"), ("glue.inks.drops", "7"))
    assert said == sorted([
        "command line, --glue.inks.1.drops: there is no glue.inks[1]; items there, counted from 0: 1; further list items are set in the YAML",
        "command line, --glue.inks.0.drop: there is no such setting; did you mean 'drops'?",
        "command line, --glue.inks.0.drops: glue.inks[0].drops: expected a whole number at least 1, got 0",
        "command line, --glue.inks.drops: glue.inks is a list; its items are counted from 0, as in --glue.inks.0.drops; a whole list is set in the YAML",
    ], key=lambda line: line.split(": ", 1)[1])


def test_splitting_the_command_line() -> None:
    known, others = split(["run", "--views.steps", "30", "a.yaml", "--until", "mesh", "--seed=-1", "--flag", "--dry-run", "--x.y", "-3"], VALUE_FLAGS)
    assert known == ["run", "a.yaml", "--until", "mesh", "--dry-run"]
    assert others == [("views.steps", "30"), ("seed", "-1"), ("flag", None), ("x.y", "-3")]


def test_a_run_without_yaml_is_named_after_its_prompt(tmp_path: Path) -> None:
    config = load(RECIPE, None, [("prompt", "a girl with long pink hair and blue eyes")], profiles=tmp_path)
    assert config.common.name == "girl-long-pink-hair-blue"
