"""Each client passes ``clients/conformance/cases.json``, and neither loses nor repeats charges when its server dies."""

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
    "java-async": ["java", "-jar", "clients/java/conformance/target/conformance.jar", "async"],
}
"""The command of each client's runner, from the root of the repository."""

CHARGE_COUNT = 500
_CASES_TIMEOUT_SECONDS = 120
_CHARGES_TIMEOUT_SECONDS = 240

StartService = Callable[..., RunningService]

each_client = pytest.mark.parametrize("runner", RUNNERS.values(), ids=RUNNERS)


@each_client
def test_a_client_passes_all_cases_and_spreads_its_calls_over_two_replicas(
    runner: Sequence[str], start_service: StartService
) -> None:
    settings = {"ALLOWED_CURRENCIES": "INR,JPY,KWD,CLF"}
    replicas = [start_service(**settings), start_service(**settings)]
    target = "ipv4:" + ",".join(replica.target for replica in replicas)
    result = subprocess.run(
        [*runner, "cases", target, str(CASES)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=_CASES_TIMEOUT_SECONDS,
    )
    count = len(json.loads(CASES.read_text("utf-8")))
    last_lines = result.stdout.splitlines()[-1:]
    assert (result.returncode, last_lines) == (0, [f"{count} passed, 0 failed"]), result.stdout + result.stderr
    for replica in replicas:
        assert replica.stop() == 0
        assert any(event["event"] == "call" for event in replica.events)


@each_client
def test_the_fake_of_a_client_passes_all_cases(runner: Sequence[str]) -> None:
    result = subprocess.run(
        [*runner, "fake", str(CASES)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=_CASES_TIMEOUT_SECONDS,
    )
    count = len(json.loads(CASES.read_text("utf-8")))
    assert result.stdout.splitlines()[-1:] == [f"{count} passed, 0 failed"], result.stdout + result.stderr


@each_client
def test_killing_the_server_during_500_charges_neither_loses_nor_repeats_any(
    runner: Sequence[str],
    start_service: StartService,
    database_server: DatabaseServer,
    migrated_database: dict[str, str],
) -> None:
    service = start_service()
    first = 1_000

    def payment_count() -> int:
        (row,) = database_server.execute("SELECT COUNT(*) FROM payments", (), migrated_database["MYSQL_DB"])
        return int(row[0])

    command = [*runner, "charges", service.target, str(first), str(CHARGE_COUNT)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        for kill_at in (CHARGE_COUNT // 5, CHARGE_COUNT // 2):
            while payment_count() < kill_at and process.poll() is None:
                time.sleep(0.002)
            service.kill()
            assert process.poll() is None, "the runner ended before the kill" + "".join(process.communicate())
            service.start()
        output, errors = process.communicate(timeout=_CHARGES_TIMEOUT_SECONDS)
    assert process.returncode == 0, output + errors
    payment_ids = json.loads(output.splitlines()[-1])
    rows = database_server.execute("SELECT payment_id, order_id FROM payments", (), migrated_database["MYSQL_DB"])
    assert sorted(payment_ids) == sorted(row[0] for row in rows)
    assert sorted(row[1] for row in rows) == list(range(first, first + CHARGE_COUNT))


def test_each_runner_reports_and_counts_a_failed_case(
    service: RunningService, tmp_path_factory: pytest.TempPathFactory
) -> None:
    cases = tmp_path_factory.mktemp("cases") / "cases.json"
    step = {"call": "list_payments", "args": {"order_id": {"$new": "order_id"}}, "result": {"payments": [{}]}}
    cases.write_text(json.dumps([{"name": "a wrong case", "steps": [step]}]), "utf-8")
    for runner in RUNNERS.values():
        command = [*runner, "cases", service.target, str(cases)]
        result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert result.returncode == 1
        assert re.fullmatch(r"a wrong case: .*\n0 passed, 1 failed\n", result.stdout), result.stdout
