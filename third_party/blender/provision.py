"""Finds a Blender to run, or provides one: a configured executable, ``blender`` on PATH, or a private environment with ``bpy``.

Blender is a program of its own (GPL); nothing here imports ``bpy``. Finding starts no process that takes longer than
``blender --version``, whose answer is remembered; ``install`` is the one function that uses the network.
"""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import MissingError

MINIMUM = (4, 2)
REQUIREMENT = "bpy>=4.2,<4.6"  # the wheels of 4.x are built for Python 3.11
DOWNLOAD_MB, DISK_MB = 350, 950
VARIABLE = "BLENDER"
# Everything the wheel's libraries link to that a Debian without a desktop does not have.
LIBRARIES = ("libX11.so.6", "libXext.so.6", "libXrender.so.1", "libXfixes.so.3", "libXi.so.6", "libxkbcommon.so.0",
             "libSM.so.6", "libICE.so.6", "libGL.so.1")
APT_LINE = "sudo apt-get install -y --no-install-recommends libxrender1 libxfixes3 libxi6 libxkbcommon0 libsm6 libgl1"
SETUP_LINE = "python -m pipeline setup"


@dataclass(frozen=True)
class BlenderProgram:
    """A Blender that can be started. ``argv_prefix`` goes before the script's path; ``kind`` is "executable" or "bpy"."""

    argv_prefix: list[str]
    version: str
    kind: str
    path: Path

    def command(self, script: Path, *arguments: str) -> list[str]:
        """The argument list that runs ``script``; inside, the arguments stand in ``sys.argv`` after ``--``."""
        return [*self.argv_prefix, str(script), "--", *arguments]


def find_blender(configured: Path | None = None) -> BlenderProgram | str:
    """The Blender to use, or one sentence on why there is none.

    ``configured``, else the variable BLENDER, names an executable (or the Python of an environment with ``bpy``) and is then
    the only one considered; otherwise ``blender`` on PATH, then the private environment that ``setup`` makes.
    """
    named = configured or (Path(os.environ[VARIABLE]) if os.environ.get(VARIABLE) else None)
    if named is not None:
        return _program(Path(shutil.which(str(named)) or named))
    on_path = shutil.which("blender")
    refusal = ""
    if on_path:
        found = _program(Path(on_path))
        if isinstance(found, BlenderProgram):
            return found
        refusal = f" ({found})"
    python = environment_python(environment_folder())
    if python.exists():
        found = _program(python)
        if isinstance(found, BlenderProgram):
            return found
        refusal = refusal or f" ({found})"
    return f"no Blender {MINIMUM[0]}.{MINIMUM[1]} or newer was found{refusal}; `{SETUP_LINE}` provides one"


def environment_folder() -> Path:
    """Where the private environment lives: beside a checkout, or in the user's data folder for an installed package."""
    root = Path(__file__).resolve().parents[2]
    if (root / "pyproject.toml").exists() or (root / ".git").exists():
        return root / ".env-blender"
    return _user_folder("XDG_DATA_HOME", ".local/share") / "env-blender"


def environment_python(folder: Path) -> Path:
    """The interpreter of a virtual environment."""
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def missing_libraries() -> list[str]:
    """Shared libraries that ``bpy`` needs and this Linux does not have; empty elsewhere."""
    if not sys.platform.startswith("linux"):
        return []
    return [name for name in LIBRARIES if not _loads(name)]


def check(program: BlenderProgram, timeout_s: float = 120.0) -> str | None:
    """Start Blender once: None if it answers, else one sentence with the tail of what it said."""
    if program.kind == "bpy":
        argv = [str(program.path), "-c", "import bpy; print(bpy.app.version_string)"]
    else:
        argv = [str(program.path), "--background", "--factory-startup", "--python-expr", "print('alive')"]
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=timeout_s, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{program.path} does not start: {error}"
    if done.returncode == 0:
        return None
    tail = " / ".join((done.stderr or done.stdout).strip().splitlines()[-2:])
    missing = missing_libraries()
    remedy = f"; Debian and Ubuntu: {APT_LINE}" if missing else ""
    return f"{program.path} does not start: {tail}{remedy}"


def install(say: Callable[[str], None] = print) -> BlenderProgram:
    """Provide Blender: use what is there, else make the private environment. Raises MissingError with the remedy."""
    found = find_blender()
    if isinstance(found, str):
        found = _make_environment(say)
    problem = check(found)
    if problem:
        raise MissingError(f"Blender {found.version}: {problem}")
    say(f"Blender {found.version}: {found.path}")
    return found


