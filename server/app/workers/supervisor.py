"""Start the workers, restart those that end, and drain them all on SIGTERM or SIGINT."""

import asyncio
import contextlib
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import structlog

from server.app.errors import StartupError
from server.app.process import raise_open_file_limit
from server.app.workers.monitoring import MonitoringClient, monitoring_app_of_whole
from server.app.workers.process import WorkerProcess
from server.app.workers.shared_memory import SharedMemory
from server.app.workers.worker import DRAIN_MARGIN_SECONDS, shared_memory_file, whole_monitoring_socket
from server.config.grpc import Engine
from server.config.settings import Settings, environment_with_file
from server.observability import metrics
from server.transport.listening import bind, listen_error, reserve
from server.transport.rest.server import HttpServer, UnixHttpServer

_MIN_BACKOFF_SECONDS = 0.5
_MAX_BACKOFF_SECONDS = 30.0
_STABLE_SECONDS = 60.0
"""How long a worker must have run for its next restart to follow after the shortest pause again."""

_FLUSH_SECONDS = 0.5
"""How long the monitoring server may take to send the last responses."""

_MAX_FOLDER_BYTES = 60
"""The name of a Unix socket has at most 103 bytes on macOS, and 107 on Linux. Those of Envoy are in folders below."""

_log = structlog.get_logger(__name__)


async def supervise(settings: Settings) -> int:
    """Run the service in ``settings.workers`` processes until SIGTERM or SIGINT, and return the exit code.

    That is 0 after a drain. If the first worker ends before it listens, which it does if it cannot use the settings or
    the database, it is that worker's.

    Raises:
        StartupError: the service cannot listen on an address.
    """
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    raise_open_file_limit()
    with _reserved_ports(settings) as ports, _folder() as root:
        exit_code = await _Supervisor(settings, root, environment_with_file() | ports, stop).run()
    if stop.is_set():
        _log.info("stopped")
    return exit_code


@contextlib.contextmanager
def _reserved_ports(settings: Settings) -> Iterator[dict[str, str]]:
    """Hold the ports that the workers share, and yield the settings that name them.

    Raises:
        StartupError: the service cannot listen on an address.
    """
    with contextlib.ExitStack() as held:
        ports = {}
        for transport, host, port in (
            ("GRPC", settings.grpc_host, settings.grpc_port),
            ("REST", settings.rest_host, settings.rest_port),
        ):
            with _explained(transport, host, port):
                reserved = reserve(host, port)
            for holder in reserved:
                held.enter_context(holder)
            ports[f"{transport}_PORT"] = str(reserved[0].getsockname()[1])
        if settings.monitoring_port is not None:
            # The supervisor listens there itself, but only once a worker does.
            with _explained("MONITORING", settings.monitoring_host, settings.monitoring_port):
                for listener in bind(settings.monitoring_host, settings.monitoring_port):
                    listener.close()
        yield ports


