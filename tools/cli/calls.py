"""Charge, refund, get and list payments of a running service, for people: ``payments charge 342 561.00``.

These commands are callers like any other: they know the service by its Python client alone, and need no database.
"""

import itertools
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import grpc
import typer
from payments import (
    InvalidRequest,
    OutcomeUnknown,
    PaymentMethod,
    PaymentsClient,
    PaymentsError,
    PaymentStatus,
    RefundState,
)

from tools.cli import options
from tools.cli.options import AsJson, MaxAmount, MinAmount, OrderId, Reference, Repeated, Since, Until
from tools.cli.output import print_json, print_payments, print_refunds

_LARGEST_PAGE = 1000
"""Of the contract."""

_DECLINED = 3
_OUTCOME_UNKNOWN = 4

ChargeMethod = StrEnum("ChargeMethod", {"UPI": "UPI", "CARD": "CARD", "COD": "COD"})
ListedMethod = StrEnum("ListedMethod", {"UPI": "UPI", "CARD": "CARD", "COD": "COD", "OTHER": "OTHER"})
ListedStatus = StrEnum("ListedStatus", {"PENDING": "PENDING", "SUCCEEDED": "SUCCEEDED", "FAILED": "FAILED"})
ListedRefundState = StrEnum("ListedRefundState", {"NONE": "NONE", "PARTIAL": "PARTIAL", "FULL": "FULL"})

Target = Annotated[
    str, typer.Option(envvar="PAYMENTS_TARGET", help="Address of the service, or a gRPC name such as dns:///host:port.")
]
Tls = Annotated[bool, typer.Option("--tls", help="Encrypt, and trust the authorities that this machine trusts.")]
CaFile = Annotated[
    Path | None, typer.Option(envvar="PAYMENTS_CA_FILE", help="Encrypt, and trust the authorities of this PEM file.")
]
ApiKey = Annotated[
    str | None,
    typer.Option(
        "--api-key",
        envvar="PAYMENTS_API_KEY",
        help="Says who calls; better given by the environment, as others on this machine see what commands are given.",
        show_default=False,
    ),
]
TimeoutSeconds = Annotated[float, typer.Option("--timeout", metavar="SECONDS", min=0.1, help="For each call.")]
RequestId = Annotated[
    str | None, typer.Option(help="Makes the call safe to repeat: the same one does the same thing once.")
]
Currency = Annotated[str | None, typer.Option(help="ISO 4217; the service's default if not given.")]

_TARGET = "127.0.0.1:50051"
_TIMEOUT_SECONDS = 10.0


@contextmanager
def _client(
    target: str, *, tls: bool, ca_file: Path | None, api_key: str | None, timeout_seconds: float
) -> Iterator[PaymentsClient]:
    """Give a client, and report its errors as a command does: in a line or two, with an exit code."""
    credentials = None
    try:
        if tls or ca_file is not None:
            credentials = grpc.ssl_channel_credentials(None if ca_file is None else ca_file.read_bytes())
        client = PaymentsClient(
            target,
            credentials=credentials,
            api_key=api_key,
            timeout_seconds=timeout_seconds,
            user_agent="payments-command",
        )
    except OSError as error:
        raise typer.BadParameter(str(error.strerror), param_hint="--ca-file") from None
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    with client:
        try:
            yield client
        except InvalidRequest as error:
            sys.exit("\n".join(f"{it.field}: {it.description}" for it in error.violations) or error.message)
        except OutcomeUnknown as error:
            print(_line(error), file=sys.stderr)
            if error.request_id is not None:
                print(
                    f"It may have been done. The same command with --request-id {error.request_id} finds out.",
                    file=sys.stderr,
                )
            raise typer.Exit(_OUTCOME_UNKNOWN) from None
        except PaymentsError as error:
            sys.exit(_line(error))
        except ValueError as error:  # of an argument that the contract cannot express
            raise typer.BadParameter(str(error)) from None


def _line(error: PaymentsError) -> str:
    return f"{error.reason or error.code.name}: {error.message}"


def charge(  # noqa: PLR0913 - the options of a command
    order_id: Annotated[int, typer.Argument(help="The order, 1 or more.")],
    amount: Annotated[str, typer.Argument(metavar="AMOUNT", help="Such as 561.00.")],
    *,
    method: Annotated[
        ChargeMethod | None, typer.Option(case_sensitive=False, help="The processor picks one if not given.")
    ] = None,
    currency: Currency = None,
    request_id: RequestId = None,
    target: Target = _TARGET,
    tls: Tls = False,
    ca_file: CaFile = None,
    api_key: ApiKey = None,
    timeout_seconds: TimeoutSeconds = _TIMEOUT_SECONDS,
    as_json: AsJson = False,
) -> None:
    """Charge an order. Exits with 3 when the charge is declined, with 4 when nobody knows whether it was made."""
    value = options.amount("AMOUNT", amount)
    with _client(target, tls=tls, ca_file=ca_file, api_key=api_key, timeout_seconds=timeout_seconds) as client:
        payment = client.charge(
            order_id=order_id,
            amount=value,
            currency=currency,
            method=None if method is None else PaymentMethod(method.value),
            request_id=request_id,
        )
    if as_json:
        print_json(payment)
    else:
        print_payments([payment])
    if payment.status is PaymentStatus.FAILED:
        raise typer.Exit(_DECLINED)