def _make_environment(say: Callable[[str], None]) -> BlenderProgram:
    folder = environment_folder()
    missing = missing_libraries()
    if missing:
        raise MissingError(f"Blender needs libraries that this system lacks ({', '.join(missing)}). "
                           f"Debian and Ubuntu: {APT_LINE}")
    free_mb = shutil.disk_usage(folder.parent if folder.parent.exists() else Path.home()).free // 2**20
    if free_mb < DISK_MB + DOWNLOAD_MB:
        raise MissingError(f"Blender's environment takes {DISK_MB} MB in {folder}, and {free_mb} MB are free there.")
    python = _python_311()
    say(f"Blender: making {folder} with {REQUIREMENT} (download about {DOWNLOAD_MB} MB, on disk about {DISK_MB} MB)")
    folder.parent.mkdir(parents=True, exist_ok=True)
    _call([python, "-m", "venv", "--clear", str(folder)])
    # numpy 2 changed its C interface; the wheel was built before that.
    _call([str(environment_python(folder)), "-m", "pip", "install", "--no-input", REQUIREMENT, "numpy<2"])
    made = _program(environment_python(folder))
    if isinstance(made, str):
        raise MissingError(made)
    return made


def _python_311() -> str:
    if sys.version_info[:2] == (3, 11):
        return sys.executable
    found = shutil.which("python3.11")
    if found is None:
        raise MissingError("Blender's wheel needs Python 3.11, and no `python3.11` is on PATH. Install it, or install Blender "
                           f"{MINIMUM[0]}.{MINIMUM[1]} or newer and put it on PATH, or set {VARIABLE} to its executable.")
    return found


def _call(argv: list[str]) -> None:
    done = subprocess.run(argv, check=False, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        tail = "\n".join(done.stderr.strip().splitlines()[-6:])
        raise MissingError(f"`{' '.join(argv)}` failed with {done.returncode}:\n{tail}\nMend that and run `{SETUP_LINE}` again.")


def _program(path: Path) -> BlenderProgram | str:
    if not path.exists():
        return f"{path} does not exist"
    if path.name.lower().startswith("python"):
        version = _wheel_version(path)
        if version is None:
            return f"{path} is a Python without a complete installation of bpy"
        kind, prefix = "bpy", [str(path)]
    else:
        version = _executable_version(path)
        if version is None:
            return f"{path} does not answer `--version` as Blender does"
        kind = "executable"
        prefix = [str(path), "--background", "--factory-startup", "--python-exit-code", "1", "--python"]
    if tuple(int(n) for n in version.split(".")[:2]) < MINIMUM:
        return f"{path} is Blender {version}, and {MINIMUM[0]}.{MINIMUM[1]} or newer is needed"
    return BlenderProgram(prefix, version, kind, path)


def _wheel_version(python: Path) -> str | None:
    """Read from package metadata; RECORD is the last file that pip writes."""
    patterns = ("lib/python*/site-packages/bpy-*.dist-info/RECORD", "Lib/site-packages/bpy-*.dist-info/RECORD")
    for pattern in patterns:
        for record in sorted(python.parent.parent.glob(pattern)):
            return record.parent.name.removesuffix(".dist-info").split("-")[1]
    return None


def _executable_version(path: Path) -> str | None:
    """``blender --version``, remembered by the file's size and time because starting Blender takes a second."""
    real = path.resolve()
    stamp = f"{real}|{real.stat().st_size}|{real.stat().st_mtime_ns}"
    memory = _user_folder("XDG_CACHE_HOME", ".cache") / "blender-version.json"
    try:
        known = json.loads(memory.read_text())
    except (OSError, ValueError):
        known = {}
    if known.get("stamp") == stamp:
        return known["version"]
    try:
        said = subprocess.run([str(path), "--version"], capture_output=True, text=True, timeout=60, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return None
    words = said.split()
    version = words[1] if len(words) > 1 and words[0] == "Blender" else None
    if version is not None:
        memory.parent.mkdir(parents=True, exist_ok=True)
        memory.write_text(json.dumps({"stamp": stamp, "version": version}))
    return version


def _user_folder(variable: str, default: str) -> Path:
    base = os.environ.get("LOCALAPPDATA") if os.name == "nt" else os.environ.get(variable)
    return Path(base or Path.home() / default) / "character-pipeline"


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True
