"""Convert local times to instants in time zones whose clocks may skip or repeat an hour."""

from datetime import UTC, datetime, timedelta, tzinfo

from server.domain.errors import InvalidValue

_SECOND = timedelta(seconds=1)


def instant_of(time: datetime, zone: tzinfo) -> datetime:
    """Return the instant, in UTC, at which clocks in the zone show ``time``.

    Raises:
        InvalidValue: the clocks never show this time, or show it twice.
        OverflowError: it is out of range.
    """
    earlier, later = _interpretations(time, zone)
    if earlier == later:
        return earlier
    if _local_time_at(earlier, zone) == time:
        raise InvalidValue(f"happens twice in {zone}, as clocks go back: add an offset, such as +01:00")
    raise InvalidValue(f"does not exist in {zone}, as clocks go forward: add an offset, such as +01:00")


def start_of_day(midnight: datetime, zone: tzinfo) -> datetime:
    """Return the first instant, in UTC, of the day of ``midnight`` in a zone, even if its clocks skip midnight.

    Raises:
        InvalidValue: the zone skipped the whole day.
        OverflowError: it is out of range.
    """
    earlier, later = _interpretations(midnight, zone)
    if earlier == later or _local_time_at(earlier, zone) == midnight:
        return min(earlier, later)
    # The clocks skip midnight between these two instants. Find the second in which they do.
    before, after = min(earlier, later), max(earlier, later)
    while after - before > _SECOND:
        middle = (before + (after - before) / 2).replace(microsecond=0)
        if _local_time_at(middle, zone) < midnight:
            before = middle
        else:
            after = middle
    if _local_time_at(after, zone).date() != midnight.date():
        raise InvalidValue(f"is a day that {zone} skipped")
    return after


def _interpretations(time: datetime, zone: tzinfo) -> tuple[datetime, datetime]:
    """Return the two instants that a local time can mean (PEP 495), which are equal unless the clocks change then."""
    first, second = (time.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    return first, second


def _local_time_at(instant: datetime, zone: tzinfo) -> datetime:
    return instant.astimezone(zone).replace(tzinfo=None, fold=0)
