"""Ask a running service whether it can serve: ``python -m tools.health_probe``; for containers' health checks.

It asks ``grpc.health.v1`` at ``GRPC_PORT`` on this machine. Exits 0 when the answer is SERVING, 1 otherwise.
"""

import os
import sys

import grpc
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub

_TIMEOUT_SECONDS = 3.0


def health(target: str) -> str:
    """Return the word for the health of the service at ``target``: SERVING, or what else it is."""
    with grpc.insecure_channel(target) as channel:
        try:
            answer = HealthStub(channel).Check(HealthCheckRequest(), timeout=_TIMEOUT_SECONDS)  # type: ignore[attr-defined]
        except grpc.RpcError as error:
            return str(error.code().name)
    return HealthCheckResponse.ServingStatus.Name(answer.status)


def main() -> None:
    """Run the program."""
    answer = health(f"127.0.0.1:{os.environ.get('GRPC_PORT') or '50051'}")
    print(answer)
    sys.exit(0 if answer == "SERVING" else 1)


if __name__ == "__main__":
    main()
