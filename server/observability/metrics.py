"""What is counted and timed, for Prometheus: every name, and what it means.

Names and units follow Prometheus' conventions (prometheus.io/docs/practices/naming). What changes with each call is
counted where it happens; what is so at a moment, such as how many calls wait, is looked at when somebody asks.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from itertools import product

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.gc_collector import GCCollector
from prometheus_client.process_collector import ProcessCollector

from server.domain.payment import PaymentMethod, Status

REGISTRY = CollectorRegistry()
"""All metrics of the service, with those of its process (memory, processor time, open files)."""

ProcessCollector(registry=REGISTRY)
GCCollector(registry=REGISTRY)

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_ITEMS = (1, 2, 4, 8, 16, 32, 64)

_calls = Histogram(
    "payments_call_duration_seconds",
    "Calls that have ended, over gRPC and REST: how long each took.",
    ["rpc", "code"],
    buckets=_SECONDS,
    registry=REGISTRY,
)
_call_errors = Counter(
    "payments_call_errors",
    "Calls that ended in an error that the service told them of, by its reason (ErrorInfo).",
    ["rpc", "reason"],
    registry=REGISTRY,
)
_calls_in_progress = Gauge("payments_calls_in_progress", "Calls that are being answered.", registry=REGISTRY)
_calls_limit = Gauge(
    "payments_calls_limit", "Calls that are let in at the same time now; more are refused.", registry=REGISTRY
)
_calls_refused = Counter(
    "payments_calls_refused", "Calls refused unseen, as many as are let in being in progress.", registry=REGISTRY
)
_failed_authentications_limited = Counter(
    "payments_failed_authentications_limited",
    "Calls without valid credentials that were answered RATE_LIMITED, after too many others from their address.",
    registry=REGISTRY,
)
_grpc_streams = Gauge(
    "payments_grpc_streams", "Streams of gRPC's own services that are open, by kind.", ["kind"], registry=REGISTRY
)
_grpc_streams_refused = Counter(
    "payments_grpc_streams_refused",
    "Streams of gRPC's own services that were refused, because as many were open as may be.",
    ["kind"],
    registry=REGISTRY,
)
_serving = Gauge("payments_serving", "1 while health says SERVING, else 0.", registry=REGISTRY)

_loop_delay = Histogram(
    "payments_event_loop_delay_seconds",
    "By how much the event loop was late, measured again and again: so long all callers waited for one.",
    buckets=_SECONDS,
    registry=REGISTRY,
)

_payments = Counter(
    "payments_charges",
    "Payments made, by their method and what became of them; a charge that is repeated is not counted again.",
    ["method", "status"],
    registry=REGISTRY,
)
_refunds = Counter(
    "payments_refunds",
    "Refunds made; full when nothing of the payment is left, else partial.",
    ["kind"],
    registry=REGISTRY,
)

_processor = Histogram(
    "payments_processor_duration_seconds",
    "Requests to the remote processor that have ended: how long each took.",
    ["operation", "outcome"],
    buckets=_SECONDS,
    registry=REGISTRY,
)
PROCESSOR_PROBLEMS = ("refused", "wrong_answer", "never_did")

_processor_problems = Counter(
    "payments_processor_problems",
    "Answers of the remote processor that an operator should look at: refusals that are no decline, answers that do "
    "not match the request, and requests that it never carried out.",
    ["problem"],
    registry=REGISTRY,
)
_breaker = Gauge(
    "payments_processor_breaker_open",
    "1 while the remote processor is left alone because it does not answer, else 0.",
    registry=REGISTRY,
)
_settled = Counter(
    "payments_settled",
    "Charges and refunds whose outcome the remote processor told: to the call itself, or to the janitor.",
    ["kind", "by", "outcome"],
    registry=REGISTRY,
)
_pending = Gauge(
    "payments_pending",
    "Charges and refunds that the remote processor has not told the outcome of.",
    ["kind"],
    registry=REGISTRY,
)
_pending_oldest = Gauge(
    "payments_pending_oldest_seconds",
    "How long ago the oldest of those was made; 0 when there is none.",
    registry=REGISTRY,
)

_connections = Gauge(
    "payments_database_connections", "Connections to the database, by what they do.", ["state"], registry=REGISTRY
)
_connections_at_most = Gauge(
    "payments_database_connections_max", "Connections to the database that there may be.", registry=REGISTRY
)
_connection_waits = Histogram(
    "payments_database_connection_wait_seconds",
    "Work that found all connections in use: how long it waited for one.",
    buckets=_SECONDS,
    registry=REGISTRY,
)
_database_errors = Counter(
    "payments_database_errors",
    "Errors of the database, by kind; what is tried again and then succeeds is counted too.",
    ["kind"],
    registry=REGISTRY,
)
_group_items = Histogram(
    "payments_group_items",
    "Statements that serve many calls: how many each served.",
    ["group"],
    buckets=_ITEMS,
    registry=REGISTRY,
)
_group_waiting = Gauge(
    "payments_group_waiting", "Calls that wait for the next such statement.", ["group"], registry=REGISTRY
)

_events = Counter(
    "payments_events_relayed",
    "Events that this replica gave their place in the stream, by what happened.",
    ["kind"],
    registry=REGISTRY,
)
_event_lag = Gauge(
    "payments_event_lag_seconds",
    "How long the oldest change that has no place in the stream had waited when this replica last looked.",
    registry=REGISTRY,
)
_watches = Gauge("payments_watches", "Streams of events that are open.", registry=REGISTRY)


_spans = Counter(
    "payments_spans", "Spans of traces, by what became of them: sent or lost.", ["outcome"], registry=REGISTRY
)


@cache
def call_ended(rpc: str, code: str) -> Callable[[float], None]:
    """Return what counts a call of ``rpc`` that ended with ``code``, given how long it took in seconds."""
    return _calls.labels(rpc, code).observe


@cache
def call_failed(rpc: str, reason: str) -> Callable[[], None]:
    """Return what counts a call of ``rpc`` that ended in an error of this ``reason``."""
    return _call_errors.labels(rpc, reason).inc


def expect_errors(rpcs: Iterable[str], reasons: Iterable[str]) -> None:
    """Show every error that calls can end in, though none did yet: else Prometheus would miss the first of each."""
    for rpc, reason in product(rpcs, reasons):
        call_failed(rpc, reason)


@cache
def charged(method: PaymentMethod, status: Status) -> Callable[[], None]:
    """Return what counts a payment that was made."""
    return _payments.labels(method.name, status.name).inc


@cache
def refunded(*, is_full: bool) -> Callable[[], None]:
    """Return what counts a refund that was made."""
    return _refunds.labels("full" if is_full else "partial").inc


@cache
def processor_asked(operation: str, outcome: str) -> Callable[[float], None]:
    """Return what counts a request to the remote processor, given how long it took in seconds."""
    return _processor.labels(operation, outcome).observe


def count_processor_problem(problem: str) -> None:
    """Count an answer that an operator should look at: see ``PROCESSOR_PROBLEMS``."""
    _processor_problems.labels(problem).inc()


@cache
def settled(kind: str, by: str, outcome: str) -> Callable[[], None]:
    """Return what counts a charge or a refund that came to its outcome."""
    return _settled.labels(kind, by, outcome).inc


def pending(counts: Mapping[str, int], oldest_seconds: float) -> None:
    """Tell how many charges and refunds have no outcome, by kind, and how old the oldest is."""
    for kind, count in counts.items():
        _pending.labels(kind).set(count)
    _pending_oldest.set(oldest_seconds)


def watch_breaker(is_open: Callable[[], bool]) -> None:
    """Ask ``is_open`` whether the remote processor is left alone."""
    _breaker.set_function(is_open)


@cache
def group_worked(group: str) -> Callable[[int], None]:
    """Return what counts a statement that served as many calls."""
    return _group_items.labels(group).observe


def spans_exported(count: int, *, were_sent: bool) -> None:
    """Count spans that were sent, or could not be."""
    _spans.labels("sent" if were_sent else "lost").inc(count)


def waited_for_connection(seconds: float) -> None:
    """Count work that waited for a connection."""
    _connection_waits.observe(seconds)


def database_failed(kind: str) -> None:
    """Count an error of the database."""
    _database_errors.labels(kind).inc()


def events_relayed(kind: str, count: int) -> None:
    """Count events of a kind that were given their place in the stream."""
    _events.labels(kind).inc(count)


def event_lag(seconds: float) -> None:
    """Keep how long the oldest change that has no place in the stream has waited."""
    _event_lag.set(seconds)


def watch_watches(are_open: Callable[[], int]) -> None:
    """Ask how many streams of events are open."""
    _watches.set_function(are_open)


def expect_database_errors(kinds: Iterable[str]) -> None:
    """Show every kind of error that the database can have: see ``expect_errors``."""
    for kind in kinds:
        _database_errors.labels(kind)


def loop_delayed(seconds: float) -> None:
    """Count by how much the event loop was late."""
    _loop_delay.observe(seconds)


def call_refused() -> None:
    """Count a call that was refused unseen."""
    _calls_refused.inc()


def failed_authentication_limited() -> None:
    """Count a call without valid credentials that was one too many from its address."""
    _failed_authentications_limited.inc()


def watch_grpc_streams(kind: str, are_open: Callable[[], int]) -> None:
    """Ask how many streams of a kind are open, and show that none was refused yet."""
    _grpc_streams.labels(kind).set_function(are_open)
    _grpc_streams_refused.labels(kind)


def grpc_stream_refused(kind: str) -> None:
    """Count a stream of a kind that was refused."""
    _grpc_streams_refused.labels(kind).inc()


def watch_calls(in_progress: Callable[[], int], limit: Callable[[], int]) -> None:
    """Ask how many calls are being answered, and how many are let in."""
    _calls_in_progress.set_function(in_progress)
    _calls_limit.set_function(limit)


def watch_health(is_serving: Callable[[], bool]) -> None:
    """Ask ``is_serving`` what health says."""
    _serving.set_function(is_serving)


def watch_connections(in_use: Callable[[], int], idle: Callable[[], int], at_most: int) -> None:
    """Ask how many connections to the database are in use, and how many are not, of ``at_most``."""
    _connections.labels("in_use").set_function(in_use)
    _connections.labels("idle").set_function(idle)
    _connections_at_most.set(at_most)


def watch_group(group: str, waiting: Callable[[], int]) -> None:
    """Ask how many calls wait for the next statement of a group."""
    _group_waiting.labels(group).set_function(waiting)


for were_sent in (False, True):
    spans_exported(0, were_sent=were_sent)
for is_full in (False, True):
    refunded(is_full=is_full)
for method, status in product(set(PaymentMethod) - {PaymentMethod.OTHER}, (Status.SUCCEEDED, Status.FAILED)):
    charged(method, status)
for problem in PROCESSOR_PROBLEMS:
    _processor_problems.labels(problem)
