"""The Prometheus metrics of the service: their names and help texts, and a function to record each.

Names and units follow Prometheus' conventions (prometheus.io/docs/practices/naming). Counters and histograms are
updated where the event happens. Gauges of the current state, such as queue lengths, are read at each scrape: the
``track_...`` functions register where to read them.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from itertools import product

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.gc_collector import GCCollector
from prometheus_client.process_collector import ProcessCollector

from server.domain.late_outcomes import CheckCounts
from server.domain.payment import PaymentMethod, Status

REGISTRY = CollectorRegistry()
"""All metrics of the service and of its process (memory, CPU time, open files)."""

SUPERVISOR_REGISTRY = CollectorRegistry()
"""The metrics of the process that supervises several workers."""

WORKER_LABEL = "worker"
"""The label that metrics have if there are several workers: the number of a worker, or ``SUPERVISOR``."""

SUPERVISOR = "supervisor"

ProcessCollector(registry=SUPERVISOR_REGISTRY)
ProcessCollector(registry=REGISTRY)
GCCollector(registry=REGISTRY)

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_ITEMS = (1, 2, 4, 8, 16, 32, 64)

_calls = Histogram(
    "payments_call_duration_seconds",
    "Duration of completed calls, over gRPC and REST.",
    ["rpc", "code"],
    buckets=_SECONDS,
    registry=REGISTRY,
)
_call_errors = Counter(
    "payments_call_errors",
    "Calls that the service answered with an error, by the reason in its ErrorInfo.",
    ["rpc", "reason"],
    registry=REGISTRY,
)
_calls_in_progress = Gauge("payments_calls_in_progress", "Calls in progress.", registry=REGISTRY)
_calls_limit = Gauge(
    "payments_calls_limit",
    "Current limit of concurrent calls; admission control rejects calls above it.",
    registry=REGISTRY,
)
_rejected_calls = Counter(
    "payments_calls_refused", "Calls rejected by admission control before any work was done.", registry=REGISTRY
)
_limited_authentications = Counter(
    "payments_failed_authentications_limited",
    "Calls without valid credentials that were rejected as RATE_LIMITED, after too many others from their address.",
    registry=REGISTRY,
)
_grpc_streams = Gauge(
    "payments_grpc_streams", "Open streams of gRPC's own services, by kind.", ["kind"], registry=REGISTRY
)
_rejected_grpc_streams = Counter(
    "payments_grpc_streams_refused",
    "Streams of gRPC's own services that were rejected because too many were open, by kind.",
    ["kind"],
    registry=REGISTRY,
)
_serving = Gauge("payments_serving", "1 while the health service reports SERVING, otherwise 0.", registry=REGISTRY)

_loop_delay = Histogram(
    "payments_event_loop_delay_seconds",
    "How late the event loop ran a periodic timer; every call waits that long.",
    buckets=_SECONDS,
    registry=REGISTRY,
)

_charges = Counter(
    "payments_charges",
    "Charges with an outcome, by method and status; a replay is not counted again.",
    ["method", "status"],
    registry=REGISTRY,
)
_refunds = Counter(
    "payments_refunds",
    "Refunds that succeeded: full if nothing is left to refund, otherwise partial.",
    ["kind"],
    registry=REGISTRY,
)

_processor_requests = Histogram(
    "payments_processor_duration_seconds",
    "Duration of completed requests to the remote processor.",
    ["operation", "outcome"],
    buckets=_SECONDS,
    registry=REGISTRY,
)
PROCESSOR_PROBLEMS = ("refused", "wrong_answer", "never_did", "disagrees", "archived")
LATE_OUTCOMES = ("refund_failed", "dispute_open", "dispute_won", "dispute_lost")
WEBHOOK_RESULTS = ("accepted", "ignored", "refused", "failed")

_processor_problems = Counter(
    "payments_processor_problems",
    "Problems with the remote processor that need an operator: requests that it rejected rather than declined, "
    "responses that do not match the request, requests that it never carried out, outcomes that contradict stored "
    "ones, and late outcomes of archived payments.",
    ["problem"],
    registry=REGISTRY,
)
_late_outcomes = Counter(
    "payments_late_outcomes",
    "Changes after a payment or refund had its outcome: disputes, and refunds that failed.",
    ["kind"],
    registry=REGISTRY,
)
_webhooks = Counter(
    "payments_webhooks",
    "Webhooks of the remote processor. accepted: about a payment of this service. ignored: about anything else. "
    "refused: without a valid signature, or not an event. failed: the database could not be reached.",
    ["result"],
    registry=REGISTRY,
)
_checks = Gauge(
    "payments_checks_waiting",
    "Payments about which the remote processor has hinted at a change, and that have not been read again yet.",
    registry=REGISTRY,
)
_checks_oldest = Gauge("payments_checks_oldest_seconds", "Age of the oldest such hint.", registry=REGISTRY)
_open_disputes = Gauge("payments_disputes_open", "Payments with an open dispute.", registry=REGISTRY)
_breaker = Gauge(
    "payments_processor_breaker_open",
    "1 while the circuit breaker of the remote processor is open, otherwise 0.",
    registry=REGISTRY,
)
_settlements = Counter(
    "payments_settled",
    "Charges and refunds settled with the outcome from the remote processor, by the call, by the reconciler "
    "(janitor), or by the reconciler after the payer had to approve the charge (payer).",
    ["kind", "by", "outcome"],
    registry=REGISTRY,
)
_pending = Gauge(
    "payments_pending",
    "Charges and refunds without an outcome from the remote processor.",
    ["kind"],
    registry=REGISTRY,
)
_pending_oldest = Gauge(
    "payments_pending_oldest_seconds",
    "Age of the oldest pending charge or refund; 0 if there is none.",
    registry=REGISTRY,
)

_connections = Gauge("payments_database_connections", "Database connections, by state.", ["state"], registry=REGISTRY)
_max_connections = Gauge(
    "payments_database_connections_max", "Maximum number of database connections in the pool.", registry=REGISTRY
)
_connection_waits = Histogram(
    "payments_database_connection_wait_seconds",
    "Time spent waiting for a database connection when all were in use.",
    buckets=_SECONDS,
    registry=REGISTRY,
)
_database_errors = Counter(
    "payments_database_errors",
    "Database errors, by kind, including those whose retry succeeded.",
    ["kind"],
    registry=REGISTRY,
)
_batch_sizes = Histogram(
    "payments_group_items",
    "Number of calls served by a batch, by kind of batch.",
    ["group"],
    buckets=_ITEMS,
    registry=REGISTRY,
)
_batch_queues = Gauge("payments_group_waiting", "Calls waiting for the next batch.", ["group"], registry=REGISTRY)

_events = Counter(
    "payments_events_relayed",
    "Events that this replica moved from the outbox into the event stream, by kind.",
    ["kind"],
    registry=REGISTRY,
)
_event_lag = Gauge(
    "payments_event_lag_seconds",
    "Age of the oldest change in the outbox when this replica last looked; 0 if there was none.",
    registry=REGISTRY,
)
_watches = Gauge("payments_watches", "Open event streams.", registry=REGISTRY)


_spans = Counter("payments_spans", "Trace spans, by whether they were sent or lost.", ["outcome"], registry=REGISTRY)
_worker_restarts = Counter(
    "payments_worker_restarts",
    "Workers that ended, although they were not to, and were started again.",
    ["worker"],
    registry=SUPERVISOR_REGISTRY,
)

# Cached, because ``labels`` takes several times as long as the update.
_calls_with = cache(_calls.labels)
_call_errors_with = cache(_call_errors.labels)
_batch_sizes_with = cache(_batch_sizes.labels)


def observe_call(rpc: str, code: str, seconds: float) -> None:
    """Record the duration of a call of ``rpc`` that ended with ``code``."""
    _calls_with(rpc, code).observe(seconds)


def count_call_error(rpc: str, reason: str) -> None:
    """Count a call of ``rpc`` that was answered with an error of this ``reason``."""
    _call_errors_with(rpc, reason).inc()


def initialize_call_errors(rpcs: Iterable[str], reasons: Iterable[str]) -> None:
    """Export a zero for every error that calls can end with; otherwise Prometheus would miss the first of each."""
    for rpc, reason in product(rpcs, reasons):
        _call_errors.labels(rpc, reason)


def count_charge(method: PaymentMethod, status: Status) -> None:
    """Count a charge that has its outcome."""
    _charges_with(method, status).inc()


@cache
def _charges_with(method: PaymentMethod, status: Status) -> Counter:
    return _charges.labels(method.name, status.name)


def count_refund(*, is_full: bool) -> None:
    """Count a refund that succeeded."""
    _refunds.labels("full" if is_full else "partial").inc()


def observe_processor_request(operation: str, outcome: str, seconds: float) -> None:
    """Record the duration of a request to the remote processor."""
    _processor_requests.labels(operation, outcome).observe(seconds)


def count_processor_problem(problem: str) -> None:
    """Count one of the ``PROCESSOR_PROBLEMS``."""
    _processor_problems.labels(problem).inc()


def count_late_outcome(kind: str) -> None:
    """Count one of the ``LATE_OUTCOMES``."""
    _late_outcomes.labels(kind).inc()


def count_webhook(result: str) -> None:
    """Count a webhook with one of the ``WEBHOOK_RESULTS``."""
    _webhooks.labels(result).inc()


def set_checks(counts: CheckCounts) -> None:
    """Set the number of payments to check, the age of the oldest, and the number of open disputes."""
    _checks.set(counts.waiting)
    _checks_oldest.set(counts.oldest_seconds)
    _open_disputes.set(counts.disputed)


def count_settlement(kind: str, by: str, outcome: str) -> None:
    """Count a charge or a refund whose outcome was stored."""
    _settlements.labels(kind, by, outcome).inc()


def set_pending(counts: Mapping[str, int], oldest_seconds: float) -> None:
    """Set the number of pending charges and refunds, by kind, and the age of the oldest."""
    for kind, count in counts.items():
        _pending.labels(kind).set(count)
    _pending_oldest.set(oldest_seconds)


def track_breaker(is_open: Callable[[], bool]) -> None:
    """Read from ``is_open`` whether the processor's circuit breaker is open."""
    _breaker.set_function(is_open)


