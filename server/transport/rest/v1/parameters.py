"""What the ``/v1`` paths take, read as the replaced service read it: by pydantic, with FastAPI's words for errors.

The replaced service was a FastAPI one, and its callers know its errors: a list under ``detail`` of everything that is
wrong, each with ``type``, ``loc``, ``msg``, ``input`` and sometimes ``ctx``.
"""

import json
import math
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import BaseModel, BeforeValidator, Field, PlainValidator, TypeAdapter, ValidationError
from pydantic_core import PydanticCustomError, PydanticKnownError

from server.domain.errors import FieldViolation, InvalidRequest, InvalidValue
from server.domain.identifiers import RequestKey
from server.domain.money import MAX_AMOUNT, Money

Model = TypeVar("Model", bound=BaseModel)
Source = Literal["body", "query", "path", "header"]

MAX_ID = 2**63 - 1
MAX_PER_PAGE = 200
MIN_AMOUNT = Decimal("0.01")

_DATE = re.compile(r"\d{4}-\d\d-\d\d( \d\d:\d\d:\d\d)?", re.ASCII)
_ISO_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:?\d\d)?", re.ASCII)


class InvalidParameters(InvalidRequest):
    """A ``/v1`` request is wrong; ``detail`` is the list that its caller is told."""

    def __init__(self, detail: Sequence[Mapping[str, Any]]) -> None:
        """Keep the list, which must not be empty."""
        super().__init__(tuple(FieldViolation(".".join(map(str, one["loc"])), str(one["msg"])) for one in detail))
        self.detail = detail


class UnreadableBody(InvalidRequest):
    """The body is JSON that no parser takes: not in UTF-8, or too deep."""

    def __init__(self) -> None:
        """Say so in the replaced service's words."""
        super().__init__((FieldViolation("body", "There was an error parsing the body"),))


class _ExactFloat(float):
    """A number of a JSON text, which keeps its digits: money is taken from them."""

    __slots__ = ("text",)

    def __new__(cls, text: str) -> Self:
        number = super().__new__(cls, text)
        number.text = text  # type: ignore[attr-defined]
        return number


_DECODER = json.JSONDecoder(
    parse_float=_ExactFloat,
    # As without it, but in Python: what the decoder does in C alone, no other thread can interrupt.
    parse_int=lambda text: int(text),  # noqa: PLW0108
    parse_constant=float,
)
_FINITE = TypeAdapter(Annotated[float, Field(allow_inf_nan=False)])


def _exact(value: object) -> Decimal:
    """Return a number, in all its digits, where pydantic sees a float in ``value``."""
    try:
        _FINITE.validate_python(value)
        match value:
            case _ExactFloat():
                return Decimal(value.text)  # type: ignore[attr-defined]
            case str():
                return Decimal(value.strip())
            case int():
                return Decimal(value)
    except ValidationError as error:
        (problem,) = error.errors(include_url=False)
        raise PydanticKnownError(problem["type"], problem.get("ctx")) from None  # type: ignore[arg-type]
    except InvalidOperation:
        pass
    raise PydanticKnownError("float_parsing")


def _charge_amount(value: object) -> Decimal:
    amount = _exact(value)
    # Compared as it will be rounded; far outside, rounding itself would fail.
    if abs(amount) <= 2 * MAX_AMOUNT:
        amount = amount.quantize(MIN_AMOUNT, rounding=ROUND_HALF_UP)
    if amount < MIN_AMOUNT:
        raise PydanticKnownError("greater_than_equal", {"ge": float(MIN_AMOUNT)})
    if amount > MAX_AMOUNT:
        raise PydanticKnownError("less_than_equal", {"le": float(MAX_AMOUNT)})
    return amount


def _least_amount(value: object) -> Decimal:
    return _bound(value, ROUND_CEILING)


def _most_amount(value: object) -> Decimal:
    return _bound(value, ROUND_FLOOR)


def _bound(value: object, rounding: str) -> Decimal:
    """Return a bound that the same stored amounts keep, of as many digits as those have."""
    outside = 10 * MAX_AMOUNT
    return max(-outside, min(outside, _exact(value))).quantize(MIN_AMOUNT, rounding=rounding)


def _time(text: object) -> datetime | None:
    if text is None or text == "":
        return None
    assert isinstance(text, str)
    if _DATE.fullmatch(text) or _ISO_TIME.fullmatch(text):
        try:
            time = datetime.fromisoformat(text)
            return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
        except (ValueError, OverflowError):
            pass
    raise PydanticCustomError(
        "datetime_parsing", "Input should be a date as in 2025-02-07, 2025-02-07 05:28:54 or 2025-02-07T05:28:54"
    )


