"""What the OpenAPI document says of the ``/v1`` paths, by hand: their bodies come from the replaced service."""

from collections.abc import Iterable
from typing import Any

from server.domain.money import MAX_AMOUNT
from server.transport.rest.docs.openapi_headers import answer_headers, error_headers, parameter
from server.transport.rest.v1.parameters import MAX_ID, MAX_PER_PAGE, MIN_AMOUNT

TAG = {
    "name": "Legacy",
    "description": "The paths of the replaced service, for its callers; new ones use `/v2`. Amounts are in the default "
    "currency of the deployment.",
}

_JSON = "application/json"
_TAGS = [TAG["name"]]

_PAYMENT = {
    "payment_id": 1,
    "order_id": 355,
    "amount": 1757.91,
    "method": "UPI",
    "status": False,
    "reference": "ECI20250910-ID9VVN",
    "created_at": "2025-02-07T05:28:54",
    "refunded": False,
}


def legacy_paths() -> dict[str, Any]:
    """Return the operations by path and verb; they refer to ``legacy_schemas`` and the common headers."""
    return {
        "/v1/payments/charge": {"post": _charge()},
        "/v1/payments/{payment_id}/refund": {"post": _refund()},
        "/v1/payments": {"get": _list()},
    }


def legacy_schemas() -> dict[str, Any]:
    """Return the schemas that the operations refer to, by name."""
    return {
        "LegacyCharge": {
            "type": "object",
            "properties": {
                "order_id": {
                    "type": ["integer", "string"],
                    "description": "The caller's order.",
                    "minimum": 1,
                    "maximum": MAX_ID,
                    "pattern": "^[1-9][0-9]{0,17}$",
                },
                "amount": {
                    "type": ["number", "string"],
                    "description": "How much; what is finer than two decimals is rounded half up.",
                    "minimum": float(MIN_AMOUNT),
                    "maximum": float(MAX_AMOUNT),
                    "pattern": r"^[1-9][0-9]{0,7}(\.[0-9]{1,2})?$",
                },
            },
            "required": ["order_id", "amount"],
        },
        "LegacyChargeOutcome": _object(
            reference={"type": "string", "description": "Identifies the payment.", "pattern": "^.+-[0-9A-Z]{6,}$"},
            status={"type": "string", "enum": ["SUCCESS", "FAILED", "PENDING"]},
            message={"type": "string"},
        ),
        "LegacyRefundOutcome": _object(
            payment_id={"type": "integer"},
            amount={"type": "number", "description": "What was refunded: the whole charge."},
            method={"type": "string"},
            message={"type": "string"},
        ),
        "LegacyPayment": _object(
            payment_id={"type": "integer"},
            order_id={"type": "integer"},
            amount={"type": ["number", "null"]},
            method={"type": "string"},
            status={"type": "boolean", "description": "Whether the charge succeeded."},
            reference={"type": ["string", "null"]},
            created_at={"type": ["string", "null"], "description": "UTC, ISO 8601, without an offset."},
            refunded={"type": "boolean", "description": "Whether all of it went back."},
        ),
        "LegacyPage": _object(
            items={"type": "array", "items": _schema("LegacyPayment")},
            page={"type": "integer"},
            per_page={"type": "integer"},
            total={"type": "integer", "description": "How many payments match, over all pages."},
        ),
        "LegacyError": _object(detail={"type": "string"}),
        "HTTPValidationError": _object(detail={"type": "array", "items": _schema("ValidationError")}),
        "ValidationError": {
            "type": "object",
            "properties": {
                "type": {"type": "string", "description": "What is wrong, in a word."},
                "loc": {
                    "type": "array",
                    "description": "Where: `body`, `query`, `path` or `header`, then the names that lead there.",
                    "items": {"type": ["string", "integer"]},
                },
                "msg": {"type": "string"},
                "input": {"description": "What came instead."},
                "ctx": {"type": "object", "description": "The bound that does not hold."},
            },
            "required": ["type", "loc", "msg", "input"],
        },
    }


def _charge() -> dict[str, Any]:
    return {
        "operationId": "legacy_charge",
        "tags": _TAGS,
        "summary": "Charges an order",
        "description": "A charge that the processor declines is a 201 too, with `status` FAILED.",
        "parameters": [parameter("IdempotencyKey"), parameter("RequestName")],
        "requestBody": {
            "required": True,
            "content": {
                _JSON: {"schema": _schema("LegacyCharge"), "example": {"order_id": 342, "amount": 561.00}},
            },
        },
        "responses": {
            "201": _answer(
                "The charge, whatever became of it.",
                "LegacyChargeOutcome",
                {
                    "succeeded": _charged("SUCCESS", "Payment succeeded"),
                    "failed": _charged("FAILED", "Payment failed"),
                },
                headers=("IdempotencyReplayed",),
            ),
            **_errors("400", "413", "422"),
        },
    }


