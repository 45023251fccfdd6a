"""Suspend a process, so that it hangs without ending."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.waiting import wait_until


@contextmanager
def suspended(process_id: int) -> Iterator[None]:
    """Suspend a process while the context lasts.

    Wait until all its threads are stopped, which takes a moment on a busy machine: until then, they still do work.
    """
    os.kill(process_id, signal.SIGSTOP)
    try:
        wait_until(lambda: _thread_states(process_id) == {"T"})
        yield
    finally:
        os.kill(process_id, signal.SIGCONT)


def _thread_states(process_id: int) -> set[str]:
    stat_files = Path(f"/proc/{process_id}/task").glob("*/stat")
    return {path.read_text().rpartition(")")[2].split()[0] for path in stat_files}
