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


def stamps(paths: Iterable[Path]) -> dict[str, list[int]]:
    """Name -> [bytes, time in seconds] of delivered files: by these a later run tells them from what the user has put there."""
    return {path.name: [path.stat().st_size, int(path.stat().st_mtime)] for path in paths}


def withdraw(former: Mapping[str, list[int]], made: Iterable[Path], target: Path) -> list[Path]:
    """Remove from ``target`` what was delivered with the stamps ``former`` and is not among ``made``; what the user has changed since stays."""
    gone = [target / name for name in sorted(set(former) - {path.name for path in made})]
    gone = [path for path in gone if path.parent == target and path.is_file() and stamps([path])[path.name] == former[path.name]]
    for path in gone:
        path.unlink()
    return gone


def _same(source: Path, copy: Path) -> bool:
    """Size and time, as ``copy2`` leaves them."""
    if not copy.exists():
        return False
    return [*stamps([source]).values()] == [*stamps([copy]).values()]


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
