"""Charge, refund, get and list payments of a running service from a terminal: ``payments charge 342 561.00``.

These commands are callers like any other. They use only the Python client, and need no database.
"""

import itertools
from dataclasses import replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated

import typer
from payments_client import PaymentMethod, PaymentsClient, PaymentStatus, RefundState

from tools.cli import options
from tools.cli.options import AsJson, MaxAmount, MinAmount, OrderId, Reference, Since, Until
from tools.cli.output import print_event, print_json, print_payments, print_refunds
from tools.cli.service_options import calls_service

_MAX_PAGE_SIZE = 1000
"""The maximum in the API contract."""

_EXIT_DECLINED = 3

ChargeMethod = StrEnum("ChargeMethod", {"UPI": "UPI", "CARD": "CARD", "COD": "COD"})
ListedMethod = StrEnum("ListedMethod", {"UPI": "UPI", "CARD": "CARD", "COD": "COD", "OTHER": "OTHER"})
ListedStatus = StrEnum("ListedStatus", {"PENDING": "PENDING", "SUCCEEDED": "SUCCEEDED", "FAILED": "FAILED"})
ListedRefundState = StrEnum("ListedRefundState", {"NONE": "NONE", "PARTIAL": "PARTIAL", "FULL": "FULL"})

RequestId = Annotated[
    str | None,
    typer.Option(
        help="Idempotency key: a repeated command with the same key takes effect only once. Defaults to a random key."
    ),
]
Currency = Annotated[str | None, typer.Option(help="ISO 4217 code. Defaults to the service's default currency.")]


@calls_service
def charge(  # noqa: PLR0913 - the options of a command
    client: PaymentsClient,
    order_id: Annotated[int, typer.Argument(help="ID of the order, at least 1.")],
    amount: Annotated[str, typer.Argument(metavar="AMOUNT", help="Amount to charge, such as 561.00.")],
    *,
    method: Annotated[
        ChargeMethod | None,
        typer.Option(case_sensitive=False, help="Payment method. The processor picks one if not given."),
    ] = None,
    currency: Currency = None,
    request_id: RequestId = None,
    as_json: AsJson = False,
) -> None:
    """Charge an order.

    Exits with 3 if the charge is declined, and with 4 if its outcome is unknown.
    """
    value = options.parse_amount("AMOUNT", amount)
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
        raise typer.Exit(_EXIT_DECLINED)


@calls_service
def refund(  # noqa: PLR0913 - the options of a command
    client: PaymentsClient,
    payment_id: Annotated[int, typer.Argument(help="ID of the payment.")],
    *,
    amount: Annotated[
        str | None,
        typer.Option(metavar="DECIMAL", help="Amount to refund, such as 100.00. Defaults to the remaining amount."),
    ] = None,
    currency: Currency = None,
    reason: Annotated[str, typer.Option(help="Reason to store with the refund.")] = "",
    request_id: RequestId = None,
    as_json: AsJson = False,
) -> None:
    """Refund a payment, in full or in part.

    Exits with 4 if the outcome is unknown.
    """
    value = None if amount is None else options.parse_amount("--amount", amount)
    result = client.refund(payment_id=payment_id, amount=value, currency=currency, reason=reason, request_id=request_id)
    if as_json:
        print_json(result)
    else:
        print_refunds([] if result.refund is None else [result.refund])
        print_payments([result.payment])


@calls_service
def get(
    client: PaymentsClient,
    payment: Annotated[str, typer.Argument(help="ID or reference of the payment.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Show a payment and all its refunds."""
    details = client.get_payment(payment_id=int(payment)) if _is_id(payment) else client.get_payment(reference=payment)
    if token := details.next_refunds_page_token:
        remaining_refunds = client.list_refunds(
            payment_id=details.payment.payment_id, page_size=_MAX_PAGE_SIZE, page_token=token
        )
        details = replace(details, refunds=(*details.refunds, *remaining_refunds), next_refunds_page_token="")
    if as_json:
        print_json(details)
    else:
        print_payments([details.payment])
        print_refunds(details.refunds)


@calls_service
def events(
    client: PaymentsClient,
    payment: Annotated[str, typer.Argument(help="ID or reference of the payment.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Show what happened to a payment, oldest first, with the time and caller of each change."""
    payment_id = int(payment) if _is_id(payment) else client.get_payment(reference=payment).payment.payment_id
    for event in client.list_payment_events(payment_id=payment_id, page_size=_MAX_PAGE_SIZE):
        if as_json:
            print_json(event)
        else:
            print_event(event)


@calls_service
def list_payments(  # noqa: PLR0913 - the options of a command
    client: PaymentsClient,
    *,
    order_id: OrderId = None,
    method: Annotated[list[ListedMethod] | None, options.MethodOption] = None,
    status: Annotated[list[ListedStatus] | None, options.StatusOption] = None,
    refund_state: Annotated[list[ListedRefundState] | None, options.RefundStateOption] = None,
    reference: Reference = None,
    min_amount: MinAmount = None,
    max_amount: MaxAmount = None,
    currency: Annotated[
        str | None,
        typer.Option(help="Currency of --min-amount and --max-amount. Defaults to the service's default currency."),
    ] = None,
    since: Since = None,
    until: Until = None,
    oldest_first: Annotated[bool, typer.Option("--oldest-first", help="List the oldest payments first.")] = False,
    limit: Annotated[int, typer.Option(min=0, help="Maximum number of payments; 0 for all of them.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List payments, newest first."""
    now = datetime.now(UTC)
    lowest = None if min_amount is None else options.parse_amount("--min-amount", min_amount)
    highest = None if max_amount is None else options.parse_amount("--max-amount", max_amount)
    earliest, latest = options.parse_time("--since", since, now), options.parse_end_time("--until", until, now)
    matches = client.list_payments(
        order_by="create_time asc" if oldest_first else "create_time desc",
        page_size=limit if 0 < limit < _MAX_PAGE_SIZE else _MAX_PAGE_SIZE,
        order_id=order_id,
        methods=[PaymentMethod(it.value) for it in method or ()],
        statuses=[PaymentStatus(it.value) for it in status or ()],
        refund_states=[RefundState(it.value) for it in refund_state or ()],
        reference=reference,
        min_amount=lowest,
        max_amount=highest,
        currency=currency,
        min_create_time=earliest,
        max_create_time=latest,
    )
    payments = itertools.islice(matches, limit or None)
    if as_json:
        for payment in payments:
            print_json(payment)
    else:
        print_payments(list(payments))


def _is_id(payment: str) -> bool:
    """Return whether the argument is a payment_id; otherwise it is a reference."""
    return payment.isascii() and payment.isdecimal()
