"""The commands in ``docs/operations/cutover.md``, run in order on a database of the legacy service."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from bench.peers.legacy.table import TABLE
from tests.conftest import PROBABILITIES
from tests.support.databases import DatabaseServer
from tests.support.drivers.legacy_service import running_legacy_service
from tests.support.running_service import RunningService

DOCUMENT = Path("docs/operations/cutover.md")
ROWS = (
    "INSERT INTO payments (order_id, amount, method, status, reference, created_at) VALUES "
    "(1, 10, 'UPI', 1, 'ECI20250910-000001', '2025-02-07 05:28:54'), (2, 20, 'cheque', 0, NULL, '2025-02-07 05:28:55')"
)


def code_blocks() -> list[tuple[int, str, str]]:
    """Return the code blocks of the document, each with the number of its step, its language and its text."""
    blocks = []
    for number, step in re.findall(r"^## (\d)\. (.*?)(?=^## |\Z)", DOCUMENT.read_text(), re.MULTILINE | re.DOTALL):
        blocks += [
            (int(number), *block) for block in re.findall(r"^```(\w+)\n(.*?)^```", step, re.MULTILINE | re.DOTALL)
        ]
    return blocks


@pytest.fixture
def shell(empty_database: dict[str, str]) -> dict[str, str]:
    """The environment of the commands."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MYSQL_")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    return environment | empty_database | {"PATH": path}


@pytest.mark.long
def test_every_step_works_as_documented(
    empty_database: dict[str, str], database_server: DatabaseServer, shell: dict[str, str]
) -> None:
    for text in (TABLE, ROWS):
        database_server.execute(text, database=empty_database["MYSQL_DB"])
    results: dict[str, list[tuple[object, ...]]] = {}

    def run_step(number: int) -> None:
        blocks = [(language, text) for step, language, text in code_blocks() if step == number]
        assert blocks
        for language, text in blocks:
            if language == "sql":
                results[text] = database_server.execute(text.strip(), database=empty_database["MYSQL_DB"])
            else:
                run = subprocess.run(
                    ["bash", "-euo", "pipefail", "-c", text], env=shell, capture_output=True, text=True, check=False
                )
                assert run.returncode == 0, f"{text}\n{run.stdout}\n{run.stderr}"

    with running_legacy_service(empty_database | {"SUCCESS_PROBABILITY": "1"}) as old_url:
        shell["OLD_URL"] = old_url
        assert httpx.post(f"{old_url}/v1/payments/charge", json={"order_id": 3, "amount": 30}).status_code == 201
        for step in (1, 2, 3):
            run_step(step)
        (newest,) = next(rows for text, rows in results.items() if "off_minutes" in text)
        assert newest[1] == 0

        new = RunningService({**empty_database, **PROBABILITIES}).start()
        try:
            shell["NEW_URL"] = new.rest_url
            run_step(4)
            run_step(5)
            assert httpx.post(f"{new.rest_url}/v1/payments/1/refund").status_code == 200
            old_items = httpx.get(f"{old_url}/v1/payments?order_id=1").json()["items"]
            assert [item["refunded"] for item in old_items] == [True]
            run_step(6)
        finally:
            new.kill()

    assert database_server.execute("SELECT COUNT(*) FROM payments", database=empty_database["MYSQL_DB"]) == [(3,)]


def test_the_document_has_the_measured_figures() -> None:
    text = DOCUMENT.read_text()

    for database, suffix in (("MariaDB 10.11", ""), ("MariaDB 11.8", "_mariadb11"), ("MySQL 9.7", "_mysql")):
        measured = json.loads(Path(f"bench/results/migration{suffix}.json").read_text())
        adoption, widening = measured["migrations"]
        columns = [f"{adoption['migrate_seconds']:.0f} s", f"{adoption['longest_write_seconds']:.2f} s"]
        columns += [f"{widening['migrate_seconds']:.0f} s", f"{widening['longest_write_seconds']:.2f} s"]
        assert f"| {database} | {' | '.join(columns)} |" in text
        assert adoption["failed_writes"] == widening["failed_writes"] == 0
