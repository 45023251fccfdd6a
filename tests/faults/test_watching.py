"""A consumer that is killed at random, and goes on from its token, sees every event, whatever else breaks meanwhile."""

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

import payments
import pytest
from payments import AsyncPaymentsClient, PaymentMethod

from tests.conftest import PROBABILITIES
from tests.support.databases import settings_of
from tests.support.programs import ROOT
from tests.support.running_service import RunningService
from tools.database.migrations import migrate
from tools.dev.devdb import PrivateDatabase

SEED = int(os.environ.get("PAYMENTS_FAULT_SEED") or secrets.randbelow(1_000_000))
KILLS = 50
_MOST_LIFE_SECONDS = 1.2
"""Some lives end before the first event, some in the middle of a page of them."""

_CATCH_UP_SECONDS = 120
_CALLERS = 4

Event = tuple[str, int, int | None, str]
"""Kind, payment_id, refund_id, and what was refunded of the payment after it."""


class Told(NamedTuple):
    """What clients were told of: each has its event."""

    payment_ids: set[int]
    refund_ids: set[int]


@dataclass
class Scene:
    """Two replicas on a database of their own, and clients that charge and refund."""

    database: PrivateDatabase
    replicas: list[RunningService]
    told: Told = field(default_factory=lambda: Told(set(), set()))

    @property
    def target(self) -> str:
        """Both replicas."""
        return f"ipv4:{','.join(replica.target for replica in self.replicas)}"

    def query(self, text: str) -> list[tuple[object, ...]]:
        """Read the database."""
        with self.database.connect(self.database.database) as connection, connection.cursor() as cursor:
            cursor.execute(text)
            return list(cursor.fetchall())

    def stream(self) -> list[Event]:
        """Return all events in their order, once nothing waits to become one."""
        deadline = time.monotonic() + _CATCH_UP_SECONDS
        while self.query("SELECT COUNT(*) FROM payment_outbox") != [(0,)]:
            assert time.monotonic() < deadline, "the relays did not catch up"
            time.sleep(0.1)
        rows = self.query(
            "SELECT sequence, kind, payment_id, refund_id, CAST(refunded_amount AS CHAR) FROM payment_events "
            "ORDER BY sequence"
        )
        assert [row[0] for row in rows] == list(range(1, len(rows) + 1)), "there are gaps"
        return [(str(kind), int(str(payment)), refund, str(back)) for _, kind, payment, refund, back in rows]  # type: ignore[misc]


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with PrivateDatabase(tmp_path / "database") as database:
        migrate(settings_of(database.environment()), say=lambda _: None)
        settings = {**database.service_environment(), **PROBABILITIES, "MYSQL_STATEMENT_TIMEOUT_SECONDS": "3"}
        replicas = [RunningService(settings).start() for _ in range(2)]
        yield Scene(database, replicas)
        database.start()
        for replica in replicas:
            if replica.is_running:
                replica.kill()


@contextmanager
def calling(scene: Scene) -> Iterator[None]:
    """Have clients charge and refund; what they are told of is noted."""
    stopping = threading.Event()
    failed: list[BaseException] = []

    async def call(client: AsyncPaymentsClient) -> None:
        while not stopping.is_set():
            try:
                payment = await client.charge(order_id=7, amount=Decimal(10), method=PaymentMethod.UPI)
                scene.told.payment_ids.add(payment.payment_id)
                for _ in range(2):
                    made = await client.refund(payment_id=payment.payment_id, amount=Decimal(3))
                    assert made.refund is not None
                    scene.told.refund_ids.add(made.refund.refund_id)
            except payments.OutcomeUnknown:
                pass  # what nobody was told of may have its event or not
            await asyncio.sleep(0.01)

    async def run() -> None:
        async with AsyncPaymentsClient(scene.target, timeout_seconds=30) as client:
            await asyncio.gather(*(call(client) for _ in range(_CALLERS)))

    def work() -> None:
        try:
            asyncio.run(run())
        except BaseException as error:  # noqa: BLE001 - raised again where it was started
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
def breaking(scene: Scene, chance: random.Random) -> Iterator[None]:
    """Stop, or kill, and start again one replica after the other, and now and then the database."""
    stopping = threading.Event()
    failed: list[BaseException] = []

    def work() -> None:
        try:
            while not stopping.wait(chance.uniform(0.5, 2)):
                if chance.random() < 0.2:
                    scene.database.kill()
                    stopping.wait(chance.uniform(0, 1))
                    scene.database.start()
                    continue
                replica = chance.choice(scene.replicas)
                if chance.random() < 0.5:
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
    """Runs ``tests.faults.consumer``, and reads what it noted."""

    def __init__(self, scene: Scene, folder: Path, *options: str) -> None:
        """Keep the folder, which has all that it knows from life to life."""
        folder.mkdir()
        self.folder = folder
        self._command = [sys.executable, "-m", "tests.faults.consumer", scene.target, str(folder), *options]

    @contextmanager
    def living(self) -> Iterator[None]:
        """Start it, and kill it at the end."""
        process = subprocess.Popen(self._command, cwd=ROOT)
        try:
            yield
            assert process.poll() is None, "it ended by itself"
        finally:
            process.kill()
            process.wait()

    def notes(self) -> list[Event]:
        """Return the events that it noted, in order."""
        path = self.folder / "notes"
        lines = path.read_text().splitlines() if path.exists() else []
        return [tuple(json.loads(line)) for line in lines]

    def wait_until(self, is_so: Callable[[list[Event]], bool], *, within_seconds: float = _CATCH_UP_SECONDS) -> bool:
        """Wait until its notes are so, and tell whether they came to be."""
        deadline = time.monotonic() + within_seconds
        while not is_so(self.notes()):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.1)
        return True


