"""The relay with an in-memory outbox: the rows that it moves, its announcements, and whether there are more rows."""

import asyncio
from collections.abc import Mapping, Sequence

import pytest

from server.application.relay import Relay
from server.domain.errors import StoreUnavailable
from server.domain.events import OutboxRow
from server.observability.metrics import REGISTRY
from tests.support.fakes import counter_value

pytestmark = pytest.mark.asyncio


class FakeOutbox:
    """An in-memory ``Outbox``: each row is one CHARGED event."""

    def __init__(self, *sizes_bytes: int) -> None:
        """Start with rows of these sizes, stored 12.5 s ago."""
        self.rows = [OutboxRow(number, size, 12.5) for number, size in enumerate(sizes_bytes, start=1)]
        self.moved: list[tuple[int, ...]] = []
        self.is_locked = False
        self.is_available = True

    async def head(self, at_most: int) -> Sequence[OutboxRow]:
        """Return the oldest rows."""
        if not self.is_available:
            raise StoreUnavailable("not available")
        return self.rows[:at_most]

    async def newest_id(self) -> int:
        """Return the id of the newest row."""
        return self.rows[-1].outbox_id if self.rows else 0

    async def move(self, outbox_ids: Sequence[int]) -> Mapping[str, int]:
        """Remove the rows, unless another relay is at work."""
        if self.is_locked:
            return {}
        self.moved.append(tuple(outbox_ids))
        self.rows = [row for row in self.rows if row.outbox_id not in outbox_ids]
        return {"CHARGED": len(outbox_ids)}


class Announcements:
    """Counts the announcements of a relay."""

    def __init__(self) -> None:
        """Start at 0."""
        self.count = 0

    def __call__(self) -> None:
        """Count an announcement."""
        self.count += 1


async def test_changes_are_moved_counted_and_announced() -> None:
    outbox, announcements = FakeOutbox(10, 10, 10), Announcements()
    before = counter_value("payments_events_relayed", kind="CHARGED")
    assert not await Relay(outbox, announcements).round()
    assert outbox.moved == [(1, 2, 3)]
    assert announcements.count == 1
    assert counter_value("payments_events_relayed", kind="CHARGED") == before + 3


async def test_the_lag_is_the_age_of_the_oldest_change() -> None:
    outbox = FakeOutbox(10)
    relay = Relay(outbox, Announcements())
    await relay.round()
    assert REGISTRY.get_sample_value("payments_event_lag_seconds") == 12.5
    await relay.round()
    assert REGISTRY.get_sample_value("payments_event_lag_seconds") == 0


async def test_an_empty_outbox_moves_and_announces_nothing() -> None:
    outbox, announcements = FakeOutbox(), Announcements()
    assert not await Relay(outbox, announcements).round()
    assert (outbox.moved, announcements.count) == ([], 0)


async def test_while_another_relay_is_at_work_nothing_is_announced_and_the_next_round_waits() -> None:
    outbox, announcements = FakeOutbox(10), Announcements()
    outbox.is_locked = True
    relay = Relay(outbox, announcements)
    assert not await relay.round()
    assert announcements.count == 0
    outbox.is_locked = False
    await relay.round()
    assert announcements.count == 1


async def test_one_transaction_moves_two_hundred_rows_and_the_next_follows_at_once() -> None:
    outbox = FakeOutbox(*[10] * 450)
    relay = Relay(outbox, Announcements())
    assert [await relay.relay() for _ in range(4)] == [(200, True), (200, True), (50, False), (0, False)]
    assert [number for moved in outbox.moved for number in moved] == list(range(1, 451))


async def test_one_transaction_moves_a_quarter_of_a_mebibyte_and_a_longer_row_alone() -> None:
    half = 1 << 17
    outbox = FakeOutbox(half, half, 1, 3 * half, 1, 1)
    relay = Relay(outbox, Announcements())
    while await relay.round():
        pass
    assert outbox.moved == [(1, 2), (3,), (4,), (5, 6)]


async def test_an_outage_is_raised_to_the_loop() -> None:
    outbox, announcements = FakeOutbox(10), Announcements()
    outbox.is_available = False
    with pytest.raises(StoreUnavailable):
        await Relay(outbox, announcements).round()
    assert announcements.count == 0


async def test_catching_up_moves_the_whole_backlog() -> None:
    outbox, announcements = FakeOutbox(*[10] * 450), Announcements()
    await Relay(outbox, announcements).catch_up()
    assert (outbox.rows, announcements.count) == ([], 3)


async def test_catching_up_with_an_empty_outbox_moves_nothing() -> None:
    outbox = FakeOutbox()
    await Relay(outbox, Announcements()).catch_up()
    assert outbox.moved == []


async def test_catching_up_waits_for_another_relay() -> None:
    outbox = FakeOutbox(10)
    outbox.is_locked = True
    catching_up = asyncio.create_task(Relay(outbox, Announcements()).catch_up())
    await asyncio.sleep(0.05)
    assert not catching_up.done()
    outbox.rows.clear()
    await catching_up
    assert outbox.moved == []


async def test_catching_up_does_not_wait_for_later_changes() -> None:
    class BusyOutbox(FakeOutbox):
        """Has a new change after each move."""

        async def move(self, outbox_ids: Sequence[int]) -> Mapping[str, int]:
            self.rows.append(OutboxRow(self.rows[-1].outbox_id + 1, 10, 0.0))
            return await super().move(outbox_ids)

    await asyncio.wait_for(Relay(BusyOutbox(10), Announcements()).catch_up(), 30)


async def test_catching_up_ends_when_its_time_is_up() -> None:
    outbox = FakeOutbox(10)
    outbox.is_locked = True
    with pytest.raises(StoreUnavailable, match="lags behind"):
        await Relay(outbox, Announcements()).catch_up(timeout_seconds=0.05)
