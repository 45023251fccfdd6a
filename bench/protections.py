"""Compare charges per second with and without each protection, and with and without idle connections of attackers."""

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from bench.figures import GRPCIO, NATIVE, Figure, Plan, in_turn, rates
from bench.load import BenchError, Report
from bench.systems import ROOT, System, load, new_database, running
from tests.support.certificates import Authority
from tools.dev.devdb import PrivateDatabase

_IN_FLIGHT = "-in-flight=64"
_ROWS = 10_000
_IDLE_CONNECTIONS = 2000
_CONNECTION_START = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))
"""The start of an HTTP/2 connection: the preface and empty settings (RFC 9113, section 3.4)."""

_NO_LIMITS = {"OVERLOAD_TARGET_SECONDS": "3600"}
_LIMITS = {"RATE_LIMIT_CALLS_PER_SECOND": "1000000", "RATE_LIMIT_BURST_CALLS": "1000000"}


def measure(database: PrivateDatabase, plan: Plan, folder: Path) -> list[Figure]:
    """Measure charges over TLS, with an API key, with limits, and with idle connections of other clients."""
    settings = new_database(database, "protections", _ROWS)
    key_file = folder / "api-key"
    key_file.write_text(_new_key(settings))
    native = {**settings, "GRPC_ENGINE": NATIVE}
    with running("no key", native, folder) as without_key, running(NATIVE, native, folder) as with_key:
        charges = {without_key.name: (), with_key.name: (f"-api-key-file={key_file}",)}
        keys = _compare("Charge with an API key", [without_key, with_key], plan, charges)
    with (
        running("no limits", {**native, **_NO_LIMITS}, folder) as unlimited,
        running(NATIVE, {**native, **_LIMITS}, folder) as limited,
    ):
        limits = _compare("Charge with rate limits and overload protection", [unlimited, limited], plan, {})
    return [_tls(settings, plan, folder), keys, limits, _idle_attackers(native, plan, folder)]


def _tls(settings: Mapping[str, str], plan: Plan, folder: Path) -> Figure:
    authority = Authority()
    certificate, key = authority.issue(dns=["localhost"]).write(folder, "service")
    authorities = folder / "authority.pem"
    authorities.write_bytes(authority.certificate)
    plain = {**settings, "GRPC_ENGINE": GRPCIO}
    encrypted = {**plain, "TLS_CERT_FILE": str(certificate), "TLS_KEY_FILE": str(key)}
    with running("no TLS", plain, folder) as without_tls, running(GRPCIO, encrypted, folder) as with_tls:
        return _compare("Charge over TLS", [without_tls, with_tls], plan, {GRPCIO: (f"-ca={authorities}",)})


def _idle_attackers(settings: Mapping[str, str], plan: Plan, folder: Path) -> Figure:
    with running("no idle connections", settings, folder) as alone, running(NATIVE, settings, folder) as target:

        def charges(system: System) -> Report:
            with _idle_connections(system.port if system is target else None):
                return load(system.port, "charge", plan.seconds, _IN_FLIGHT)

        what = f"Charge during {_IDLE_CONNECTIONS:,} idle connections of others"
        return rates(what, in_turn([alone, target], plan.rounds, charges), alone.name)


@contextlib.contextmanager
def _idle_connections(port: int | None) -> Iterator[None]:
    """Hold idle connections to ``port`` within the context, or none if there is no port."""
    with contextlib.ExitStack() as stack:
        for _ in range(_IDLE_CONNECTIONS if port is not None else 0):
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            connection.sendall(_CONNECTION_START)
        yield


def _compare(what: str, systems: list[System], plan: Plan, options: Mapping[str, tuple[str, ...]]) -> Figure:
    """Compare charges per second with the first system as the baseline."""
    reports = in_turn(
        systems,
        plan.rounds,
        lambda system: load(system.port, "charge", plan.seconds, _IN_FLIGHT, *options.get(system.name, ())),
    )
    return rates(what, reports, systems[0].name)


def _new_key(settings: Mapping[str, str]) -> str:
    command = (sys.executable, "-m", "tools.cli.main", "keys", "create", "bench", "--role", "payments.charge")
    environment = {"PATH": os.environ.get("PATH", os.defpath), **settings}
    run = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if run.returncode:
        raise BenchError(f"no API key was created: {run.stderr}")
    return run.stdout.strip()
