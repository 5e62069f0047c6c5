"""Fetching asks the variables that Hugging Face's programs ask: cache, mirror, token, and whether the network may be used at all."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from pipeline.errors import MissingError
from third_party import models

ROOT = Path(__file__).resolve().parents[2]
VARIABLES = ("HF_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "XDG_CACHE_HOME", "HF_ENDPOINT", "HF_TOKEN", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
NAME = "sd15_tokenizer"
MODEL = models.registry()[NAME]


@pytest.fixture(autouse=True)
def nothing_said(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)


@dataclass
class Mirror:
    """A repository's server on this machine: one model, for whoever has the right token (none: for everyone)."""

    token: str | None = None
    asked: list[str] = field(default_factory=list)
    port: int = 0


def handler(mirror: Mirror) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.answer(b"")

        def do_GET(self) -> None:
            if self.path.startswith("/api/models/"):
                files = [{"type": "file", "path": file, "rfilename": file, "size": 20, "oid": "0"} for file in (*MODEL.files, "unet/huge.safetensors")]
                whole = {"id": MODEL.repository, "sha": MODEL.revision, "siblings": files}
                self.answer(json.dumps(files if "/tree/" in self.path else whole).encode(), "application/json")
            else:
                self.answer(self.content())

        def content(self) -> bytes:
            return f"content of {self.path.rpartition('/')[2]}".encode()

        def answer(self, body: bytes, kind: str = "text/plain") -> None:
            mirror.asked.append(self.path)
            allowed = mirror.token is None or self.headers.get("Authorization") == f"Bearer {mirror.token}"
            self.send_response(200 if allowed else 401)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body or self.content()) if allowed else 0))
            self.send_header("ETag", '"' + self.path.rpartition("/")[2] + '"')
            self.send_header("X-Repo-Commit", MODEL.revision)
            self.end_headers()
            if allowed and self.command == "GET":
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Quiet."""

    return Handler


@pytest.fixture
def mirror() -> Iterator[Mirror]:
    made = Mirror()
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler(made))
    made.port = server.server_port
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield made
    server.shutdown()
    server.server_close()


def fetched(folder: Path, port: int, **variables: str) -> subprocess.CompletedProcess[str]:
    """In a process of its own: the library reads its variables once, when it is imported."""
    environment = os.environ | {"PIPELINE_MODELS": str(folder), "HF_HOME": str(folder / "home"), "HF_ENDPOINT": f"http://127.0.0.1:{port}",
                                "NO_PROXY": "127.0.0.1"} | variables
    return subprocess.run([sys.executable, "-m", "pipeline", "models", "fetch", NAME], cwd=ROOT, env=environment, capture_output=True, text=True,
                          check=False, timeout=120)


def test_a_mirror_is_asked_with_the_token_for_the_pinned_files_alone(mirror: Mirror, tmp_path: Path) -> None:
    mirror.token = "hf_right"
    done = fetched(tmp_path, mirror.port, HF_TOKEN="hf_right")
    assert done.returncode == 0, done.stderr[-2000:]
    for file in MODEL.files:
        assert (tmp_path / NAME / file).read_text() == f"content of {Path(file).name}"
    asked = [path for path in mirror.asked if MODEL.repository in path]
    assert len(asked) > len(MODEL.files) and all(MODEL.revision in path and "huge" not in path for path in asked)


def test_without_leave_it_is_said_who_asked_whom(mirror: Mirror, tmp_path: Path) -> None:
    mirror.token = "hf_right"
    done = fetched(tmp_path, mirror.port, HF_TOKEN="hf_wrong")
    assert done.returncode == 3 and "Traceback" not in done.stderr
    assert f"{NAME} could not be fetched from http://127.0.0.1:{mirror.port}: " in done.stderr and "HF_TOKEN says who asks" in done.stderr


@pytest.mark.parametrize(("variable", "value"), [("HF_HUB_OFFLINE", "1"), ("TRANSFORMERS_OFFLINE", "yes")])
def test_offline_nothing_is_asked(variable: str, value: str, mirror: Mirror, tmp_path: Path) -> None:
    done = fetched(tmp_path, mirror.port, **{variable: value})
    assert done.returncode == 3 and mirror.asked == []
    assert f"{NAME} is not fetched: {variable}={value} forbids the network; unset it, or copy the files of {MODEL.repository} to " in done.stderr


@pytest.mark.parametrize("said", [
    {}, {"HF_HOME": "~/somewhere"}, {"HF_HOME": "$HOME/else"}, {"XDG_CACHE_HOME": "/x"}, {"HF_HUB_CACHE": "/hub", "HF_HOME": "/home"},
    {"HUGGINGFACE_HUB_CACHE": "/old", "HF_HOME": "/home"},
])
def test_the_cache_is_where_hugging_face_keeps_it(said: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for variable, value in said.items():
        monkeypatch.setenv(variable, value)
    done = subprocess.run([sys.executable, "-c", "from huggingface_hub import constants; print(constants.HF_HUB_CACHE)"], capture_output=True,
                          text=True, check=True)
    assert str(models.hub_cache()) == done.stdout.strip()


def test_a_model_in_the_cache_of_hf_home_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIPELINE_MODELS", str(tmp_path / "none"))
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    with pytest.raises(MissingError, match=f"models fetch {NAME}`"):
        models.locate(NAME)
    folder = tmp_path / "hub" / "models--stable-diffusion-v1-5--stable-diffusion-v1-5" / "snapshots" / MODEL.revision
    for file in MODEL.files:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).touch()
    assert models.locate(NAME) == folder
