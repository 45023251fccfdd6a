"""References: a prefix, perhaps with the payment's day, and what nobody guesses."""

import re
from datetime import UTC, datetime

from server.domain.identifiers import reference_maker


def test_a_reference_has_the_day_of_its_payment_and_twenty_random_digits() -> None:
    new_reference = reference_maker("ECI{date}")
    for day in (9, 10, 11, 9):
        made = new_reference(datetime(2025, 3, day, 23, 59, tzinfo=UTC))
        assert re.fullmatch(rf"ECI202503{day:02}-[0-9A-F]{{20}}", made)


def test_a_prefix_may_be_without_a_day_and_no_two_references_are_alike() -> None:
    new_reference = reference_maker("R")
    now = datetime(2025, 3, 9, tzinfo=UTC)
    made = {new_reference(now) for _ in range(1000)}
    assert len(made) == 1000
    assert all(re.fullmatch("R-[0-9A-F]{20}", one) for one in made)
