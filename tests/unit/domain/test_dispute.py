"""Disputes at different times."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from server.domain.dispute import Dispute, DisputeStatus, SeenDispute
from server.domain.money import Money

OPENED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
CLOSED, LATER = OPENED + timedelta(days=9), OPENED + timedelta(days=99)
MOMENT = timedelta(microseconds=1)
SEEN = SeenDispute(DisputeStatus.OPEN, Money("INR", 5_000), "fraudulent", "dp_1")
OPEN = Dispute.of(SEEN, OPENED, OPENED)


def test_a_dispute_is_open_until_it_is_decided() -> None:
    assert Dispute(DisputeStatus.OPEN, Money("INR", 5_000), "fraudulent", OPENED, None, "dp_1") == OPEN
    for status in (DisputeStatus.WON, DisputeStatus.LOST):
        closed = OPEN.after(replace(SEEN, status=status), CLOSED)
        assert (closed.status, closed.open_time, closed.close_time) == (status, OPENED, CLOSED)


def test_a_dispute_that_was_decided_before_it_was_seen_has_both_times() -> None:
    lost = Dispute.of(replace(SEEN, status=DisputeStatus.LOST), LATER, LATER)
    assert (lost.open_time, lost.close_time) == (LATER, LATER)


def test_another_dispute_of_the_payment_has_its_own_time() -> None:
    second = replace(SEEN, processor_reference="dp_2")
    assert OPEN.after(second, LATER) == Dispute.of(second, LATER, LATER)


def test_an_event_shows_the_dispute_as_it_was() -> None:
    won = OPEN.after(replace(SEEN, status=DisputeStatus.WON), CLOSED)
    assert won.at(OPENED - MOMENT) is None
    assert won.at(OPENED) == won.at(CLOSED - MOMENT) == OPEN
    assert won.at(CLOSED) == won.at(LATER) == won
    assert OPEN.at(LATER) == OPEN


def test_what_was_seen_has_no_times() -> None:
    assert OPEN.as_seen == SEEN
    assert OPEN.after(replace(SEEN, reason="duplicate"), LATER).as_seen == replace(SEEN, reason="duplicate")