def wrong_with(notes: list[Event], stream: list[Event], told: Told) -> list[str]:
    """Return what is wrong with what a consumer noted, of a stream, about what clients were told."""
    wrong = [f"was not seen: {event}" for event in stream if event not in set(notes)]
    wrong += [f"never happened: {event}" for event in notes if event not in set(stream)]
    # At least once: what comes again comes after what it followed, so the first times are in order.
    firsts = list(dict.fromkeys(notes))
    places = {event: place for place, event in enumerate(stream)}
    seen_of: dict[int, int] = {}
    for event in firsts:
        place = places.get(event, -1)
        if place < seen_of.get(event[1], -1):
            wrong.append(f"came before what came before it: {event}")
        seen_of[event[1]] = place
    if len(set(stream)) < len(stream):
        wrong.append("an event is in the stream twice")
    wrong += [f"has no event: payment {it}" for it in told.payment_ids - {e[1] for e in stream if e[0] == "CHARGED"}]
    wrong += [f"has no event: refund {it}" for it in told.refund_ids - {e[2] for e in stream if e[0] == "REFUNDED"}]
    return wrong


@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_consumer_that_is_killed_at_random_misses_nothing(
    scene: Scene, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chance = random.Random(SEED)
    consumer = Consumer(scene, tmp_path / "consumer")
    with consumer.living():
        # From now on: it has a token before anything happens, and all that happens is after that.
        assert consumer.wait_until(lambda _: (consumer.folder / "token").exists())
    with calling(scene):
        with breaking(scene, random.Random(SEED + 1)):
            for _ in range(KILLS):
                with consumer.living():
                    time.sleep(chance.uniform(0, _MOST_LIFE_SECONDS))
        with consumer.living():
            many = len(consumer.notes()) + 100
            assert consumer.wait_until(lambda notes: len(notes) > many), "nothing comes any more"
    stream = scene.stream()
    with consumer.living():
        consumer.wait_until(lambda notes: set(stream) <= set(notes))
    notes = consumer.notes()
    with capsys.disabled():
        again = len(notes) - len(set(notes))
        print(f"\nPAYMENTS_FAULT_SEED={SEED}: {len(stream)} events, {again} of them seen again, {KILLS} kills")
    assert wrong_with(notes, stream, scene.told) == []


def test_a_consumer_that_forgets_its_token_is_found_out(scene: Scene, tmp_path: Path) -> None:
    consumer = Consumer(scene, tmp_path / "consumer", "--forget")
    with calling(scene):
        for _ in range(3):
            with consumer.living():
                many = len(consumer.notes()) + 20
                assert consumer.wait_until(lambda notes, many=many: len(notes) > many)  # type: ignore[misc]
            time.sleep(0.5)
    found = wrong_with(consumer.notes(), scene.stream(), scene.told)
    assert {line.partition(":")[0] for line in found} == {"was not seen"}


ONE, TWO, BACK = ("CHARGED", 1, None, "0.00"), ("CHARGED", 2, None, "0.00"), ("REFUNDED", 1, 5, "3.00")
STREAM: list[Event] = [ONE, TWO, BACK]
TOLD = Told({1, 2}, {5})


@pytest.mark.parametrize(
    ("notes", "stream", "found"),
    [
        ([ONE, TWO, BACK], STREAM, set()),
        ([ONE, ONE, TWO, BACK, TWO, BACK], STREAM, set()),
        ([TWO, ONE, BACK], STREAM, set()),
        ([ONE, BACK], STREAM, {"was not seen"}),
        ([ONE, TWO, BACK, ("CHARGED", 3, None, "0.00")], STREAM, {"never happened"}),
        ([BACK, ONE, TWO], STREAM, {"came before what came before it"}),
        ([ONE, TWO, BACK], [*STREAM, BACK], {"an event is in the stream twice"}),
        ([ONE, BACK], [ONE, BACK], {"has no event"}),
        ([ONE, TWO], [ONE, TWO], {"has no event"}),
    ],
)
def test_each_kind_of_wrong_is_found(notes: list[Event], stream: list[Event], found: set[str]) -> None:
    assert {line.partition(":")[0] for line in wrong_with(notes, stream, TOLD)} == found
