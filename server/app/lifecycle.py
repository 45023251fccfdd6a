"""Lifecycle: start the parts of an application, drain it at shutdown, and close the parts in reverse order."""

import asyncio
import contextlib
import signal
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from typing import Any

import structlog

from server.app.background import every, run_forever
from server.app.build import Application
from server.app.errors import StartupError
from server.app.process import raise_open_file_limit, tune_garbage_collector
from server.config.network_addresses import host_and_port
from server.config.settings import Settings
from server.domain.deadline import Deadline
from server.observability.loop_delay import watch_loop_delay
from server.storage.readiness import DatabaseUnusable
from server.transport import listening
from server.transport.pipeline.calls import Calls
from server.transport.rest.server import HttpServer

_FAREWELL_SECONDS = 0.3
"""How long new calls are still answered with UNAVAILABLE at shutdown, which sends their callers to another replica."""

_LAST_REPLIES_SECONDS = 0.5
"""How long finished replies may take to leave."""

_log = structlog.get_logger(__name__)


async def serve(settings: Settings, make: Callable[[Settings], Application]) -> None:
    """Run the application that ``make`` wires until SIGTERM or SIGINT, then drain it.

    Raises:
        StartupError: it could not start.
    """
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    raise_open_file_limit()
    await run(make(settings), stop)
    _log.info("stopped")


async def run(application: Application, stop: asyncio.Event) -> None:
    """Serve until ``stop`` is set, then drain; whatever was opened is closed, also when the start fails midway.

    Raises:
        StartupError: the database cannot be used, or an address cannot be listened on.
    """
    drain_deadline = _DrainDeadline(application.settings.drain_timeout_seconds)
    # Monitoring is closed last, so that /readyz tells that this replica is not ready until the process ends.
    async with contextlib.AsyncExitStack() as monitoring, contextlib.AsyncExitStack() as opened:
        if application.tracing is not None:
            opened.push_async_callback(application.tracing.close)
        opened.push_async_callback(drain_deadline.close, application.database.close)
        await _unless(stop, _wait_for_database(application))
        if stop.is_set():
            return
        if application.remote is not None:
            opened.push_async_callback(application.remote.processor.close)
            opened.push_async_callback(drain_deadline.close, application.remote.flow.close)
        opened.callback(application.worker_thread.close)
        await _start_servers(application, opened, monitoring)
        async with asyncio.TaskGroup() as background:
            tasks = [background.create_task(work) for work in _background(application)]
            tune_garbage_collector()
            await stop.wait()
            _log.info("draining", timeout_seconds=application.settings.drain_timeout_seconds)
            application.health.drain()
            for task in tasks:
                task.cancel()
        application.monitor.stop_serving()
        drain_deadline.begin()
        application.event_feed.close()
        await _drain_calls(application.calls, application.settings.drain_timeout_seconds)
        application.health.end_watches()


class _DrainDeadline:
    """How long the work that is in progress at shutdown may still take; none when the start fails."""

    def __init__(self, timeout_seconds: float) -> None:
        self._timeout_seconds = timeout_seconds
        self._deadline = Deadline.after(0)

    def begin(self) -> None:
        self._deadline = Deadline.after(self._timeout_seconds)

    async def close(self, close: Callable[[Deadline], Awaitable[None]]) -> None:
        await close(self._deadline)


