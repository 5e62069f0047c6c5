"""Checks the VRM parts of files against published JSON schemas: ``python -m scripts.bench.validate_vrm mika.vrm --schemas FOLDER [FOLDER ...]``.

The schemas are not ours and not in this repository. They are the ``specification`` folder of github.com/vrm-c/vrm-specification, and
``specification/2.0/schema`` of github.com/KhronosGroup/glTF, on which the former build; folders are searched whole. Where a schema that is
needed is in none of them the name is said. glTF itself is ``scripts.bench.validate_gltf``'s matter. Exit codes: 0 no errors, 1 errors,
3 a schema or the ``jsonschema`` package is missing.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from stages.artifacts.glb_reader import split_glb

SUFFIX = ".schema.json"
CHECKED = ("VRMC_vrm", "VRMC_materials_mtoon", "VRMC_springBone", "VRMC_node_constraint")


def schemas_in(folders: Iterable[Path]) -> dict[str, Any]:
    """File name -> schema, of all schema files in ``folders`` and below. They refer to one another by file name."""
    found = {}
    for folder in folders:
        for path in sorted(folder.rglob(f"*{SUFFIX}")):
            found.setdefault(path.name, json.loads(path.read_text(encoding="utf-8")))
    return found


def references(schema: Any) -> Iterator[str]:
    """File names that a schema refers to."""
    if isinstance(schema, Mapping):
        if isinstance(schema.get("$ref"), str) and schema["$ref"].endswith(".json"):
            yield schema["$ref"]
        for value in schema.values():
            yield from references(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from references(value)


def missing_schemas(names: Iterable[str], schemas: Mapping[str, Any]) -> list[str]:
    """Schema files that the named ones need, directly or not, and that are not there."""
    waiting, seen = list(names), set()
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting += references(schemas.get(name, {}))
    return sorted(seen - set(schemas))


def extensions_of(document: Mapping[str, Any]) -> Iterator[tuple[str, str, Any]]:
    """(where it stands, name, content) of every extension that has a published schema."""
    holders = [("", document), *((f"/materials/{i}", m) for i, m in enumerate(document.get("materials", ())))]
    holders += [(f"/nodes/{i}", n) for i, n in enumerate(document.get("nodes", ()))]
    for place, holder in holders:
        for name, content in holder.get("extensions", {}).items():
            if name in CHECKED:
                yield f"{place}/extensions/{name}", name, content


def errors_of(content: Any, name: str, schemas: Mapping[str, Any]) -> list[str]:
    """What the schema of the extension ``name`` finds wrong, each with its place."""
    from jsonschema import Draft202012Validator
    from referencing import Registry, Resource
    from referencing.jsonschema import DRAFT202012

    registry = Registry().with_resources((file, Resource(schema, DRAFT202012)) for file, schema in schemas.items())
    validator = Draft202012Validator(schemas[name + SUFFIX], registry=registry)
    return [f"/{'/'.join(map(str, error.absolute_path))}: {error.message}" for error in validator.iter_errors(content)]


def validate(path: Path, schemas: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """Places of what was checked in a VRM file, and errors. Raises LookupError that names schemas which are missing."""
    document, _ = split_glb(path.read_bytes())
    found = list(extensions_of(document))
    missing = missing_schemas({name + SUFFIX for _, name, _ in found}, schemas)
    if missing:
        raise LookupError(f"schemas that are in none of the folders: {', '.join(missing)}")
    errors = [f"{place}{error}" for place, name, content in found for error in errors_of(content, name, schemas)]
    if "VRMC_vrm" not in document.get("extensions", {}):
        errors.append("/extensions: there is no VRMC_vrm")
    return [place for place, _, _ in found], errors


def main() -> int:
    """Validate the files named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--schemas", nargs="+", type=Path, required=True, help="folders with the published schemas")
    arguments = parser.parse_args()
    try:
        schemas = schemas_in(arguments.schemas)
        results = {path: validate(path, schemas) for path in arguments.files}
    except (ImportError, LookupError) as error:
        print(error, file=sys.stderr)
        return 3
    for path, (places, errors) in results.items():
        print(f"{path}: {len(errors)} errors in {len(places)} extensions ({', '.join(places)})")
        for error in errors:
            print(f"  {error}")
    return 1 if any(errors for _, errors in results.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
