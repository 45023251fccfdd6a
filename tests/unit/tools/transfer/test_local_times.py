"""Times without an offset: dates, and hours that the clocks of a zone skip or repeat."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from server.domain.errors import InvalidValue
from tools.transfer.files.csv_values import time_in


@pytest.mark.parametrize(
    ("zone", "text", "reason"),
    [
        ("Europe/Berlin", "2025-03-30 02:00:00", "does not exist in Europe/Berlin"),
        ("Europe/Berlin", "2025-03-30T02:59:59.999999", "does not exist in Europe/Berlin"),
        ("Europe/Berlin", "2025-10-26 02:00", "happens twice in Europe/Berlin"),
        ("Europe/Berlin", "2025-10-26 02:59:59.5", "happens twice in Europe/Berlin"),
        ("America/New_York", "2025-03-09 02:30:00", "does not exist in America/New_York"),
        ("America/New_York", "2025-11-02 01:30:00", "happens twice in America/New_York"),
        ("Australia/Lord_Howe", "2025-10-05 02:15:00", "does not exist in Australia/Lord_Howe"),
        ("Australia/Lord_Howe", "2025-04-06 01:45:00", "happens twice in Australia/Lord_Howe"),
        ("America/Sao_Paulo", "2018-11-04 00:00:00", "does not exist in America/Sao_Paulo"),
        ("Pacific/Apia", "2011-12-30", "is a day that Pacific/Apia skipped"),
        ("Pacific/Apia", "2011-12-30 12:00:00", "does not exist in Pacific/Apia"),
    ],
)
def test_a_local_time_that_is_skipped_or_repeated_is_rejected(zone: str, text: str, reason: str) -> None:
    with pytest.raises(InvalidValue) as error:
        time_in(ZoneInfo(zone))(text)

    assert error.value.description.startswith(reason)


@pytest.mark.parametrize(
    ("zone", "text", "utc"),
    [
        ("Europe/Berlin", "2025-03-30 01:59:59.999999", "2025-03-30 00:59:59.999999"),
        ("Europe/Berlin", "2025-03-30 03:00:00", "2025-03-30 01:00:00"),
        ("Europe/Berlin", "2025-10-26 01:59:59", "2025-10-25 23:59:59"),
        ("Europe/Berlin", "2025-10-26 03:00:00", "2025-10-26 02:00:00"),
        ("Europe/Berlin", "2025-03-30T02:30:00+01:00", "2025-03-30 01:30:00"),
        ("Europe/Berlin", "2025-10-26T02:30:00+02:00", "2025-10-26 00:30:00"),
        ("Europe/Berlin", "2025-10-26T02:30:00Z", "2025-10-26 02:30:00"),
        ("Europe/Berlin", "2025-03-30", "2025-03-29 23:00:00"),
        ("America/Sao_Paulo", "2018-11-04", "2018-11-04 03:00:00"),
        ("America/Havana", "2024-11-03", "2024-11-03 04:00:00"),
        ("America/Toronto", "1919-03-31", "1919-03-31 04:30:00"),
        ("America/St_Johns", "2006-10-29", "2006-10-29 02:30:00"),
        ("Pacific/Apia", "2011-12-31", "2011-12-30 10:00:00"),
        ("UTC", "2025-03-30", "2025-03-30 00:00:00"),
    ],
)
def test_a_local_time_becomes_an_instant_and_a_date_the_first_instant_of_its_day(
    zone: str, text: str, utc: str
) -> None:
    assert time_in(ZoneInfo(zone))(text) == datetime.fromisoformat(utc)
