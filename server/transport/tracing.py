"""Calls with a span around each, for gRPC and REST, in the place of those without where there is tracing."""

from collections import defaultdict
from dataclasses import replace

import grpc
from google.protobuf.descriptor import MethodDescriptor
from starlette.requests import Request
from starlette.responses import Response

from server.observability import tracing
from server.observability.logs import log_context
from server.transport.grpc.handlers import Serve
from server.transport.pipeline.calls import Call
from server.transport.rest.router import Endpoint

_FAULTS = frozenset({"UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"})
"""The codes that are a server's error, by the semantic conventions for gRPC; others are their caller's."""

_FIRST_HTTP_FAULT = 500


class CallSpans:
    """Records on the current span how a call went, and in its log which trace it belongs to."""

    def begin(self, call: Call) -> None:
        """Record that a call begins: see ``CallObserver``."""
        span = tracing.current_span()
        span.set_attribute("payments.request_id", call.call_id)
        trace_id = tracing.trace_id_of(span)
        if trace_id is not None:
            log_context.set({**log_context.get(), "trace_id": trace_id})

    def end(self, code: str, reason: str | None) -> None:
        """Record how the call ended: see ``CallObserver``."""
        span = tracing.current_span()
        span.set_attribute("rpc.response.status_code", code)
        if reason is not None and code in _FAULTS:
            tracing.tell_fault(span, reason)


def traced_handler(method: MethodDescriptor, serve: Serve) -> Serve:
    """Return a handler of gRPC that does as ``serve`` does, inside a span."""
    name = f"{method.containing_service.full_name}/{method.name}"
    attributes = {"rpc.system.name": "grpc", "rpc.method": name}

    async def traced(payload: bytes, context: "grpc.aio.ServicerContext[bytes, bytes]") -> bytes:
        headers: defaultdict[str, list[str]] = defaultdict(list)
        for key, value in context.invocation_metadata() or ():
            if key in {tracing.PARENT_KEY, tracing.STATE_KEY} and isinstance(value, str):
                headers[key].append(value)
        with tracing.server_span(name, headers, attributes):
            return await serve(payload, context)

    return traced


def traced_endpoint(endpoint: Endpoint) -> Endpoint:
    """Return an endpoint of REST with a span around each call of an RPC.

    Health, metrics and documents are not calls, and a stream has no end to speak of: they have no spans.
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
            if response.status_code >= _FIRST_HTTP_FAULT:
                tracing.tell_fault(span, str(response.status_code))
            return response

    return replace(endpoint, answer=answer)
