"""Check the health of a running service, for container health checks: ``python -m tools.operations.health_probe``.

Prints one line, and exits with 0 if the service is SERVING, otherwise with 1. It calls ``grpc.health.v1`` by default.
If the service has a monitoring port (``MONITORING_PORT``), the probe uses that, and if it has TLS (``TLS_CERT_FILE``),
the probe uses REST, because both report the health to clients without a certificate.
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

from tools.operations.addresses import reachable_address

DEFAULT_HOST = "127.0.0.1"

DEFAULT_PORT = "50051"
"""The default of the service. Not imported from its settings, because that would take as long as the whole probe."""

DEFAULT_REST_PORT = "8001"
"""Not imported either, for the same reason."""

DEFAULT_TIMEOUT_SECONDS = 3.0

_LIVENESS = "liveness"

_OPTIONS = (("grpc.enable_http_proxy", 0),)
"""Ignores a proxy in the environment, because the service is usually on this machine."""


def health(address: str, service: str, timeout_seconds: float) -> tuple[bool, str]:
    """Return whether ``service`` at ``address`` is SERVING, and a message.

    An empty ``service`` means the server as a whole. Waits up to ``timeout_seconds`` for the response.
    """
    subject = f"{service or 'the server'} at {address}"
    with grpc.insecure_channel(address, options=_OPTIONS) as channel:
        try:
            # The stub's attributes are created at run time.
            response = HealthStub(channel).Check(  # type: ignore[attr-defined]
                HealthCheckRequest(service=service), timeout=timeout_seconds
            )
        except grpc.RpcError as error:
            return False, f"{subject} does not report its health: {error.code().name}: {error.details()}"
    status = HealthCheckResponse.ServingStatus.Name(response.status)
    return response.status == HealthCheckResponse.SERVING, f"{subject} is {status}"


def health_over_http(url: str, service: str, timeout_seconds: float) -> tuple[bool, str]:
    """Return the same as ``health``, for a service that reports its health over HTTP at ``url``."""
    subject = f"{service or 'the server'} at {url}"
    connection = _connection(url, timeout_seconds)
    try:
        connection.request("GET", "/healthz" if service == _LIVENESS else "/readyz")
        is_serving = connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException) as error:
        return False, f"{subject} does not report its health: {error}"
    finally:
        connection.close()
    return is_serving, f"{subject} is {'SERVING' if is_serving else 'NOT_SERVING'}"


def _connection(url: str, timeout_seconds: float) -> http.client.HTTPConnection:
    parts = urlsplit(url)
    assert parts.hostname is not None
    if parts.scheme == "http":
        return http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout_seconds)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # The certificate is for the name that callers use, not for an address of this machine. Nothing secret is sent.
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return http.client.HTTPSConnection(parts.hostname, parts.port, timeout=timeout_seconds, context=context)


def local_url(settings: Mapping[str, str]) -> str | None:
    """Return the URL at which a service with these settings reports its health; None if gRPC reports it to anyone."""
    if port := settings.get("MONITORING_PORT"):
        return f"http://{_address(settings, 'MONITORING_HOST', port)}"
    if settings.get("TLS_CERT_FILE"):
        return f"https://{_address(settings, 'REST_HOST', settings.get('REST_PORT') or DEFAULT_REST_PORT)}"
    return None


def _address(settings: Mapping[str, str], host_setting: str, port: str) -> str:
    return reachable_address((settings.get(host_setting) or DEFAULT_HOST).strip("[]"), port)


def main() -> None:
    """Run the program."""
    own_address = _address(os.environ, "GRPC_HOST", os.environ.get("GRPC_PORT") or DEFAULT_PORT)
    parser = argparse.ArgumentParser(prog="python -m tools.operations.health_probe", description=__doc__)
    parser.add_argument(
        "--address",
        help=f"host:port of a gRPC server without TLS (default: the service on this machine, here {own_address})",
    )
    parser.add_argument("--service", default="", help="name of the service to check (default: the server as a whole)")
    parser.add_argument(
        "--timeout-seconds", type=float, default=DEFAULT_TIMEOUT_SECONDS, help="time limit (default: %(default)s)"
    )
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
