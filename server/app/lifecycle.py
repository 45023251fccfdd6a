"""The composition root: builds every part from the settings, starts them, drains them and stops them."""

import asyncio
import contextlib
import gc
import random
import resource
import signal
from collections.abc import Awaitable
from datetime import UTC, datetime

import grpc
import structlog
from grpc_health.v1 import health, health_pb2_grpc

from server.application.event_feed import Watching
from server.application.health import HealthMonitor
from server.application.payments import InstantProcessor, Payments
from server.application.reconciler import Janitor
from server.application.stream_places import StreamPlaces
from server.application.two_phase import Settling, SettlingLimits
from server.config.network_addresses import host_and_port
from server.config.processor import ProcessorKind
from server.config.settings import Settings
from server.domain.deadline import Deadline
from server.domain.identifiers import reference_maker
from server.domain.money import Currencies
from server.domain.payment import PaymentMethod
from server.observability import metrics
from server.observability.loop_delay import watch_loop_delay
from server.observability.tracing import Tracing, trace_methods
from server.processors.circuit_breaker import Breaker
from server.processors.simulated import SimulatedProcessor
from server.processors.stripe.processor import StripeProcessor
from server.storage.api_keys import MysqlKeyStore
from server.storage.batching import Groups
from server.storage.database.pool import Database
from server.storage.events.relay import Relay
from server.storage.events.store import MysqlEventStore
from server.storage.payments.store import MysqlPaymentStore
from server.storage.readiness import DatabaseUnusable, wait_for_database
from server.storage.settlement.store import MysqlSettlementStore
from server.storage.tracing import TracedGroups, TracedSession
from server.transport import listening
from server.transport.grpc.engines import new_server
from server.transport.grpc.handlers import refusals, rpc_handlers, untraced
from server.transport.grpc.health import HealthService
from server.transport.grpc.reflection import add_reflection
from server.transport.grpc.service_streams import ServiceStreams
from server.transport.grpc.stream_writes import StreamWrites
from server.transport.pipeline.auth import ROLES, Gate
from server.transport.pipeline.calls import Calls
from server.transport.pipeline.cross_site import CrossSiteRule
from server.transport.pipeline.errors import REASONS
from server.transport.pipeline.rate_limit import CallerRates
from server.transport.pipeline.worker_thread import LongWork
from server.transport.rest.monitoring import monitoring_app
from server.transport.rest.server import HttpServer, http_app
from server.transport.service.servicer import SERVICE, PaymentServicer
from server.transport.tls import Tls, TlsFiles, TlsFilesWrong
from server.transport.tracing import TracedCalls, TracedHttp, traced_handler

_GARBAGE_THRESHOLD = 20_000
"""Objects made and not yet dropped that start a round; Python's own 700 come with 64 calls already."""

_FAREWELL_SECONDS = 0.3
"""How long new calls are still answered with UNAVAILABLE, which tells their callers to turn elsewhere, at shutdown."""

_LAST_REPLIES_SECONDS = 0.5
"""How long replies that are already made may take to leave."""

_log = structlog.get_logger(__name__)


class StartupError(Exception):
    """The service cannot start; the message says why and what to do."""


async def serve(settings: Settings) -> None:
    """Run the service until SIGTERM or SIGINT, then drain it.

    Raises:
        StartupError: it could not start.
    """
    _open_enough_files()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    tls = _tls(settings)
    tracing = _tracing(settings)
    database = Database(settings) if tracing is None else Database(settings, TracedSession)
    keys = MysqlKeyStore(database)
    drain = Deadline.after(0)
    async with contextlib.AsyncExitStack() as at_end:
        try:
            await _unless(stop, _wait_for_database(database, keys, settings))
            if not stop.is_set():
                drain = await _serve_until(stop, settings, database, keys, tls, at_end)
        finally:
            await database.close(drain)
            if tracing is not None:
                await tracing.close()
    _log.info("stopped")


