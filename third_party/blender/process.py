"""One run of Blender: a request file in, files and a response out, its last words in the error."""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pipeline.errors import MissingError, StageError
from third_party.blender.provision import BlenderProgram, find_blender

SCRIPTS = Path(__file__).parent / "scripts"
_POLL_S = 0.02
_TAIL_LINES = 12


def program() -> BlenderProgram:
    """The Blender of this machine. Raises MissingError."""
    found = find_blender()
    if isinstance(found, str):
        raise MissingError(found)
    return found


class BlenderRun:
    """A running script in its own scratch folder; use it as a context manager, which ends it if it still runs.

    ``folder`` is made under ``work``, holds ``request.json`` and whatever the caller puts there before ``start``.
    """

    def __init__(self, script: str, request: Mapping[str, Any], work: Path) -> None:
        work.mkdir(parents=True, exist_ok=True)
        self.folder = Path(tempfile.mkdtemp(prefix="blender-", dir=work))
        self._script = SCRIPTS / script
        (self.folder / "request.json").write_text(json.dumps(request), encoding="utf-8")
        self._process: subprocess.Popen | None = None

    def __enter__(self) -> BlenderRun:
        argv = program().command(self._script, str(self.folder))
        with (self.folder / "stdout.txt").open("wb") as out, (self.folder / "stderr.txt").open("wb") as err:
            try:
                self._process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=err)
            except OSError as error:
                raise StageError(f"Blender could not be started: {' '.join(argv)}: {error}") from error
        return self

    def __exit__(self, *exception: object) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def files(self, names: list[str], timeout_s: float = 600.0) -> Iterator[Path]:
        """The named files of ``folder`` as they appear. Raises StageError if Blender ends, or is silent for ``timeout_s``, without one."""
        for name in names:
            path, patience = self.folder / name, time.monotonic() + timeout_s
            while not path.exists():
                ended = self._process.poll() is not None
                if ended and not path.exists():
                    raise StageError(f"Blender ended with {self._process.returncode} without making {name}. {self._last_words()}")
                if time.monotonic() > patience:
                    raise StageError(f"Blender made no {name} in {timeout_s:.0f} s. {self._last_words()}")
                time.sleep(_POLL_S)
            yield path

    def response(self, timeout_s: float = 600.0) -> dict[str, Any]:
        """What the script answered, after it ended well. Raises StageError."""
        try:
            code = self._process.wait(timeout_s)
        except subprocess.TimeoutExpired as error:
            raise StageError(f"Blender did not end in {timeout_s:.0f} s. {self._last_words()}") from error
        answer = self.folder / "response.json"
        if code or not answer.exists():
            raise StageError(f"Blender ended with {code}{'' if answer.exists() else ' and gave no answer'}. {self._last_words()}")
        return json.loads(answer.read_text(encoding="utf-8"))

    def _last_words(self) -> str:
        said = "\n".join((self.folder / f"{stream}.txt").read_text(errors="replace").strip() for stream in ("stdout", "stderr"))
        tail = [line for line in said.splitlines() if line.strip()][-_TAIL_LINES:]
        return "The end of what it said:\n  " + "\n  ".join(tail or ["(nothing)"])
