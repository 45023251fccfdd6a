"""Options that several commands have, and how amounts and times in options are read."""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Annotated

import typer

from server.domain.errors import InvalidValue
from tools.transfer.files import csv_values

AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a line instead of a table.")]
OrderId = Annotated[int | None, typer.Option(help="Payments of this order.")]
Reference = Annotated[str | None, typer.Option(help="The payment with this reference.")]
MinAmount = Annotated[str | None, typer.Option(metavar="DECIMAL", help="At least this, such as 561.00.")]
MaxAmount = Annotated[str | None, typer.Option(metavar="DECIMAL", help="At most this.")]
Since = Annotated[
    str | None,
    typer.Option(metavar="TIME", help="From this time on, in UTC: 2025-02-07, 2025-02-07T05:28:54Z, or 7d ago."),
]
Until = Annotated[
    str | None,
    typer.Option(metavar="TIME", help="Up to and including this time, in UTC; a date includes that whole day."),
]
Repeated = typer.Option(case_sensitive=False, help="May be repeated.")

_DISTANCE = re.compile(r"([0-9]{1,6})([dhm])")
_UNITS = {"d": "days", "h": "hours", "m": "minutes"}


def amount(option: str, text: str) -> Decimal:
    """Read an amount, exactly, such as ``561.00``.

    Raises:
        typer.BadParameter: it is no number.
    """
    try:
        return csv_values.decimal(text)
    except InvalidValue as error:
        raise typer.BadParameter(error.description, param_hint=option) from None


def time(option: str, text: str | None, now: datetime) -> datetime | None:
    """Read a time, in UTC unless it has an offset, or a distance back from ``now``, such as ``7d``; None stays None.

    A date alone is the start of that day.

    Raises:
        typer.BadParameter: it is neither.
    """
    if text is None:
        return None
    try:
        return _time(text, now, -1)
    except (InvalidValue, OverflowError):
        msg = "must be a time such as 2025-02-07, 2025-02-07T05:28:54Z or 7d (days ago; h and m likewise)"
        raise typer.BadParameter(msg, param_hint=option) from None


def last_time(option: str, text: str | None, now: datetime) -> datetime | None:
    """Read the inclusive end of a range like ``time``; a date alone is the last microsecond of that day.

    Raises:
        typer.BadParameter: it is no time.
    """
    found = time(option, text, now)
    if found is None or text is None or not csv_values.is_date(text.strip()):
        return found
    return found.replace(hour=23, minute=59, second=59, microsecond=999_999)


def future_time(option: str, text: str | None, now: datetime) -> datetime | None:
    """Read a time after ``now`` likewise, or a distance from it, such as ``90d``; None stays None.

    A date alone is the start of that day.

    Raises:
        typer.BadParameter: it is neither.
    """
    if text is None:
        return None
    try:
        found = _time(text, now, 1)
    except (InvalidValue, OverflowError):
        found = now
    if found <= now:
        msg = "must be a time to come, such as 2027-02-07, 2027-02-07T05:28:54Z or 90d (days; h and m likewise)"
        raise typer.BadParameter(msg, param_hint=option)
    return found


def _time(text: str, now: datetime, direction: int) -> datetime:
    """Return a time, or the one at a distance from ``now`` in a direction: 1 is the future, -1 the past.

    Raises:
        InvalidValue, OverflowError: it is not a time, or out of range.
    """
    distance = _DISTANCE.fullmatch(text)
    if distance is not None:
        return now + direction * timedelta(**{_UNITS[distance[2]]: int(distance[1])})
    return csv_values.time_in(UTC)(text).replace(tzinfo=UTC)
