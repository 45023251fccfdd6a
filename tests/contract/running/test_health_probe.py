"""The health probe program for containers."""

import os
import socket
from collections.abc import Callable

from tests.support import programs
from tests.support.running_service import RunningService


def probe(*arguments: str, **environment: str) -> tuple[int, str]:
    """Run the probe, and return its exit code and output."""
    run = programs.run(
        "tools.operations.health_probe", *arguments, environment={"PATH": os.environ["PATH"], **environment}
    )
    return run.returncode, run.stdout.strip()


def test_it_checks_the_server_at_the_configured_port(service: RunningService) -> None:
    assert probe(GRPC_PORT=str(service.port)) == (0, f"the server at {service.target} is SERVING")


def test_it_can_check_one_service_at_another_address(service: RunningService) -> None:
    name = "payments.v1.PaymentService"

    assert probe("--address", service.target, "--service", name) == (0, f"{name} at {service.target} is SERVING")


def test_it_ignores_the_proxy_in_the_environment(service: RunningService) -> None:
    exit_code, _ = probe(GRPC_PORT=str(service.port), http_proxy="http://127.0.0.1:1")

    assert exit_code == 0


def test_an_unknown_service_is_not_healthy(service: RunningService) -> None:
    exit_code, text = probe("--address", service.target, "--service", "nobody.v1.Nothing")

    assert exit_code == 1
    assert text.startswith(f"nobody.v1.Nothing at {service.target} does not report its health: NOT_FOUND")


def test_a_server_that_does_not_respond_in_time_is_not_healthy() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        exit_code, text = probe("--address", address, "--timeout-seconds", "0.5")

    assert exit_code == 1
    assert text.startswith(f"the server at {address} does not report its health: DEADLINE_EXCEEDED")


def test_it_checks_the_monitoring_port_if_there_is_one(
    start_service: Callable[..., RunningService],
) -> None:
    running = start_service(MONITORING_PORT="0")
    settings = {"MONITORING_HOST": "0.0.0.0", "MONITORING_PORT": str(running.monitoring_port)}  # noqa: S104 - listens on all interfaces
    for service, name in (("", "the server"), ("payments.v1.PaymentService",) * 2, ("liveness",) * 2):
        assert probe("--service", service, **settings) == (0, f"{name} at {running.monitoring_url} is SERVING")
    running.kill()
    exit_code, text = probe(**settings)
    assert exit_code == 1
    assert text.startswith(f"the server at {running.monitoring_url} does not report its health: ")
