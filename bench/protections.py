"""Compare charges per second with and without each protection, and with and without idle connections of attackers."""

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from bench.figures import ENGINES, ENVOY, Figure, Plan, in_turn, rates
from bench.load import BenchError, Report
from bench.systems import GO_COMMAND, ROOT, System, load, new_database, running, running_peer
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
    settings["GRPC_ENGINE"] = ENVOY
    with running("no key", settings, folder) as without_key, running(ENVOY, settings, folder) as with_key:
        charges = {without_key.name: (), with_key.name: (f"-api-key-file={key_file}",)}
        keys = _compare("Charge with an API key", [without_key, with_key], plan, charges)
    with (
        running("no limits", {**settings, **_NO_LIMITS}, folder) as unlimited,
        running(ENVOY, {**settings, **_LIMITS}, folder) as limited,
    ):
        limits = _compare("Charge with rate limits and overload protection", [unlimited, limited], plan, {})
    return [*_tls(database, plan, folder), keys, limits, _idle_attackers(settings, plan, folder)]


def _tls(database: PrivateDatabase, plan: Plan, folder: Path) -> list[Figure]:
    """Compare both engines over TLS with Go over TLS, and each engine with itself without TLS."""
    authority = Authority()
    certificate, key = authority.issue(dns=["localhost"]).write(folder, "service")
    authorities = folder / "authority.pem"
    authorities.write_bytes(authority.certificate)
    files = {"TLS_CERT_FILE": str(certificate), "TLS_KEY_FILE": str(key)}
    options = f"-ca={authorities}"
    peer, what = "Go over TLS", "Charge over TLS"
    settings = {name: new_database(database, f"tls_{name}", _ROWS) for name in ("go", *ENGINES)}
    with contextlib.ExitStack() as stack:
        encrypted = [stack.enter_context(running_peer(peer, GO_COMMAND, {**settings["go"], **files}, folder))]
        plain = []
        for engine in ENGINES:
            own = {**settings[engine], "GRPC_ENGINE": engine}
            encrypted.append(stack.enter_context(running(engine, {**own, **files}, folder)))
            plain.append(stack.enter_context(running(f"{engine} without TLS", own, folder)))
        over_tls = {system.name: (options,) for system in encrypted}
        reports = _charges([*encrypted, *plain], plan, over_tls)
    names = [system.name for system in encrypted]
    pairs = zip(ENGINES, plain, strict=True)
    return [
        rates(what, {name: reports[name] for name in names}, peer),
        *(
            rates(what, {name: reports[name] for name in (without_tls.name, engine)}, without_tls.name)
            for engine, without_tls in pairs
        ),
    ]


def _idle_attackers(settings: Mapping[str, str], plan: Plan, folder: Path) -> Figure:
    with running("no idle connections", settings, folder) as alone, running(ENVOY, settings, folder) as target:

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
    return rates(what, _charges(systems, plan, options), systems[0].name)


def _charges(systems: list[System], plan: Plan, options: Mapping[str, tuple[str, ...]]) -> dict[str, list[Report]]:
    """Charge through each system in turn, with the options of the load generator for that system."""
    return in_turn(
        systems,
        plan.rounds,
        lambda system: load(system.port, "charge", plan.seconds, _IN_FLIGHT, *options.get(system.name, ())),
    )


def _new_key(settings: Mapping[str, str]) -> str:
    command = (sys.executable, "-m", "tools.cli.main", "keys", "create", "bench", "--role", "payments.charge")
    environment = {"PATH": os.environ.get("PATH", os.defpath), **settings}
    run = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if run.returncode:
        raise BenchError(f"no API key was created: {run.stderr}")
    return run.stdout.strip()
