"""Clients charge and refund through a processor that goes wrong in every way, while replicas and database die.

Then three records are compared: what clients were told, what the database has, and what the processor did with money.
``make faults SECONDS=600`` runs it for longer; the seed is printed.
"""

import os
import random
import secrets
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.faults.checker import unanswered, violations, wrong_codes
from tests.faults.cluster import Cluster
from tests.faults.nemesis import FAULTS, schedule
from tests.faults.record import Failure, History
from tests.faults.workload import Workload
from tests.processors.faulty_processor import Fault, FaultyProcessor, Request
from tests.processors.truth import disagreements

SECONDS = float(os.environ.get("PAYMENTS_FAULT_SECONDS") or 45)
SEED = int(os.environ.get("PAYMENTS_FAULT_SEED") or secrets.randbelow(1_000_000))

KINDS = [
    "server killed",
    "both servers killed",
    "server stopped",
    "database killed",
    "database stopped",
    "connections to the database reset",
    "connections to the database cut in half",
    "rows locked",
]
"""What breaks besides the processor, which does all the time."""

KEY_LIFETIME_SECONDS = 60
SETTLED_WITHIN_SECONDS = KEY_LIFETIME_SECONDS + 30
"""How long after the last fault anything may be pending: what the processor never tells, it has forgotten by then."""

SETTINGS = {
    "PROCESSOR_TIMEOUT_SECONDS": "1",
    "PROCESSOR_JANITOR_INTERVAL_SECONDS": "0.2",
    "PROCESSOR_JANITOR_AFTER_SECONDS": "2",
    "PROCESSOR_JANITOR_MAX_PAUSE_SECONDS": "4",
    "PROCESSOR_BREAKER_FAILURES": "10",
    "PROCESSOR_BREAKER_OPEN_SECONDS": "0.5",
    "PROCESSOR_KEY_LIFETIME_SECONDS": str(KEY_LIFETIME_SECONDS),
}

_WAYS: tuple[tuple[Fault | None, int], ...] = (
    (None, 60),
    (Fault(before_seconds=0.2), 10),
    (Fault(after_seconds=0.2), 5),
    (Fault(before_seconds=2), 2),
    (Fault(after_seconds=2), 2),
    (Fault(drop_before=True), 4),
    (Fault(drop_after=True), 5),
    (Fault(error_before=500), 2),
    (Fault(error_before=503), 2),
    (Fault(error_before=429), 1),
    (Fault(error_after=500), 3),
    (Fault(cut=True), 2),
    (Fault(twice=True), 2),
)
_REFUSED = 0.1
"""How many of the refunds the processor refuses."""

_EXPECTED_ERRORS = frozenset({"processor_refuses", "processor_never_did"})


class Moods:
    """How the processor's requests go wrong: by chance, and at times all alike."""

    def __init__(self, chance: random.Random) -> None:
        """Go wrong as chance has it."""
        self._chance = chance
        self._lock = threading.Lock()
        self._faults, self._weights = zip(*_WAYS, strict=True)
        self.all_fail: Fault | None = None
        self.came: Counter[Fault | None] = Counter()

    def __call__(self, _request: Request) -> Fault | None:
        """Return how this one does."""
        with self._lock:
            (fault,) = self._chance.choices(self._faults, self._weights)
            fault = self.all_fail or fault
            self.came[fault] += 1
            return fault

    def refuses(self) -> bool:
        """Tell whether this refund is refused."""
        with self._lock:
            return self._chance.random() < _REFUSED


@contextmanager
def _troubled(processor: FaultyProcessor, moods: Moods, chance: random.Random) -> Iterator[None]:
    """Restart the processor now and then, or have it answer nothing, or only errors, for a while."""
    ending = threading.Event()
    failed: list[BaseException] = []

    def trouble() -> None:
        try:
            while not ending.wait(chance.uniform(1, 4)):
                seconds = chance.uniform(0.1, 2)
                if chance.random() < 0.5:
                    processor.hang_up()
                    ending.wait(seconds)
                    processor.listen()
                else:
                    moods.all_fail = chance.choice((Fault(error_before=503), Fault(after_seconds=3)))
                    ending.wait(seconds)
                    moods.all_fail = None
        except BaseException as error:  # noqa: BLE001 - raised again where it was started
            failed.append(error)

    thread = threading.Thread(target=trouble)
    thread.start()
    try:
        yield
    finally:
        ending.set()
        thread.join()
    assert failed == []


