"""Wire an application from the settings. Tests, benchmarks and tools may replace some of its parts."""

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol, cast

import grpc
from grpc_health.v1 import health, health_pb2_grpc

from server.app.servers import grpc_server, monitoring_server, rest_metrics, rest_server
from server.app.settlement import Settlement, due_seconds, remote_settlement, simulated_settlement
from server.app.tls import load_tls
from server.app.workers.shared_memory import CALLS, FAILED_AUTHENTICATIONS, HEALTH, REFLECTION, WATCHES
from server.app.workers.worker import Worker
from server.application.event_feed import EventFeed
from server.application.health import HealthMonitor
from server.application.history import PaymentHistory
from server.application.immediate import ImmediateFlow
from server.application.payments import Payments
from server.application.ports import ChargeFlow, InstantProcessor, PaymentStore
from server.application.relay import Relay
from server.application.simulated import SimulatedFlow
from server.application.stream_limit import StreamCounts, StreamLimit
from server.config.processor import ProcessorKind, ProcessorSettings
from server.config.settings import Settings
from server.domain.identifiers import reference_maker
from server.domain.money import Currencies
from server.domain.payment import PaymentMethod
from server.observability import metrics
from server.observability.tracing import Tracing, traced
from server.processors.simulated.instant import SimulatedProcessor
from server.storage.api_keys import MysqlKeyStore
from server.storage.batching import Batcher
from server.storage.database.pool import Database
from server.storage.database.session import Session
from server.storage.events.store import MysqlEventStore, MysqlOutbox
from server.storage.payments.store import MysqlPaymentStore
from server.storage.readiness import wait_for_database
from server.storage.tracing import TracedBatcher, TracedSession
from server.transport.envoy.servers import Envoy
from server.transport.grpc.handlers import RpcHandlers, untraced
from server.transport.grpc.health import HealthService
from server.transport.grpc.reflection import add_reflection
from server.transport.grpc.server import GrpcServer
from server.transport.grpc.service_streams import ServiceStreams
from server.transport.grpc.stream_writer import StreamWriter
from server.transport.listening import Server
from server.transport.pipeline.auth import ROLES, Authorizer
from server.transport.pipeline.calls import NO_OBSERVER, Calls
from server.transport.pipeline.cross_site import CrossSiteRule
from server.transport.pipeline.errors import REASONS
from server.transport.pipeline.rate_limit import Buckets, RateLimiter
from server.transport.pipeline.worker_thread import WorkerThread
from server.transport.rest.application import http_app, untraced_endpoint
from server.transport.rest.monitoring import (
    monitoring_app,
)
from server.transport.rest.webhooks import webhook_endpoints
from server.transport.service.servicer import SERVICE, PaymentServicer
from server.transport.tls import Tls
from server.transport.tracing import CallSpans, traced_endpoint, traced_handler


@dataclass(frozen=True, kw_only=True)
class Application:
    """The parts of the service, wired but not yet listening or connected."""

    settings: Settings
    tls: Tls | None
    tracing: Tracing | None
    database: Database
    wait_for_database: Callable[[], Awaitable[None]]
    keys: MysqlKeyStore
    settlement: Settlement
    event_feed: EventFeed
    relay: Relay
    calls: Calls
    worker_thread: WorkerThread
    health: HealthService
    monitor: HealthMonitor
    grpc: GrpcServer
    rest: Server
    monitoring: Server | None
    worker: Worker | None = None


class BuildApplication(Protocol):
    """A function that wires an application in the running event loop."""

    def __call__(self, settings: Settings, *, envoy: Envoy | None = None, worker: Worker | None = None) -> Application:
        """Wire the application: see ``build`` for ``envoy`` and ``worker``."""


