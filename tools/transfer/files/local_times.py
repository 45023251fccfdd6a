"""Local times as instants, where the clocks of a zone may skip an hour or repeat one."""

from datetime import UTC, datetime, timedelta, tzinfo

from server.domain.errors import InvalidValue

_SECOND = timedelta(seconds=1)


def instant_of(time: datetime, zone: tzinfo) -> datetime:
    """Return the instant, in UTC, at which the clocks of a zone show ``time``.

    Raises:
        InvalidValue: they never show it, or show it twice.
        OverflowError: it is out of range.
    """
    earlier, later = _readings(time, zone)
    if earlier == later:
        return earlier
    if _shown_at(earlier, zone) == time:
        raise InvalidValue(f"happens twice in {zone}, as clocks go back: write it with an offset, such as +01:00")
    raise InvalidValue(f"does not exist in {zone}, as clocks go forward: write it with an offset, such as +01:00")


def start_of_day(midnight: datetime, zone: tzinfo) -> datetime:
    """Return the first instant, in UTC, of the day that ``midnight`` begins in a zone, even if that skips midnight.

    Raises:
        InvalidValue: the zone skipped the whole day.
        OverflowError: it is out of range.
    """
    earlier, later = _readings(midnight, zone)
    if earlier == later or _shown_at(earlier, zone) == midnight:
        return min(earlier, later)
    # The clocks skip midnight between these two: find the second in which they do.
    before, after = min(earlier, later), max(earlier, later)
    while after - before > _SECOND:
        middle = (before + (after - before) / 2).replace(microsecond=0)
        if _shown_at(middle, zone) < midnight:
            before = middle
        else:
            after = middle
    if _shown_at(after, zone).date() != midnight.date():
        raise InvalidValue(f"is a day that {zone} skipped")
    return after


def _readings(time: datetime, zone: tzinfo) -> tuple[datetime, datetime]:
    """Return what a local time can mean (PEP 495): two instants where the clocks change, else the same one twice."""
    first, second = (time.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    return first, second


def _shown_at(instant: datetime, zone: tzinfo) -> datetime:
    return instant.astimezone(zone).replace(tzinfo=None, fold=0)
