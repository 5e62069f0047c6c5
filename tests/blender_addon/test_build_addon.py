"""The zip: complete, the same bytes each time, and one that Blender takes for an extension."""

from __future__ import annotations

import subprocess
import tomllib
import zipfile
from pathlib import Path

import pytest

from scripts import build_addon
from third_party.blender.provision import find_blender

BLENDER = find_blender()


def test_the_same_bytes_and_everything_in_it(tmp_path: Path) -> None:
    names = build_addon.build(tmp_path / "a.zip")
    build_addon.build(tmp_path / "b.zip")
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    assert names == sorted(p.name for p in build_addon.SOURCE.iterdir() if p.is_file()) and {"__init__.py", "blender_manifest.toml", "LICENSE.md"} <= set(names)
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert archive.testzip() is None and {i.date_time for i in archive.infolist()} == {build_addon.LONG_AGO}


def test_the_manifest_says_what_the_project_says() -> None:
    manifest = tomllib.loads((build_addon.SOURCE / "blender_manifest.toml").read_text())
    project = tomllib.loads((build_addon.SOURCE.parent / "pyproject.toml").read_text())["project"]
    assert manifest["version"] == project["version"] and manifest["license"] == ["SPDX:GPL-3.0-or-later"]
    assert manifest["blender_version_min"] == "4.2.0" and not manifest["tagline"].endswith(".") and len(manifest["tagline"]) <= 64


def test_every_file_bears_its_licence() -> None:
    for path in build_addon.SOURCE.glob("*.py"):
        assert path.read_text().startswith("# SPDX-License-Identifier: GPL-3.0-or-later\n"), path


@pytest.mark.skipif(isinstance(BLENDER, str), reason=str(BLENDER))
def test_blender_validates_it(tmp_path: Path) -> None:
    build_addon.build(tmp_path / "a.zip")
    if BLENDER.kind == "executable":
        argv = [str(BLENDER.path), "--command", "extension", "validate", str(tmp_path / "a.zip")]
    else:
        (tool,) = BLENDER.path.parent.parent.glob("**/site-packages/bpy/*/scripts/addons_core/bl_pkg/cli/blender_ext.py")
        argv = [str(BLENDER.path), str(tool), "validate", str(tmp_path / "a.zip")]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0 and "Success parsing TOML" in done.stdout, done.stdout + done.stderr
