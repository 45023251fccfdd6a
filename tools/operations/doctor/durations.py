"""Durations for people."""

from decimal import Decimal


def duration(seconds: Decimal | float | None) -> str:
    """Format an age; None is the age of a payment without a time."""
    if seconds is None:
        return "an unknown time"
    for size, unit in ((86_400, "days"), (3_600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{float(seconds) / size:,.0f} {unit}"
    return f"{seconds:,.0f} s"
