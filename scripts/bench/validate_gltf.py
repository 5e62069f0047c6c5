"""Runs Khronos' validator (npm ``gltf-validator``) over GLB files: ``python -m scripts.bench.validate_gltf outputs/mika/mika.glb``.

Needs node and the npm package, which the project does not install; where they are missing it says what is. Exit codes: 0 no
errors, 1 errors, 3 the validator is missing.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

PACKAGE = "gltf-validator"
PROGRAM = """
const fs = require('fs'), path = require('path');
const validator = require(path.join(process.argv[1], 'gltf-validator'));
validator.validateBytes(new Uint8Array(fs.readFileSync(process.argv[2]))).then(
  report => process.stdout.write(JSON.stringify(report)),
  error => { process.stderr.write(String(error)); process.exit(1); });
"""


def modules_folder(given: Path | None = None) -> Path | str:
    """The ``node_modules`` that holds the validator, or one sentence on what is missing. ``given`` is looked at first, and alone."""
    if shutil.which("node") is None:
        return "node is not on PATH; install Node.js (Debian: apt-get install nodejs npm)"
    if given is not None:
        candidates = [given, given / "node_modules"]
    else:
        here = Path.cwd()
        candidates = [Path(p) for p in os.environ.get("NODE_PATH", "").split(os.pathsep) if p]
        candidates += [folder / "node_modules" for folder in (here, *here.parents)]
        if shutil.which("npm") is not None:
            answer = subprocess.run(["npm", "root", "-g"], capture_output=True, text=True, check=False)
            candidates += [Path(line) for line in answer.stdout.split("\n") if line]
    for folder in candidates:
        if (folder / PACKAGE / "package.json").is_file():
            return folder.resolve()
    return f"the npm package {PACKAGE} was not found; install it with: npm install -g {PACKAGE} (or name its folder with --modules or NODE_PATH)"


def validate(path: Path, modules: Path) -> dict[str, Any]:
    """The validator's report on a GLB file. Raises RuntimeError with its message if it does not end well."""
    done = subprocess.run(["node", "-e", PROGRAM, str(modules), str(path)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{path}: the validator ended with {done.returncode}: {done.stderr[-800:]}")
    return json.loads(done.stdout)


def main() -> int:
    """Validate the files named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--modules", type=Path, help="folder that holds gltf-validator, or whose node_modules does")
    arguments = parser.parse_args()
    modules = modules_folder(arguments.modules)
    if isinstance(modules, str):
        print(modules, file=sys.stderr)
        return 3
    errors = 0
    for path in arguments.files:
        report = validate(path, modules)
        issues, info = report["issues"], report["info"]
        errors += issues["numErrors"]
        counts = f"{issues['numErrors']} errors, {issues['numWarnings']} warnings, {issues['numInfos']} infos"
        print(f"{path}: {counts}; {info['totalTriangleCount']} triangles, {info['totalVertexCount']} vertices")
        for message in issues["messages"][:10]:
            print(f"  {message['code']} at {message.get('pointer', '?')}: {message['message']}")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