def build(  # noqa: PLR0913 - each is a separate part
    settings: Settings,
    *,
    database: Database | None = None,
    store: PaymentStore | None = None,
    processor: InstantProcessor | None = None,
    now: Callable[[], datetime] | None = None,
    envoy: Envoy | None = None,
    worker: Worker | None = None,
) -> Application:
    """Wire the service in the running event loop. A part passed as an argument replaces the one from the settings.

    ``envoy`` is the Envoy that runs this process, if one does. ``worker`` is the worker that this process is, if it is
    one of several, and ``settings`` then have its share of the limits.

    Raises:
        StartupError: the TLS files cannot be used, or the processor does not support a configured currency.
    """
    tls = load_tls(settings)
    if tls is not None:
        tls.log_loaded()
    tracing = _tracing(settings)
    is_traced = tracing is not None
    now = now or _utc_now
    database = database or Database(settings, TracedSession if is_traced else Session)
    keys = MysqlKeyStore(database)
    flow: ChargeFlow
    if processor is None and settings.processor is not ProcessorKind.SIMULATED:
        settlement = remote_settlement(settings, database, now)
        flow = settlement.flow
    else:
        settlement = simulated_settlement(settings, database, now)
        flow = SimulatedFlow(ImmediateFlow(processor or _simulated(settings)), settlement.flow)
    payments = Payments(
        store or _store(settings, database),
        flow,
        new_reference=reference_maker(settings.reference_prefix),
        now=now,
    )

    def wake_event_feed() -> None:
        event_feed.wake()

    relay = Relay(MysqlOutbox(database), wake_event_feed)
    events = MysqlEventStore(database)
    event_feed = _event_feed(settings, events, relay, worker)
    history = PaymentHistory(events, relay.catch_up)
    if is_traced:
        payments, history = traced(payments), traced(history)
    calls = _calls(settings, keys, worker)
    currencies = Currencies(settings.default_currency, settings.currencies)
    worker_thread = WorkerThread()
    servicer = PaymentServicer(payments, history, event_feed, currencies, worker_thread)
    server = grpc_server(settings, tls, envoy, worker)
    health_service = _add_services(server, settings, servicer, calls, worker_thread, worker)
    monitor = HealthMonitor(database.ping, health_service)
    trace = traced_endpoint if is_traced else untraced_endpoint
    read_envoy_metrics = None if envoy is None else envoy.admin.metrics
    app = http_app(
        settings,
        [(SERVICE, servicer)],
        payments,
        currencies,
        calls,
        monitor,
        worker_thread,
        trace=trace,
        webhooks=webhook_endpoints(
            settlement.late_outcomes,
            settlement.read_webhook,
            body_timeout_seconds=settings.rest_body_timeout_seconds,
        ),
        metrics=rest_metrics(settings, read_envoy_metrics, worker),
    )
    metrics.track_health(lambda: monitor.is_serving)
    metrics.initialize_call_errors([method.name for method in SERVICE.methods], REASONS)
    return Application(
        settings=settings,
        tls=tls,
        tracing=tracing,
        database=database,
        wait_for_database=lambda: wait_for_database(database, keys, settings),
        keys=keys,
        settlement=settlement,
        event_feed=event_feed,
        relay=relay,
        calls=calls,
        worker_thread=worker_thread,
        health=health_service,
        monitor=monitor,
        grpc=server,
        rest=rest_server(settings, app, tls, envoy, worker),
        monitoring=monitoring_server(settings, monitoring_app(monitor, read_envoy_metrics), worker),
        worker=worker,
    )


def _utc_now() -> datetime:
    return datetime.now(UTC)


def _tracing(settings: Settings) -> Tracing | None:
    if settings.tracing_endpoint is None:
        return None
    return Tracing(settings.tracing_endpoint, settings.tracing_header_values, settings.tracing_sample_ratio)


def _store(settings: Settings, database: Database) -> MysqlPaymentStore:
    return MysqlPaymentStore(
        database,
        due_seconds(settings),
        make_batcher=Batcher if settings.tracing_endpoint is None else TracedBatcher,
    )


