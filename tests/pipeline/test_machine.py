"""What is said of this machine, and what stages are given of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline import machine
from pipeline.backends import choose
from pipeline.doctor import Finding, machine_findings, settings_findings, tell
from pipeline.errors import ConfigError, MissingError
from pipeline.memory import PeakMemory, give_back
from pipeline.publish import deliver, publish, stamps, withdraw
from pipeline.runner import run_stage
from pipeline.schema import json_schema, markdown
from pipeline.setup import provide
from pipeline.stage import AbsentModel, Capability
from tests.pipeline.fake_program import COUNT, RECIPE, CountSettings, Nothing, Pen


def test_run_stage_alone(tmp_path: Path) -> None:
    made = run_stage(COUNT, CountSettings(steps=3), Nothing(), tmp_path / "out")
    assert made.values == [0, 1, 2] and not (tmp_path / "out.work").exists()
    with pytest.raises(ZeroDivisionError):
        run_stage(COUNT, CountSettings(fail="bug"), Nothing(), tmp_path / "out", work_dir=tmp_path / "w")


def test_run_stage_goes_on_only_from_a_folder_that_it_is_given(tmp_path: Path) -> None:
    """What an earlier call left beside ``out`` may be of other settings."""
    seen = []
    spy = replace(COUNT, run=lambda settings, inputs, context: (seen.append(context.checkpoint.has("left")), COUNT.run(settings, inputs, context))[1])
    for work in (None, tmp_path / "w"):
        folder = (work or tmp_path / "out.work") / "checkpoint"
        folder.mkdir(parents=True)
        (folder / "left").write_text("")
        run_stage(spy, CountSettings(steps=1), Nothing(), tmp_path / "out", work_dir=work)
    assert seen == [False, True]


def test_threads_are_said_to_every_library(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in machine.THREAD_VARIABLES:
        monkeypatch.setenv(name, "9")
    assert machine.limit_threads(3) == 3 and {os.environ[n] for n in machine.THREAD_VARIABLES} == {"3"}
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    assert machine.limit_threads(0) == 5
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert machine.limit_threads(0) == machine.cores() >= 1


def test_a_named_device_is_taken_and_auto_knows_a_cpu_build(monkeypatch: pytest.MonkeyPatch) -> None:
    assert machine.device("cuda") == "cuda"
    monkeypatch.setattr(machine, "version_of", lambda name: "2.13.0+cpu")
    assert machine.device("auto") == "cpu" and "without CUDA" in machine.cuda_problem()
    monkeypatch.setattr(machine, "version_of", lambda name: "2.13.0+cu128")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    for there, said in ((True, None), (False, "there is no NVIDIA device")):
        monkeypatch.setattr(machine, "_nvidia_device", lambda there=there: there)
        assert machine.cuda_problem() == said


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="children are seen on Linux only")
def test_peak_memory_counts_this_process_and_its_programs() -> None:
    give_back()  # what earlier tests freed would serve the block without a new page
    with PeakMemory(0.02) as idle:
        pass
    with PeakMemory(0.02) as own:
        block = bytearray(64 << 20)
        block[::4096] = b"x" * len(block[::4096])
        del block
    with PeakMemory(0.02) as child:
        subprocess.run([sys.executable, "-c", "import time; b = bytearray(96 << 20); b[::4096] = b'x' * len(b[::4096]); time.sleep(.4)"], check=True)
    assert own.bytes - idle.bytes > 50 << 20
    assert child.bytes - idle.bytes > 80 << 20


def test_auto_takes_the_first_that_can_and_tells_why_not_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    pens = (Pen("gold", "NO_GOLD"), Pen("lead", "NO_LEAD"))
    monkeypatch.setenv("NO_GOLD", "1")
    choice = choose(Capability("writing", "auto", pens))
    assert (choice.backend.name, choice.refused, choice.identity()) == ("lead", {"gold": "NO_GOLD is set"}, ["writing", "lead", "1"])
    with pytest.raises(MissingError, match="gold: NO_GOLD is set .named in the settings, so no other was tried"):
        choose(Capability("writing", "gold", pens))
    with pytest.raises(ConfigError, match="no backend 'ink'; expected auto or one of gold, lead"):
        choose(Capability("writing", "ink", pens))


def test_doctor_counts_what_is_needed_only(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    assert tell([Finding("a", "fine"), Finding("b", "absent", "slow", "buy", needed=False)], said.append) == 0
    assert said[1:4] == ["without b: absent", "          costs: slow", "          mend:  buy"]
    assert tell([Finding("c", "absent", "nothing runs", "do this")], said.append) == 3
    assert {f.what for f in machine_findings(Path.cwd())} >= {"Python", "cores", "disk", "GPU"}
    monkeypatch.setenv("NO_GOLD", "1")
    assert [(f.what, f.said) for f in settings_findings(RECIPE, None, None)] == [
        ("count, writing", "lead (not gold: NO_GOLD is set)"), ("count, model", "tiny, Apache-2.0")]


def test_doctor_asks_about_the_settings_that_it_is_given(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_GOLD", "1")
    (home / "a.yaml").write_text("name: mika\nprompt: hello\ncount: {pen: gold}\n")
    finding = settings_findings(RECIPE, home / "a.yaml", None)[0]
    assert finding.said == "gold: NO_GOLD is set" and finding.missing, "what is named has no substitute"
    (home / "a.yaml").write_text("name: mika\nprompt: hello\ncount: {source: folder}\n")
    assert settings_findings(RECIPE, home / "a.yaml", None) == [], "a stage that is left out needs nothing"


def test_setup_prepares_every_stage(tmp_path: Path) -> None:
    from dataclasses import replace

    from pipeline.graph import Recipe

    called: list[str] = []
    stages = tuple(replace(s, prepare=lambda n=s.name: called.append(n)) for s in RECIPE.stages)
    said: list[str] = []
    provide(Recipe("r", stages), None, said.append, tmp_path)
    assert called == ["count", "words", "glue"] and said == ["r: everything that profile embedded needs is here"]

    def absent(settings: object) -> tuple:
        raise MissingError("fetch it")

    with pytest.raises(MissingError, match="count: fetch it\nwords: fetch it"):
        provide(Recipe("r", (replace(stages[0], models=absent), replace(stages[1], models=absent))), None, said.append, tmp_path)
    lacking = tuple(replace(s, models=absent, absent=lambda settings, n=s.name: (AbsentModel("big", "8 GB"), AbsentModel(n, "1 GB"))) for s in stages[:2])
    with pytest.raises(MissingError, match="^3 models are not on this machine: .*`python -m pipeline models fetch big count words` downloads them$"):
        provide(Recipe("r", lacking), None, said.append, tmp_path)


def test_results_are_copied_once_and_stages_linked(tmp_path: Path) -> None:
    folder, target = tmp_path / "made", tmp_path / "outputs"
    (folder / "preview").mkdir(parents=True)
    for name in ("a.glb", "manifest.json", "w.safetensors", "t.mp4"):
        (folder / name).write_text(name)
    assert [p.name for p in deliver(folder, target)] == ["a.glb", "t.mp4"]
    (target / "a.glb").write_text("the user's own edit")
    deliver(folder, target)
    assert (target / "a.glb").read_text() == "a.glb" and (folder / "a.glb").read_text() == "a.glb"
    publish({"mesh": folder, "rig": folder}, [], target)
    publish({"mesh": folder}, ["rig"], target)
    assert (target / "stages/mesh/a.glb").exists() and not (target / "stages/rig").exists()


def test_what_is_no_longer_made_is_taken_away_and_the_users_own_stays(tmp_path: Path) -> None:
    folder, target = tmp_path / "made", tmp_path / "outputs"
    folder.mkdir()
    for name in ("a.glb", "a.obj", "a.mtl"):
        (folder / name).write_text(name)
    former = stamps(deliver(folder, target))
    (target / "a.mtl").write_text("the user's own edit")
    (target / "mine.obj").write_text("the user's own")
    (tmp_path / "out.obj").write_text("elsewhere")
    former |= {"gone.obj": [1, 2], "../out.obj": stamps([tmp_path / "out.obj"])["out.obj"]}
    assert withdraw(former, [target / "a.glb"], target) == [target / "a.obj"]
    assert sorted(p.name for p in target.iterdir()) == ["a.glb", "a.mtl", "mine.obj"] and (tmp_path / "out.obj").exists()


def test_schema_and_page_come_from_the_types() -> None:
    schema = json.loads(json_schema(RECIPE))
    assert schema["required"] == ["name", "prompt"] and schema["additionalProperties"] is False
    assert schema["properties"]["count"]["properties"]["steps"]["maximum"] == 1000
    assert schema["properties"]["glue"]["required"] == [] and "in_key" not in json.dumps(schema)
    text = markdown(RECIPE)
    assert "| **`name`** | text of the form ^\\w[\\w.-]*$ | required |" in text
    assert "| `steps` | a whole number from 1 to 1000 | `5` | How many numbers. |" in text