async def _serve_until(  # noqa: PLR0913, PLR0917 - each is a part of its own
    stop: asyncio.Event,
    settings: Settings,
    database: Database,
    keys: MysqlKeyStore,
    tls: Tls | None,
    at_end: contextlib.AsyncExitStack,
) -> Deadline:
    """Serve until ``stop`` is set, and drain; return until when what is still in progress may take.

    Monitoring goes on until ``at_end``, so that ``/readyz`` says that this replica is not ready until the process ends.
    """
    is_traced = settings.tracing_endpoint is not None
    calls = _calls(settings, keys)
    engine = new_server(settings, settings.drain_timeout_seconds)
    server = engine.server
    currencies = Currencies(settings.default_currency, settings.currencies)
    remote = None if settings.processor is ProcessorKind.SIMULATED else _Remote(settings, database)
    payments = _payments(settings, database, _simulated(settings) if remote is None else remote.settling)
    watching = _watching(settings, database)
    relay = Relay(database, settings.event_relay_interval_seconds, watching.poke)
    long_work = LongWork()
    servicer = PaymentServicer(payments, watching, currencies, long_work)
    writes = StreamWrites(settings.grpc_write_timeout_seconds)
    handlers = rpc_handlers(
        SERVICE,
        servicer,
        calls,
        writes,
        long_work,
        has_pushback=engine.has_pushback,
        has_certificates=settings.tls_client_ca_file is not None,
        cross_site=CrossSiteRule(settings.cors_allowed_origins),
        around=traced_handler if is_traced else untraced,
    )
    server.add_registered_method_handlers(SERVICE.full_name, handlers)
    engine.refuse_early(SERVICE.full_name, refusals(calls, has_pushback=engine.has_pushback))
    health_servicer = _add_general_services(server, settings, writes)
    monitor = HealthMonitor(database.ping, health_servicer, settings.health_check_interval_seconds)
    metrics.watch_health(lambda: monitor.is_serving)
    metrics.expect_errors([method.name for method in SERVICE.methods], REASONS)

    app = http_app(settings, [(SERVICE, servicer)], payments, currencies, calls, monitor, long_work)
    if is_traced:
        app = TracedHttp(app, [SERVICE])
    rest = HttpServer(app, settings, None if tls is None else tls.http_context())
    grpc_port = _listen(server, settings, tls)
    rest_port = _listen_http(rest, "REST", settings.rest_host, settings.rest_port)
    monitoring = _Monitoring(settings, monitor)
    await monitor.check()
    health_servicer.tell_alive()
    await server.start()
    await rest.start()
    await monitoring.start(at_end)  # after the others, so that a replica that says it is ready takes calls
    background = [
        asyncio.create_task(monitor.run()),
        asyncio.create_task(watch_loop_delay(settings.event_loop_probe_interval_seconds)),
        asyncio.create_task(relay.run()),
        asyncio.create_task(watching.run()),
        asyncio.create_task(keys.run(settings.api_key_refresh_interval_seconds)),
        *([] if remote is None else [asyncio.create_task(remote.janitor.run())]),
        *([] if tls is None else [asyncio.create_task(tls.run(settings.tls_reload_interval_seconds))]),
    ]
    _settle_memory()
    _log.info("listening", transport="grpc", host=settings.grpc_host, port=grpc_port)
    _log.info("listening", transport="rest", host=settings.rest_host, port=rest_port)
    await stop.wait()

    _log.info("draining", timeout_seconds=settings.drain_timeout_seconds)
    health_servicer.drain()
    for task in background:
        task.cancel()
    monitor.stop_serving()
    deadline = Deadline.after(settings.drain_timeout_seconds)
    watching.close()
    await _drain(calls, settings.drain_timeout_seconds)
    health_servicer.end_watches()
    await asyncio.gather(server.stop(_LAST_REPLIES_SECONDS), rest.stop(_LAST_REPLIES_SECONDS))
    if remote is not None:
        await remote.close(deadline)
    long_work.close()
    return deadline


