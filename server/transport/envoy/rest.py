"""REST behind Envoy: what uvicorn and its connections do for the application otherwise."""

from collections.abc import Iterable

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from server.transport.headers import header
from server.transport.pipeline.certificates import FORWARDED_CERTIFICATE, ClientCertificate, certificates_of_envoy
from server.transport.rest.callers import CERTIFICATE
from server.transport.rest.server import with_mapped_ipv4

FORWARDED_SCHEME = b"x-payments-forwarded-proto"
"""The header in which Envoy's configuration keeps X-Forwarded-Proto, which Envoy itself replaces."""

_JOINED = frozenset({b"authorization", b"content-type"})
"""Headers that Envoy joins with commas if they are repeated, although that is an error here."""


def behind_envoy(app: ASGIApp, trusted_proxies: Iterable[str]) -> ASGIApp:
    """Return ``app`` for requests that Envoy passes on. Headers of ``trusted_proxies`` say who the client is."""
    if trusted_proxies:
        app = ProxyHeadersMiddleware(app, with_mapped_ipv4(trusted_proxies))  # type: ignore[arg-type, assignment]
    return _FromEnvoy(app)


class _FromEnvoy:
    """Makes the scope of a request what it would be without Envoy, and adds the certificate of its client."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["state"] = state = {}
        forwarded = header(scope, FORWARDED_CERTIFICATE.encode())
        for pem in certificates_of_envoy(forwarded or ""):
            state[CERTIFICATE] = ClientCertificate(pem, session_resumed=False)
        scope["headers"] = [
            (b"x-forwarded-proto" if name == FORWARDED_SCHEME else name, part)
            for name, value in scope["headers"]
            for part in (_values(value) if name in _JOINED else (value,))
        ]
        await self._app(scope, receive, _without_body(send) if scope["method"] == "HEAD" else send)


def _values(joined: bytes) -> list[bytes]:
    """Return the values of a header that Envoy may have joined. Envoy adds no space after its comma; people do."""
    return [joined] if b", " in joined else joined.split(b",")


def _without_body(send: Send) -> Send:
    """Return ``send`` for the response to HEAD. pyvoy would send the body, and the client take it for a response."""

    async def send_head(event: Message) -> None:
        if event["type"] == "http.response.start":
            await send(event)
        elif not event.get("more_body", False):
            await send({"type": "http.response.body", "body": b""})

    return send_head
