"""Checks of a running service by its metrics: health, connections, calls and the event stream."""

from collections.abc import Iterator, Mapping

import httpx
from prometheus_client.parser import text_string_to_metric_families

from server.config.settings import Settings
from server.transport.rest.monitoring import METRICS_PATH
from tools.operations.addresses import in_url
from tools.operations.doctor.check_result import CheckResult, Level

_TIMEOUT_SECONDS = 3.0
_LONG_WAIT_SECONDS = 0.05
"""A wait for a connection that callers notice."""

_LONG_LAG_SECONDS = 10.0

_Labels = tuple[tuple[str, str], ...]


def local_url(settings: Settings) -> str:
    """Return where a service with these settings serves its metrics, on this machine."""
    if settings.monitoring_port is not None:
        return f"http://{in_url(settings.monitoring_host, settings.monitoring_port)}"
    scheme = "http" if settings.tls_cert_file is None else "https"
    return f"{scheme}://{in_url(settings.rest_host, settings.rest_port)}"


def service(url: str, *, is_asked_for: bool) -> Iterator[CheckResult]:
    """Tell what the service at ``url`` says of itself.

    That none is there is a problem only where somebody asked for it.
    """
    try:
        samples = _read(url.rstrip("/") + METRICS_PATH)
        is_serving = samples["payments_serving", ()] > 0
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError) as error:
        level = Level.PROBLEM if is_asked_for else Level.NOTE
        yield CheckResult(
            level,
            "service",
            f"none tells its metrics at {url}: {error}",
            "--url names where its monitoring is, or else its REST.",
        )
        return
    if is_serving:
        yield CheckResult(Level.OK, "service", f"the one at {url} is serving")
    else:
        advice = "Its log says why (database_unavailable), or it is being stopped."
        yield CheckResult(Level.PROBLEM, "service", f"the one at {url} is not serving", advice)
    yield _pool(samples)
    yield _calls(samples)
    yield from _stream(samples)


def _read(url: str) -> Mapping[tuple[str, _Labels], float]:
    # The certificate may be for another name of the service, and the metrics are no secret.
    reply = httpx.get(url, timeout=_TIMEOUT_SECONDS, verify=False, trust_env=False)  # noqa: S501 - as just said
    text = reply.raise_for_status().text
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def _value(samples: Mapping[tuple[str, _Labels], float], name: str, **labels: str) -> float:
    return samples.get((name, tuple(sorted(labels.items()))), 0.0)


def _pool(samples: Mapping[tuple[str, _Labels], float]) -> CheckResult:
    in_use = _value(samples, "payments_database_connections", state="in_use")
    idle = _value(samples, "payments_database_connections", state="idle")
    most = _value(samples, "payments_database_connections_max")
    waits = _value(samples, "payments_database_connection_wait_seconds_count")
    waited_seconds = _value(samples, "payments_database_connection_wait_seconds_sum")
    mean_seconds = waited_seconds / waits if waits else 0.0
    values = {"in_use": in_use, "idle": idle, "max": most, "waits": waits, "mean_wait_seconds": round(mean_seconds, 6)}
    text = f"{in_use:.0f} of {most:.0f} connections in use"
    if waits:
        text += f"; since its start {waits:,.0f} waits for one, of {1000 * mean_seconds:.1f} ms on average"
    if in_use >= most or mean_seconds > _LONG_WAIT_SECONDS:
        advice = "Look for slow statements and locks first (transactions, above), then raise MYSQL_POOL_MAX."
        return CheckResult(Level.WARNING, "pool of the service", text, advice, values)
    return CheckResult(Level.OK, "pool of the service", text, values=values)


def _calls(samples: Mapping[tuple[str, _Labels], float]) -> CheckResult:
    in_progress, limit = _value(samples, "payments_calls_in_progress"), _value(samples, "payments_calls_limit")
    refused = _value(samples, "payments_calls_refused_total")
    groups = {name: _value(samples, "payments_group_waiting", group=name) for name in ("charge", "get")}
    values = {"in_progress": in_progress, "limit": limit, "refused": refused}
    values |= {f"{name}_waiting": count for name, count in groups.items()}
    waiting = ", ".join(f"{count:.0f} {name}" for name, count in groups.items())
    text = f"{in_progress:.0f} of {limit:.0f} in progress, waiting for a statement: {waiting}; {refused:,.0f} refused"
    if in_progress >= limit:
        advice = "More is asked than it takes on: docs/operations/limits.md, docs/design/scaling.md."
        return CheckResult(Level.WARNING, "calls of the service", text, advice, values)
    return CheckResult(Level.OK, "calls of the service", text, values=values)


def _stream(samples: Mapping[tuple[str, _Labels], float]) -> Iterator[CheckResult]:
    if ("payments_event_lag_seconds", ()) not in samples:
        return
    lag_seconds = _value(samples, "payments_event_lag_seconds")
    watches = _value(samples, "payments_watches")
    text = f"{lag_seconds:.1f} s behind, {watches:.0f} watch it"
    values = {"lag_seconds": lag_seconds, "watches": watches}
    level = Level.WARNING if lag_seconds > _LONG_LAG_SECONDS else Level.OK
    yield CheckResult(level, "stream of the service", text, values=values)
