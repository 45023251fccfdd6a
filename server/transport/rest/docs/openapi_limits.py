"""What the OpenAPI document says of the contract that no descriptor can: limits in numbers, examples, foreign comments.

The limits repeat in JSON Schema what the domain checks, so that who writes a request by the document writes a good one.
What no schema can say (the sign of ``nanos`` is that of ``units``) stays in the comments alone.
"""

from collections.abc import Collection, Mapping
from typing import Any

from server.domain.identifiers import MAX_REQUEST_ID_LENGTH
from server.domain.money import AMOUNT_DIGITS, MAX_AMOUNT, NANOS_PER_UNIT
from server.domain.payment import MAX_REASON_LENGTH, MAX_REFERENCE_LENGTH
from server.transport.rest.docs.json_schemas import Schema
from server.transport.service.codec import MAX_BATCH, MAX_CHOICES

_IDENTIFIER: Schema = {"minimum": 1, "pattern": "^([1-9][0-9]{0,17}|[1-8][0-9]{18})$"}
_REQUEST_ID: Schema = {"minLength": 1, "maxLength": MAX_REQUEST_ID_LENGTH, "pattern": "^[ -~]+$"}
_REFERENCE: Schema = {"minLength": 1, "maxLength": MAX_REFERENCE_LENGTH}

_MAX_UNITS = int(MAX_AMOUNT)
_NANOS_PER_STEP = NANOS_PER_UNIT // 10**AMOUNT_DIGITS
_MAX_NANOS = NANOS_PER_UNIT - _NANOS_PER_STEP
_NANOS_DIGITS = f"[1-9][0-9]{{0,{AMOUNT_DIGITS - 1}}}{'0' * len(str(_NANOS_PER_STEP // 10))}"

_POSITIVE_MONEY = {
    "units": {"minimum": 0, "pattern": "^[0-9]{1,8}$"},
    "nanos": {"minimum": 0, "pattern": f"^(0|{_NANOS_DIGITS})$"},
}


def _but(**refused: int) -> Schema:
    """Return what keeps some values of an enum out, by name and number."""
    return {"not": {"enum": [*refused, *refused.values()]}}


def _some_but(**refused: int) -> Schema:
    return {"maxItems": MAX_CHOICES, "items": _but(**refused)}


_PAGE_SIZE: Schema = {"minimum": 0, "pattern": "^[0-9]{1,9}$"}

_LIMITS: Mapping[str, Schema] = {
    "google.type.Money.currency_code": {"pattern": "^([A-Z]{3})?$"},
    "google.type.Money.units": {"minimum": -_MAX_UNITS, "maximum": _MAX_UNITS, "pattern": "^-?[0-9]{1,8}$"},
    "google.type.Money.nanos": {
        "minimum": -_MAX_NANOS,
        "maximum": _MAX_NANOS,
        "multipleOf": _NANOS_PER_STEP,
        "pattern": f"^(0|-?{_NANOS_DIGITS})$",
    },
    "payments.v1.ChargeRequest.order_id": _IDENTIFIER,
    "payments.v1.ChargeRequest.method": _but(PAYMENT_METHOD_OTHER=4),
    "payments.v1.ChargeRequest.request_id": _REQUEST_ID,
    "payments.v1.BatchChargeRequest.charges": {"minItems": 1, "maxItems": MAX_BATCH},
    "payments.v1.RefundRequest.payment_id": _IDENTIFIER,
    "payments.v1.RefundRequest.amount": {"properties": _POSITIVE_MONEY},
    # No control characters (category Cc).
    "payments.v1.RefundRequest.reason": {
        "maxLength": MAX_REASON_LENGTH,
        "pattern": r"^[^\u0000-\u001f\u007f-\u009f]*$",
    },
    "payments.v1.RefundRequest.request_id": _REQUEST_ID,
    "payments.v1.GetPaymentRequest.payment_id": _IDENTIFIER,
    "payments.v1.GetPaymentRequest.reference": _REFERENCE,
    "payments.v1.ListRefundsRequest.payment_id": _IDENTIFIER,
    "payments.v1.ListRefundsRequest.page_size": _PAGE_SIZE,
    "payments.v1.PaymentFilter.methods": _some_but(PAYMENT_METHOD_UNSPECIFIED=0),
    "payments.v1.PaymentFilter.statuses": _some_but(PAYMENT_STATUS_UNSPECIFIED=0),
    "payments.v1.PaymentFilter.refund_states": _some_but(REFUND_STATE_UNSPECIFIED=0),
    "payments.v1.PaymentFilter.reference": _REFERENCE,
    "payments.v1.ListPaymentsRequest.order_by": {
        "pattern": r"^\s*(create_time(\s+(asc|desc))?)?\s*$",
        "examples": ["create_time desc", "create_time asc"],
    },
    "payments.v1.ListPaymentsRequest.page_size": _PAGE_SIZE,
}

COMMENTS: Mapping[str, str] = {
    "google.type.Money": "An exact amount of money.",
    "google.type.Money.currency_code": "ISO 4217 code, such as INR; empty for the deployment's default.",
    "google.type.Money.units": "Whole units of the amount.",
    "google.type.Money.nanos": "Billionths of a unit, of the same sign as `units`: 561.25 is `units` 561 and `nanos` "
    "250000000. No finer than the currency's minor unit.",
    "google.rpc.Status": "What went wrong.",
    "google.rpc.Status.code": "A google.rpc.Code, as gRPC numbers them: 3 is INVALID_ARGUMENT.",
    "google.rpc.Status.message": "The same in words, for people.",
    "google.rpc.Status.details": "The same for programs: always an ErrorInfo with a stable `reason`; a BadRequest with "
    "`fieldViolations` where the request is wrong; a RetryInfo where trying again makes sense.",
}
"""Comments of what other protos have, which come without theirs; only these can say what holds here."""

_CHARGE = {
    "orderId": "342",
    "amount": {"currencyCode": "INR", "units": "561", "nanos": 250_000_000},
    "method": "PAYMENT_METHOD_UPI",
}

EXAMPLES: Mapping[str, Mapping[str, Any]] = {
    "payments.v1.PaymentService.Charge": {"charge": {"summary": "561.25 rupees by UPI", "value": _CHARGE}},
    "payments.v1.PaymentService.BatchCharge": {
        "charges": {"summary": "Two charges", "value": {"charges": [_CHARGE, {**_CHARGE, "orderId": "343"}]}},
    },
    "payments.v1.PaymentService.Refund": {
        "whole": {"summary": "All that remains", "value": {}},
        "part": {
            "summary": "100 rupees of it",
            "value": {"amount": {"currencyCode": "INR", "units": "100"}, "reason": "one of two items came back"},
        },
    },
}
"""Bodies to start from, by RPC."""


def limits(currencies: Collection[str]) -> dict[str, Schema]:
    """Return further keywords for the schemas of fields, by the full name of the field.

    ``currencies`` are those that a charge may name.
    """
    return {
        **_LIMITS,
        "payments.v1.ChargeRequest.amount": {
            "properties": {**_POSITIVE_MONEY, "currencyCode": {"enum": ["", *sorted(currencies), None]}}
        },
    }
