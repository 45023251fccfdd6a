"""Fixtures and CSV helpers for tests of the ``payments`` command."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support import programs
from tests.support.databases import DatabaseServer
from tools.dev.system_package import has_apt, install

HEADER = "payment_id,order_id,amount,method,status,reference,created_at"

Payments = Callable[..., subprocess.CompletedProcess[str]]
Table = Callable[..., list[tuple[object, ...]]]


def csv_of(*lines: str, header: str = HEADER) -> str:
    """Return the text of a CSV file with these lines."""
    return "\n".join([header, *lines, ""])


def payment_line(payment_id: int, amount: str = "561.00", status: str = "SUCCESS") -> str:
    """Return a line of a legacy CSV file."""
    return f"{payment_id},342,{amount},UPI,{status},ECI20250910-{payment_id:06X},2025-02-07 05:28:54"


@pytest.fixture(scope="session")
def client_programs() -> None:
    """Install the programs of the database that ``payments backup`` and ``restore`` run, if they are missing."""
    if not any(map(shutil.which, ("mariadb-dump", "mysqldump"))) and has_apt():
        install("mariadb-client", "the client programs only")


@pytest.fixture
def payments(migrated_database: dict[str, str], tmp_path: Path) -> Payments:
    """Run ``payments`` on the test's database, in an empty folder."""

    def run(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("MYSQL_")}
        environment |= migrated_database | settings
        return programs.run("tools.cli.main", *arguments, environment=environment, folder=tmp_path)

    return run


@pytest.fixture
def table(database_server: DatabaseServer, migrated_database: dict[str, str]) -> Table:
    """Execute a statement in the test's database."""

    def execute(text: str, *values: object) -> list[tuple[object, ...]]:
        return database_server.execute(text, values, migrated_database["MYSQL_DB"])

    return execute