@pytest.mark.long
@pytest.mark.timeout(SECONDS + 600)
def test_money_moves_once_and_the_books_say_so_whatever_breaks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    history = History()
    chance = random.Random(SEED)
    with FaultyProcessor() as processor, Cluster(tmp_path, {**processor.settings, **SETTINGS}) as cluster:
        moods = Moods(random.Random(chance.getrandbits(32)))
        processor.fault, processor.refuses_this_refund = moods, moods.refuses
        processor.key_lifetime_seconds, processor.list_lag_seconds = KEY_LIFETIME_SECONDS, 0.5
        targets = [replica.target for replica in cluster.replicas]
        with capsys.disabled():
            print(f"\nfaults with a remote processor: PAYMENTS_FAULT_SEED={SEED}")
            with (
                Workload(targets, SEED, history),
                _troubled(processor, moods, random.Random(chance.getrandbits(32))),
            ):
                _inflict(cluster)
            pending_seconds = _wait_until_settled(cluster)
            print(_summary(history, processor, moods, pending_seconds), flush=True)
        tables = cluster.tables()
        wrong = [*disagreements(tables, processor), *violations(history, tables), *unanswered(history)]
        for replica in cluster.replicas:
            assert replica.service.stop() == 0
            replica.read_log()
            wrong += wrong_codes(replica.calls)
            wrong += [
                f"error in the log: {problem}"
                for problem in replica.problems
                if not any(f"'event': '{expected}'" in problem for expected in _EXPECTED_ERRORS)
            ]
    assert not wrong, f"seed {SEED}: {len(wrong)} things are wrong:\n" + "\n".join(wrong[:20])


def _inflict(cluster: Cluster) -> None:
    end = time.monotonic() + SECONDS
    for step in schedule(SEED, KINDS):
        if time.monotonic() + step.seconds > end:
            return
        time.sleep(step.rest_seconds)
        with FAULTS[step.name].inflict(cluster, random.Random(step.seed)):
            time.sleep(step.seconds)
        print(f"  {step.name:42} {step.seconds:5.1f} s", flush=True)
        assert cluster.wait_until_serving(60) is not None


def _wait_until_settled(cluster: Cluster) -> float:
    """Wait until nothing is pending, for as long as anything may; return how long that took."""
    begun = time.monotonic()
    while time.monotonic() - begun < SETTLED_WITHIN_SECONDS:
        if cluster.execute("SELECT COUNT(*) FROM processor_requests") == [(0,)]:
            break
        time.sleep(0.1)
    return time.monotonic() - begun


def _summary(history: History, processor: FaultyProcessor, moods: Moods, pending_seconds: float) -> str:
    lines = []
    charges = Counter(call.answer.status.value if call.answer else _failed(call.failure) for call in history.charges)
    refunds = Counter(
        call.answer.refund.status.value if call.answer else _failed(call.failure) for call in history.refunds
    )
    for kind, ended in (("charges", charges), ("refunds", refunds)):
        lines.append(f"  {ended.total()} {kind}: {', '.join(f'{count} {code}' for code, count in ended.most_common())}")
    went_wrong = moods.came.total() - moods.came[None]
    lines += [
        f"  the processor: {len(processor.requests)} requests, of which {went_wrong} went wrong",
        f"  it captured {processor.captured().total()} payments, and made {len(processor.refunds)} refunds",
        f"  nothing was pending {pending_seconds:.1f} s after the end",
    ]
    return "\n".join(lines)


def _failed(failure: Failure | None) -> str:
    return failure.code if failure else "?"
