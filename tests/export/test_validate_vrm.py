"""The check of VRM files against schemas: finds what is wrong and where, and says which schemas it was not given."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from scripts.bench.validate_vrm import main, missing_schemas, schemas_in
from stages.artifacts.glb_document import GlbDocument

SCHEMAS = {
    "VRMC_vrm.schema.json": {"type": "object", "properties": {"meta": {"title": "Meta", "$ref": "VRMC_vrm.meta.schema.json"}}, "required": ["meta"]},
    "VRMC_vrm.meta.schema.json": {"type": "object", "properties": {"thumbnailImage": {"allOf": [{"$ref": "glTFid.schema.json"}]}}},
    "glTFid.schema.json": {"type": "integer", "minimum": 0},
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    pytest.importorskip("jsonschema")
    for i, (name, schema) in enumerate(SCHEMAS.items()):
        (tmp_path / "schemas" / str(i)).mkdir(parents=True)
        (tmp_path / "schemas" / str(i) / name).write_text(json.dumps(schema))
    return tmp_path / "schemas"


def said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], folder: Path, vrm: dict[str, Any] | None) -> tuple[int, str]:
    document = GlbDocument({"asset": {"version": "2.0"}})
    if vrm is not None:
        document.extend(document.json, "VRMC_vrm", vrm)
    path = folder.parent / "a.vrm"
    path.write_bytes(document.to_bytes())
    monkeypatch.setattr(sys, "argv", ["validate_vrm", str(path), "--schemas", str(folder)])
    code = main()
    out = capsys.readouterr()
    return code, (out.out + out.err).replace(str(path), "a.vrm")


def test_what_fits_passes_and_what_does_not_is_placed(monkeypatch, capsys, folder: Path) -> None:
    assert said(monkeypatch, capsys, folder, {"meta": {"thumbnailImage": 1}}) == (0, "a.vrm: 0 errors in 1 extensions (/extensions/VRMC_vrm)\n")
    code, text = said(monkeypatch, capsys, folder, {"meta": {"thumbnailImage": -1}})
    assert code == 1 and "/extensions/VRMC_vrm/meta/thumbnailImage: -1 is less than the minimum of 0" in text
    code, text = said(monkeypatch, capsys, folder, None)
    assert code == 1 and "/extensions: there is no VRMC_vrm" in text


def test_absent_schemas_are_named(monkeypatch, capsys, folder: Path) -> None:
    (folder / "2" / "glTFid.schema.json").unlink()
    assert missing_schemas(["VRMC_vrm.schema.json"], schemas_in([folder])) == ["glTFid.schema.json"]
    assert said(monkeypatch, capsys, folder, {"meta": {}}) == (3, "schemas that are in none of the folders: glTFid.schema.json\n")
