"""Traces: spans of calls, use cases and SQL statements, exported over OTLP (opentelemetry.io) to TRACING_ENDPOINT.

Tracing is switched on once, at startup: ``app`` wires parts that create spans in place of those that do not, so that
calls need no check when tracing is off. Names and attributes follow OpenTelemetry's semantic conventions. No span
holds the contents of a request, or the text of an error, which may quote them. The log has that text, and the trace id
on each line.
"""

import asyncio
import inspect
import logging
import threading
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import wraps
from importlib.metadata import version
from typing import Any, TypeVar, cast
from uuid import uuid4

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExportResult
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_OFF,
    ALWAYS_ON,
    ParentBased,
    Sampler,
    SamplingResult,
    TraceIdRatioBased,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from server.observability import metrics

Subject = TypeVar("Subject")

PARENT_KEY = "traceparent"
STATE_KEY = "tracestate"
"""The metadata, or headers, in which a caller sends the trace context of its call (w3.org/TR/trace-context)."""

_SEND_TIMEOUT_SECONDS = 10
_SHUTDOWN_TIMEOUT_SECONDS = 2.0
"""How long sending the last spans may take at shutdown, which must not wait for a collector that does not answer."""

_WARNING_INTERVAL_SECONDS = 60.0
"""How often the log reports that spans cannot be sent."""

_tracer = trace.get_tracer("payments")
_propagator = TraceContextTextMapPropagator()


class Tracing:
    """Sends spans in a thread of its own: if the collector is slow or down, spans are lost, and no call is delayed."""

    def __init__(self, endpoint: str, headers: Mapping[str, str], sample_ratio: float) -> None:
        """Export spans to ``endpoint`` over OTLP/HTTP, for calls that callers sample and a share of the rest."""
        logging.getLogger(OTLPSpanExporter.__module__).addFilter(_RateLimit())
        service = {"service.name": "payments", "service.version": version("payments-server")}
        self._provider = TracerProvider(
            sampler=ParentBased(_RootSampler(sample_ratio)),
            # OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES take precedence.
            resource=Resource.create({**service, "service.instance.id": str(uuid4())}).merge(
                OTELResourceDetector().detect()
            ),
            shutdown_on_exit=False,
        )
        self._provider.add_span_processor(
            BatchSpanProcessor(_CountingExporter(endpoint, headers=headers, timeout=_SEND_TIMEOUT_SECONDS))
        )
        trace.set_tracer_provider(self._provider)

    async def close(self) -> None:
        """Send the remaining spans, or give up after a short time."""
        loop, sent = asyncio.get_running_loop(), asyncio.Event()

        def send() -> None:
            self._provider.shutdown()
            loop.call_soon_threadsafe(sent.set)

        # Not in a thread of the event loop's executor, because the process would wait for it to end.
        threading.Thread(target=send, daemon=True).start()
        try:
            async with asyncio.timeout(_SHUTDOWN_TIMEOUT_SECONDS):
                await sent.wait()
        except TimeoutError:
            logging.getLogger(__name__).warning("the last spans could not be sent")


