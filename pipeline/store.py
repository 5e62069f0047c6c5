"""Layout of the cache: committed folders with manifests, work in progress beside them, nothing in between.

``<root>/<stage>/<key[:2]>/<key>/`` is committed and never modified; ``<key>.work/`` is in progress (``out-<attempt>/`` becomes
the committed folder by one rename; ``scratch/`` keeps checkpoints); ``<key>.aside-<n>/`` was replaced by force or found corrupt.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from pipeline.errors import ArtifactError
from pipeline.hashing import canonical_json, content_digest, digest_file, files_of

MANIFEST = "manifest.json"
SCHEMA = 1


@dataclass(frozen=True)
class Manifest:
    """What is known of a committed folder. ``files`` maps relative paths to [SHA-256, bytes]; ``image`` is the key's pre-image;
    ``figures`` are what the stage measured of itself."""

    stage: str
    key: str
    image: dict[str, Any]
    content: str
    files: dict[str, list[Any]]
    settings: dict[str, Any]
    started: str = ""
    seconds: float = 0.0
    peak_memory_bytes: int = 0
    attempts: int = 1
    backends: list[dict[str, Any]] = field(default_factory=list)
    models: list[dict[str, str]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=dict)
    device: str = ""
    threads: int = 0
    figures: dict[str, float] = field(default_factory=dict)
    schema: int = SCHEMA

    @classmethod
    def read(cls, folder: Path) -> Self:
        """The manifest of a committed folder. Raises ArtifactError."""
        try:
            return cls(**json.loads((folder / MANIFEST).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise ArtifactError(folder, f"its manifest cannot be read ({error})", "It will be made again by the next run") from error


@dataclass(frozen=True)
class Store:
    """The cache under ``root``."""

    root: Path

    def entry(self, stage: str, key: str) -> Path:
        """Where the committed folder lies or will lie."""
        return self.root / stage / key[:2] / key

    def work(self, stage: str, key: str) -> Path:
        """Where the folder is being made."""
        return self.root / stage / key[:2] / f"{key}.work"

    def lock_path(self, stage: str, key: str) -> Path:
        """The file whose lock means that the entry is being made."""
        return self.root / ".locks" / f"{stage}-{key}.lock"

    def lookup(self, stage: str, key: str) -> Manifest | None:
        """The manifest of a committed folder whose files all have their sizes, else None. Changes nothing."""
        folder = self.entry(stage, key)
        if not folder.is_dir():
            return None
        try:
            manifest = Manifest.read(folder)
        except ArtifactError:
            return None
        whole = manifest.schema == SCHEMA and manifest.key == key and not size_problems(folder, manifest)
        return manifest if whole else None

    def set_aside(self, stage: str, key: str) -> Path | None:
        """Move a committed folder out of the way, if there is one; returns where to."""
        folder = self.entry(stage, key)
        if not folder.exists():
            return None
        number = 1
        while (target := folder.with_name(f"{key}.aside-{number}")).exists():
            number += 1
        os.rename(folder, target)
        return target

    def open_work(self, stage: str, key: str) -> tuple[Path, Path, int]:
        """(empty folder to fill, ``scratch`` as the last attempt left it, number of this attempt).

        The folder is another one each time: a program that outlives a killed run cannot write into its successor's.
        """
        work = self.work(stage, key)
        scratch, counter = work / "scratch", work / "attempts"
        scratch.mkdir(parents=True, exist_ok=True)
        said = counter.read_text() if counter.exists() else ""
        attempt = int(said) + 1 if said.isdigit() else 1
        while (out := work / f"out-{attempt}").exists():
            attempt += 1
        counter.write_text(str(attempt))
        for former in work.glob("out-*"):
            shutil.rmtree(former, ignore_errors=True)
        out.mkdir()
        return out, scratch, attempt

    def drop_work(self, stage: str, key: str) -> None:
        """Forget what an interrupted or failed attempt left, its checkpoints too: a forced stage starts afresh."""
        shutil.rmtree(self.work(stage, key), ignore_errors=True)

    def finished_work(self, stage: str, key: str) -> Path | None:
        """The folder of a killed run that had written everything, manifest included, and lacked only the rename."""
        for path in self.work(stage, key).glob(f"out-*/{MANIFEST}"):
            try:
                manifest = Manifest.read(path.parent)
            except ArtifactError:
                continue
            if manifest.key == key and not digest_problems(path.parent, manifest):
                return path.parent
        return None

    def write_manifest(self, out: Path, manifest: Manifest) -> None:
        """Write the manifest, last of all files, and flush everything to the disk."""
        for name in manifest.files:
            (out / name).chmod(0o644)  # some writers make files that only their owner can read
            _flush(out / name)
        path = out / MANIFEST
        path.write_text(canonical_json(asdict(manifest)) + "\n", encoding="utf-8")
        _flush(path)
        for folder in [p for p in out.rglob("*") if p.is_dir()]:
            _flush(folder)
        _flush(out)

    def commit(self, stage: str, key: str, out: Path) -> Path:
        """Put finished work in its place by one rename; what was there is set aside."""
        self.set_aside(stage, key)
        entry = self.entry(stage, key)
        os.replace(out, entry)
        _flush(entry.parent)
        self.drop_work(stage, key)
        return entry

    def entries(self, stage: str | None = None) -> Iterator[Path]:
        """Every committed folder, of one stage or all."""
        for folder in sorted(self.root.glob(f"{stage or '*'}/??/*")):
            if folder.is_dir() and "." not in folder.name:
                yield folder

    def leftovers(self) -> Iterator[Path]:
        """What interrupted, forced and corrupt runs left: work in progress and folders set aside."""
        for folder in sorted(self.root.glob("*/??/*")):
            if folder.is_dir() and "." in folder.name:
                yield folder

    def latest(self, stage: str, device: str | None = None, threads: int | None = None) -> Manifest | None:
        """The manifest of the entry of ``stage`` that was made last, on this device and with as many threads if they are given."""
        found: list[Manifest] = []
        for folder in self.entries(stage):
            try:
                found.append(Manifest.read(folder))
            except ArtifactError:
                continue
        fit = [m for m in found if device in (None, m.device) and threads in (None, m.threads)]
        return max(fit, key=lambda m: m.started, default=None)


def digest_files(folder: Path) -> dict[str, list[Any]]:
    """Relative path -> [SHA-256, bytes] of all files under ``folder``. Raises ArtifactError on links out of it."""
    files = {}
    for name in files_of(folder):
        path = folder / name
        if path.is_symlink():
            raise ArtifactError(folder, f"{name} is a link", "An artifact holds its files itself; copy it")
        files[name] = [digest_file(path), path.stat().st_size]
    return files


def content_of(files: dict[str, list[Any]]) -> str:
    """Content digest of an artifact from the files of its manifest."""
    return content_digest({name: pair[0] for name, pair in files.items()})


def size_problems(folder: Path, manifest: Manifest) -> list[str]:
    """Files that are gone or have another size; quick."""
    return [name for name, (_, size) in manifest.files.items() if not _has_size(folder / name, size)]


def digest_problems(folder: Path, manifest: Manifest) -> list[str]:
    """What is wrong with a committed folder, each file read: sentences."""
    problems = []
    for name, (digest, size) in manifest.files.items():
        path = folder / name
        if not path.exists():
            problems.append(f"{name} is gone")
        elif not _has_size(path, size) or digest_file(path) != digest:
            problems.append(f"{name} was changed")
    problems += [f"{name} was added" for name in files_of(folder) if name not in manifest.files and name != MANIFEST]
    return problems


def _has_size(path: Path, size: int) -> bool:
    try:
        return path.stat().st_size == size
    except OSError:
        return False


def _flush(path: Path) -> None:
    """fsync a file or, where the system can, a folder."""
    if path.is_dir() and os.name == "nt":
        return
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
