"""What makes a process one of several workers: its number, its folder, and its connection to the supervisor."""

import asyncio
import contextlib
import json
import os
import shutil
import socket
import threading
import time
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

from server.app.workers.shared_memory import SharedMemory
from server.app.workers.shared_rates import SharedBuckets
from server.app.workers.shared_streams import SharedStreamCounts

VARIABLE = "PAYMENTS_WORKER"
"""The environment variable that makes a process a worker. The supervisor sets it."""

LISTENING = b"l"
"""What a worker sends to the supervisor once it listens."""

DRAIN_MARGIN_SECONDS = 15.0
"""How much longer than DRAIN_TIMEOUT_SECONDS a worker may take to end."""


@dataclass(frozen=True)
class Worker:
    """One of ``workers`` processes. ``number`` counts from 1, and ``control`` is the socket to the supervisor."""

    number: int
    workers: int
    root: str
    control: int

    @staticmethod
    def from_environment() -> "Worker | None":
        """Return the worker that this process is, or None if it is none."""
        text = os.environ.get(VARIABLE)
        return None if text is None else Worker(**json.loads(text))

    def environment(self) -> dict[str, str]:
        """Return the environment variables that make a process this worker.

        Temporary files, such as those of Envoy, go into its folder, which the supervisor removes even if it is killed.
        """
        return {VARIABLE: json.dumps(asdict(self)), "TMPDIR": str(self.folder)}

    @property
    def folder(self) -> Path:
        """The folder of this worker, in that of the supervisor."""
        return Path(self.root) / str(self.number)

    @property
    def monitoring_socket(self) -> Path:
        """The Unix socket at which this worker serves its health and metrics."""
        return self.folder / "monitoring.sock"

    @property
    def whole_monitoring_socket(self) -> Path:
        """The Unix socket at which the supervisor serves health and metrics of the whole."""
        return whole_monitoring_socket(Path(self.root))

    @cached_property
    def _memory(self) -> SharedMemory:
        return SharedMemory(shared_memory_file(Path(self.root)), self.workers)

    def buckets(self, part: str) -> SharedBuckets:
        """Return the buckets of a rate limit, one of ``RATE_PARTS``, which all workers share."""
        return SharedBuckets(self._memory, part, self.number)

    def stream_counts(self, part: str) -> SharedStreamCounts:
        """Return the counts of one kind of streams, one of ``STREAM_PARTS``, which all workers share."""
        return SharedStreamCounts(self._memory, part, self.number)

    def report_listening(self) -> None:
        """Tell the supervisor that this worker listens."""
        with contextlib.suppress(OSError):  # if the supervisor is gone, this worker is about to stop
            os.write(self.control, LISTENING)

    def stop_with_supervisor(self, stop: asyncio.Event, drain_timeout_seconds: float) -> None:
        """Set ``stop`` once the supervisor is gone, however it ended. Exit if the drain then takes far too long."""
        loop = asyncio.get_running_loop()

        def wait() -> None:
            with socket.socket(fileno=os.dup(self.control)) as control:
                while control.recv(1):
                    pass  # the supervisor sends nothing
            loop.call_soon_threadsafe(stop.set)
            time.sleep(drain_timeout_seconds + DRAIN_MARGIN_SECONDS)
            self.leave()
            os._exit(1)

        threading.Thread(target=wait, name="supervisor", daemon=True).start()

    def leave(self) -> None:
        """Remove the files of this worker if the supervisor is gone, and those of all if no other worker is left."""
        with socket.socket(fileno=os.dup(self.control)) as control:
            try:
                control.recv(1, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return  # the supervisor is there, and removes the files
            except OSError:
                pass
        shutil.rmtree(self.folder, ignore_errors=True)
        root = Path(self.root)
        if not any(path.is_dir() for path in root.glob("*")):
            shutil.rmtree(root, ignore_errors=True)


def shared_memory_file(root: Path) -> Path:
    """Return the file of the shared memory in the supervisor's folder."""
    return root / "shared"


def whole_monitoring_socket(root: Path) -> Path:
    """Return the Unix socket for health and metrics of the whole in the supervisor's folder."""
    return root / "monitoring.sock"
