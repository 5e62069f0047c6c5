"""Freed memory is kept for what comes next, unless the user set up the allocator."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

SCRIPT = """
import resource
import numpy as np
from pipeline.memory import keep_freed
keep_freed()
for _ in range(20):
    np.ones(8_000_000)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt * resource.getpagesize())
"""


def touched(**environment: str) -> int:
    """Bytes of pages that were faulted in while twenty arrays of 64 MB were made and dropped, one after another."""
    bare = {k: v for k, v in os.environ.items() if not k.startswith("MALLOC_")}
    done = subprocess.run([sys.executable, "-c", SCRIPT], env=bare | environment, capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc alone maps arrays anew")
def test_arrays_that_follow_one_another_take_the_same_pages() -> None:
    assert touched() < 0.5 * touched(MALLOC_MMAP_THRESHOLD_=str(2**20))