def _refund() -> dict[str, Any]:
    return {
        "operationId": "legacy_refund",
        "tags": _TAGS,
        "summary": "Refunds the whole of a payment",
        "description": "Takes no body. Repeating it gives the same answer and refunds nothing more.",
        "parameters": [
            {
                "name": "payment_id",
                "in": "path",
                "required": True,
                "schema": {"type": "integer"},
            },
            parameter("IdempotencyKey"),
            parameter("RequestName"),
        ],
        "responses": {
            "200": _answer(
                "What was refunded.",
                "LegacyRefundOutcome",
                {
                    "refunded": {
                        "value": {
                            "payment_id": 2,
                            "amount": 561.0,
                            "method": "UPI",
                            "message": "Amount 561.00 refunded to UPI",
                        }
                    }
                },
                headers=("IdempotencyReplayed",),
            ),
            **_errors("400", "404", "413", "422"),
        },
    }


def _list() -> dict[str, Any]:
    return {
        "operationId": "legacy_list",
        "tags": _TAGS,
        "summary": "Lists payments",
        "description": "A page past the end has no items.",
        "parameters": [
            _query("page", "Which page.", {"type": "integer", "minimum": 1, "default": 1}),
            _query(
                "per_page",
                "How many payments a page has; 0 gives none, and the total.",
                {"type": "integer", "minimum": 0, "maximum": MAX_PER_PAGE, "default": 10},
            ),
            _query("order_id", "Payments of this order.", {"type": "integer"}),
            _query(
                "method",
                "Payments made by this method, in any letter case; empty is no condition.",
                {"type": "string"},
                example="UPI",
            ),
            _query(
                "status",
                "`1`, `true`, `success` and `yes`, in any letter case, mean succeeded; anything else means failed.",
                {"type": "string"},
                example="SUCCESS",
            ),
            _query("amount_gt", "Payments of this amount or more.", {"type": "number"}),
            _query("amount_lt", "Payments of this amount or less.", {"type": "number"}),
            _query("start_date", f"Payments made then or later. {_TIME_WORDS}", _TIME),
            _query("end_date", f"Payments made then or earlier. {_TIME_WORDS}", _TIME),
            _query(
                "sort_by_created",
                "Newest or oldest first.",
                {"type": "string", "enum": ["desc", "asc"], "default": "desc"},
            ),
            parameter("RequestName"),
        ],
        "responses": {
            "200": _answer(
                "A page of payments.",
                "LegacyPage",
                {"page": {"value": {"items": [_PAYMENT], "page": 1, "per_page": 10, "total": 400}}},
            ),
            **_errors("413", "422"),
        },
    }


_TIME_WORDS = "A date, or a time with a space or a `T`, in UTC unless it has an offset; empty is no bound."
_TIME = {
    "type": "string",
    "pattern": r"^(20[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])([ T]([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9])?)?$",
    "examples": ["2025-02-07", "2025-02-07 05:28:54"],
}

_ERRORS = {
    "400": (
        "The payment had failed, or the body or a header cannot be read.",
        "Payment had failed; cannot issue refund",
    ),
    "401": (
        "It is not said who calls, or not in a way that is believed.",
        "the API key is unknown, revoked or expired",
    ),
    "403": (
        (
            "The caller does not have the role that this needs. Or a web page of an origin that is not allowed sent a "
            "request that may change something; nothing was begun."
        ),
        "Charge needs the role payments.charge, which the caller does not have",
    ),
    "404": ("There is no such payment.", "Payment not found"),
    "413": ("The body is larger than is accepted.", "the body must be at most 1048576 bytes"),
    "429": ("As many calls as are taken on at once are in progress.", "1000 calls are in progress; try again soon"),
    "503": ("The database cannot be reached, or this replica is shutting down.", "the database cannot be reached"),
    "default": ("Any other error.", "internal error"),
}
_INVALID = {
    "type": "less_than_equal",
    "loc": ["query", "per_page"],
    "msg": "Input should be less than or equal to 200",
    "input": "500",
    "ctx": {"le": 200},
}


def _errors(*statuses: str) -> dict[str, Any]:
    errors = {
        status: {
            "description": description,
            "headers": error_headers(status),
            "content": {_JSON: {"schema": _schema("LegacyError"), "example": {"detail": detail}}},
        }
        for status, (description, detail) in _ERRORS.items()
        if status in {*statuses, "401", "403", "429", "503", "default"}
    }
    invalid = _answer(
        "The request is wrong; every problem is listed. Or the Idempotency-Key came before with other parameters.",
        "HTTPValidationError",
        {"invalid": {"value": {"detail": [_INVALID]}}},
    )
    return {**errors, **({"422": invalid} if "422" in statuses else {})}


def _answer(description: str, schema: str, examples: dict[str, Any], *, headers: Iterable[str] = ()) -> dict[str, Any]:
    content = {_JSON: {"schema": _schema(schema), "examples": examples}}
    return {"description": description, "headers": answer_headers(*headers), "content": content}


def _charged(status: str, message: str) -> dict[str, Any]:
    return {"value": {"reference": "ECI20250910-1A2B3C4D", "status": status, "message": message}}


def _query(name: str, description: str, schema: dict[str, Any], example: str | None = None) -> dict[str, Any]:
    shown = {} if example is None else {"example": example}
    return {"name": name, "in": "query", "description": description, "schema": schema, **shown}


def _object(**properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _schema(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}
