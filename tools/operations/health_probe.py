"""Ask a running service whether it can serve: ``python -m tools.operations.health_probe``, for containers' checks.

It says what came back in one line, and exits 0 when that is SERVING, 1 otherwise. It asks ``grpc.health.v1``. A service
with a port for monitoring (``MONITORING_PORT``) is asked there, and one with TLS (``TLS_CERT_FILE``) over REST, which
tell its health to those without a certificate too.
"""

import argparse
import http.client
import os
import ssl
import sys
from collections.abc import Mapping
from urllib.parse import urlsplit

import grpc
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub

from tools.operations.addresses import in_url

DEFAULT_HOST = "127.0.0.1"

DEFAULT_PORT = "50051"
"""That of the service. It is not read from its settings: these take as long to import as all else that a probe does."""

DEFAULT_REST_PORT = "8001"
"""Likewise."""

DEFAULT_TIMEOUT_SECONDS = 3.0

_LIVENESS = "liveness"

_OPTIONS = (("grpc.enable_http_proxy", 0),)
"""What it asks is on this machine: a proxy that the environment names is for others."""


def health(address: str, service: str, timeout_seconds: float) -> tuple[bool, str]:
    """Return whether ``service`` (empty: the server as a whole) at ``address`` is SERVING, and what people should read.

    It waits ``timeout_seconds`` for an answer.
    """
    what = f"{service or 'the server'} at {address}"
    with grpc.insecure_channel(address, options=_OPTIONS) as channel:
        try:
            # The stub's attributes are made at run time.
            answer = HealthStub(channel).Check(  # type: ignore[attr-defined]
                HealthCheckRequest(service=service), timeout=timeout_seconds
            )
        except grpc.RpcError as error:
            return False, f"{what} does not tell its health: {error.code().name}: {error.details()}"
    status = HealthCheckResponse.ServingStatus.Name(answer.status)
    return answer.status == HealthCheckResponse.SERVING, f"{what} is {status}"


def health_over_http(url: str, service: str, timeout_seconds: float) -> tuple[bool, str]:
    """Return the same of a service that tells its health at ``url``."""
    what = f"{service or 'the server'} at {url}"
    connection = _connection(url, timeout_seconds)
    try:
        connection.request("GET", "/healthz" if service == _LIVENESS else "/readyz")
        is_serving = connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException) as error:
        return False, f"{what} does not tell its health: {error}"
    finally:
        connection.close()
    return is_serving, f"{what} is {'SERVING' if is_serving else 'NOT_SERVING'}"


def _connection(url: str, timeout_seconds: float) -> http.client.HTTPConnection:
    parts = urlsplit(url)
    assert parts.hostname is not None
    if parts.scheme == "http":
        return http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout_seconds)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # Its certificate is for its callers' name of it, not for an address of this machine; nothing secret is sent.
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return http.client.HTTPSConnection(parts.hostname, parts.port, timeout=timeout_seconds, context=context)


def local_url(settings: Mapping[str, str]) -> str | None:
    """Return where a service with these settings tells its health over HTTP; None where gRPC tells it to anyone."""
    if port := settings.get("MONITORING_PORT"):
        return f"http://{_address(settings, 'MONITORING_HOST', port)}"
    if settings.get("TLS_CERT_FILE"):
        return f"https://{_address(settings, 'REST_HOST', settings.get('REST_PORT') or DEFAULT_REST_PORT)}"
    return None


def _address(settings: Mapping[str, str], host_setting: str, port: str) -> str:
    return in_url((settings.get(host_setting) or DEFAULT_HOST).strip("[]"), port)


def main() -> None:
    """Run the program."""
    own_address = _address(os.environ, "GRPC_HOST", os.environ.get("GRPC_PORT") or DEFAULT_PORT)
    parser = argparse.ArgumentParser(prog="python -m tools.operations.health_probe", description=__doc__)
    parser.add_argument(
        "--address", help=f"host:port of gRPC without TLS; else this machine's, by its settings ({own_address})"
    )
    parser.add_argument("--service", default="", help="the service asked about; else the server as a whole")
    parser.add_argument("--timeout-seconds", type=float, default=DEFAULT_TIMEOUT_SECONDS, help="(%(default)s)")
    arguments = parser.parse_args()
    url = None if arguments.address else local_url(os.environ)
    if url is not None:
        is_serving, text = health_over_http(url, arguments.service, arguments.timeout_seconds)
    else:
        address = arguments.address or own_address
        is_serving, text = health(address, arguments.service, arguments.timeout_seconds)
    print(text)
    sys.exit(0 if is_serving else 1)


if __name__ == "__main__":
    main()
