"""Options shared by several commands, and parsers for amounts and times in options."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Annotated

import typer

from server.domain.errors import InvalidValue
from tools.transfer.files import csv_values


def utf8(text: str | None) -> str | None:
    """Check that an argument is UTF-8, which the service and the database require.

    Raises:
        typer.BadParameter: it is not. A shell passes on any bytes.
    """
    _require_utf8(text or "")
    return text


AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object per line instead of a table.")]
OrderId = Annotated[int | None, typer.Option(help="Only payments of this order.")]
Reference = Annotated[str | None, typer.Option(callback=utf8, help="Only the payment with this reference.")]
ExternalReference = Annotated[
    str | None, typer.Option(callback=utf8, help="Only payments of the order to which their caller gave this name.")
]
Customer = Annotated[str | None, typer.Option(callback=utf8, help="Only payments of this customer.")]
Caller = Annotated[str | None, typer.Option(callback=utf8, help="Only payments that this caller charged.")]
ProcessorReference = Annotated[
    str | None, typer.Option(callback=utf8, help="Only payments with this identifier at the payment processor.")
]
MinAmount = Annotated[str | None, typer.Option(metavar="DECIMAL", help="Only payments of at least this amount.")]
MaxAmount = Annotated[str | None, typer.Option(metavar="DECIMAL", help="Only payments of at most this amount.")]
Since = Annotated[
    str | None,
    typer.Option(
        metavar="TIME",
        help="Only payments created at this time or later, in UTC: 2025-02-07, 2025-02-07T05:28:54Z, or an age such as "
        "7d.",
    ),
]
Until = Annotated[
    str | None,
    typer.Option(
        metavar="TIME",
        help="Only payments created at this time or earlier, in UTC. A date includes the whole day.",
    ),
]
MethodOption = typer.Option(case_sensitive=False, help="Only payments with this method. Can be repeated.")
StatusOption = typer.Option(case_sensitive=False, help="Only payments with this status. Can be repeated.")
RefundStateOption = typer.Option(case_sensitive=False, help="Only payments with this refund state. Can be repeated.")

_DURATION = re.compile(r"([0-9]{1,6})([dhm])")
_UNITS = {"d": "days", "h": "hours", "m": "minutes"}


def parse_amount(option: str, text: str) -> Decimal:
    """Parse an amount such as ``561.00`` exactly.

    Raises:
        typer.BadParameter: it is not a decimal number.
    """
    try:
        return csv_values.decimal(text)
    except InvalidValue as error:
        raise typer.BadParameter(error.description, param_hint=option) from None


def parse_labels(option: str, texts: Iterable[str]) -> dict[str, str]:
    """Parse labels such as ``channel=web``. A value may contain ``=``.

    Raises:
        typer.BadParameter: one is not UTF-8 or has no ``=``, or two have the same key.
    """
    labels: dict[str, str] = {}
    for text in texts:
        _require_utf8(text, option)
        key, separator, label = text.partition("=")
        if not separator:
            raise typer.BadParameter("must be KEY=VALUE, such as channel=web", param_hint=option)
        if key in labels:
            raise typer.BadParameter(f"has the key {key} twice", param_hint=option)
        labels[key] = label
    return labels


def parse_time(option: str, text: str | None, now: datetime) -> datetime | None:
    """Parse a time, or an age such as ``7d`` before ``now``; None stays None.

    Times are in UTC unless they have an offset. A date is the start of that day.

    Raises:
        typer.BadParameter: it is neither a time nor an age.
    """
    if text is None:
        return None
    try:
        return _time(text, now, -1)
    except (InvalidValue, OverflowError):
        msg = "must be a time such as 2025-02-07 or 2025-02-07T05:28:54Z, or an age such as 7d, 12h or 30m"
        raise typer.BadParameter(msg, param_hint=option) from None


def parse_end_time(option: str, text: str | None, now: datetime) -> datetime | None:
    """Parse the inclusive end of a range as ``parse_time`` does, except that a date means its last microsecond.

    Raises:
        typer.BadParameter: it is neither a time nor an age.
    """
    end = parse_time(option, text, now)
    if end is None or text is None or not csv_values.is_date(text.strip()):
        return end
    return end.replace(hour=23, minute=59, second=59, microsecond=999_999)


def parse_future_time(option: str, text: str | None, now: datetime) -> datetime | None:
    """Parse a future time as ``parse_time`` does, or a duration from ``now`` such as ``90d``; None stays None.

    Raises:
        typer.BadParameter: it is neither a time nor a duration, or not in the future.
    """
    if text is None:
        return None
    try:
        future = _time(text, now, 1)
    except (InvalidValue, OverflowError):
        future = now
    if future <= now:
        msg = "must be a future time such as 2027-02-07 or 2027-02-07T05:28:54Z, or a duration such as 90d, 12h or 30m"
        raise typer.BadParameter(msg, param_hint=option)
    return future


def _require_utf8(text: str, option: str | None = None) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise typer.BadParameter("must be UTF-8", param_hint=option) from None


def _time(text: str, now: datetime, direction: int) -> datetime:
    """Parse a time, or a duration to add to ``now`` (``direction`` 1) or to subtract from it (``direction`` -1).

    Raises:
        InvalidValue, OverflowError: it is not a time, or is out of range.
    """
    duration = _DURATION.fullmatch(text)
    if duration is not None:
        return now + direction * timedelta(**{_UNITS[duration[2]]: int(duration[1])})
    return csv_values.time_in(UTC)(text).replace(tzinfo=UTC)
