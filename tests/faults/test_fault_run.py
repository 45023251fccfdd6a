"""Clients charge and refund during faults of all kinds; then their history is compared with the database.

This is a Jepsen-style test. It prints its seed, and ``make faults SECONDS=60 SEED=7`` repeats the same
faults in the same order.
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

from tests.faults.checker import invalid_statuses, requests_without_outcome, violations
from tests.faults.cluster import Cluster, Replica
from tests.faults.nemesis import FAULTS, HadEffect, Step, kinds, schedule
from tests.faults.record import History
from tests.faults.workload import Workload

SECONDS = float(os.environ.get("PAYMENTS_FAULT_SECONDS") or 0)
"""The duration of the run; 0 means until each kind of fault has occurred once."""

SEED = int(os.environ.get("PAYMENTS_FAULT_SEED") or secrets.randbelow(1_000_000))
KINDS = kinds(os.environ.get("PAYMENTS_FAULTS") or ",".join(FAULTS))

SERVING_WITHIN_SECONDS = 5
"""The target for recovery after a fault on an otherwise idle machine. The test allows ``_SLACK`` times as long."""

_SLACK = 10
_EFFECT_TIMEOUT_SECONDS = 20
_SHOWN_PER_CHECK = 2


@dataclass(frozen=True, slots=True)
class FaultResult:
    """A fault of the run: whether it had an effect, and how long after its end the service was SERVING again."""

    step: Step
    had_effect: bool
    serving_after_seconds: float | None

    def __str__(self) -> str:
        """Describe the fault in one line."""
        recovery = (
            "not SERVING" if self.serving_after_seconds is None else f"SERVING {self.serving_after_seconds:.1f} s"
        )
        effect = "" if self.had_effect else ", NO EFFECT"
        return f"  {self.step.name:42} {self.step.seconds:5.1f} s, {recovery} after{effect}"


@pytest.mark.long
@pytest.mark.timeout(SECONDS + 600)
def test_no_payment_is_lost_or_duplicated_by_any_fault(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    history = History()
    with Cluster(tmp_path) as cluster:
        possible = [name for name in KINDS if name != "disk full" or not cluster.volume.unavailable_reason]
        with capsys.disabled():
            selection = cluster.volume.unavailable_reason or f"all of {len(possible)} kinds"
            print(f"\nfaults: PAYMENTS_FAULT_SEED={SEED}; {selection}")
            files_before = _files_after_warm_up(cluster, history)
            with Workload([replica.target for replica in cluster.replicas], SEED, history):
                results = []
                for fault in _inflict_faults(cluster, possible):
                    print(fault, flush=True)
                    results.append(fault)
            print(_summary(history, cluster), flush=True)
        problems = [
            f"not SERVING:{fault} (more than {_SLACK} times {SERVING_WITHIN_SECONDS} s)"
            for fault in results
            if _is_late(fault)
        ]
        problems += [f"no effect: {fault.step.name}" for fault in results if not fault.had_effect]
        problems += violations(history, cluster.tables())
        problems += requests_without_outcome(history)
        problems += [f"connections: {surplus}" for surplus in cluster.surplus_connections(30)]
        for replica, before in zip(cluster.replicas, files_before, strict=True):
            after = _files_at_rest(replica, before + 2)
            if after > before + 2:
                problems.append(
                    f"files: {replica.name} has {after} open files besides its database connections; at first {before}"
                )
            assert replica.service.stop() == 0
            replica.read_log()
            problems += invalid_statuses(replica.calls) + [
                f"error in the log: {problem}" for problem in replica.problems
            ]
    assert not problems, f"seed {SEED}: {len(problems)} violations:\n{_excerpt(problems)}"


def _inflict_faults(cluster: Cluster, names: list[str]) -> Iterator[FaultResult]:
    """Inflict one fault after another, and yield the result of each."""
    end = time.monotonic() + SECONDS if SECONDS else None
    for number, step in enumerate(schedule(SEED, names)):
        if number >= len(names) if end is None else time.monotonic() + step.seconds > end:
            return
        time.sleep(step.pause_seconds)
        with FAULTS[step.name].inflict(cluster, random.Random(step.seed)) as effect:
            time.sleep(step.seconds)
            had_effect = _has_effect_in_time(effect)
        yield FaultResult(step, had_effect, cluster.wait_until_serving(SERVING_WITHIN_SECONDS * _SLACK))


def _has_effect_in_time(effect: HadEffect) -> bool:
    deadline = time.monotonic() + _EFFECT_TIMEOUT_SECONDS
    while not effect():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def _excerpt(problems: list[str]) -> str:
    """Return the first violations of each check."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for line in problems:
        found[line.partition(":")[0]].append(line)
    return "\n".join(f"{len(lines)} times {line}" for lines in found.values() for line in lines[:_SHOWN_PER_CHECK])


def _is_late(fault: FaultResult) -> bool:
    return fault.serving_after_seconds is None


def _files_after_warm_up(cluster: Cluster, history: History) -> list[int]:
    """Return the number of open files of each replica after its first calls, except for database connections."""
    with Workload([replica.target for replica in cluster.replicas], SEED + 1, history):
        time.sleep(1)
    return [replica.other_files() for replica in cluster.replicas]


def _files_at_rest(replica: Replica, expected: int) -> int:
    """Wait up to 90 s until a replica has at most ``expected`` open files, and return their number.

    The connection of a client that vanished silently stays open until its keepalive times out.
    """
    deadline = time.monotonic() + 90
    while (files := replica.other_files()) > expected and time.monotonic() < deadline:
        time.sleep(0.5)
    return files


def _summary(history: History, cluster: Cluster) -> str:
    """Return the number of calls by outcome, and the database errors of the replicas."""
    lines = []
    for kind, calls in (("charges", history.charges), ("refunds", history.refunds), ("reads", history.reads)):
        ended = Counter("OK" if call.response else call.failure.code if call.failure else "?" for call in calls)
        lines.append(f"  {len(calls)} {kind}: {', '.join(f'{count} {code}' for code, count in ended.most_common())}")
    errors = ", ".join(f"{code} ({count} times)" for code, count in cluster.database_errors().most_common())
    return "\n".join([*lines, f"  database errors of the replicas: {errors}"])
