"""``StripeRecords.hints_after`` reads Stripe's list of events from where it stopped."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

import pytest

from server.processors.stripe.http import Reply, Request, StripeApi
from server.processors.stripe.lists import PAGE_SIZE
from server.processors.stripe.records import StripeRecords
from tests.support.fakes import NOW

pytestmark = pytest.mark.asyncio

LONG_AGO_SECONDS = 3600


class EventList:
    """Stripe's list of events: ``events`` are its ids and ages in seconds, the newest first."""

    def __init__(self, events: Sequence[tuple[str, int]]) -> None:
        """List these events."""
        self.events = list(events)

    async def send(self, request: Request) -> Reply:
        """Return a page."""
        query = cast("Mapping[str, str]", request.query)
        newer = self.events
        if (after := query.get("ending_before")) is not None:
            newer = newer[: [event_id for event_id, _ in newer].index(after)][-PAGE_SIZE:]
        page = newer[:PAGE_SIZE]
        return Reply({"data": [as_json(*event) for event in page], "has_more": len(self.events) > len(page)}, None)


def as_json(event_id: str, age_seconds: int) -> dict[str, Any]:
    subject = {"object": "payment_intent", "id": f"pi_of_{event_id}"}
    return {"id": event_id, "created": int(NOW.timestamp()) - age_seconds, "data": {"object": subject}}


def records_of(events: EventList) -> StripeRecords:
    return StripeRecords(cast("StripeApi", events), now=lambda: NOW)


async def test_recent_events_are_read_again_because_an_older_one_may_appear_after_them() -> None:
    events = EventList([("new", 1), ("older", LONG_AGO_SECONDS), ("oldest", LONG_AGO_SECONDS)])
    page = await records_of(events).hints_after(None)
    assert ([hint.processor_id for hint in page.hints], page.last_event_id) == (
        ["pi_of_new", "pi_of_older", "pi_of_oldest"],
        "older",
    )


async def test_no_event_is_missed_if_more_than_a_page_of_them_are_recent_at_the_first_reading() -> None:
    events = EventList([(f"first-{number}", 1) for number in range(PAGE_SIZE + 1)])
    records = records_of(events)
    first = await records.hints_after(None)
    events.events = [(f"second-{number}", 1) for number in range(2 * PAGE_SIZE)] + events.events
    seen = {hint.processor_id for hint in first.hints}
    events.events = [(event_id, LONG_AGO_SECONDS) for event_id, _ in events.events]
    last_event_id, has_more = first.last_event_id, True
    while has_more:
        page = await records.hints_after(last_event_id)
        seen |= {hint.processor_id for hint in page.hints}
        last_event_id, has_more = page.last_event_id, page.has_more
    assert {f"pi_of_second-{number}" for number in range(2 * PAGE_SIZE)} <= seen
