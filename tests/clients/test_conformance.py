"""Each client passes ``clients/conformance/cases.json``, and loses and doubles nothing when its server is killed."""

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Sequence

import pytest

from tests.support.databases import DatabaseServer
from tests.support.programs import ROOT
from tests.support.running_service import RunningService

CASES = ROOT / "clients" / "conformance" / "cases.json"
RUNNERS = {
    "python": [sys.executable, "clients/python/conformance/runner.py"],
    "typescript": ["node", "clients/typescript/build/conformance/runner.js"],
    "go": [".bin/conformance-go"],
    "java": ["java", "-jar", "clients/java/conformance/target/conformance.jar"],
}
"""How to run each client's runner, from the root of the project."""

CHARGES = 500
_CASES_TIMEOUT_SECONDS = 120
_CHARGES_TIMEOUT_SECONDS = 240

StartService = Callable[..., RunningService]

each_client = pytest.mark.parametrize("runner", RUNNERS.values(), ids=RUNNERS)


@each_client
def test_a_client_passes_every_case_and_spreads_its_calls_over_two_replicas(
    runner: Sequence[str], start_service: StartService
) -> None:
    replicas = [start_service(), start_service()]
    target = "ipv4:" + ",".join(replica.target for replica in replicas)
    command = [*runner, "cases", target, str(CASES)]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=_CASES_TIMEOUT_SECONDS)
    count = len(json.loads(CASES.read_text("utf-8")))
    assert (ran.returncode, ran.stdout.splitlines()[-1:]) == (0, [f"{count} passed, 0 failed"]), ran.stdout + ran.stderr
    for replica in replicas:
        assert replica.stop() == 0
        assert any(event["event"] == "call" for event in replica.events)


@each_client
def test_servers_killed_in_the_middle_of_500_charges_lose_none_and_double_none(
    runner: Sequence[str],
    start_service: StartService,
    database_server: DatabaseServer,
    migrated_database: dict[str, str],
) -> None:
    service = start_service()
    first = 1_000

    def charged() -> int:
        (row,) = database_server.execute("SELECT COUNT(*) FROM payments", (), migrated_database["MYSQL_DB"])
        return int(row[0])

    command = [*runner, "charges", service.target, str(first), str(CHARGES)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        for kill_at in (CHARGES // 5, CHARGES // 2):
            while charged() < kill_at and process.poll() is None:
                time.sleep(0.002)
            service.kill()
            assert process.poll() is None, "the charges were over before the kill" + "".join(process.communicate())
            service.start()
        output, errors = process.communicate(timeout=_CHARGES_TIMEOUT_SECONDS)
    assert process.returncode == 0, output + errors
    payment_ids = json.loads(output.splitlines()[-1])
    rows = database_server.execute("SELECT payment_id, order_id FROM payments", (), migrated_database["MYSQL_DB"])
    assert sorted(payment_ids) == sorted(row[0] for row in rows)
    assert sorted(row[1] for row in rows) == list(range(first, first + CHARGES))


def test_a_case_that_does_not_hold_is_told_and_counted(
    service: RunningService, tmp_path_factory: pytest.TempPathFactory
) -> None:
    cases = tmp_path_factory.mktemp("cases") / "cases.json"
    step = {"call": "list_payments", "args": {"order_id": {"$new": "order_id"}}, "result": {"payments": [{}]}}
    cases.write_text(json.dumps([{"name": "a wrong case", "steps": [step]}]), "utf-8")
    for runner in RUNNERS.values():
        command = [*runner, "cases", service.target, str(cases)]
        ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert ran.returncode == 1
        assert re.fullmatch(r"a wrong case: .*\n0 passed, 1 failed\n", ran.stdout), ran.stdout