class _CountingExporter(OTLPSpanExporter):
    """Counts the spans that were sent and those that were lost."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = super().export(spans)
        metrics.count_spans(len(spans), were_sent=result is SpanExportResult.SUCCESS)
        return result


class _RateLimit(logging.Filter):
    """Passes one message per interval, because every batch that cannot be sent logs several."""

    _next_seconds = 0.0

    def filter(self, _record: logging.LogRecord) -> bool:
        now_seconds = time.monotonic()
        if now_seconds < self._next_seconds:
            return False
        self._next_seconds = now_seconds + _WARNING_INTERVAL_SECONDS
        return True


class _RootSampler(Sampler):
    """Records a share of the spans that start a trace; a span with links is recorded if a linked span is."""

    def __init__(self, ratio: float) -> None:
        self._ratio_sampler = TraceIdRatioBased(ratio)

    def should_sample(  # noqa: PLR0913, PLR0917 - as the SDK calls it
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: trace.SpanKind | None = None,
        attributes: Any = None,  # noqa: ANN401
        links: Sequence[trace.Link] | None = None,
        trace_state: trace.TraceState | None = None,
    ) -> SamplingResult:
        sampler: Sampler = self._ratio_sampler
        if links:
            sampler = ALWAYS_ON if any(link.context.trace_flags.sampled for link in links) else ALWAYS_OFF
        return sampler.should_sample(parent_context, trace_id, name, kind, attributes, links, trace_state)

    def get_description(self) -> str:
        return f"links, else {self._ratio_sampler.get_description()}"


def current_span() -> trace.Span:
    """Return the current span; a span that records nothing if there is none."""
    return trace.get_current_span()


def trace_id_of(span: trace.Span) -> str | None:
    """Return the id of a span's trace in hexadecimal, as in logs and headers; None if the span is in no trace."""
    context = span.get_span_context()
    return trace.format_trace_id(context.trace_id) if context.is_valid else None


def server_span(
    name: str, headers: Mapping[str, Sequence[str]], attributes: Mapping[str, str]
) -> AbstractContextManager[trace.Span]:
    """Start the span of a call, in the trace that the caller's ``headers`` name, or in a new one."""
    parent = _propagator.extract(headers, Context())
    return _span(name, trace.SpanKind.SERVER, attributes, parent)


def client_span(name: str, attributes: Mapping[str, str]) -> AbstractContextManager[trace.Span]:
    """Start the span of a request to another process, inside the current span."""
    return _span(name, trace.SpanKind.CLIENT, attributes, None)


def shared_span(
    name: str, attributes: Mapping[str, int], spans: Sequence[trace.Span]
) -> AbstractContextManager[trace.Span]:
    """Start the span of work that serves many ``spans``: a trace of its own, linked with each in both directions."""
    links = [trace.Link(span.get_span_context()) for span in spans if span.get_span_context().is_valid]
    shared = _tracer.start_span(name, Context(), trace.SpanKind.INTERNAL, attributes, links)
    if shared.is_recording():
        for span in spans:
            if span.is_recording():
                span.add_link(shared.get_span_context())
    return trace.use_span(shared, end_on_exit=True, record_exception=False, set_status_on_exception=False)


def use_span(span: trace.Span) -> AbstractContextManager[trace.Span]:
    """Make ``span`` the current one while the context lasts, and leave it open."""
    return trace.use_span(span, record_exception=False, set_status_on_exception=False)


def record_server_error(span: trace.Span, kind: str) -> None:
    """Mark a span as failed, by a fault of this service or of a dependency; ``kind`` becomes its ``error.type``."""
    span.set_status(trace.Status(trace.StatusCode.ERROR))
    span.set_attribute("error.type", kind)


def traced(subject: Subject) -> Subject:
    """Return ``subject`` with a span around each public asynchronous method, named ``Class.method``."""
    return cast("Subject", _Traced(subject))


class _Traced:
    """A proxy of an object that starts a span around each public asynchronous method."""

    def __init__(self, subject: object) -> None:
        self._subject = subject
        kind = type(subject)
        for name, _ in inspect.getmembers(kind, inspect.iscoroutinefunction):
            if not name.startswith("_"):
                setattr(self, name, _with_span(f"{kind.__name__}.{name}", getattr(subject, name)))

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the object has
        return getattr(self._subject, name)


def _with_span(name: str, method: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    @wraps(method)
    async def with_span(*arguments: object, **keywords: object) -> Any:  # noqa: ANN401 - whatever the method returns
        with _span(name, trace.SpanKind.INTERNAL, {}, None):
            return await method(*arguments, **keywords)

    return with_span


def _span(
    name: str, kind: trace.SpanKind, attributes: Mapping[str, str], parent: Context | None
) -> AbstractContextManager[trace.Span]:
    return _tracer.start_as_current_span(
        name, parent, kind, attributes, record_exception=False, set_status_on_exception=False
    )
