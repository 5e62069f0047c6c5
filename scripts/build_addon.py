"""Builds the add-on for Blender as a zip that Blender installs: ``python -m scripts.build_addon --out character_pipeline.zip``.

The same files make the same bytes: entries are sorted, carry no time of their own and are stored as they are, for compressors differ.
"""

from __future__ import annotations

import argparse
import zipfile
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[1] / "blender_addon"
KINDS = {".py", ".toml", ".md"}
LONG_AGO = (1980, 1, 1, 0, 0, 0)  # the first moment that a zip can name


def build(target: Path) -> list[str]:
    """Write the zip; returns the names in it."""
    files = sorted(p for p in SOURCE.iterdir() if p.suffix in KINDS)
    with zipfile.ZipFile(target, "w") as archive:
        for path in files:
            entry = zipfile.ZipInfo(path.name, LONG_AGO)
            entry.create_system, entry.external_attr = 3, 0o644 << 16
            archive.writestr(entry, path.read_bytes())
    return [path.name for path in files]


def main() -> None:
    """Build to the file named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("character_pipeline.zip"), help="the zip (default: character_pipeline.zip)")
    target = parser.parse_args().out
    if not SOURCE.is_dir():
        parser.error(f"there is no {SOURCE}: the add-on is built from a checkout of the project")
    build(target)
    print(target)


if __name__ == "__main__":
    main()
