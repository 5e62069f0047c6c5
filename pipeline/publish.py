"""Shows the user what was made: links to every stage's folder, and the result itself."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

PRIVATE = (".json", ".safetensors", ".npz")


def publish(folders: Mapping[str, Path], skipped: Iterable[str], target: Path) -> None:
    """Make ``target/stages/<stage>`` show each committed folder; what a skipped stage showed before is taken away."""
    stages = target / "stages"
    stages.mkdir(parents=True, exist_ok=True)
    for name, folder in folders.items():
        _show(folder.resolve(), stages / name)
    for name in skipped:
        _remove(stages / name)


def deliver(folder: Path, target: Path) -> list[Path]:
    """Copy a stage's files (previews and private data left out) to ``target``; what is there already is not copied again."""
    made = []
    target.mkdir(parents=True, exist_ok=True)
    for source in sorted(folder.iterdir()):
        if not source.is_file() or source.suffix in PRIVATE:
            continue
        copy = target / source.name
        if not _same(source, copy):
            shutil.copy2(source, copy)
        made.append(copy)
    return made


def _same(source: Path, copy: Path) -> bool:
    """Size and time, as ``copy2`` leaves them."""
    if not copy.exists():
        return False
    a, b = source.stat(), copy.stat()
    return (a.st_size, int(a.st_mtime)) == (b.st_size, int(b.st_mtime))


def _show(source: Path, link: Path) -> None:
    """A link to a folder, or a copy where the system has no links."""
    if link.is_symlink() and link.readlink() == source:
        return
    _remove(link)
    try:
        link.symlink_to(source, target_is_directory=True)
    except OSError:
        shutil.copytree(source, link)


def _remove(path: Path) -> None:
    if path.is_symlink():
        path.unlink()
    elif path.exists():
        shutil.rmtree(path)
