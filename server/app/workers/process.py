"""One run of a worker's process, as the supervisor sees it."""

import asyncio
import shutil
import signal
import socket
import sys
from collections.abc import Mapping

from server.app.process import module_path
from server.app.workers.monitoring import MonitoringClient
from server.app.workers.worker import LISTENING, Worker


class WorkerProcess:
    """A process that was started as a worker.

    ``listening`` is set once it listens. ``ended`` is done once it has ended, with its return code, as of ``Popen``.
    """

    def __init__(self, worker: Worker, process: asyncio.subprocess.Process, control: socket.socket) -> None:
        """Watch a process that has been started. ``control`` is the supervisor's end of the connection to it."""
        self.pid = process.pid
        self.monitoring = MonitoringClient(worker.monitoring_socket)
        self.listening = asyncio.Event()
        self._process = process
        self._control = control
        self._reading = asyncio.create_task(self._read())
        self.ended = asyncio.create_task(self._wait())

    @staticmethod
    async def start(number: int, workers: int, root: str, environment: Mapping[str, str]) -> "WorkerProcess":
        """Start worker ``number`` in an empty folder of its own, with this Python and the modules of this process."""
        control, end_of_worker = socket.socketpair()
        control.settimeout(0)
        worker = Worker(number, workers, root, end_of_worker.fileno())
        shutil.rmtree(worker.folder, ignore_errors=True)
        worker.folder.mkdir()
        with end_of_worker:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-P", "-m", "server"),
                env={**environment, "PYTHONPATH": module_path(), **worker.environment()},
                pass_fds=(end_of_worker.fileno(),),
            )
        return WorkerProcess(worker, process, control)

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the process, if it has not ended."""
        if not self.ended.done():
            self._process.send_signal(number)

    async def _wait(self) -> int:
        return_code = await self._process.wait()
        self._reading.cancel()
        self._control.close()
        return return_code

    async def _read(self) -> None:
        loop = asyncio.get_running_loop()
        while data := await loop.sock_recv(self._control, 16):
            if LISTENING in data:
                self.listening.set()
