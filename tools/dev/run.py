"""``make run``: run the service, and everything that it needs, in this terminal.

If the settings name no database, this program starts the project's private database, and stops it at the end unless it
was already running. It brings the schema up to date, and adds 400 sample payments if there are none. Then it runs
``python -m server`` until Ctrl-C or SIGTERM, and exits with the same exit code.
"""

import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import pymysql

from server.config.exposure import check_exposure
from server.config.settings import Settings, SettingsError, load_settings
from server.domain.callers import Role
from server.storage.database.access import explain
from tools.database.connection import print_line
from tools.database.migrations import migrate
from tools.database.private_database import PROJECT_FOLDER, ROOT
from tools.database.settings import named_settings, names_database, private_database_name
from tools.dev.database_program import PrivateDatabaseError
from tools.dev.devdb import PrivateDatabase
from tools.errors import ToolError
from tools.operations.addresses import reachable_address, reachable_host
from tools.operations.health_probe import health, health_over_http
from tools.operations.sample_data import DEFAULT_COUNT, load_sample_payments

_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_POLL_SECONDS = 0.2
_HEALTH_TIMEOUT_SECONDS = 1.0
_GRPCURL = Path(".bin") / "grpcurl"
_GRPC_EXAMPLE = """-d '{"order_id": 342, "amount": {"units": 561}}'"""
_REST_EXAMPLE = """-H 'Content-Type: application/json' -d '{"order_id": 342, "amount": 561.00}'"""
_EXIT_BY_SIGNAL = 128
"""Added to the number of the signal, as shells do."""


def main() -> None:
    """Run the program."""
    for number in _STOP_SIGNALS:
        signal.signal(number, _exit_on_signal)
    try:
        with _database() as private:
            _approve_upi_charges()
            settings = load_settings()
            check_exposure(settings)
            _check_ports(settings)
            migrate(settings)
            load_sample_payments(settings, count=DEFAULT_COUNT, only_if_empty=True)
            if private is not None:
                os.environ.update(private.service_environment())
            exit_code = _serve(settings)
    except (PrivateDatabaseError, ToolError, SettingsError) as error:
        sys.exit(str(error))
    except pymysql.err.MySQLError as error:
        sys.exit(f"database error: {explain(error)}")
    sys.exit(exit_code)


def _approve_upi_charges() -> None:
    """Let the simulated processor approve every UPI charge, so that the README's examples print what it shows.

    A success probability that is set for UPI, or for all methods, takes precedence.
    """
    if named_settings().keys().isdisjoint({"SUCCESS_PROBABILITY", "SUCCESS_PROBABILITY_UPI"}):
        os.environ["SUCCESS_PROBABILITY_UPI"] = "1"


@contextmanager
def _database() -> Iterator[PrivateDatabase | None]:
    """Run the private database until the context ends, unless the settings name a database; then yield None.

    Raises:
        PrivateDatabaseError: the private database is not available, or MYSQL_PASSWORD is set without a database server.
    """
    if names_database():
        yield None
        return
    if "MYSQL_PASSWORD" in named_settings():
        msg = (
            "MYSQL_PASSWORD is set, but neither MYSQL_HOST nor MYSQL_SOCKET is: set one of them, or unset the password"
        )
        raise PrivateDatabaseError(msg)
    private = PrivateDatabase(PROJECT_FOLDER, database=private_database_name())
    print_line(f"database: private, in {private.folder}")
    has_started = False
    try:
        has_started = private.start()
        os.environ.update(private.environment())
        yield private
    finally:
        if has_started:
            private.stop()
            print_line("database: stopped")


def _serve(settings: Settings) -> int:
    """Run the service until it ends; return its exit code."""
    # In a separate process group, so that Ctrl-C reaches the service only once, forwarded from here.
    server = subprocess.Popen([sys.executable, "-m", "server"], process_group=0)

    def forward(number: int, _frame: FrameType | None) -> None:
        server.send_signal(signal.SIGTERM if number == signal.SIGHUP else number)

    try:
        for number in _STOP_SIGNALS:
            signal.signal(number, forward)
        # If the service picks a free port, only its log has the number.
        if settings.grpc_port != 0 and _can_check_health(settings) and _wait_until_serving(server, settings):
            print_line(_welcome(settings))
        exit_code = server.wait()
    finally:
        if server.poll() is None:
            server.terminate()
            server.wait()
    return exit_code if exit_code >= 0 else _EXIT_BY_SIGNAL - exit_code


