"""Finding Blender: what is named wins, then PATH, then the private environment; every refusal is a sentence."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pipeline.errors import ConfigError, MissingError
from third_party.blender import provision
from third_party.blender.findings import blender_findings
from third_party.blender.provision import BlenderProgram, find_blender

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the stand-ins are shell scripts")


@pytest.fixture(autouse=True)
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.delenv("BLENDER", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(provision, "environment_folder", lambda: tmp_path / "env-blender")
    monkeypatch.setattr(provision.shutil, "which", _which_of(monkeypatch))


def _which_of(monkeypatch: pytest.MonkeyPatch) -> object:
    """``shutil.which`` that sees only what a test puts on PATH, whatever this machine has."""
    real = provision.shutil.which

    def which(name: str) -> str | None:
        found = real(name)
        return None if name == "blender" and found and found.startswith(("/usr/", "/bin/")) else found

    return which


def executable(path: Path, version: str = "4.5.1", code: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho run >> {path}.calls\necho 'Blender {version}'\nexit {code}\n")
    path.chmod(0o755)
    return path


def environment(folder: Path, version: str = "4.5.15", record: bool = True) -> Path:
    info = folder / f"lib/python3.11/site-packages/bpy-{version}.dist-info"
    info.mkdir(parents=True)
    if record:
        (info / "RECORD").write_text("")
    return executable(folder / "bin/python")


def test_nothing_at_all() -> None:
    found = find_blender()
    assert isinstance(found, str) and "4.2" in found and "python -m pipeline setup" in found


def test_the_private_environment_is_found_without_starting_it(tmp_path: Path) -> None:
    python = environment(tmp_path / "env-blender")
    found = find_blender()
    assert found == BlenderProgram([str(python)], "4.5.15", "bpy", python)
    assert not Path(f"{python}.calls").exists()
    assert found.command(Path("s.py"), "in.json", "out.json") == [str(python), "s.py", "--", "in.json", "out.json"]


def test_half_an_environment_does_not_count(tmp_path: Path) -> None:
    environment(tmp_path / "env-blender", record=False)
    assert "complete installation of bpy" in str(find_blender())


def test_path_comes_first_and_its_version_is_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environment(tmp_path / "env-blender")
    program = executable(tmp_path / "bin/blender")
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    for _ in range(2):
        found = find_blender()
        assert isinstance(found, BlenderProgram) and (found.version, found.kind, found.path) == ("4.5.1", "executable", program)
    assert Path(f"{program}.calls").read_text().count("run") == 1
    assert found.argv_prefix[1:] == ["--background", "--factory-startup", "--python-exit-code", "1", "--python"]


def test_an_old_one_on_path_gives_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = executable(tmp_path / "bin/blender", "3.4.1")
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    assert "is Blender 3.4.1, and 4.2 or newer is needed" in str(find_blender())
    environment(tmp_path / "env-blender")
    assert isinstance(find_blender(), BlenderProgram)


def test_what_is_named_never_falls_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environment(tmp_path / "env-blender")
    monkeypatch.setenv("BLENDER", str(tmp_path / "nowhere"))
    assert find_blender() == f"{tmp_path / 'nowhere'} does not exist"
    named = executable(tmp_path / "b/blender", "4.2.0")
    assert isinstance(find_blender(named), BlenderProgram)
    assert "does not answer" in str(find_blender(executable(tmp_path / "b/other", "")))


def test_install_uses_what_is_there_and_reports_what_does_not_start(tmp_path: Path) -> None:
    environment(tmp_path / "env-blender")
    said: list[str] = []
    assert provision.install(said.append).version == "4.5.15" and said[-1].startswith("Blender 4.5.15")
    executable(tmp_path / "env-blender/bin/python", code=1)
    with pytest.raises(MissingError, match="does not start"):
        provision.install(said.append)


def test_install_names_the_debian_packages_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provision, "missing_libraries", lambda: ["libXi.so.6"])
    with pytest.raises(MissingError, match=r"libXi.so.6.*apt-get install .*libxi6"):
        provision.install(lambda line: None)


def test_findings_say_what_it_costs_and_what_mends_it(tmp_path: Path) -> None:
    (finding, *_) = blender_findings()
    assert "FBX" in finding.cost and not finding.missing and "350 MB" in finding.remedy  # a run does without
    environment(tmp_path / "env-blender")
    assert blender_findings()[0].cost == ""


def test_setup_goes_on_without_blender_and_says_what_that_costs(monkeypatch: pytest.MonkeyPatch) -> None:
    from pipeline import __main__ as program

    provided: list[str] = []
    monkeypatch.setattr("pipeline.setup.provide", lambda recipe, profile, say: provided.append("kernels"))
    monkeypatch.setattr(provision, "missing_libraries", lambda: ["libXi.so.6"])
    said: list[str] = []
    program._setup(said.append, None)
    assert provided and "apt-get install" in said[-1] and "FBX" in said[-1]


def test_setup_provides_blender_before_it_says_which_models_are_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    from pipeline import __main__ as program

    done: list[str] = []

    def lacks_models(recipe: object, profile: str | None, say: object) -> None:
        done.append("models")
        raise MissingError("6 models are not on this machine")

    monkeypatch.setattr("pipeline.setup.provide", lacks_models)
    monkeypatch.setattr(provision, "install", lambda say: done.append("blender"))
    with pytest.raises(MissingError, match="6 models"):
        program._setup(done.append, "sd15")
    assert done == ["blender", "models"]
    with pytest.raises(ConfigError, match="did you mean 'sd15'"):
        program._setup(done.append, "sd51")
    assert done == ["blender", "models"], "nothing is downloaded for a profile that there is not"
