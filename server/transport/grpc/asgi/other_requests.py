"""Requests that are not gRPC calls, and the HTTP statuses that reject them."""

from http import HTTPStatus

import structlog
from starlette.types import Scope, Send

from server.transport.grpc.asgi.request import RequestHead
from server.transport.pipeline.cross_site import CrossSiteRule
from server.transport.pipeline.errors import OriginNotAllowed

_HTTP_1 = "1."

_EXPLANATIONS = {
    HTTPStatus.FORBIDDEN: "Web pages of this origin are not allowed to call the service: see CORS_ALLOWED_ORIGINS.",
    HTTPStatus.METHOD_NOT_ALLOWED: "This port serves gRPC and gRPC-Web, whose method is POST.",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "The content type must be application/grpc or application/grpc-web.",
    HTTPStatus.HTTP_VERSION_NOT_SUPPORTED: "gRPC needs HTTP/2. Over HTTP/1.1, use gRPC-Web.",
}

_log = structlog.get_logger(__name__)


def rejection_of(scope: Scope, head: RequestHead, cross_site: CrossSiteRule) -> HTTPStatus | None:
    """Return the HTTP status that rejects a request, or None if it is a gRPC call.

    The preflight of a page whose origin is not allowed is logged here, because its call never follows.
    """
    if scope["method"] != "POST":
        try:
            cross_site.check(scope)
        except OriginNotAllowed as error:
            _log.warning(
                "cross_site_refused", peer=_address(scope), origin=error.origin, sec_fetch_site=error.site, rpc=""
            )
            return HTTPStatus.FORBIDDEN
        return HTTPStatus.METHOD_NOT_ALLOWED
    if not head.is_grpc:
        return HTTPStatus.UNSUPPORTED_MEDIA_TYPE
    if scope["http_version"].startswith(_HTTP_1) and not head.was_grpc_web:
        # The response would have no trailers, and so no status.
        return HTTPStatus.HTTP_VERSION_NOT_SUPPORTED
    return None


async def reject(send: Send, status: HTTPStatus) -> None:
    """Send a response with this status and an explanation, as the protocol demands."""
    headers = [(b"content-type", b"text/plain; charset=utf-8")]
    if status is HTTPStatus.METHOD_NOT_ALLOWED:
        headers.append((b"allow", b"POST"))
    await send({"type": "http.response.start", "status": status.value, "headers": headers})
    await send({"type": "http.response.body", "body": f"{_EXPLANATIONS[status]}\n".encode()})


def _address(scope: Scope) -> str:
    client = scope["client"]
    return "" if client is None else "{}:{}".format(*client)
