"""Spans for calls over gRPC and REST. With tracing on, ``build`` uses these in place of their untraced counterparts."""

from collections import defaultdict
from dataclasses import replace

from google.protobuf.descriptor import MethodDescriptor
from starlette.requests import Request
from starlette.responses import Response

from server.observability import tracing
from server.observability.logs import log_context
from server.transport.grpc.call_context import CallContext
from server.transport.grpc.handlers import Serve
from server.transport.pipeline.calls import Call
from server.transport.rest.router import Endpoint

_SERVER_ERROR_CODES = frozenset(
    {"UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"}
)
"""The codes that the semantic conventions for gRPC count as server errors; the others are client errors."""

_FIRST_HTTP_SERVER_ERROR = 500


class CallSpans:
    """Records a call and its outcome on the current span, and the span's trace ID in the log context."""

    def begin(self, call: Call) -> None:
        """Record the call ID on the span, and the trace ID in the log context."""
        span = tracing.current_span()
        span.set_attribute("payments.request_id", call.call_id)
        trace_id = tracing.trace_id_of(span)
        if trace_id is not None:
            log_context.set({**log_context.get(), "trace_id": trace_id})

    def end(self, code: str, reason: str | None) -> None:
        """Record the status of the call on the span."""
        span = tracing.current_span()
        span.set_attribute("rpc.response.status_code", code)
        if reason is not None and code in _SERVER_ERROR_CODES:
            tracing.record_server_error(span, reason)


def traced_handler(method: MethodDescriptor, serve: Serve) -> Serve:
    """Return a handler that runs ``serve`` inside a span."""
    name = f"{method.containing_service.full_name}/{method.name}"
    attributes = {"rpc.system.name": "grpc", "rpc.method": name}

    async def traced(payload: bytes, context: CallContext) -> bytes:
        headers: defaultdict[str, list[str]] = defaultdict(list)
        for key, value in context.invocation_metadata() or ():
            if key in {tracing.PARENT_KEY, tracing.STATE_KEY} and isinstance(value, str):
                headers[key].append(value)
        with tracing.server_span(name, headers, attributes):
            return await serve(payload, context)

    return traced


def traced_endpoint(endpoint: Endpoint) -> Endpoint:
    """Return a REST endpoint that runs inside a span.

    Health, metrics and documents get no span because they are not calls, and streams get none because they may never
    end.
    """
    if not endpoint.rpc or endpoint.is_stream:
        return endpoint

    async def answer(request: Request) -> Response:
        headers = {key: request.headers.getlist(key) for key in (tracing.PARENT_KEY, tracing.STATE_KEY)}
        attributes = {
            "http.request.method": request.method,
            "http.route": endpoint.path,
            "url.scheme": request.scope["scheme"],
            "network.protocol.version": request.scope["http_version"],
        }
        with tracing.server_span(f"{request.method} {endpoint.path}", headers, attributes) as span:
            response = await endpoint.answer(request)
            span.set_attribute("http.response.status_code", response.status_code)
            if response.status_code >= _FIRST_HTTP_SERVER_ERROR:
                tracing.record_server_error(span, str(response.status_code))
            return response

    return replace(endpoint, answer=answer)
