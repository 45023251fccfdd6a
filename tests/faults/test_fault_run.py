"""Clients charge and refund while everything around them breaks; then the record is compared with the database.

In the manner of Jepsen. The seed is printed: ``make faults SECONDS=60 SEED=7`` has the same faults in the same order.
"""

import os
import random
import secrets
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.faults.checker import unanswered, violations, wrong_codes
from tests.faults.cluster import Cluster, Replica
from tests.faults.nemesis import FAULTS, Felt, Step, schedule
from tests.faults.record import History
from tests.faults.workload import Workload

SECONDS = float(os.environ.get("PAYMENTS_FAULT_SECONDS") or 0)
"""How long faults come; 0 is as long as it takes for every kind to come once."""

SEED = int(os.environ.get("PAYMENTS_FAULT_SEED") or secrets.randbelow(1_000_000))
KINDS = [name.strip() for name in (os.environ.get("PAYMENTS_FAULTS") or ",".join(FAULTS)).split(",")]

SERVING_WITHIN_SECONDS = 5
"""What is wanted of the service after a fault, on a machine of its own; asserted with room for a slow one."""

_ROOM = 10
_FELT_TIMEOUT_SECONDS = 20
_SHOWN_OF_EACH = 2


@dataclass(frozen=True, slots=True)
class Came:
    """A fault that came: whether it was felt, and how long after its end the service was SERVING again."""

    step: Step
    was_felt: bool
    serving_after_seconds: float | None

    def __str__(self) -> str:
        """Tell of it in a line."""
        again = "not SERVING" if self.serving_after_seconds is None else f"SERVING {self.serving_after_seconds:.1f} s"
        return f"  {self.step.name:42} {self.step.seconds:5.1f} s, {again} after{'' if self.was_felt else ', NOT FELT'}"


@pytest.mark.long
@pytest.mark.timeout(SECONDS + 600)
def test_no_payment_is_lost_or_doubled_whatever_breaks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    history = History()
    with Cluster(tmp_path) as cluster:
        kinds = [name for name in KINDS if name != "disk full" or not cluster.volume.why_not]
        with capsys.disabled():
            print(f"\nfaults: PAYMENTS_FAULT_SEED={SEED}; {cluster.volume.why_not or f'all of {len(kinds)} kinds'}")
            files_before = _files_once_warm(cluster, history)
            with Workload([replica.target for replica in cluster.replicas], SEED, history):
                came = []
                for fault in _inflicted(cluster, kinds):
                    print(fault, flush=True)
                    came.append(fault)
            print(_summary(history, cluster), flush=True)
        wrong = [
            f"not SERVING:{fault} (more than {_ROOM} times {SERVING_WITHIN_SECONDS} s)"
            for fault in came
            if _is_late(fault)
        ]
        wrong += [f"not felt: {fault.step.name}" for fault in came if not fault.was_felt]
        wrong += violations(history, cluster.tables())
        wrong += unanswered(history)
        wrong += [f"connections: {surplus}" for surplus in cluster.surplus_connections(30)]
        for replica, before in zip(cluster.replicas, files_before, strict=True):
            after = _files_at_rest(replica, before + 2)
            if after > before + 2:
                wrong.append(f"files: {replica.name} has {after} files open besides its connections, and had {before}")
            assert replica.service.stop() == 0
            replica.read_log()
            wrong += wrong_codes(replica.calls) + [f"error in the log: {problem}" for problem in replica.problems]
    assert not wrong, f"seed {SEED}: {len(wrong)} things are wrong:\n{_shown(wrong)}"


def _inflicted(cluster: Cluster, kinds: list[str]) -> Iterator[Came]:
    """Inflict fault after fault, and tell of each."""
    end = time.monotonic() + SECONDS if SECONDS else None
    for number, step in enumerate(schedule(SEED, kinds)):
        if number >= len(kinds) if end is None else time.monotonic() + step.seconds > end:
            return
        time.sleep(step.rest_seconds)
        with FAULTS[step.name].inflict(cluster, random.Random(step.seed)) as felt:
            time.sleep(step.seconds)
            was_felt = _is_felt_in_time(felt)
        yield Came(step, was_felt, cluster.wait_until_serving(SERVING_WITHIN_SECONDS * _ROOM))


def _is_felt_in_time(felt: Felt) -> bool:
    deadline = time.monotonic() + _FELT_TIMEOUT_SECONDS
    while not felt():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def _shown(wrong: list[str]) -> str:
    """Return some of what each check found."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for line in wrong:
        found[line.partition(":")[0]].append(line)
    return "\n".join(f"{len(lines)} times {line}" for lines in found.values() for line in lines[:_SHOWN_OF_EACH])


def _is_late(fault: Came) -> bool:
    return fault.serving_after_seconds is None


def _files_once_warm(cluster: Cluster, history: History) -> list[int]:
    """Return how many files each replica has open besides its connections to the database, once it was called."""
    with Workload([replica.target for replica in cluster.replicas], SEED + 1, history):
        time.sleep(1)
    return [replica.other_files() for replica in cluster.replicas]


def _files_at_rest(replica: Replica, expected: int) -> int:
    """Return how many files a replica has open, once there are no more than expected, or after a minute and a half.

    A client's connection that was cut off without a word is open until its keepalive runs out.
    """
    deadline = time.monotonic() + 90
    while (files := replica.other_files()) > expected and time.monotonic() < deadline:
        time.sleep(0.5)
    return files


def _summary(history: History, cluster: Cluster) -> str:
    """Tell what was called, and how it ended."""
    lines = []
    for kind, calls in (("charges", history.charges), ("refunds", history.refunds), ("reads", history.reads)):
        ended = Counter("OK" if call.answer else call.failure.code if call.failure else "?" for call in calls)
        lines.append(f"  {len(calls)} {kind}: {', '.join(f'{count} {code}' for code, count in ended.most_common())}")
    errors = ", ".join(f"{count} of {code}" for code, count in cluster.database_errors().most_common())
    return "\n".join([*lines, f"  errors of the database that replicas met: {errors}"])
