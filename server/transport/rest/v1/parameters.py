"""Parse the parameters of the ``/v1`` paths as the legacy service did: with pydantic, and FastAPI's error messages.

The legacy service used FastAPI, and its callers rely on its errors: ``detail`` lists every problem, each with ``type``,
``loc``, ``msg``, ``input`` and sometimes ``ctx``.
"""

import json
import math
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Decimal, InvalidOperation
from functools import partial
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    FiniteFloat,
    GetPydanticSchema,
    PlainValidator,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)
from pydantic_core import PydanticCustomError, PydanticKnownError

from server.domain.errors import FieldViolation, InvalidRequest, InvalidValue
from server.domain.identifiers import RequestKey
from server.domain.money import AMOUNT_DIGITS, MAX_MINOR, Money

Model = TypeVar("Model", bound=BaseModel)

MAX_ID = 2**63 - 1
MAX_PER_PAGE = 200
MIN_AMOUNT = Decimal("0.01")
MAX_AMOUNT = Decimal("99999999.99")
"""The smallest and the largest amount of a charge, as in the legacy service."""

_STORED_DECIMAL = Decimal(1).scaleb(-AMOUNT_DIGITS)
_ABOVE_EVERY_AMOUNT = Decimal(MAX_MINOR + 1)

_TIME = re.compile(r"\d{4}-\d\d-\d\d( \d\d:\d\d:\d\d|T\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:?\d\d)?)?", re.ASCII)


class InvalidParameters(InvalidRequest):
    """A ``/v1`` request is invalid; ``detail`` is the list of problems in the response."""

    def __init__(self, detail: Sequence[Mapping[str, Any]]) -> None:
        """Store the list, which must not be empty."""
        super().__init__(
            tuple(FieldViolation(".".join(map(str, problem["loc"])), str(problem["msg"])) for problem in detail)
        )
        self.detail = detail


class UnreadableBody(InvalidRequest):
    """The body cannot be parsed for a reason other than its syntax: it is not valid text, or is nested too deeply."""

    def __init__(self) -> None:
        """Use the message of the legacy service."""
        super().__init__((FieldViolation("body", "There was an error parsing the body"),))


class _ExactFloat(float):
    """A number in JSON that keeps its digits, because an amount must not be rounded to a float."""

    __slots__ = ("text",)

    def __new__(cls, text: str) -> Self:
        number = super().__new__(cls, text)
        number.text = text  # type: ignore[attr-defined]
        return number


_DECODER = json.JSONDecoder(
    parse_float=_ExactFloat,
    # The same as the default, but in Python, because no other thread can run while the decoder stays in C.
    parse_int=lambda text: int(text),  # noqa: PLW0108
    parse_constant=float,
)


def _exact(value: object, validate: ValidatorFunctionWrapHandler) -> Decimal:
    """Return a number with all its digits if pydantic accepts ``value`` as a float."""
    validate(value)
    try:
        match value:
            case _ExactFloat():
                return Decimal(value.text)  # type: ignore[attr-defined]
            case str():
                return Decimal(value.strip())
            case int():
                return Decimal(value)
    except InvalidOperation:
        pass
    raise PydanticKnownError("float_parsing")


def _charge_amount(amount: Decimal) -> Decimal:
    # Round before the comparison, except far out of range, where rounding itself would fail.
    if abs(amount) <= 2 * MAX_AMOUNT:
        amount = amount.quantize(MIN_AMOUNT, rounding=ROUND_HALF_UP)
    if amount < MIN_AMOUNT:
        raise PydanticKnownError("greater_than_equal", {"ge": float(MIN_AMOUNT)})
    if amount > MAX_AMOUNT:
        raise PydanticKnownError("less_than_equal", {"le": float(MAX_AMOUNT)})
    return amount


def _bound(amount: Decimal, rounding: str) -> Decimal:
    """Round a bound to the precision of stored amounts, so that it still admits exactly the same amounts."""
    within = max(-_ABOVE_EVERY_AMOUNT, min(_ABOVE_EVERY_AMOUNT, amount))
    return within.quantize(_STORED_DECIMAL, rounding=rounding)


def _time(text: str) -> datetime | None:
    if not text:
        return None
    try:
        if _TIME.fullmatch(text):
            time = datetime.fromisoformat(text)
            return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError):
        pass  # such as the 30th of February
    raise PydanticCustomError(
        "datetime_parsing", "Input should be a date as in 2025-02-07, 2025-02-07 05:28:54 or 2025-02-07T05:28:54"
    )


def _last_instant(text: str) -> datetime | None:
    """Return an upper bound that includes the whole second, because callers see times to the second."""
    time = _time(text)
    return time if time is None or time.microsecond else time + timedelta(microseconds=999_999)


