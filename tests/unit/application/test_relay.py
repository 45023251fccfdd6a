"""The relay with an in-memory outbox: the rows that it moves, its announcements, and whether there are more rows."""

import asyncio
from collections.abc import Mapping, Sequence

import pytest

from server.application.relay import Relay
from server.domain.errors import StoreUnavailable
from server.domain.events import OutboxHead, OutboxRow
from server.observability.metrics import REGISTRY
from tests.support.fakes import counter_value

pytestmark = pytest.mark.asyncio


class FakeOutbox:
    """An in-memory ``Outbox``: each row is one CHARGED event. A lease ends only if a test ends it."""

    def __init__(self, *sizes_bytes: int) -> None:
        """Start with rows of these sizes, stored 12.5 s ago."""
        self.rows = [OutboxRow(number, size, 12.5) for number, size in enumerate(sizes_bytes, start=1)]
        self.moved: list[tuple[int, ...]] = []
        self.lease_number = 0
        self.is_leased = False
        self.is_available = True

    def lease_to_another(self) -> None:
        """Let another relay take the lease, as if that of the current holder had ended."""
        self.lease_number += 1
        self.is_leased = True

    async def head(self, at_most: int) -> OutboxHead:
        """Return the oldest rows and the lease."""
        if not self.is_available:
            raise StoreUnavailable("not available")
        return OutboxHead(tuple(self.rows[:at_most]), self.lease_number, is_leased=self.is_leased)

    async def newest_id(self) -> int:
        """Return the id of the newest row."""
        return self.rows[-1].outbox_id if self.rows else 0

    async def take_lease(self, after_number: int, seconds: float) -> bool:
        """Take the lease, unless another relay holds it."""
        assert seconds > 0
        if self.is_leased or after_number != self.lease_number:
            return False
        self.lease_number += 1
        self.is_leased = True
        return True

    async def release_lease(self, number: int) -> None:
        """End the lease if it has this number."""
        if not self.is_available:
            raise StoreUnavailable("not available")
        if number == self.lease_number:
            self.lease_number += 1
            self.is_leased = False

    async def move(self, outbox_ids: Sequence[int], lease_number: int, seconds: float) -> Mapping[str, int] | None:
        """Remove the rows, unless the lease has another number."""
        assert seconds > 0
        if lease_number != self.lease_number:
            return None
        self.is_leased = True
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


async def test_while_another_relay_holds_the_lease_nothing_is_announced_and_the_next_round_waits() -> None:
    outbox, announcements = FakeOutbox(10), Announcements()
    outbox.lease_to_another()
    relay = Relay(outbox, announcements)
    assert not await relay.round()
    assert (outbox.moved, announcements.count) == ([], 0)
    outbox.is_leased = False
    await relay.round()
    assert (outbox.moved, announcements.count) == ([(1,)], 1)


async def test_a_relay_takes_the_lease_once_and_keeps_it_even_past_its_end() -> None:
    outbox = FakeOutbox(10)
    relay = Relay(outbox, Announcements())
    for _ in range(3):
        await relay.round()
        outbox.is_leased = False
        outbox.rows.append(OutboxRow(len(outbox.moved) + 1, 10, 0.0))
    assert (outbox.moved, outbox.lease_number) == ([(1,), (2,), (3,)], 1)


async def test_an_idle_relay_leaves_the_lease_to_others() -> None:
    outbox = FakeOutbox()
    await Relay(outbox, Announcements()).round()
    assert (outbox.lease_number, outbox.is_leased) == (0, False)


async def test_a_relay_that_loses_the_lease_during_a_move_announces_nothing() -> None:
    class LosingOutbox(FakeOutbox):
        """Gives the lease to another relay before each move."""

        async def move(self, outbox_ids: Sequence[int], lease_number: int, seconds: float) -> Mapping[str, int] | None:
            self.lease_to_another()
            return await super().move(outbox_ids, lease_number, seconds)

    outbox, announcements = LosingOutbox(10), Announcements()
    relay = Relay(outbox, announcements)
    assert await relay.relay() == (0, False)
    assert not await relay.round()
    assert (outbox.moved, outbox.lease_number, announcements.count) == ([], 2, 0)


