"""Where the add-on looks for the program, and where it does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from blender_addon import orders, places

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with a virtual environment, that nothing names."""
    for path in ("pipeline/__main__.py", "stages/__init__.py", ".venv/bin/python", ".venv/bin/character-pipeline", "configs/profiles/tiny.yaml"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("")
        (tmp_path / path).chmod(0o755)
    monkeypatch.delenv(places.VARIABLE, raising=False)
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(places, "interpreter", lambda environment: environment / "bin" / "python")
    return tmp_path


def test_this_is_a_project_and_its_tests_are_not() -> None:
    assert places.is_project(ROOT) and not places.is_project(ROOT / "tests")


def test_the_variable_names_it(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert places.find_project() is None
    monkeypatch.setenv(places.VARIABLE, str(checkout))
    assert places.find_project() == checkout and places.find_python(checkout) == checkout / ".venv/bin/python"


def test_the_installed_command_leads_to_it(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(checkout / ".venv/bin"))
    assert places.find_project() == checkout and places.find_python(None) == checkout / ".venv/bin/python"


def test_what_lies_round_the_open_file_is_not_taken(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(checkout)
    assert places.find_project() is None and places.find_python(None) is None


def test_profiles_are_those_of_the_project(checkout: Path) -> None:
    assert places.profiles(checkout) == ["tiny"] and places.profiles(None) == ["embedded"] == places.profiles(checkout / "stages")
    assert places.profiles(ROOT) == sorted(p.stem for p in (ROOT / "configs/profiles").glob("*.yaml"))


def test_what_is_lacking_is_said(checkout: Path) -> None:
    python = checkout / ".venv/bin/python"
    assert places.problem(python, checkout) is None and places.problem(python, None) is None
    assert places.problem(None, checkout) == "Preferences: name the Python that the project is installed in, such as .venv/bin/python in its folder"
    assert places.problem(checkout / "no", checkout) == f"Preferences: there is no Python at {checkout / 'no'}"
    assert "is not the project's folder" in places.problem(python, checkout / "stages")


def test_settings_that_begin_with_a_dash_stay_settings() -> None:
    argv = orders.run(Path("python"), Path("a b.yaml"), Path("out"), {"seed": "-1", "prompt": "--debug; rm -rf x"})
    assert argv == ["python", "-m", "pipeline", "run", "a b.yaml", "--out", "out", "--progress", "json", "--seed=-1", "--prompt=--debug; rm -rf x"]


def test_blenders_libraries_are_not_handed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONHOME", "/opt/blender/python")
    monkeypatch.setenv("KEPT", "yes")
    environment = orders.environment()
    assert "PYTHONHOME" not in environment and environment["KEPT"] == "yes" and environment["PYTHONUTF8"] == "1"
