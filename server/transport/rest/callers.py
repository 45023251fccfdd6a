"""Find the caller of an HTTP request: credentials and address."""

import ipaddress

from starlette.requests import Request

from server.domain.deadline import Deadline
from server.transport.headers import header
from server.transport.pipeline.auth import API_KEY, AUTHORIZATION, credentials_of
from server.transport.pipeline.calls import Call

CERTIFICATE = "certificate"
"""The key in the state of a request's scope that holds the client's certificate (``ClientCertificate``), if any."""


def call_of(request: Request) -> Call:
    """Return the call that ``request`` makes."""
    scope = request.scope
    authorization, api_key = header(scope, AUTHORIZATION.encode()), header(scope, API_KEY.encode())
    return Call(scope["call_id"], credentials_of(authorization, api_key, scope["state"].get(CERTIFICATE)), Deadline())


def peer_of(request: Request) -> str:
    """Return the address and port of the client; empty if a proxy sent something that is not an address."""
    client = request.client
    if client is None or not (client.port or _is_address(client.host)):
        return ""
    return f"{client.host}:{client.port}"


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
