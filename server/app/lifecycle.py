"""The lifecycle of an application: start its parts, drain it at shutdown, and close the parts in reverse order."""

import asyncio
import contextlib
import signal
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from typing import Any

import structlog

from server.app.background import every, run_forever
from server.app.build import Application, BuildApplication
from server.app.errors import StartupError
from server.app.process import raise_open_file_limit, tune_garbage_collector
from server.app.workers.worker import Worker
from server.config.settings import Settings
from server.domain.deadline import Deadline
from server.observability.loop_delay import measure_loop_delay
from server.storage.readiness import DatabaseUnusable
from server.transport.listening import Server, listen_error
from server.transport.pipeline.calls import Calls

_REJECTION_SECONDS = 0.3
"""How long new calls still get UNAVAILABLE at shutdown, so that clients retry them on another replica."""

_FLUSH_SECONDS = 0.5
"""How long the transports may take to send the last responses."""

_log = structlog.get_logger(__name__)


async def serve(settings: Settings, build_application: BuildApplication, worker: Worker | None = None) -> None:
    """Run the application that ``build_application`` wires until SIGTERM or SIGINT, then drain it.

    A ``worker`` stops also when its supervisor is gone.

    Raises:
        StartupError: the application could not start.
    """
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    if worker is not None:
        worker.stop_with_supervisor(stop, settings.drain_timeout_seconds)
    raise_open_file_limit()
    await run(build_application(settings, worker=worker), stop)
    _log.info("stopped")


async def run(application: Application, stop: asyncio.Event) -> None:
    """Serve until ``stop`` is set, then drain. Close every opened part at the end, even if the startup fails midway.

    Raises:
        StartupError: the database cannot be used, or the service cannot listen on an address.
    """
    drain_deadline = _DrainDeadline(application.settings.drain_timeout_seconds)
    # Monitoring is closed last, so that /readyz reports that this replica is not ready until the process ends.
    async with contextlib.AsyncExitStack() as monitoring, contextlib.AsyncExitStack() as opened:
        if application.tracing is not None:
            opened.push_async_callback(application.tracing.close)
        opened.push_async_callback(drain_deadline.close, application.database.close)
        # Again, because a call that is served during the drain may take the lease once more.
        opened.push_async_callback(application.relay.release)
        await _run_unless_stopped(stop, _wait_for_database(application))
        if stop.is_set():
            return
        opened.push_async_callback(application.settlement.close_processor)
        opened.push_async_callback(drain_deadline.close, application.settlement.flow.close)
        opened.callback(application.worker_thread.close)
        await _start_servers(application, opened, monitoring)
        if application.worker is not None:
            application.worker.report_listening()
        async with asyncio.TaskGroup() as background:
            tasks = [background.create_task(work) for work in _background_loops(application)]
            tune_garbage_collector()
            await stop.wait()
            # At once, not when the background loops have ended: no call is accepted once the log says "draining".
            application.calls.reject_new()
            application.health.drain()
            application.monitor.stop_serving()
            _log.info("draining", timeout_seconds=application.settings.drain_timeout_seconds)
            for task in tasks:
                task.cancel()
        drain_deadline.begin()
        application.event_feed.close()
        async with asyncio.TaskGroup() as ending:
            # Another replica's relay continues at once, and new calls are rejected without waiting for the database.
            ending.create_task(application.relay.release())
            await _drain_calls(application.calls, application.settings.drain_timeout_seconds)
        application.health.end_watches()


class _DrainDeadline:
    """The deadline for work in progress at shutdown. Counts as passed until ``begin``: a failed startup never waits."""

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
    """Listen on every address, then serve; monitoring comes last, so that a replica that reports ready takes calls."""
    settings = application.settings
    _listen(application.grpc, "GRPC", settings.grpc_host, settings.grpc_port)
    _listen(application.rest, "REST", settings.rest_host, settings.rest_port)
    if application.monitoring is not None:
        _listen(application.monitoring, "MONITORING", settings.monitoring_host, settings.monitoring_port or 0)
    await application.monitor.check()
    application.health.report_alive()
    await application.grpc.start()
    opened.push_async_callback(application.grpc.stop, _FLUSH_SECONDS)
    await application.rest.start()
    opened.push_async_callback(application.rest.stop, _FLUSH_SECONDS)
    if application.monitoring is not None:
        await application.monitoring.start()
        monitoring.push_async_callback(application.monitoring.stop, _FLUSH_SECONDS)
        if application.worker is None:  # the supervisor logs its own address
            port = application.monitoring.port
            _log.info("listening", transport="monitoring", host=settings.monitoring_host, port=port)
    _log.info("listening", transport="grpc", host=settings.grpc_host, port=application.grpc.port)
    _log.info("listening", transport="rest", host=settings.rest_host, port=application.rest.port)


def _background_loops(application: Application) -> Iterator[Coroutine[Any, Any, None]]:
    """Yield the service's background loops."""
    settings = application.settings
    yield run_forever(
        application.monitor.check,
        pause=every(settings.health_check_interval_seconds),
        failure_event="health_check_failed",
    )
    yield measure_loop_delay(settings.event_loop_probe_interval_seconds)
    yield run_forever(
        application.relay.round, pause=every(settings.event_relay_interval_seconds), failure_event="relay_failed"
    )
    yield run_forever(application.event_feed.poll, pause=application.event_feed.pause, failure_event="stream_not_read")
    yield run_forever(
        application.keys.refresh,
        pause=every(settings.api_key_refresh_interval_seconds),
        failure_event="api_keys_not_read",
    )
    yield run_forever(
        application.settlement.reconciler.round,
        pause=every(settings.processor_janitor_interval_seconds),
        failure_event="janitor_failed",
    )
    yield run_forever(
        application.settlement.late_outcomes.round,
        pause=every(settings.processor_janitor_interval_seconds),
        failure_event="late_outcomes_failed",
    )
    if application.tls is not None:
        yield run_forever(
            application.tls.reload,
            pause=every(settings.tls_reload_interval_seconds),
            failure_event="tls_files_not_read",
        )


async def _drain_calls(calls: Calls, timeout_seconds: float) -> None:
    """Let the calls in progress finish while new ones are rejected; the servers are stopped afterwards.

    The order matters, because gRPC's own stop answers a call that arrives just then with CANCELLED, which clients do
    not retry.
    """
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(timeout_seconds):
            await calls.wait_until_idle()
            # Callers that have not yet noticed the shutdown still get a retryable error.
            await asyncio.sleep(_REJECTION_SECONDS)
    # Otherwise the transports would cut off the remaining calls, and REST callers would get an error without a reason.
    calls.cancel_all()


def _listen(server: Server, transport: str, host: str, port: int) -> None:
    try:
        server.listen(host, port)
    except OSError as error:
        raise StartupError(listen_error(transport, host, port, error)) from error


async def _wait_for_database(application: Application) -> None:
    try:
        await application.wait_for_database()
    except DatabaseUnusable as error:
        raise StartupError(str(error)) from error


async def _run_unless_stopped(stop: asyncio.Event, work: Awaitable[None]) -> None:
    """Wait for ``work``; cancel it if ``stop`` is set first."""
    work_task = asyncio.ensure_future(work)
    stop_task = asyncio.create_task(stop.wait())
    await asyncio.wait((work_task, stop_task), return_when=asyncio.FIRST_COMPLETED)
    stop_task.cancel()
    if not work_task.done():
        work_task.cancel()
        await asyncio.gather(work_task, return_exceptions=True)
    elif error := work_task.exception():
        raise error
