"""An in-process trace collector for OTLP over HTTP, which records the spans that it receives."""

import gzip
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

_WAIT_SECONDS = 20


@dataclass(frozen=True)
class ReceivedSpan:
    """A received span. Ids are in hexadecimal; ``parent_id`` is empty if the span has no parent."""

    name: str
    kind: str
    trace_id: str
    span_id: str
    parent_id: str
    is_error: bool
    attributes: Mapping[str, Any]
    links: tuple[str, ...]
    start: int
    end: int


@dataclass
class OtlpReceiver:
    """The received spans and their resources, and the headers and body of each request."""

    url: str
    spans: list[ReceivedSpan] = field(default_factory=list)
    resources: list[Mapping[str, Any]] = field(default_factory=list)
    headers: list[Mapping[str, str]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)

    def wait_for(self, wanted: Callable[[ReceivedSpan], bool], count: int = 1) -> list[ReceivedSpan]:
        """Wait until at least ``count`` spans match ``wanted``, and return those that match."""
        deadline = time.monotonic() + _WAIT_SECONDS
        while len(matching := [span for span in self.spans if wanted(span)]) < count:
            assert time.monotonic() < deadline, [span.name for span in self.spans]
            time.sleep(0.02)
        return matching

    def named(self, name: str, trace_id: str = "") -> ReceivedSpan:
        """Wait for a span with this name, in this trace if one is given, and return it. There must be only one."""
        spans = self.wait_for(lambda span: span.name == name and span.trace_id.startswith(trace_id))
        assert len(spans) == 1, spans
        return spans[0]

    def record(self, path: str, headers: Mapping[str, str], body: bytes) -> None:
        """Record a request and its spans."""
        assert path == "/v1/traces"
        assert headers["content-type"] == "application/x-protobuf"
        body = gzip.decompress(body) if headers.get("content-encoding") == "gzip" else body
        self.headers.append(headers)
        self.bodies.append(body)
        for resource_spans in ExportTraceServiceRequest.FromString(body).resource_spans:
            self.resources.append(_values(resource_spans.resource.attributes))
            for scope in resource_spans.scope_spans:
                self.spans += (_span(span) for span in scope.spans)


@contextmanager
def running_otlp_receiver(port: int = 0, *, delay_seconds: float = 0, status: int = 200) -> Iterator[OtlpReceiver]:
    """Run a receiver that responds to each request with ``status`` after a delay, and records it if that is 200."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            ended.wait(delay_seconds)
            if status == 200:
                receiver.record(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_arguments: object) -> None:
            pass

    ended = threading.Event()
    with ThreadingHTTPServer(("127.0.0.1", port), Handler) as server:
        server.daemon_threads = True
        receiver = OtlpReceiver(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield receiver
        ended.set()
        server.shutdown()
        thread.join()


def _span(span: Span) -> ReceivedSpan:
    return ReceivedSpan(
        name=span.name,
        kind=Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex(),
        is_error=span.status.code == Status.STATUS_CODE_ERROR,
        attributes=_values(span.attributes),
        links=tuple(link.span_id.hex() for link in span.links),
        start=span.start_time_unix_nano,
        end=span.end_time_unix_nano,
    )


def _values(attributes: Any) -> Mapping[str, Any]:  # noqa: ANN401 - a repeated field
    return {each.key: _value(each) for each in attributes}


def _value(attribute: KeyValue) -> object:
    kind = attribute.value.WhichOneof("value")
    return None if kind is None else getattr(attribute.value, kind)
