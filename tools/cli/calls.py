"""Charge, refund, get and list payments of a running service from a terminal: ``payments charge 342 561.00``.

These commands are callers like any other. They use only the Python client, and need no database.
"""

import itertools
import re
from dataclasses import replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated

import typer
from payments_client import PaymentMethod, PaymentsClient, PaymentStatus, RefundState, RefundStatus

from tools.cli import options
from tools.cli.options import (
    AsJson,
    Caller,
    Customer,
    ExternalReference,
    MaxAmount,
    MinAmount,
    OrderId,
    ProcessorReference,
    Reference,
    Since,
    Until,
    utf8,
)
from tools.cli.output import print_event, print_json, print_payment, print_payments, print_refunds
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
        callback=utf8,
        help="Idempotency key: a repeated command with the same key takes effect only once. Defaults to a random key.",
    ),
]
Currency = Annotated[
    str | None, typer.Option(callback=utf8, help="ISO 4217 code. Defaults to the service's default currency.")
]


@calls_service
def charge(  # noqa: PLR0913 - the options of a command
    client: PaymentsClient,
    order_and_amount: Annotated[
        list[str],
        typer.Argument(
            metavar="[ORDER_ID] AMOUNT",
            help="ID of the order, at least 1, and amount to charge, such as 561.00. With --external-reference, the ID "
            "may be left out.",
        ),
    ],
    *,
    method: Annotated[
        ChargeMethod | None,
        typer.Option(case_sensitive=False, help="Payment method. The processor picks one if not given."),
    ] = None,
    currency: Currency = None,
    external_reference: Annotated[
        str, typer.Option(callback=utf8, help="Your own name of the order, at most 100 characters. Need not be unique.")
    ] = "",
    customer: Annotated[
        str, typer.Option(callback=utf8, help="Your identifier of the customer, at most 100 characters.")
    ] = "",
    label: Annotated[
        list[str] | None, typer.Option(metavar="KEY=VALUE", help="Label to store with the payment. Can be repeated.")
    ] = None,
    source: Annotated[
        str,
        typer.Option(
            callback=utf8,
            help="Payer's means of payment, as a token of the processor. For a simulated processor, the outcome, such "
            "as sim_insufficient_funds.",
        ),
    ] = "",
    return_url: Annotated[
        str,
        typer.Option(
            callback=utf8,
            help="https URL to which the payer returns after approving the payment in a browser. Needs a --source.",
        ),
    ] = "",
    unless_pending: Annotated[
        bool, typer.Option("--unless-pending", help="Charge nothing while another payment of the order is pending.")
    ] = False,
    request_id: RequestId = None,
    as_json: AsJson = False,
) -> None:
    """Charge an order. If the payer must approve the charge, shows how.

    Exits with 3 if the charge is declined, and with 4 if its outcome is unknown.
    """
    order_id, amount = _order_and_amount(order_and_amount, external_reference)
    payment = client.charge(
        order_id=order_id,
        amount=options.parse_amount("AMOUNT", amount),
        currency=currency,
        method=None if method is None else PaymentMethod(method.value),
        request_id=request_id,
        external_reference=external_reference,
        customer_id=customer,
        labels=options.parse_labels("--label", label or ()),
        payment_source=source,
        unless_pending=unless_pending,
        return_url=return_url,
    )
    if as_json:
        print_json(payment)
    else:
        print_payment(payment)
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
    reason: Annotated[str, typer.Option(callback=utf8, help="Reason to store with the refund.")] = "",
    request_id: RequestId = None,
    as_json: AsJson = False,
) -> None:
    """Refund a payment, in full or in part.

    Exits with 3 if the refund fails, and with 4 if its outcome is unknown.
    """
    value = None if amount is None else options.parse_amount("--amount", amount)
    result = client.refund(payment_id=payment_id, amount=value, currency=currency, reason=reason, request_id=request_id)
    if as_json:
        print_json(result)
    else:
        print_refunds([] if result.refund is None else [result.refund])
        print_payment(result.payment)
    if result.refund is not None and result.refund.status is RefundStatus.FAILED:
        raise typer.Exit(_EXIT_DECLINED)


@calls_service
def get(
    client: PaymentsClient,
    payment: Annotated[str | None, typer.Argument(callback=utf8, help="ID or reference of the payment.")] = None,
    *,
    request_id: Annotated[
        str | None, typer.Option(callback=utf8, help="Idempotency key of the charge, instead of an ID or reference.")
    ] = None,
    caller: Annotated[
        str,
        typer.Option(
            callback=utf8, help="Caller whose --request-id it is. Any but yourself requires the role payments.audit."
        ),
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Show a payment and all its refunds."""
    if (payment is None) is (request_id is None):
        raise typer.BadParameter("needs either a PAYMENT or a --request-id")
    is_id = payment is not None and _is_id(payment)
    details = client.get_payment(
        payment_id=int(payment or 0) if is_id else None,
        reference=None if is_id else payment,
        request_id=request_id,
        caller=caller,
    )
    if token := details.next_refunds_page_token:
        remaining_refunds = client.list_refunds(
            payment_id=details.payment.payment_id, page_size=_MAX_PAGE_SIZE, page_token=token
        )
        details = replace(details, refunds=(*details.refunds, *remaining_refunds), next_refunds_page_token="")
    if as_json:
        print_json(details)
    else:
        print_payment(details.payment)
        print_refunds(details.refunds)


@calls_service
def events(
    client: PaymentsClient,
    payment: Annotated[str, typer.Argument(callback=utf8, help="ID or reference of the payment.")],
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
    external_reference: ExternalReference = None,
    customer: Customer = None,
    caller: Caller = None,
    request_id: Annotated[
        str | None,
        typer.Option(
            callback=utf8,
            help="Only the payment whose charge had this idempotency key: yours, or that of the --caller.",
        ),
    ] = None,
    processor_reference: ProcessorReference = None,
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
        external_reference=external_reference,
        customer_id=customer,
        caller=caller,
        request_id=request_id,
        processor_reference=processor_reference,
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


def _order_and_amount(values: list[str], external_reference: str) -> tuple[int | None, str]:
    """Return the order_id, or None if it was left out, and the text of the amount.

    Raises:
        typer.BadParameter: there are too few or too many values, or the order_id is not a whole number.
    """
    match values:
        case [amount] if external_reference:
            return None, amount
        case [order_id, amount]:
            if not re.fullmatch(r"[+-]?[0-9]{1,19}", order_id):
                raise typer.BadParameter("must be a whole number", param_hint="ORDER_ID")
            return int(order_id), amount
        case [_]:
            raise typer.BadParameter("needs an ORDER_ID and an AMOUNT, or an AMOUNT and --external-reference")
    raise typer.BadParameter("takes an ORDER_ID and an AMOUNT, and nothing else")


def _is_id(payment: str) -> bool:
    """Return whether the argument is a payment_id; otherwise it is a reference."""
    return payment.isascii() and payment.isdecimal()
