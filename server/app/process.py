"""Limits and tuning of this process."""

import gc
import resource

_COLLECTION_THRESHOLD = 20_000
"""Allocations that trigger a garbage collection; with Python's own 700, 64 calls in flight already do."""


def raise_open_file_limit() -> None:
    """Allow as many connections as the system does: the usual soft limit of 1,024 is there for ``select``."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def tune_garbage_collector() -> None:
    """Exclude what was built at the start from garbage collection, and collect less often.

    Calls leave next to no cycles behind, so a collection finds little, and each costs the calls in progress its time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECTION_THRESHOLD)