def _add_general_services(server: grpc.aio.Server, settings: Settings, writes: StreamWrites) -> HealthService:
    """Add health, which is returned, and reflection where it is wanted."""
    servicer = HealthService(ServiceStreams("health", settings.grpc_max_health_watches, writes), (SERVICE.full_name,))
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    if settings.grpc_reflection:
        streams = ServiceStreams("reflection", settings.grpc_max_reflection_streams, writes)
        add_reflection((SERVICE.full_name, health.SERVICE_NAME), server, streams)
    return servicer


def _settle_memory() -> None:
    """Keep what was built at start out of the garbage collector's rounds, and let those come less often.

    Calls leave next to no cycles behind, so that rounds find little; each costs the calls in progress their time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_GARBAGE_THRESHOLD)


async def _drain(calls: Calls, timeout_seconds: float) -> None:
    """Refuse new calls, and let those in progress end; after it the servers can stop.

    In this order, because gRPC's own stop answers a call that arrives just then with CANCELLED, which tells a client
    nothing of trying again.
    """
    calls.close()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(timeout_seconds):
            await calls.ended()
            # Callers that are on their way, or have not seen yet that this replica leaves, are told so for a while.
            await asyncio.sleep(_FAREWELL_SECONDS)
    # Left to the transports, those still in progress would be cut off: in REST, with an error that tells nothing.
    calls.end()


class _Monitoring:
    """The listener for probes and Prometheus, where ``MONITORING_PORT`` is set."""

    def __init__(self, settings: Settings, monitor: HealthMonitor) -> None:
        """Take the port; nobody is answered yet.

        Raises:
            StartupError: it cannot be had.
        """
        self._server = HttpServer(monitoring_app(monitor), settings, transport="monitoring")
        self._host = settings.monitoring_host
        self._port = settings.monitoring_port
        if self._port is not None:
            self._port = _listen_http(self._server, "MONITORING", self._host, self._port)

    async def start(self, at_end: contextlib.AsyncExitStack) -> None:
        """Answer until ``at_end``."""
        if self._port is None:
            return
        await self._server.start()
        at_end.push_async_callback(self._server.stop, _LAST_REPLIES_SECONDS)
        _log.info("listening", transport="monitoring", host=self._host, port=self._port)


class _Remote:
    """A remote processor, and what settles what it is asked."""

    def __init__(self, settings: Settings, database: Database) -> None:
        """Build it; nothing is asked yet.

        Raises:
            StartupError: the processor does not charge in a currency that is allowed.
        """
        assert settings.processor_url is not None, "the settings are whole"
        assert settings.processor_api_key is not None, "the settings are whole"
        if unsupported := settings.currencies - StripeProcessor.currencies:
            names = ", ".join(sorted(unsupported))
            raise StartupError(f"ALLOWED_CURRENCIES, DEFAULT_CURRENCY: PROCESSOR=stripe does not charge in {names}")
        store = MysqlSettlementStore(
            database,
            first_pause_seconds=settings.processor_janitor_after_seconds,
            longest_pause_seconds=settings.processor_janitor_max_pause_seconds,
        )
        self._processor = StripeProcessor(
            settings.processor_url,
            settings.processor_api_key.get_secret_value(),
            method_tokens=settings.processor_methods,
            timeout_seconds=settings.processor_timeout_seconds,
            breaker=Breaker(settings.processor_breaker_failures, settings.processor_breaker_open_seconds),
        )
        if settings.tracing_endpoint is not None:
            trace_methods(self._processor)
        limits = SettlingLimits(
            margin_seconds=settings.processor_deadline_margin_seconds,
            call_seconds=settings.call_timeout_seconds,
            max_requests=settings.processor_max_requests,
            turn_seconds=settings.processor_janitor_after_seconds,
            key_lifetime_seconds=settings.processor_key_lifetime_seconds,
        )
        self.settling = Settling(
            store, self._processor, limits, default_method=settings.processor_default_method, now=_now
        )
        self.janitor = Janitor(store, self._processor, self.settling, settings.processor_janitor_interval_seconds)

    async def close(self, deadline: Deadline) -> None:
        """Wait for what is in progress until ``deadline``, and close the connections to the processor."""
        await self.settling.close(deadline)
        await self._processor.close()


def _payments(settings: Settings, database: Database, processor: InstantProcessor | Settling) -> Payments:
    is_traced = settings.tracing_endpoint is not None
    groups = TracedGroups if is_traced else Groups
    payments = Payments(
        MysqlPaymentStore(database, settings.processor_janitor_after_seconds, groups),
        processor,
        new_reference=reference_maker(settings.reference_prefix),
        now=_now,
    )
    if is_traced:
        trace_methods(payments)
    return payments


def _watching(settings: Settings, database: Database) -> Watching:
    return Watching(
        MysqlEventStore(database),
        interval_seconds=settings.event_relay_interval_seconds,
        heartbeat_seconds=settings.event_heartbeat_interval_seconds,
        places=StreamPlaces(settings.max_watches, settings.max_watches_per_caller),
    )


def _now() -> datetime:
    return datetime.now(UTC)


def _simulated(settings: Settings) -> SimulatedProcessor:
    by_method = {
        PaymentMethod.UPI: settings.success_probability_upi,
        PaymentMethod.CARD: settings.success_probability_card,
        PaymentMethod.COD: settings.success_probability_cod,
    }
    probabilities = {method: settings.success_probability if own is None else own for method, own in by_method.items()}
    return SimulatedProcessor(probabilities, random.Random(settings.processor_seed))


def _tracing(settings: Settings) -> Tracing | None:
    if settings.tracing_endpoint is None:
        return None
    return Tracing(settings.tracing_endpoint, settings.tracing_header_values, settings.tracing_sample_ratio)


def _calls(settings: Settings, keys: MysqlKeyStore) -> Calls:
    failures = CallerRates(
        settings.rate_limit_failed_authentications_per_second, settings.rate_limit_failed_authentications_burst
    )
    return (Calls if settings.tracing_endpoint is None else TracedCalls)(
        settings.max_concurrent_calls,
        _gate(settings, keys),
        target_seconds=settings.overload_target_seconds,
        timeout_seconds=settings.call_timeout_seconds,
        rates=_rates(settings),
        failed_authentications=failures,
    )


def _rates(settings: Settings) -> CallerRates | None:
    if settings.rate_limit_calls_per_second is None:
        return None
    return CallerRates(settings.rate_limit_calls_per_second, settings.rate_limit_burst_calls)


def _open_enough_files() -> None:
    """Let this process have as many connections as it may: the usual soft limit of 1,024 is there for ``select``."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _tls(settings: Settings) -> Tls | None:
    if settings.tls_cert_file is None or settings.tls_key_file is None:
        return None
    try:
        return Tls(TlsFiles(settings.tls_cert_file, settings.tls_key_file, settings.tls_client_ca_file))
    except TlsFilesWrong as error:
        raise StartupError(str(error)) from None