async def test_a_relay_that_does_not_get_the_lease_moves_nothing() -> None:
    class ContestedOutbox(FakeOutbox):
        """Gives the lease to another relay when this one tries to take it."""

        async def take_lease(self, after_number: int, seconds: float) -> bool:
            self.lease_to_another()
            return await super().take_lease(after_number, seconds)

    outbox = ContestedOutbox(10)
    assert await Relay(outbox, Announcements()).relay() == (0, False)
    assert outbox.moved == []


async def test_concurrent_rounds_of_one_relay_share_its_lease() -> None:
    outbox = FakeOutbox(*[10] * 450)
    relay = Relay(outbox, Announcements())
    await asyncio.gather(relay.round(), relay.catch_up(), relay.catch_up())
    assert [number for moved in outbox.moved for number in moved] == list(range(1, 451))
    assert outbox.lease_number == 1


async def test_a_released_lease_is_free_at_once_and_taken_again_when_needed() -> None:
    outbox = FakeOutbox(10)
    one, other = Relay(outbox, Announcements()), Relay(outbox, Announcements())
    await one.round()
    await one.release()
    outbox.rows.append(OutboxRow(2, 10, 0.0))
    await other.round()
    assert outbox.moved == [(1,), (2,)]
    await one.release()
    await other.release()
    outbox.rows.append(OutboxRow(3, 10, 0.0))
    await one.round()
    assert outbox.moved == [(1,), (2,), (3,)]


async def test_a_release_survives_an_outage() -> None:
    outbox = FakeOutbox(10)
    relay = Relay(outbox, Announcements())
    await relay.round()
    outbox.is_available = False
    await relay.release()


async def test_a_release_gives_up_if_the_database_does_not_answer() -> None:
    class HangingOutbox(FakeOutbox):
        """Never releases a lease."""

        async def release_lease(self, number: int) -> None:
            await asyncio.Event().wait()
            await super().release_lease(number)

    relay = Relay(HangingOutbox(10), Announcements())
    await relay.round()
    await asyncio.wait_for(relay.release(), 30)


async def test_one_transaction_moves_two_hundred_rows_and_the_next_follows_at_once() -> None:
    outbox = FakeOutbox(*[10] * 450)
    relay = Relay(outbox, Announcements())
    assert [await relay.relay() for _ in range(4)] == [(200, True), (200, True), (50, False), (0, False)]
    assert [number for moved in outbox.moved for number in moved] == list(range(1, 451))


async def test_one_transaction_moves_64_kibibytes_and_a_longer_row_alone() -> None:
    half = 1 << 15
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
    outbox.lease_to_another()
    catching_up = asyncio.create_task(Relay(outbox, Announcements()).catch_up())
    await asyncio.sleep(0.05)
    assert not catching_up.done()
    outbox.rows.clear()
    await catching_up
    assert outbox.moved == []


async def test_catching_up_does_not_wait_for_later_changes() -> None:
    class BusyOutbox(FakeOutbox):
        """Has a new change after each move."""

        async def move(self, outbox_ids: Sequence[int], lease_number: int, seconds: float) -> Mapping[str, int] | None:
            self.rows.append(OutboxRow(self.rows[-1].outbox_id + 1, 10, 0.0))
            return await super().move(outbox_ids, lease_number, seconds)

    await asyncio.wait_for(Relay(BusyOutbox(10), Announcements()).catch_up(), 30)


async def test_catching_up_ends_when_its_time_is_up() -> None:
    outbox = FakeOutbox(10)
    outbox.lease_to_another()
    with pytest.raises(StoreUnavailable, match="lags behind"):
        await Relay(outbox, Announcements()).catch_up(timeout_seconds=0.05)
