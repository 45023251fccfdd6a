"""References have a prefix, optionally with the day of the payment, and random digits."""

import re
from datetime import UTC, datetime

from server.domain.identifiers import reference_maker


def test_a_reference_has_the_day_of_its_payment_and_twenty_random_digits() -> None:
    new_reference = reference_maker("ECI{date}")
    for day in (9, 10, 11, 9):
        reference = new_reference(datetime(2025, 3, day, 23, 59, tzinfo=UTC))
        assert re.fullmatch(rf"ECI202503{day:02}-[0-9A-F]{{20}}", reference)


def test_a_prefix_needs_no_day_and_references_are_unique() -> None:
    new_reference = reference_maker("R")
    now = datetime(2025, 3, 9, tzinfo=UTC)
    references = {new_reference(now) for _ in range(1000)}
    assert len(references) == 1000
    assert all(re.fullmatch("R-[0-9A-F]{20}", reference) for reference in references)
