"""Checks of a running service through its metrics: health, connections, calls and the event stream."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

import httpx
from prometheus_client.parser import text_string_to_metric_families

from server.config.settings import Settings
from server.observability.metrics import SUPERVISOR, WEBHOOK_RESULTS, WORKER_LABEL
from server.transport.rest.monitoring import METRICS_PATH
from tools.operations.addresses import reachable_address
from tools.operations.doctor.check_result import CheckResult, Level

_TIMEOUT_SECONDS = 3.0
_LONG_WAIT_SECONDS = 0.05
"""Callers notice a longer wait for a connection."""

_LONG_LAG_SECONDS = 10.0

_Labels = tuple[tuple[str, str], ...]
_Samples = Mapping[tuple[str, _Labels], Sequence[float]]
"""The values of each metric: one, or with ``WORKERS`` one of each worker."""


def local_url(settings: Settings) -> str:
    """Return the URL at which a service on this machine, with these settings, serves its metrics."""
    if settings.monitoring_port is not None:
        return f"http://{reachable_address(settings.monitoring_host, settings.monitoring_port)}"
    scheme = "http" if settings.tls_cert_file is None else "https"
    return f"{scheme}://{reachable_address(settings.rest_host, settings.rest_port)}"


def service(url: str, *, is_required: bool) -> Iterator[CheckResult]:
    """Check the service at ``url``. Its absence is a problem only if it ``is_required``."""
    try:
        samples = _read(url.rstrip("/") + METRICS_PATH)
        is_serving = min(samples["payments_serving", ()]) > 0
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError) as error:
        level = Level.PROBLEM if is_required else Level.NOTE
        text = f"no service reports metrics at {url}: {error}"
        advice = "Set --url to the service's monitoring port, or to its REST port if that serves the metrics."
        yield CheckResult(level, "service", text, advice)
        return
    if is_serving:
        yield CheckResult(Level.OK, "service", f"the service at {url} is serving")
    else:
        advice = "Its log says why (database_unavailable), or it is shutting down."
        yield CheckResult(Level.PROBLEM, "service", f"the service at {url} is not serving", advice)
    yield _pool(samples)
    yield _calls(samples)
    yield from _stream(samples)
    yield from _webhooks(samples)


def _read(url: str) -> _Samples:
    # The certificate may be for another name of the service, and the metrics are not secret.
    response = httpx.get(url, timeout=_TIMEOUT_SECONDS, verify=False, trust_env=False)  # noqa: S501 - see above
    text = response.raise_for_status().text
    samples: defaultdict[tuple[str, _Labels], list[float]] = defaultdict(list)
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.labels.get(WORKER_LABEL) != SUPERVISOR:
                labels = {name: value for name, value in sample.labels.items() if name != WORKER_LABEL}
                samples[sample.name, tuple(sorted(labels.items()))].append(sample.value)
    return dict(samples)


def _value(samples: _Samples, name: str, **labels: str) -> float:
    """Return the value of a metric, summed over the workers."""
    return sum(samples.get((name, tuple(sorted(labels.items()))), ()))


def _pool(samples: _Samples) -> CheckResult:
    in_use = _value(samples, "payments_database_connections", state="in_use")
    idle = _value(samples, "payments_database_connections", state="idle")
    limit = _value(samples, "payments_database_connections_max")
    waits = _value(samples, "payments_database_connection_wait_seconds_count")
    waited_seconds = _value(samples, "payments_database_connection_wait_seconds_sum")
    mean_seconds = waited_seconds / waits if waits else 0.0
    values = {"in_use": in_use, "idle": idle, "max": limit, "waits": waits, "mean_wait_seconds": round(mean_seconds, 6)}
    text = f"{in_use:.0f} of {limit:.0f} connections in use"
    if waits:
        text += f"; {waits:,.0f} waits for a connection since startup, {1000 * mean_seconds:.1f} ms on average"
    if in_use >= limit or mean_seconds > _LONG_WAIT_SECONDS:
        advice = "First look for slow statements and locks (see transactions above), then raise MYSQL_POOL_MAX."
        return CheckResult(Level.WARNING, "pool of the service", text, advice, values)
    return CheckResult(Level.OK, "pool of the service", text, values=values)


def _calls(samples: _Samples) -> CheckResult:
    in_progress, limit = _value(samples, "payments_calls_in_progress"), _value(samples, "payments_calls_limit")
    rejected = _value(samples, "payments_calls_refused_total")
    batchers = {name: _value(samples, "payments_group_waiting", group=name) for name in ("charge", "get")}
    values = {"in_progress": in_progress, "limit": limit, "refused": rejected}
    values |= {f"{name}_waiting": count for name, count in batchers.items()}
    waiting = ", ".join(f"{count:.0f} {name}" for name, count in batchers.items())
    text = f"{in_progress:.0f} of {limit:.0f} in flight, waiting for a batch: {waiting}; {rejected:,.0f} rejected"
    if in_progress >= limit:
        advice = "The service is overloaded: see docs/operations/limits.md and docs/design/scaling.md."
        return CheckResult(Level.WARNING, "calls of the service", text, advice, values)
    return CheckResult(Level.OK, "calls of the service", text, values=values)


def _stream(samples: _Samples) -> Iterator[CheckResult]:
    if ("payments_event_lag_seconds", ()) not in samples:
        return
    lag_seconds = max(samples["payments_event_lag_seconds", ()])
    watches = _value(samples, "payments_watches")
    text = f"lag of {lag_seconds:.1f} s, {watches:.0f} consumers"
    values = {"lag_seconds": lag_seconds, "watches": watches}
    level = Level.WARNING if lag_seconds > _LONG_LAG_SECONDS else Level.OK
    yield CheckResult(level, "stream of the service", text, values=values)


def _webhooks(samples: _Samples) -> Iterator[CheckResult]:
    counts = {result: _value(samples, "payments_webhooks_total", result=result) for result in WEBHOOK_RESULTS}
    if not sum(counts.values()):
        return
    subject = "webhooks of the service"
    text = ", ".join(f"{count:,.0f} {result}" for result, count in counts.items()) + " since startup"
    if counts["refused"]:
        advice = "webhook_refused in its log says why: see docs/operations/runbook.md#paymentswebhooksrefused."
        yield CheckResult(Level.NOTE, subject, text, advice, counts)
    else:
        yield CheckResult(Level.OK, subject, text, values=counts)