def _event_feed(settings: Settings, events: MysqlEventStore, relay: Relay, worker: Worker | None) -> EventFeed:
    return EventFeed(
        events,
        relay.catch_up,
        interval_seconds=settings.event_relay_interval_seconds,
        heartbeat_seconds=settings.event_heartbeat_interval_seconds,
        limit=StreamLimit(
            settings.max_watches, settings.max_watches_per_caller, counts=_stream_counts(worker, WATCHES)
        ),
    )


def _simulated(settings: ProcessorSettings) -> SimulatedProcessor:
    by_method = {
        PaymentMethod.UPI: settings.success_probability_upi,
        PaymentMethod.CARD: settings.success_probability_card,
        PaymentMethod.COD: settings.success_probability_cod,
    }
    probabilities = {method: settings.success_probability if own is None else own for method, own in by_method.items()}
    return SimulatedProcessor(probabilities, random.Random(settings.processor_seed))


def _stream_counts(worker: Worker | None, part: str) -> StreamCounts | None:
    return None if worker is None else worker.stream_counts(part)


def _buckets(worker: Worker | None, part: str) -> Buckets | None:
    return None if worker is None else worker.buckets(part)


def _calls(settings: Settings, keys: MysqlKeyStore, worker: Worker | None) -> Calls:
    authorizer = Authorizer(
        ROLES,
        keys,
        anonymous_roles=settings.anonymous_roles,
        certificate_roles=settings.certificate_roles,
        requires_certificate=settings.tls_client_ca_file is not None,
    )
    authorizer.check_role_table([SERVICE])
    per_second = settings.rate_limit_calls_per_second
    return Calls(
        settings.max_concurrent_calls,
        authorizer,
        target_seconds=settings.overload_target_seconds,
        timeout_seconds=settings.call_timeout_seconds,
        rate_limiter=None
        if per_second is None
        else RateLimiter(per_second, settings.rate_limit_burst_calls, buckets=_buckets(worker, CALLS)),
        failed_authentication_limiter=RateLimiter(
            settings.rate_limit_failed_authentications_per_second,
            settings.rate_limit_failed_authentications_burst,
            buckets=_buckets(worker, FAILED_AUTHENTICATIONS),
        ),
        observer=NO_OBSERVER if settings.tracing_endpoint is None else CallSpans(),
    )


def _add_services(  # noqa: PLR0913, PLR0917 - each is a separate part
    server: GrpcServer,
    settings: Settings,
    servicer: PaymentServicer,
    calls: Calls,
    worker_thread: WorkerThread,
    worker: Worker | None,
) -> HealthService:
    """Add all services to the gRPC server, and return the health service."""
    writer = StreamWriter(settings.grpc_write_timeout_seconds)
    handlers = RpcHandlers(
        calls,
        writer,
        worker_thread,
        has_client_certificates=settings.tls_client_ca_file is not None,
        cross_site=CrossSiteRule(settings.cors_allowed_origins),
        decorate=untraced if settings.tracing_endpoint is None else traced_handler,
    )
    server.handlers.add_registered_method_handlers(SERVICE.full_name, handlers.handlers_for(SERVICE, servicer))
    server.reject_early(SERVICE.full_name, handlers.rejection)
    health_watches = StreamLimit(settings.grpc_max_health_watches, counts=_stream_counts(worker, HEALTH))
    health_service = HealthService(ServiceStreams("health", health_watches, writer), (SERVICE.full_name,))
    # The generated function declares grpcio's server, and calls only the methods of ``Handlers``.
    health_pb2_grpc.add_HealthServicer_to_server(health_service, cast("grpc.aio.Server", server.handlers))
    if settings.grpc_reflection:
        limit = StreamLimit(settings.grpc_max_reflection_streams, counts=_stream_counts(worker, REFLECTION))
        streams = ServiceStreams("reflection", limit, writer)
        add_reflection((SERVICE.full_name, health.SERVICE_NAME), server.handlers, streams)
    return health_service