def _last_instant(text: object) -> datetime | None:
    """Return a bound that lets in all of the second it names: callers see times to the second."""
    time = _time(text)
    if time is None or time.microsecond:
        return time
    return time + timedelta(microseconds=999_999)


def _is_success(text: object) -> bool | None:
    return None if text is None else str(text).lower() in {"1", "true", "success", "yes"}


def _not_empty(text: object) -> object:
    return text or None


class ChargeBody(BaseModel):
    """The body of a charge: an order, and an amount in the default currency, rounded half up to two decimals."""

    order_id: Annotated[int, Field(ge=1, le=MAX_ID)]
    amount: Annotated[Decimal, PlainValidator(_charge_amount)]


class ListParameters(BaseModel):
    """The query of a list, in the order in which its problems are told."""

    page: Annotated[int, Field(ge=1)] = 1
    per_page: Annotated[int, Field(ge=0, le=MAX_PER_PAGE)] = 10
    order_id: int | None = None
    method: Annotated[str | None, BeforeValidator(_not_empty)] = None
    status: Annotated[bool | None, PlainValidator(_is_success)] = None
    amount_gt: Annotated[Decimal | None, PlainValidator(_least_amount)] = None
    amount_lt: Annotated[Decimal | None, PlainValidator(_most_amount)] = None
    start_date: Annotated[datetime | None, PlainValidator(_time)] = None
    end_date: Annotated[datetime | None, PlainValidator(_last_instant)] = None
    sort_by_created: Annotated[str, Field(pattern="^(asc|desc)$")] = "desc"


class RefundPath(BaseModel):
    """The path of a refund."""

    payment_id: int


def read(model: type[Model], source: Source, value: object) -> Model:
    """Return the parameters that a part of the request holds.

    Raises:
        InvalidParameters: some are wrong.
    """
    try:
        return model.model_validate(value, from_attributes=True)
    except ValidationError as error:
        detail = [
            {
                "type": problem["type"],
                "loc": [source, *problem["loc"]],
                "msg": problem["msg"],
                "input": _printable(problem["input"]),
                **({"ctx": problem["ctx"]} if "ctx" in problem else {}),
            }
            for problem in error.errors(include_url=False)
        ]
        raise InvalidParameters(detail) from None


def read_body(body: bytes, content_type: str) -> ChargeBody:
    """Return the charge in a body.

    Raises:
        InvalidParameters: it is wrong, is not JSON, or is missing.
        UnreadableBody: no parser takes it.
    """
    if not body:
        raise InvalidParameters([{"type": "missing", "loc": ["body"], "msg": "Field required", "input": None}])
    if not _is_json(content_type):
        return read(ChargeBody, "body", body.decode(errors="replace"))
    try:
        value = _DECODER.decode(body.decode(json.detect_encoding(body), "surrogatepass"))
    except json.JSONDecodeError as error:
        problem = {
            "type": "json_invalid",
            "loc": ["body", error.pos],
            "msg": "JSON decode error",
            "input": {},
            "ctx": {"error": error.msg},
        }
        raise InvalidParameters([problem]) from None
    except (ValueError, RecursionError):
        raise UnreadableBody from None
    # As a plain one: pydantic takes an object of a class of ours for one with fields.
    return read(ChargeBody, "body", float(value) if isinstance(value, float) else value)


def read_key(caller: str, idempotency_key: str | None) -> RequestKey:
    """Return the key of a call, from its Idempotency-Key header.

    Raises:
        InvalidParameters: the header is wrong.
    """
    try:
        return RequestKey.of(caller, idempotency_key)
    except InvalidValue as error:
        raise InvalidParameters([key_problem("value_error", error.description, idempotency_key)]) from None


def key_problem(kind: str, message: str, idempotency_key: str | None) -> dict[str, Any]:
    """Return what is told of a wrong Idempotency-Key."""
    return {"type": kind, "loc": ["header", "idempotency-key"], "msg": message, "input": idempotency_key}


def default_money(currency: str, amount: Decimal) -> Money:
    """Return the amount of a charge, rounded half up to what ``currency`` has."""
    try:
        return Money.rounded(currency, amount)
    except InvalidValue as error:
        raise InvalidRequest((FieldViolation("amount", error.description),)) from error


def _is_json(content_type: str) -> bool:
    # A body of no type is taken for JSON, as FastAPI long did.
    kind = content_type.partition(";")[0].strip().lower()
    return (
        not content_type or kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json"))
    )


def _printable(value: object) -> object:
    """Return an input as JSON can show it: JSON has no infinite numbers."""
    match value:
        case float() if not math.isfinite(value):
            return str(value)
        case dict():
            return {key: _printable(one) for key, one in value.items()}
        case list():
            return [_printable(one) for one in value]
        case _:
            return value
