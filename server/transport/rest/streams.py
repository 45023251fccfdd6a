"""Streams of responses over HTTP: lines of JSON, or server-sent events (WHATWG HTML, section 9.2) on request.

As in grpc-gateway, a line is ``{"result": ...}``, or ``{"error": ...}`` with a google.rpc.Status, which ends the
stream. The data of an event is the same without that wrapping, and an error has the event type ``error``. The
``resume_token`` of a response is the event's ID, so that a browser that lost its connection resumes there.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from google.protobuf.message import Message
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from server.transport.headers import header, headers
from server.transport.pipeline.calls import CallFailed
from server.transport.rest.responses import json_text, to_json

LINES = "application/x-ndjson"
_EVENTS = "text/event-stream"

_RESUME_TOKEN_FIELD = "resume_token"  # noqa: S105 - the name of a field
_LAST_EVENT_ID = b"last-event-id"
"""The header in which an EventSource sends the ID of the last event that it received."""


def _wants_events(request: Request) -> bool:
    """Return whether the client accepts server-sent events."""
    accepted = ",".join(headers(request.scope, b"accept"))
    return any(part.partition(";")[0].strip(" \t").lower() == _EVENTS for part in accepted.split(","))


def fill_resume_token(message: Message, request: Request) -> None:
    """Set the resume token to the Last-Event-ID, so that a stream of server-sent events resumes after that event.

    The header overrides the query parameter, because an EventSource reconnects with the URL of its first request.
    """
    token = header(request.scope, _LAST_EVENT_ID)
    if token and _wants_events(request) and _RESUME_TOKEN_FIELD in message.DESCRIPTOR.fields_by_name:
        setattr(message, _RESUME_TOKEN_FIELD, token)


async def stream_response(
    responses: AsyncGenerator[Message, None], request: Request, *, response_body: str
) -> Response:
    """Return a response that streams ``responses``.

    Await the first one, so that an error before it sets the HTTP status.

    Raises:
        CallFailed: the call failed before the first response.
    """
    write, media_type = (_event, _EVENTS) if _wants_events(request) else (_line, LINES)
    first = await anext(responses, None)
    # No proxy may buffer the stream, because each part is useful as soon as it arrives.
    stream_headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    if request.method == "HEAD":
        await responses.aclose()  # because a stream that nobody reads would never end
        return Response(headers=stream_headers, media_type=media_type)

    async def parts() -> AsyncGenerator[bytes, None]:
        async with aclosing(responses):
            try:
                if first is not None:
                    yield write("result", first, response_body)
                async for response in responses:
                    yield write("result", response, response_body)
                    # Yield to the event loop, because a client that reads fast would otherwise starve the others.
                    await asyncio.sleep(0)
            except CallFailed as failed:
                yield write("error", failed.failure.status, "")

    return _Stream(parts(), headers=stream_headers, media_type=media_type)


class _Stream(StreamingResponse):
    """Closes its stream when the client disconnects, rather than at garbage collection."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert isinstance(self.body_iterator, AsyncGenerator)
        async with aclosing(self.body_iterator):
            await super().__call__(scope, receive, send)


def _line(kind: str, message: Message, field: str) -> bytes:
    return json_text({kind: to_json(message, field)}) + b"\n"


def _event(kind: str, message: Message, field: str) -> bytes:
    token = getattr(message, _RESUME_TOKEN_FIELD, "")
    head = f"id: {token}\n" if token else "event: error\n" if kind == "error" else ""
    return b"%bdata: %b\n\n" % (head.encode(), json_text(to_json(message, field)))
