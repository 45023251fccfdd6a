"""Times as statements bind them."""

from datetime import UTC, datetime

_MICROSECONDS = 1_000_000


def stored_time(time: datetime) -> str:
    """Return what is bound for a time: in UTC, to the microsecond, in a text that JSON has too."""
    return time.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")


def microseconds(seconds: float) -> int:
    """Return what is bound for a span of time, to the microsecond."""
    return round(seconds * _MICROSECONDS)
