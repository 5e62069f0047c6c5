"""For all tests: several processes share the cores, so each uses one thread. Set before anything imports torch or numba."""

import os

from pipeline.machine import THREAD_VARIABLES

if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, "1"))
