"""Conversion of times and durations to and from the values of statements."""

from datetime import UTC, datetime

_MICROSECONDS = 1_000_000


def sql_time(time: datetime) -> str:
    """Return a time as text, in UTC and to the microsecond, for statements to bind directly or in JSON."""
    return time.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")


def to_microseconds(seconds: float) -> int:
    """Return a duration in whole microseconds."""
    return round(seconds * _MICROSECONDS)


def to_seconds(microseconds: int | bytes) -> float:
    """Return a duration in seconds, from an integer or its text."""
    return int(microseconds) / _MICROSECONDS
