"""A consumer that is killed at random and resumes from its token sees every event, even during other faults."""

import asyncio
import json
import os
import random
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import payments_client
import pytest
from payments_client import AsyncPaymentsClient, PaymentMethod

from tests.conftest import PROBABILITIES
from tests.support.databases import settings_of
from tests.support.programs import ROOT
from tests.support.running_service import RunningService
from tools.database.migrations import migrate
from tools.dev.devdb import PrivateDatabase

SEED = int(os.environ.get("PAYMENTS_FAULT_SEED") or secrets.randbelow(1_000_000))
KILLS = 50
_MAX_RUN_SECONDS = 1.2
"""Some runs of the consumer end before its first event, some in the middle of a page."""

_CATCH_UP_SECONDS = 120
_CALLERS = 4

Event = tuple[str, int, int | None, str]
"""The kind, payment_id, refund_id, and the refunded amount of the payment after the event."""


class AcknowledgedWrites(NamedTuple):
    """The payments and refunds that clients received, each of which must have an event."""

    payment_ids: set[int]
    refund_ids: set[int]


@dataclass
class System:
    """Two replicas with their own database, and the acknowledged writes of their clients."""

    database: PrivateDatabase
    replicas: list[RunningService]
    acknowledged: AcknowledgedWrites = field(default_factory=lambda: AcknowledgedWrites(set(), set()))

    @property
    def target(self) -> str:
        """The address of both replicas."""
        return f"ipv4:{','.join(replica.target for replica in self.replicas)}"

    def query(self, text: str) -> list[tuple[object, ...]]:
        """Query the database."""
        with self.database.connect(self.database.database) as connection, connection.cursor() as cursor:
            cursor.execute(text)
            return list(cursor.fetchall())

    def stream(self) -> list[Event]:
        """Wait until the outbox is empty, and return all events in order."""
        deadline = time.monotonic() + _CATCH_UP_SECONDS
        while self.query("SELECT COUNT(*) FROM payment_outbox") != [(0,)]:
            assert time.monotonic() < deadline, "the relays did not catch up"
            time.sleep(0.1)
        rows = self.query(
            "SELECT sequence, kind, payment_id, refund_id, refunded_amount FROM payment_events ORDER BY sequence"
        )
        assert [row[0] for row in rows] == list(range(1, len(rows) + 1)), "the sequence has gaps"
        # The database returns four decimals, and the clients those of the currency, rupees.
        return [
            (str(kind), int(str(payment)), refund, f"{Decimal(str(refunded)):.2f}")  # type: ignore[misc]
            for _, kind, payment, refund, refunded in rows
        ]


@pytest.fixture
def system(tmp_path: Path) -> Iterator[System]:
    with PrivateDatabase(tmp_path / "database") as database:
        migrate(settings_of(database.environment()), report=lambda _: None)
        settings = {**database.service_environment(), **PROBABILITIES, "MYSQL_STATEMENT_TIMEOUT_SECONDS": "3"}
        replicas = [RunningService(settings).start() for _ in range(2)]
        yield System(database, replicas)
        database.start()
        for replica in replicas:
            if replica.is_running:
                replica.kill()


@contextmanager
def running_clients(system: System) -> Iterator[None]:
    """Run clients that charge and refund within the context, and record the acknowledged writes."""
    stopping = threading.Event()
    failed: list[BaseException] = []

    async def call(client: AsyncPaymentsClient) -> None:
        while not stopping.is_set():
            try:
                payment = await client.charge(order_id=7, amount=Decimal(10), method=PaymentMethod.UPI)
                system.acknowledged.payment_ids.add(payment.payment_id)
                for _ in range(2):
                    result = await client.refund(payment_id=payment.payment_id, amount=Decimal(3))
                    assert result.refund is not None
                    system.acknowledged.refund_ids.add(result.refund.refund_id)
            except payments_client.OutcomeUnknown:
                pass  # an unacknowledged write may or may not have an event
            await asyncio.sleep(0.01)

    async def run() -> None:
        async with AsyncPaymentsClient(system.target, timeout_seconds=30) as client:
            await asyncio.gather(*(call(client) for _ in range(_CALLERS)))

    def work() -> None:
        try:
            asyncio.run(run())
        except BaseException as error:  # noqa: BLE001 - asserted in the thread that started this one
            failed.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join()
    assert failed == []


@contextmanager
def random_faults(system: System, rng: random.Random) -> Iterator[None]:
    """Stop or kill replicas and sometimes the database, and start them again, within the context."""
    stopping = threading.Event()
    failed: list[BaseException] = []

    def work() -> None:
        try:
            while not stopping.wait(rng.uniform(0.5, 2)):
                if rng.random() < 0.2:
                    system.database.kill()
                    stopping.wait(rng.uniform(0, 1))
                    system.database.start()
                    continue
                replica = rng.choice(system.replicas)
                if rng.random() < 0.5:
                    replica.kill()
                else:
                    replica.stop()
                replica.start()
        except BaseException as error:  # noqa: BLE001
            failed.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join()
    assert failed == []


