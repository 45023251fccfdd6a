"""Resource limits and tuning of this process."""

import gc
import os
import resource
import sys
from pathlib import Path

_COLLECTION_THRESHOLD = 20_000
"""Allocations that trigger a garbage collection. At Python's default of 700, 64 calls in flight already trigger one."""


def raise_open_file_limit() -> None:
    """Raise the soft limit of open files to the hard limit. The usual 1,024 only protects users of ``select``."""
    _, hard_limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard_limit, hard_limit))


def module_path() -> str:
    """Return the value of PYTHONPATH with which another interpreter finds the modules of this process."""
    return os.pathsep.join(path or str(Path.cwd()) for path in sys.path)


def tune_garbage_collector() -> None:
    """Exclude the objects built at startup from garbage collection, and collect less often.

    Calls create almost no reference cycles, so a collection frees little, but delays the calls in progress.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECTION_THRESHOLD)