def _gate(settings: Settings, keys: MysqlKeyStore) -> Gate:
    gate = Gate(
        ROLES,
        keys,
        anonymous=settings.anonymous_roles,
        certificates=settings.certificate_roles,
        certificate_needed=settings.tls_client_ca_file is not None,
    )
    gate.check([SERVICE])
    return gate


def _listen(server: grpc.aio.Server, settings: Settings, tls: Tls | None) -> int:
    port = settings.grpc_port
    try:
        for host in listening.hosts(settings.grpc_host, port):
            address = host_and_port(host, port)
            # An engine that is given 0 chooses, and the other addresses get the same.
            if tls is not None:
                port = server.add_secure_port(address, tls.grpc_credentials())
            else:
                port = server.add_insecure_port(address)
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


async def _wait_for_database(database: Database, keys: MysqlKeyStore, settings: Settings) -> None:
    try:
        await wait_for_database(database, keys, settings)
    except DatabaseUnusable as error:
        raise StartupError(str(error)) from error


async def _unless(stop: asyncio.Event, work: Awaitable[None]) -> None:
    """Wait for ``work``, or leave it when ``stop`` is set before."""
    working = asyncio.ensure_future(work)
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait((working, stopping), return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not working.done():
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
    elif error := working.exception():
        raise error