def _can_check_health(settings: Settings) -> bool:
    return settings.tls_cert_file is None or settings.rest_port != 0


def _wait_until_serving(server: subprocess.Popen[bytes], settings: Settings) -> bool:
    """Wait until the service reports that it is serving; return False if it ended instead."""
    while server.poll() is None:
        if settings.tls_cert_file is None:
            is_serving, _ = health(
                reachable_address(settings.grpc_host, settings.grpc_port), "", _HEALTH_TIMEOUT_SECONDS
            )
        else:
            # REST also reports the health to clients without a certificate.
            url = f"https://{reachable_address(settings.rest_host, settings.rest_port)}"
            is_serving, _ = health_over_http(url, "", _HEALTH_TIMEOUT_SECONDS)
        if is_serving:
            return True
        time.sleep(_POLL_SECONDS)
    return False


def _check_ports(settings: Settings) -> None:
    """Check early that the ports are free, so that the health of another service is not mistaken for ours.

    Raises:
        SettingsError: another process listens on one of the ports.
    """
    for transport, host, port in (
        ("GRPC", settings.grpc_host, settings.grpc_port),
        ("REST", settings.rest_host, settings.rest_port),
        ("MONITORING", settings.monitoring_host, settings.monitoring_port),
    ):
        if not port:
            continue
        try:
            socket.create_connection((reachable_host(host), port), _HEALTH_TIMEOUT_SECONDS).close()
        except OSError:
            continue
        address = reachable_address(host, port)
        msg = f"{address} is in use: is the service already running? Set {transport}_PORT to use another port"
        raise SettingsError(msg)


def _welcome(settings: Settings) -> str:
    is_built = (ROOT / _GRPCURL).exists()
    grpcurl = _GRPCURL if is_built else "grpcurl"
    build_hint = "" if is_built else "  (make .bin/grpcurl builds grpcurl)\n"
    grpc_address = reachable_address(settings.grpc_host, settings.grpc_port)
    # Quoted, because the brackets of an IPv6 address are a pattern to a shell.
    call = f"{shlex.quote(grpc_address)} payments.v1.PaymentService/Charge"
    has_tls = settings.tls_cert_file is not None
    url = f"{'https' if has_tls else 'http'}://{reachable_address(settings.rest_host, settings.rest_port)}"
    grpcurl_options, curl_options = ("-cacert CA.pem", "--cacert CA.pem ") if has_tls else ("-plaintext", "")
    if settings.tls_client_ca_file is not None:
        grpcurl_options += " -cert CLIENT.pem -key CLIENT.key.pem"
        curl_options += "--cert CLIENT.pem --key CLIENT.key.pem "
    elif Role.CHARGE not in settings.anonymous_roles:
        grpcurl_options += " -H 'authorization: Bearer KEY'"
        curl_options += "-H 'Authorization: Bearer KEY' "
    has_rest = settings.rest_port != 0
    rest = f" and {url} (REST, documented at {url}/docs)" if has_rest else ""
    curl = f"  curl {curl_options}{shlex.quote(f'{url}/v1/payments/charge')} {_REST_EXAMPLE}\n" if has_rest else ""
    is_open = not has_tls and Role.READ in settings.anonymous_roles
    command = f"  .venv/bin/payments list --target {shlex.quote(grpc_address)}\n" if is_open else ""
    return (
        f"\nThe payment service listens on {grpc_address} (gRPC){rest}. Ctrl-C stops it. In another terminal, try:\n"
        f"  {grpcurl} {grpcurl_options} {_GRPC_EXAMPLE} {call}\n{build_hint}{curl}{command}"
    )


def _exit_on_signal(number: int, _frame: FrameType | None) -> None:
    sys.exit(_EXIT_BY_SIGNAL + number)


if __name__ == "__main__":
    main()