def observe_batch_size(batch: str, size: int) -> None:
    """Record how many calls a batch serves."""
    _batch_sizes_with(batch).observe(size)


def count_spans(count: int, *, were_sent: bool) -> None:
    """Count spans that were sent or lost."""
    _spans.labels("sent" if were_sent else "lost").inc(count)


def observe_connection_wait(seconds: float) -> None:
    """Record how long work waited for a database connection."""
    _connection_waits.observe(seconds)


def count_database_error(kind: str) -> None:
    """Count a database error."""
    _database_errors.labels(kind).inc()


def initialize_database_errors(kinds: Iterable[str]) -> None:
    """Export a zero for every kind of database error: see ``initialize_call_errors``."""
    for kind in kinds:
        _database_errors.labels(kind)


def count_relayed_events(kind: str, count: int) -> None:
    """Count events of a kind that were moved into the event stream."""
    _events.labels(kind).inc(count)


def set_event_lag(seconds: float) -> None:
    """Set the age of the oldest change in the outbox."""
    _event_lag.set(seconds)


def track_watches(open_streams: Callable[[], int]) -> None:
    """Read the number of open event streams from ``open_streams``."""
    _watches.set_function(open_streams)


def initialize_worker_restarts(workers: int) -> None:
    """Export a zero for each worker."""
    for number in range(1, workers + 1):
        _worker_restarts.labels(str(number))


