# SPDX-License-Identifier: GPL-3.0-or-later
"""Work in the background: command lines one after the other in processes of their own; a thread reads what they write.

Nothing here waits: ``poll`` is called every now and then by whoever shows the progress.
"""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TextIO

from .events import Account

INTERRUPTED = 130
PATIENCE_S = 10.0


class Job:
    """``state`` is running, done, stopped or failed; ``account`` is what was heard.

    The first command that fails is the last one. After ``stop`` the same command lines go on from where they were.
    """

    def __init__(self, commands: Sequence[list[str]], folder: Path, environment: Mapping[str, str] | None = None,
                 clock: Callable[[], float] = time.monotonic) -> None:
        self.account, self.state, self.code = Account(), "running", 0
        self._waiting, self._folder, self._environment, self._clock = list(commands), folder, environment, clock
        self._lines: queue.Queue[str] = queue.Queue()
        self._process: subprocess.Popen | None = None
        self._reader: threading.Thread | None = None
        self._asked_at: float | None = None
        self._next()

    @property
    def stopping(self) -> bool:
        """Whether ``stop`` was asked for and the process has not ended yet."""
        return self._asked_at is not None and self.state == "running"

    def poll(self) -> bool:
        """Take in what was written since; True while there is more to come."""
        if self.state != "running":
            return False
        self._press_on()
        ended = self._process is None or self._process.poll() is not None and not self._reader.is_alive()
        while not self._lines.empty():
            self.account.hear(self._lines.get())
        if ended:
            self._ended()
        return self.state == "running"

    def stop(self) -> None:
        """Ask the process to end as Ctrl-C does, so that it can resume. Returns at once."""
        if self.state != "running" or self._asked_at is not None:
            return
        self._asked_at = self._clock()
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.CTRL_BREAK_EVENT if os.name == "nt" else signal.SIGINT)

    def end(self, patience_s: float = 3.0) -> None:
        """Stop and wait, then kill: for when Blender itself is going. What is killed resumes, too."""
        self.stop()
        if self._process is None or self.state != "running":
            return
        try:
            self._process.wait(patience_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join(patience_s)
        self.poll()

    def _press_on(self) -> None:
        """A process that does not hear Ctrl-C (some launchers make their children deaf to it) is asked in the other way."""
        if self._asked_at is not None and self._clock() - self._asked_at > PATIENCE_S and self._process is not None and self._process.poll() is None:
            self._asked_at = self._clock()
            self._process.terminate()

    def _next(self) -> None:
        argv = self._waiting.pop(0)
        apart = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP} if os.name == "nt" else {"start_new_session": True}
        try:
            self._process = subprocess.Popen(argv, cwd=self._folder, env=self._environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                             stderr=subprocess.STDOUT, encoding="utf-8", errors="replace", **apart)
        except OSError as error:
            self._process, self.state, self.code = None, "failed", -1
            self.account.hear(f"error: {argv[0]} could not be started: {error}")
            return
        self._reader = threading.Thread(target=_read, args=(self._process.stdout, self._lines), daemon=True)
        self._reader.start()

    def _ended(self) -> None:
        self.code = self._process.returncode
        if self._asked_at is not None and self.code:
            self.state = "stopped"
        elif self.code:
            self.state = "stopped" if self.code == INTERRUPTED else "failed"
        elif self._waiting and self._asked_at is None:
            self._next()
        else:
            self.state = "stopped" if self._waiting else "done"


def _read(stream: TextIO, lines: queue.Queue[str]) -> None:
    with stream:
        for line in stream:
            lines.put(line)