class Consumer:
    """Runs ``tests.faults.consumer``, and reads the events that it recorded."""

    def __init__(self, system: System, folder: Path, *options: str) -> None:
        """Create the folder, which holds the state of the consumer across its runs."""
        folder.mkdir()
        self.folder = folder
        self._command = [sys.executable, "-m", "tests.faults.consumer", system.target, str(folder), *options]

    @contextmanager
    def running(self) -> Iterator[None]:
        """Start the consumer, and kill it at the end of the context."""
        process = subprocess.Popen(self._command, cwd=ROOT)
        try:
            yield
            assert process.poll() is None, "the consumer exited by itself"
        finally:
            process.kill()
            process.wait()

    def events(self) -> list[Event]:
        """Return the events that the consumer recorded, in order."""
        path = self.folder / "events"
        lines = path.read_text().splitlines() if path.exists() else []
        return [tuple(json.loads(line)) for line in lines]

    def wait_until(
        self, condition: Callable[[list[Event]], bool], *, within_seconds: float = _CATCH_UP_SECONDS
    ) -> bool:
        """Wait until the recorded events satisfy a condition, and return whether they do."""
        deadline = time.monotonic() + within_seconds
        while not condition(self.events()):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.1)
        return True


def violations(events: list[Event], stream: list[Event], acknowledged: AcknowledgedWrites) -> list[str]:
    """Compare the events of a consumer, the stream and the acknowledged writes, and return the violations."""
    problems = [f"missed: {event}" for event in stream if event not in set(events)]
    problems += [f"never happened: {event}" for event in events if event not in set(stream)]
    # Delivery is at least once. A replay starts at an earlier event and continues in order, so first occurrences are in
    # order.
    first_occurrences = list(dict.fromkeys(events))
    positions = {event: position for position, event in enumerate(stream)}
    last_positions: dict[int, int] = {}
    for event in first_occurrences:
        position = positions.get(event, -1)
        if position < last_positions.get(event[1], -1):
            problems.append(f"is out of order: {event}")
        last_positions[event[1]] = position
    if len(set(stream)) < len(stream):
        problems.append("an event is in the stream twice")
    problems += [
        f"has no event: payment {payment_id}"
        for payment_id in acknowledged.payment_ids - {event[1] for event in stream if event[0] == "CHARGED"}
    ]
    problems += [
        f"has no event: refund {refund_id}"
        for refund_id in acknowledged.refund_ids - {event[2] for event in stream if event[0] == "REFUNDED"}
    ]
    return problems


@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_consumer_that_is_killed_at_random_misses_nothing(
    system: System, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = random.Random(SEED)
    consumer = Consumer(system, tmp_path / "consumer")
    with consumer.running():
        # The consumer has a token before the first write, so that it must see every event.
        assert consumer.wait_until(lambda _: (consumer.folder / "token").exists())
    with running_clients(system):
        with random_faults(system, random.Random(SEED + 1)):
            for _ in range(KILLS):
                with consumer.running():
                    time.sleep(rng.uniform(0, _MAX_RUN_SECONDS))
        with consumer.running():
            expected_count = len(consumer.events()) + 100
            assert consumer.wait_until(lambda events: len(events) > expected_count), "no more events arrive"
    stream = system.stream()
    with consumer.running():
        consumer.wait_until(lambda events: set(stream) <= set(events))
    events = consumer.events()
    with capsys.disabled():
        repeated = len(events) - len(set(events))
        print(f"\nPAYMENTS_FAULT_SEED={SEED}: {len(stream)} events, {repeated} of them repeated, {KILLS} kills")
    assert violations(events, stream, system.acknowledged) == []


def test_a_consumer_that_forgets_its_token_is_detected(system: System, tmp_path: Path) -> None:
    consumer = Consumer(system, tmp_path / "consumer", "--forget")
    with running_clients(system):
        for _ in range(3):
            with consumer.running():
                expected_count = len(consumer.events()) + 20
                assert consumer.wait_until(lambda events, expected_count=expected_count: len(events) > expected_count)  # type: ignore[misc]
            time.sleep(0.5)
    found = violations(consumer.events(), system.stream(), system.acknowledged)
    assert {line.partition(":")[0] for line in found} == {"missed"}


CHARGE, OTHER_CHARGE, REFUND = ("CHARGED", 1, None, "0.00"), ("CHARGED", 2, None, "0.00"), ("REFUNDED", 1, 5, "3.00")
STREAM: list[Event] = [CHARGE, OTHER_CHARGE, REFUND]
ACKNOWLEDGED = AcknowledgedWrites({1, 2}, {5})


@pytest.mark.parametrize(
    ("events", "stream", "found"),
    [
        ([CHARGE, OTHER_CHARGE, REFUND], STREAM, set()),
        ([CHARGE, CHARGE, OTHER_CHARGE, REFUND, OTHER_CHARGE, REFUND], STREAM, set()),
        ([OTHER_CHARGE, CHARGE, REFUND], STREAM, set()),
        ([CHARGE, REFUND], STREAM, {"missed"}),
        ([CHARGE, OTHER_CHARGE, REFUND, ("CHARGED", 3, None, "0.00")], STREAM, {"never happened"}),
        ([REFUND, CHARGE, OTHER_CHARGE], STREAM, {"is out of order"}),
        ([CHARGE, OTHER_CHARGE, REFUND], [*STREAM, REFUND], {"an event is in the stream twice"}),
        ([CHARGE, REFUND], [CHARGE, REFUND], {"has no event"}),
        ([CHARGE, OTHER_CHARGE], [CHARGE, OTHER_CHARGE], {"has no event"}),
    ],
)
def test_each_kind_of_violation_is_detected(events: list[Event], stream: list[Event], found: set[str]) -> None:
    assert {line.partition(":")[0] for line in violations(events, stream, ACKNOWLEDGED)} == found
