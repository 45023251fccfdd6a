"""The options with which commands connect to a service, and the client that they open."""

import functools
import inspect
import socket
import ssl
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import grpc
import typer
from payments_client import InvalidRequest, OrderHasPendingPayment, OutcomeUnknown, PaymentsClient, PaymentsError

EXIT_OUTCOME_UNKNOWN = 4
"""The exit code of a command whose call may have succeeded."""

_TLS_PROBE_SECONDS = 1.0


@dataclass(frozen=True, kw_only=True)
class _Connection:
    """The values of the options."""

    target: str
    tls: bool
    ca_file: Path | None
    cert_file: Path | None
    key_file: Path | None
    api_key: str | None
    timeout_seconds: float

    @property
    def is_encrypted(self) -> bool:
        """Whether the options ask for TLS."""
        return self.tls or self.ca_file is not None or self.cert_file is not None


def _connection_options(  # noqa: PLR0913 - the options of a command
    *,
    target: Annotated[
        str,
        typer.Option(
            envvar="PAYMENTS_TARGET", help="Address of the service: host:port, or a gRPC name such as dns:///host:port."
        ),
    ] = "127.0.0.1:50051",
    tls: Annotated[
        bool,
        typer.Option(
            "--tls", help="Use TLS, and trust the public certificate authorities. For a private one, use --ca-file."
        ),
    ] = False,
    ca_file: Annotated[
        Path | None,
        typer.Option(
            envvar="PAYMENTS_CA_FILE", help="Use TLS, and trust the certificate authorities in this PEM file."
        ),
    ] = None,
    cert_file: Annotated[
        Path | None,
        typer.Option(
            "--cert", envvar="PAYMENTS_CERT_FILE", help="Use TLS, and send the client certificate in this PEM file."
        ),
    ] = None,
    key_file: Annotated[
        Path | None,
        typer.Option("--key", envvar="PAYMENTS_KEY_FILE", help="Private key of the client certificate, a PEM file."),
    ] = None,
    api_key: Annotated[
        str | None,
        typer.Option(
            "--api-key",
            envvar="PAYMENTS_API_KEY",
            help="API key of the caller. Prefer the environment variable, because other users of this machine can see "
            "command lines.",
            show_default=False,
        ),
    ] = None,
    timeout_seconds: Annotated[
        float, typer.Option("--timeout", metavar="SECONDS", min=0.1, help="Deadline of each call.")
    ] = 10.0,
) -> None:
    """Declare the options; only the signature is used."""


def calls_service(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the connection options, and pass it a client as its first argument.

    If a call fails, the command prints its error in a line or two and exits.
    """
    declared = inspect.signature(_connection_options).parameters
    _, *own = inspect.signature(command).parameters.values()

    @functools.wraps(command)
    def run(**values: Any) -> None:  # noqa: ANN401 - the values of the options, which Typer has checked
        connection = _Connection(**{name: values.pop(name) for name in declared})
        with _client(connection) as client:
            command(client, **values)

    parameters = [*own, *declared.values()]
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run


@contextmanager
def _client(connection: _Connection) -> Iterator[PaymentsClient]:
    """Yield a client. If a call fails, print its error in a line or two and exit."""
    try:
        client = PaymentsClient(
            connection.target,
            credentials=_credentials(connection),
            api_key=connection.api_key,
            timeout_seconds=connection.timeout_seconds,
            user_agent="payments-command",
        )
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    with client:
        try:
            yield client
        except InvalidRequest as error:
            sys.exit("\n".join(f"{it.field}: {it.description}" for it in error.violations) or error.message)
        except OrderHasPendingPayment as error:
            sys.exit(f"{_error_line(error)}\nTo see the pending payment: payments get {error.payment_id}")
        except OutcomeUnknown as error:
            _print_unknown_outcome(error, connection)
            raise typer.Exit(EXIT_OUTCOME_UNKNOWN) from None
        except PaymentsError as error:
            sys.exit(_error_line(error))
        except ValueError as error:  # the client cannot encode an argument
            raise typer.BadParameter(str(error)) from None


def _credentials(connection: _Connection) -> grpc.ChannelCredentials | None:
    """Return the credentials for TLS, or None for a connection without it.

    Raises:
        typer.BadParameter: a file cannot be read, or a certificate lacks its key.
    """
    if (connection.cert_file is None) is not (connection.key_file is None):
        raise typer.BadParameter("a client certificate needs both --cert and --key")
    if not connection.is_encrypted:
        return None
    return grpc.ssl_channel_credentials(
        root_certificates=_read("--ca-file", connection.ca_file),
        private_key=_read("--key", connection.key_file),
        certificate_chain=_read("--cert", connection.cert_file),
    )


def _read(option: str, file: Path | None) -> bytes | None:
    try:
        return None if file is None else file.read_bytes()
    except OSError as error:
        raise typer.BadParameter(str(error.strerror), param_hint=option) from None


def _print_unknown_outcome(error: OutcomeUnknown, connection: _Connection) -> None:
    print(_error_line(error), file=sys.stderr)
    if not connection.is_encrypted and _speaks_tls(connection.target):
        print(
            f"{connection.target} uses TLS: add --tls, or --ca-file with the certificates of its authority.",
            file=sys.stderr,
        )
    elif error.request_id is not None:
        print(
            "The call may have succeeded. To find out, repeat the command with --request-id "
            f"{error.request_id}: it takes effect only once.",
            file=sys.stderr,
        )


def _speaks_tls(target: str) -> bool:
    """Return whether the server at ``target`` accepts a TLS connection."""
    host, _, port = target.rpartition("/")[2].rpartition(":")
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with (
            socket.create_connection((host.strip("[]"), int(port)), _TLS_PROBE_SECONDS) as connection,
            context.wrap_socket(connection),
        ):
            return True
    except (OSError, ValueError):
        return False


def _error_line(error: PaymentsError) -> str:
    return f"{error.reason or error.code.name}: {error.message}"