@contextlib.contextmanager
def _explained(transport: str, host: str, port: int) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StartupError(listen_error(transport, host, port, error)) from error


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    """Yield a new folder that only this user can use."""
    folder = Path(tempfile.mkdtemp(prefix="payments-workers-"))
    try:
        if len(os.fsencode(folder)) > _MAX_FOLDER_BYTES:
            raise StartupError(
                f"WORKERS needs Unix sockets in a folder for temporary files, and the name of {folder} is too long for "
                "that: set TMPDIR to a folder with a shorter name"
            )
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class _Supervisor:
    """The workers, and the server of their health and metrics."""

    def __init__(self, settings: Settings, root: Path, environment: Mapping[str, str], stop: asyncio.Event) -> None:
        """Start workers with this environment, and keep their files in ``root``, until ``stop`` is set."""
        self._settings = settings
        self._root = root
        self._environment = environment
        self._stop = stop
        self._memory = SharedMemory.create(shared_memory_file(root), settings.workers)
        self._running: dict[int, WorkerProcess] = {}
        metrics.initialize_worker_restarts(settings.workers)

    def listening(self) -> dict[int, MonitoringClient]:
        """Return a client for the health and metrics of each worker that listens, by its number."""
        return {
            number: process.monitoring
            for number, process in sorted(self._running.items())
            if process.listening.is_set() and not process.ended.done()
        }

    def may_serve(self) -> bool:
        """Return whether the service is not being drained."""
        return not self._stop.is_set()

    async def run(self) -> int:
        """Run the workers until ``stop`` is set, and return the exit code: see ``supervise``.

        Raises:
            StartupError: the service cannot listen on an address, or something stopped the first worker.
        """
        # The others start once the first one listens. So if the settings or the database cannot be used, one worker
        # says so, not all of them.
        first = await self._start(1)
        stopping = asyncio.create_task(self._stop.wait())
        listening = asyncio.create_task(first.listening.wait())
        await asyncio.wait((stopping, listening, first.ended), return_when=asyncio.FIRST_COMPLETED)
        listening.cancel()
        if first.ended.done() and not self._stop.is_set():
            return _exit_code_of_startup(first.ended.result())
        async with contextlib.AsyncExitStack() as servers:
            failure = None if self._stop.is_set() else await self._serve_monitoring(servers)
            if failure is not None:
                self._stop.set()
            async with asyncio.TaskGroup() as keepers:
                for number in range(1, self._settings.workers + 1):
                    keepers.create_task(self._keep(number))
                await stopping
                _log.info("draining", timeout_seconds=self._settings.drain_timeout_seconds)
                self._send_all(signal.SIGTERM)
                limit_seconds = self._settings.drain_timeout_seconds + DRAIN_MARGIN_SECONDS
                killing = asyncio.get_running_loop().call_later(limit_seconds, self._kill_all)
            killing.cancel()
        if failure is not None:
            raise failure
        return 0

    async def _keep(self, number: int) -> None:
        """Keep a worker running until ``stop`` is set, and then until it has ended."""
        failures = 0
        while True:
            process = self._running.get(number)
            if process is None:
                if self._stop.is_set():
                    return
                process = await self._start(number)
            started_seconds = time.monotonic()
            return_code = await process.ended
            del self._running[number]
            await process.monitoring.close()
            self._memory.forget_streams(number)
            if self._stop.is_set():
                return
            failures = 1 if time.monotonic() - started_seconds > _STABLE_SECONDS else failures + 1
            pause_seconds = min(_MIN_BACKOFF_SECONDS * 2 ** (failures - 1), _MAX_BACKOFF_SECONDS)
            _log.error(
                "worker_ended",
                worker=number,
                pid=process.pid,
                exit_code=return_code if return_code >= 0 else None,
                signal=_signal_name(return_code),
                restart_seconds=pause_seconds,
            )
            metrics.count_worker_restart(number)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause_seconds):
                    await self._stop.wait()

    async def _start(self, number: int) -> WorkerProcess:
        process = await WorkerProcess.start(number, self._settings.workers, str(self._root), self._environment)
        self._running[number] = process
        _log.info("worker_started", worker=number, pid=process.pid)
        if self._stop.is_set():
            process.send(signal.SIGTERM)
        return process

    async def _serve_monitoring(self, servers: contextlib.AsyncExitStack) -> StartupError | None:
        """Serve health and metrics of the whole, for as long as ``servers`` is open. Return why that is impossible."""
        settings = self._settings
        app = monitoring_app_of_whole(self, has_envoy=settings.grpc_engine is Engine.ENVOY)
        if settings.serves_rest_metrics:
            path = whole_monitoring_socket(self._root)
            for_workers = UnixHttpServer(app, settings, path, transport="monitoring")
            for_workers.listen("", 0)
            await for_workers.start()
            servers.push_async_callback(for_workers.stop, _FLUSH_SECONDS)
        if settings.monitoring_port is not None:
            server = HttpServer(app, settings, transport="monitoring")
            try:
                with _explained("MONITORING", settings.monitoring_host, settings.monitoring_port):
                    server.listen(settings.monitoring_host, settings.monitoring_port)
            except StartupError as error:
                return error
            await server.start()
            servers.push_async_callback(server.stop, _FLUSH_SECONDS)
            _log.info("listening", transport="monitoring", host=settings.monitoring_host, port=server.port)
        return None

    def _send_all(self, number: signal.Signals) -> None:
        for process in self._running.values():
            process.send(number)

    def _kill_all(self) -> None:
        for number, process in self._running.items():
            _log.error("worker_killed", worker=number, pid=process.pid)
            process.send(signal.SIGKILL)


def _exit_code_of_startup(return_code: int) -> int:
    """Return the exit code for that of a worker that ended before it listened.

    Raises:
        StartupError: the worker did not fail by itself.
    """
    if return_code > 0:
        return return_code
    cause = _signal_name(return_code) or "another process"
    raise StartupError(f"a worker was stopped by {cause} before it listened")


def _signal_name(return_code: int) -> str | None:
    """Return the name of the signal that ended a process, if one did."""
    if return_code >= 0:
        return None
    try:
        return signal.Signals(-return_code).name
    except ValueError:  # a real-time signal
        return str(-return_code)