async def _start_servers(
    application: Application, opened: contextlib.AsyncExitStack, monitoring: contextlib.AsyncExitStack
) -> None:
    """Listen on every address, then answer: monitoring last, so that a replica that says it is ready takes calls."""
    settings = application.settings
    grpc_port = _listen_grpc(application)
    rest_port = _listen_http(application.rest, "REST", settings.rest_host, settings.rest_port)
    monitoring_port = settings.monitoring_port
    if monitoring_port is not None:
        monitoring_port = _listen_http(application.monitoring, "MONITORING", settings.monitoring_host, monitoring_port)
    await application.monitor.check()
    application.health.tell_alive()
    await application.grpc.start()
    opened.push_async_callback(application.grpc.stop, _LAST_REPLIES_SECONDS)
    await application.rest.start()
    opened.push_async_callback(application.rest.stop, _LAST_REPLIES_SECONDS)
    if monitoring_port is not None:
        await application.monitoring.start()
        monitoring.push_async_callback(application.monitoring.stop, _LAST_REPLIES_SECONDS)
        _log.info("listening", transport="monitoring", host=settings.monitoring_host, port=monitoring_port)
    _log.info("listening", transport="grpc", host=settings.grpc_host, port=grpc_port)
    _log.info("listening", transport="rest", host=settings.rest_host, port=rest_port)


def _background(application: Application) -> Iterator[Coroutine[Any, Any, None]]:
    """Yield the work that goes on for as long as the service runs."""
    settings = application.settings
    yield run_forever(
        application.monitor.check,
        pause=every(settings.health_check_interval_seconds),
        failure_event="health_check_failed",
    )
    yield watch_loop_delay(settings.event_loop_probe_interval_seconds)
    yield run_forever(
        application.relay.round, pause=every(settings.event_relay_interval_seconds), failure_event="relay_failed"
    )
    yield run_forever(application.event_feed.poll, pause=application.event_feed.pause, failure_event="stream_not_read")
    yield run_forever(
        application.keys.refresh,
        pause=every(settings.api_key_refresh_interval_seconds),
        failure_event="api_keys_not_read",
    )
    if application.remote is not None:
        yield run_forever(
            application.remote.reconciler.round,
            pause=every(settings.processor_janitor_interval_seconds),
            failure_event="janitor_failed",
        )
    if application.tls is not None:
        yield run_forever(
            application.tls.reload,
            pause=every(settings.tls_reload_interval_seconds),
            failure_event="tls_files_not_read",
        )


async def _drain_calls(calls: Calls, timeout_seconds: float) -> None:
    """Refuse new calls, and let those in progress end; the servers can stop afterwards.

    In this order, because gRPC's own stop answers a call that arrives just then with CANCELLED, which does not tell a
    client to retry.
    """
    calls.close()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(timeout_seconds):
            await calls.ended()
            # Callers that have not noticed yet that this replica leaves are told so for a while.
            await asyncio.sleep(_FAREWELL_SECONDS)
    # The transports would cut the rest off: in REST, with an error that says nothing.
    calls.end()


def _listen_grpc(application: Application) -> int:
    settings, tls = application.settings, application.tls
    port = settings.grpc_port
    try:
        for host in listening.hosts(settings.grpc_host, port):
            address = host_and_port(host, port)
            # An engine that is given 0 chooses, and the other addresses get the same.
            if tls is not None:
                port = application.grpc.add_secure_port(address, tls.grpc_credentials())
            else:
                port = application.grpc.add_insecure_port(address)
    except (OSError, RuntimeError) as error:
        raise _cannot_listen("GRPC", settings.grpc_host, settings.grpc_port, error) from error
    return port


def _listen_http(server: HttpServer, transport: str, host: str, port: int) -> int:
    try:
        return server.listen(host, port)
    except OSError as error:
        raise _cannot_listen(transport, host, port, error) from error


def _cannot_listen(transport: str, host: str, port: int, error: Exception) -> StartupError:
    where = f"{transport}_HOST={host}, {transport}_PORT={port}"
    return StartupError(f"cannot listen there: {where}: {listening.reason(error)}")


async def _wait_for_database(application: Application) -> None:
    try:
        await application.wait_for_database()
    except DatabaseUnusable as error:
        raise StartupError(str(error)) from error


async def _unless(stop: asyncio.Event, work: Awaitable[None]) -> None:
    """Wait for ``work``, or cancel it when ``stop`` is set first."""
    working = asyncio.ensure_future(work)
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait((working, stopping), return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not working.done():
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
    elif error := working.exception():
        raise error
