"""What each protection costs in charges a second, beside the same service without it; and what idle attackers cost."""

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
_BEGINNING = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))
"""A connection of HTTP/2 begins so: its preface, and settings of which none is given (RFC 9113, section 3.4)."""

_NO_LIMITS = {"OVERLOAD_TARGET_SECONDS": "3600"}
_LIMITS = {"RATE_LIMIT_CALLS_PER_SECOND": "1000000", "RATE_LIMIT_BURST_CALLS": "1000000"}


def measure(database: PrivateDatabase, plan: Plan, folder: Path) -> list[Figure]:
    """Measure charges with TLS, with an API key, with limits, and while others have connections that say nothing."""
    settings = new_database(database, "protections", _ROWS)
    key_file = folder / "api-key"
    key_file.write_text(_new_key(settings))
    native = {**settings, "GRPC_ENGINE": NATIVE}
    with running("no key", native, folder) as open_to_all, running(NATIVE, native, folder) as asked:
        charges = {open_to_all.name: (), asked.name: (f"-api-key-file={key_file}",)}
        keys = _compared("Charge with an API key", [open_to_all, asked], plan, charges)
    with (
        running("no limits", {**native, **_NO_LIMITS}, folder) as unlimited,
        running(NATIVE, {**native, **_LIMITS}, folder) as limited,
    ):
        limits = _compared("Charge with limits of rate and overload", [unlimited, limited], plan, {})
    return [_tls(settings, plan, folder), keys, limits, _idle_attackers(native, plan, folder)]


def _tls(settings: Mapping[str, str], plan: Plan, folder: Path) -> Figure:
    authority = Authority()
    certificate, key = authority.issue(dns=["localhost"]).write(folder, "service")
    authorities = folder / "authority.pem"
    authorities.write_bytes(authority.certificate)
    plain = {**settings, "GRPC_ENGINE": GRPCIO}
    encrypted = {**plain, "TLS_CERT_FILE": str(certificate), "TLS_KEY_FILE": str(key)}
    with running("no TLS", plain, folder) as without, running(GRPCIO, encrypted, folder) as with_it:
        return _compared("Charge over TLS", [without, with_it], plan, {GRPCIO: (f"-ca={authorities}",)})


def _idle_attackers(settings: Mapping[str, str], plan: Plan, folder: Path) -> Figure:
    with running("nobody else", settings, folder) as alone, running(NATIVE, settings, folder) as attacked:

        def charges(system: System) -> Report:
            with _idle_connections(system.port if system is attacked else None):
                return load(system.port, "charge", plan.seconds, _IN_FLIGHT)

        what = f"Charge beside {_IDLE_CONNECTIONS:,} idle connections of others"
        return rates(what, in_turn([alone, attacked], plan.rounds, charges), alone.name)


@contextlib.contextmanager
def _idle_connections(port: int | None) -> Iterator[None]:
    """Have connections that begin and then say nothing, when a port is given."""
    with contextlib.ExitStack() as stack:
        for _ in range(_IDLE_CONNECTIONS if port is not None else 0):
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            connection.sendall(_BEGINNING)
        yield


def _compared(what: str, systems: list[System], plan: Plan, options: Mapping[str, tuple[str, ...]]) -> Figure:
    """Compare charges a second with those of the first system."""
    reports = in_turn(
        systems,
        plan.rounds,
        lambda system: load(system.port, "charge", plan.seconds, _IN_FLIGHT, *options.get(system.name, ())),
    )
    return rates(what, reports, systems[0].name)


def _new_key(settings: Mapping[str, str]) -> str:
    command = (sys.executable, "-m", "tools.cli.main", "keys", "create", "bench", "--role", "payments.charge")
    environment = {"PATH": os.environ.get("PATH", os.defpath), **settings}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchError(f"no key was made: {done.stderr}")
    return done.stdout.strip()