def refund(  # noqa: PLR0913 - the options of a command
    payment_id: Annotated[int, typer.Argument(help="The payment.")],
    *,
    amount: Annotated[
        str | None, typer.Option(metavar="DECIMAL", help="Such as 100.00; all that remains if not given.")
    ] = None,
    currency: Currency = None,
    reason: Annotated[str, typer.Option(help="Why, for the record.")] = "",
    request_id: RequestId = None,
    target: Target = _TARGET,
    tls: Tls = False,
    ca_file: CaFile = None,
    api_key: ApiKey = None,
    timeout_seconds: TimeoutSeconds = _TIMEOUT_SECONDS,
    as_json: AsJson = False,
) -> None:
    """Refund a payment, wholly or in part. Exits with 4 when nobody knows whether it was done."""
    value = None if amount is None else options.amount("--amount", amount)
    with _client(target, tls=tls, ca_file=ca_file, api_key=api_key, timeout_seconds=timeout_seconds) as client:
        result = client.refund(
            payment_id=payment_id, amount=value, currency=currency, reason=reason, request_id=request_id
        )
    if as_json:
        print_json(result)
    else:
        print_refunds([] if result.refund is None else [result.refund])
        print_payments([result.payment])


def get(  # noqa: PLR0913 - the options of a command
    payment: Annotated[str, typer.Argument(help="Its payment_id, or its reference.")],
    *,
    target: Target = _TARGET,
    tls: Tls = False,
    ca_file: CaFile = None,
    api_key: ApiKey = None,
    timeout_seconds: TimeoutSeconds = _TIMEOUT_SECONDS,
    as_json: AsJson = False,
) -> None:
    """Show one payment, with all its refunds."""
    is_id = payment.isascii() and payment.isdecimal()
    with _client(target, tls=tls, ca_file=ca_file, api_key=api_key, timeout_seconds=timeout_seconds) as client:
        details = client.get_payment(payment_id=int(payment)) if is_id else client.get_payment(reference=payment)
        if token := details.next_refunds_page_token:
            others = client.list_refunds(
                payment_id=details.payment.payment_id, page_size=_LARGEST_PAGE, page_token=token
            )
            details = replace(details, refunds=(*details.refunds, *others), next_refunds_page_token="")
    if as_json:
        print_json(details)
    else:
        print_payments([details.payment])
        print_refunds(details.refunds)


def list_payments(  # noqa: PLR0913 - the options of a command
    *,
    order_id: OrderId = None,
    method: Annotated[list[ListedMethod] | None, Repeated] = None,
    status: Annotated[list[ListedStatus] | None, Repeated] = None,
    refund_state: Annotated[list[ListedRefundState] | None, Repeated] = None,
    reference: Reference = None,
    min_amount: MinAmount = None,
    max_amount: MaxAmount = None,
    currency: Annotated[
        str | None, typer.Option(help="Of the amount bounds; the service's default if not given.")
    ] = None,
    since: Since = None,
    until: Until = None,
    oldest_first: Annotated[bool, typer.Option("--oldest-first", help="Instead of the newest first.")] = False,
    limit: Annotated[int, typer.Option(min=0, help="How many at most; 0 shows all.")] = 50,
    target: Target = _TARGET,
    tls: Tls = False,
    ca_file: CaFile = None,
    api_key: ApiKey = None,
    timeout_seconds: TimeoutSeconds = _TIMEOUT_SECONDS,
    as_json: AsJson = False,
) -> None:
    """List payments, newest first."""
    now = datetime.now(UTC)
    lowest = None if min_amount is None else options.amount("--min-amount", min_amount)
    highest = None if max_amount is None else options.amount("--max-amount", max_amount)
    first, last = options.time("--since", since, now), options.last_time("--until", until, now)
    with _client(target, tls=tls, ca_file=ca_file, api_key=api_key, timeout_seconds=timeout_seconds) as client:
        listed = client.list_payments(
            order_by="create_time asc" if oldest_first else "create_time desc",
            page_size=limit if 0 < limit < _LARGEST_PAGE else _LARGEST_PAGE,
            order_id=order_id,
            methods=[PaymentMethod(it.value) for it in method or ()],
            statuses=[PaymentStatus(it.value) for it in status or ()],
            refund_states=[RefundState(it.value) for it in refund_state or ()],
            reference=reference,
            min_amount=lowest,
            max_amount=highest,
            currency=currency,
            min_create_time=first,
            max_create_time=last,
        )
        shown = itertools.islice(listed, limit or None)
        if as_json:
            for payment in shown:
                print_json(payment)
        else:
            print_payments(list(shown))