def _is_success(text: str) -> bool:
    return text.lower() in {"1", "true", "success", "yes"}


_Number = Annotated[Decimal, GetPydanticSchema(lambda _, handler: handler(FiniteFloat)), WrapValidator(_exact)]
_LowerBound = Annotated[_Number, AfterValidator(partial(_bound, rounding=ROUND_CEILING))]
_UpperBound = Annotated[_Number, AfterValidator(partial(_bound, rounding=ROUND_FLOOR))]


class ChargeBody(BaseModel):
    """The body of a charge: an order, and an amount in the default currency, rounded half up to two decimals."""

    order_id: Annotated[int, Field(ge=1, le=MAX_ID)]
    amount: Annotated[_Number, AfterValidator(_charge_amount)]


class ListParameters(BaseModel):
    """The query parameters of a list. Problems are reported in the order of these fields."""

    page: Annotated[int, Field(ge=1)] = 1
    per_page: Annotated[int, Field(ge=0, le=MAX_PER_PAGE)] = 10
    order_id: int | None = None
    method: Annotated[str | None, BeforeValidator(lambda text: text or None)] = None
    status: Annotated[bool | None, PlainValidator(_is_success)] = None
    amount_gt: _LowerBound | None = None
    amount_lt: _UpperBound | None = None
    start_date: Annotated[datetime | None, PlainValidator(_time)] = None
    end_date: Annotated[datetime | None, PlainValidator(_last_instant)] = None
    sort_by_created: Annotated[str, Field(pattern="^(asc|desc)$")] = "desc"


class RefundPath(BaseModel):
    """The path of a refund."""

    payment_id: int


def read(model: type[Model], source: Literal["body", "query", "path"], value: object) -> Model:
    """Parse the parameters in one part of a request.

    Raises:
        InvalidParameters: some of them are invalid.
    """
    try:
        return model.model_validate(value, from_attributes=True)
    except ValidationError as error:
        problems: list[Mapping[str, Any]] = [*error.errors(include_url=False)]
        changes = [{"loc": [source, *problem["loc"]], "input": _json_value(problem["input"])} for problem in problems]
        raise InvalidParameters(
            [{**problem, **change} for problem, change in zip(problems, changes, strict=True)]
        ) from None


def read_body(body: bytes, content_type: str) -> ChargeBody:
    """Parse the body of a charge.

    Raises:
        InvalidParameters: it is invalid, is not JSON, or is missing.
        UnreadableBody: it cannot be parsed for a reason other than its syntax.
    """
    if not body:
        raise InvalidParameters([{"type": "missing", "loc": ["body"], "msg": "Field required", "input": None}])
    if not _is_json(content_type):
        return read(ChargeBody, "body", body.decode(errors="replace"))
    try:
        value = _DECODER.decode(body.decode(json.detect_encoding(body), "surrogatepass"))
    except json.JSONDecodeError as error:
        problem = {"type": "json_invalid", "loc": ["body", error.pos], "msg": "JSON decode error", "input": {}}
        raise InvalidParameters([{**problem, "ctx": {"error": error.msg}}]) from None
    except (ValueError, RecursionError):
        raise UnreadableBody from None
    # Pass a plain float, because pydantic would read an instance of our class as an object with fields.
    return read(ChargeBody, "body", float(value) if isinstance(value, float) else value)


def read_key(caller: str, idempotency_key: str | None) -> RequestKey:
    """Return the key of a call, from its Idempotency-Key header.

    Raises:
        InvalidParameters: the header is invalid.
    """
    try:
        return RequestKey.of(caller, idempotency_key)
    except InvalidValue as error:
        raise InvalidParameters([key_problem("value_error", error.description, idempotency_key)]) from None


def key_problem(kind: str, message: str, idempotency_key: str | None) -> dict[str, Any]:
    """Describe an invalid Idempotency-Key as FastAPI would."""
    return {"type": kind, "loc": ["header", "idempotency-key"], "msg": message, "input": idempotency_key}


def charge_money(currency: str, amount: Decimal) -> Money:
    """Return the amount of a charge, rounded half up to the minor unit of ``currency``."""
    try:
        return Money.rounded(currency, amount)
    except InvalidValue as error:
        raise InvalidRequest((FieldViolation("amount", error.description),)) from error


def _is_json(content_type: str) -> bool:
    # A body without a Content-Type counts as JSON, as it did in FastAPI for a long time.
    kind = content_type.partition(";")[0].strip().lower()
    return (
        not content_type or kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json"))
    )


def _json_value(value: object) -> object:
    """Return an input as a value that JSON can represent: infinity and NaN as strings."""
    match value:
        case float() if not math.isfinite(value):
            return str(value)
        case dict():
            return {key: _json_value(item) for key, item in value.items()}
        case list():
            return [_json_value(item) for item in value]
        case _:
            return value
