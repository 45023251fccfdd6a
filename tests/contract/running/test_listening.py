"""The service listens on every address of the configured host, or reports in one line why it cannot."""

import errno
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator

import grpc
import httpx
import pytest

from server.config.grpc import Engine
from server.transport import listening
from tests.conftest import PROBABILITIES
from tests.support.databases import DatabaseServer
from tests.support.drivers.calls import GrpcDriver
from tests.support.drivers.requests import charge
from tests.support.programs import ROOT
from tests.support.running_service import RunningService
from tools.operations.addresses import reachable_address

UNPROTECTED = {"LISTEN_WITHOUT": "tls,authentication"}
BOTH = ["127.0.0.1", "::1"]


LOOPBACK = [
    ("127.0.0.1", ["127.0.0.1"]),
    ("::1", ["::1"]),
    ("[::1]", ["::1"]),
    ("localhost", sorted({address[4][0] for address in socket.getaddrinfo("localhost", 0)})),
]
ALL_INTERFACES = [
    ("::", BOTH),
    ("0.0.0.0", ["127.0.0.1"]),  # noqa: S104 - the test needs all interfaces
]


@pytest.mark.parametrize(
    ("engine", "host", "addresses"),
    [(engine, *case) for engine in Engine for case in LOOPBACK + ALL_INTERFACES],
)
def test_it_listens_on_every_address_of_the_host(
    start_service: Callable[..., RunningService], engine: Engine, host: str, addresses: list[str]
) -> None:
    running = start_service(GRPC_HOST=host, REST_HOST=host, GRPC_ENGINE=engine, **UNPROTECTED)

    for address in addresses:
        with grpc.insecure_channel(reachable_address(address, running.port)) as channel:
            GrpcDriver(channel).charge(charge())
        assert httpx.get(f"http://{reachable_address(address, running.rest_port)}/readyz").status_code == 200
    assert running.stop() == 0


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as other:
        yield other.getsockname()[1]


@pytest.mark.parametrize(
    ("engine", "transport", "host", "reason"),
    [
        (engine, transport, host, reason)
        for engine in Engine
        for transport in ("GRPC", "REST")
        for host, reason in (
            ("127.0.0.1", "another process is listening there"),
            ("localhost", "another process is listening there"),
            ("203.0.113.7", "this machine does not have that address"),
            ("nowhere.invalid", "the host name does not resolve"),
        )
    ],
)
def test_it_reports_in_one_line_why_it_cannot_listen(
    migrated_database: dict[str, str], taken_port: int, engine: Engine, transport: str, host: str, reason: str
) -> None:
    listener = {f"{transport}_HOST": host, f"{transport}_PORT": str(taken_port)}
    service = RunningService({**migrated_database, **PROBABILITIES, **UNPROTECTED, **listener, "GRPC_ENGINE": engine})

    service.spawn()

    assert service.wait() == 1
    (line,) = (line for line in service.output if not line.startswith("{"))  # other than the log
    assert line.startswith(f"cannot listen on {transport}_HOST={host}, {transport}_PORT={taken_port}: {reason}")


def test_a_privileged_port_is_reported() -> None:
    assert "port of 1024 or above" in listening.listen_error(
        "REST", "127.0.0.1", 80, PermissionError(errno.EACCES, "Permission denied")
    )


def free_port() -> int:
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as free:
        port: int = free.getsockname()[1]
        return port


def test_the_commands_that_make_run_prints_work_in_a_shell_with_an_ipv6_address(
    database_server: DatabaseServer, migrated_database: dict[str, str]
) -> None:
    administrator = database_server.environment(migrated_database["MYSQL_DB"])
    listeners = {"GRPC_HOST": "[::1]", "REST_HOST": "::1", "GRPC_PORT": str(free_port()), "REST_PORT": str(free_port())}
    command = [sys.executable, "-m", "tools.dev.run"]
    environment = {"PATH": os.environ["PATH"], **administrator, **listeners}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        examples = []
        try:
            for line in running.stdout:
                if line.startswith("  "):
                    examples.append(line.strip())
                if len(examples) == 3:
                    break
            responses = [subprocess.check_output(["sh", "-c", example], cwd=ROOT, text=True) for example in examples]
        finally:
            running.terminate()
            running.stdout.read()
    assert [example.split()[0] for example in examples] == [".bin/grpcurl", "curl", ".venv/bin/payments"]
    assert all("'" in example and "[::1]" in example for example in examples)
    assert '"order_id": "342"' in responses[0]
    assert "reference" in responses[1]
    assert "ECI" in responses[2]


def test_a_misspelled_setting_is_logged_as_a_warning(start_service: Callable[..., RunningService]) -> None:
    service = start_service(ANONYMUS_ROLES="-")

    event = service.wait_for("setting_misspelt", variable="ANONYMUS_ROLES")

    assert (event["level"], event["setting"]) == ("warning", "ANONYMOUS_ROLES")