def count_worker_restart(worker: int) -> None:
    """Count a worker that is started again."""
    _worker_restarts.labels(str(worker)).inc()


def observe_loop_delay(seconds: float) -> None:
    """Record by how much the event loop was late."""
    _loop_delay.observe(seconds)


def count_rejected_call() -> None:
    """Count a call that admission control rejected."""
    _rejected_calls.inc()


def count_limited_authentication() -> None:
    """Count a call without valid credentials that was rejected because of too many others from its address."""
    _limited_authentications.inc()


def track_grpc_streams(kind: str, open_streams: Callable[[], int]) -> None:
    """Read the number of open streams of a kind from ``open_streams``, and export a zero for rejected ones."""
    _grpc_streams.labels(kind).set_function(open_streams)
    _rejected_grpc_streams.labels(kind)


def count_rejected_grpc_stream(kind: str) -> None:
    """Count a stream of a kind that was rejected."""
    _rejected_grpc_streams.labels(kind).inc()


def track_calls(in_progress: Callable[[], int], limit: Callable[[], int]) -> None:
    """Read the number of calls in progress, and their limit, from these functions."""
    _calls_in_progress.set_function(in_progress)
    _calls_limit.set_function(limit)


def track_health(is_serving: Callable[[], bool]) -> None:
    """Read from ``is_serving`` whether the health service reports SERVING."""
    _serving.set_function(is_serving)


def track_connections(in_use: Callable[[], int], idle: Callable[[], int], maximum: int) -> None:
    """Read the numbers of database connections in use and idle from these functions; the pool allows ``maximum``."""
    _connections.labels("in_use").set_function(in_use)
    _connections.labels("idle").set_function(idle)
    _max_connections.set(maximum)


def track_batch_queue(batch: str, length: Callable[[], int]) -> None:
    """Read from ``length`` how many calls wait for the next batch, and export batch sizes before the first batch."""
    _batch_queues.labels(batch).set_function(length)
    _batch_sizes_with(batch)


for were_sent in (False, True):
    count_spans(0, were_sent=were_sent)
for kind in ("full", "partial"):
    _refunds.labels(kind)
for method, status in product(set(PaymentMethod) - {PaymentMethod.OTHER}, (Status.SUCCEEDED, Status.FAILED)):
    _charges_with(method, status)
for kind in ("charge", "refund"):
    _pending.labels(kind)
for problem in PROCESSOR_PROBLEMS:
    _processor_problems.labels(problem)
for late_outcome in LATE_OUTCOMES:
    _late_outcomes.labels(late_outcome)
for webhook_result in WEBHOOK_RESULTS:
    _webhooks.labels(webhook_result)
