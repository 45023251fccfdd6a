"""Ask a running service whether it can serve: ``python -m tools.health_probe``; for containers' health checks.

It asks ``grpc.health.v1``, and says what came back in one line. Exits 0 when that is SERVING, 1 otherwise.
"""

import argparse
import os
import sys

import grpc
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub

DEFAULT_PORT = "50051"
"""That of the service. It is not read from its settings: these take as long to import as all else that a probe does."""

DEFAULT_TIMEOUT_SECONDS = 3.0

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


def main() -> None:
    """Run the program."""
    port = os.environ.get("GRPC_PORT") or DEFAULT_PORT
    parser = argparse.ArgumentParser(prog="python -m tools.health_probe", description=__doc__)
    parser.add_argument(
        "--address", default=f"127.0.0.1:{port}", help="host:port of gRPC; else GRPC_PORT of this machine (%(default)s)"
    )
    parser.add_argument("--service", default="", help="the service asked about; else the server as a whole")
    parser.add_argument("--timeout-seconds", type=float, default=DEFAULT_TIMEOUT_SECONDS, help="(%(default)s)")
    arguments = parser.parse_args()
    is_serving, text = health(arguments.address, arguments.service, arguments.timeout_seconds)
    print(text)
    sys.exit(0 if is_serving else 1)


if __name__ == "__main__":
    main()
