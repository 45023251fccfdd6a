"""The product and version of the database server: how they are recognized, and what ``serve`` and the tools do."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from server.config.settings import Settings
from server.storage.database.server_version import (
    TESTED_VERSIONS,
    UNTESTED_ADVICE,
    ServerVersion,
    UnsupportedServer,
    server_version,
)
from tests.support.databases import settings_of
from tests.support.programs import ROOT
from tests.support.running_service import RunningService
from tools.database.migration_files import MigrationError
from tools.database.migrations import migrate
from tools.dev.database_program import find_or_install_program
from tools.dev.devdb import PrivateDatabase
from tools.operations.doctor.check_result import CheckResult, Level
from tools.operations.doctor.checks import run_checks

MARIADB, MYSQL = "mariadb.org binary distribution", "MySQL Community Server - GPL"
TIDB = "TiDB Server (Apache License 2.0) Community Edition, MySQL 8.0 compatible"
TESTED, UNTESTED = "10.11.1-MariaDB", "12.1.2-MariaDB"
TOO_OLD, OLD_TIDB = "10.5.29-MariaDB", "8.0.11-TiDB-v7.5.4"


def recognize(version: str, comment: str, **others: str) -> ServerVersion:
    return server_version({"version": version, "version_comment": comment, **others}.items())


@pytest.mark.parametrize(
    ("server", "product"),
    [
        (recognize("10.11.19-MariaDB-0+deb12u1", "Debian 12"), "MariaDB"),
        (recognize("11.8.9-MariaDB-0+deb13u1 from Debian", MARIADB), "MariaDB"),
        (recognize("11.8.9-MariaDB-0+deb13u1 from Debian", MARIADB, wsrep_on="OFF"), "MariaDB"),
        (recognize("11.8.9-MariaDB-0+deb13u1 from Debian", MARIADB, wsrep_on="ON"), "MariaDB Galera"),
        (recognize("8.4.7", MYSQL), "MySQL"),
        (recognize("9.7.4-2", "(Debian)"), "MySQL"),
        (recognize("8.0.11-TiDB-v8.5.1", TIDB), "TiDB"),
    ],
    ids=str,
)
def test_a_tested_version_is_recognized(server: ServerVersion, product: str) -> None:
    server.require_supported()

    assert (server.product, server.is_tested) == (product, True)


@pytest.mark.parametrize(
    ("server", "product"),
    [
        (recognize("10.6.22-MariaDB-log", MARIADB), "MariaDB"),
        (recognize(UNTESTED, MARIADB), "MariaDB"),
        (recognize("10.11.19-MariaDB-0+deb12u1", MARIADB, wsrep_on="ON"), "MariaDB Galera"),
        (recognize("8.0.44", MYSQL), "MySQL"),
        (recognize("8.4.5-5", "Percona Server (GPL), Release 5, Revision 6a9b3bd3"), "Percona Server"),
        (
            recognize("8.4.5-5.1", "Percona XtraDB Cluster (GPL), Release rel5, Revision 6a9b3bd", wsrep_on="ON"),
            "Percona XtraDB Cluster",
        ),
        (recognize("8.0.39", "Source distribution", aurora_version="3.10.0"), "Aurora MySQL"),
    ],
    ids=str,
)
def test_an_untested_version_is_recognized(server: ServerVersion, product: str) -> None:
    server.require_supported()

    assert (server.product, server.is_tested) == (product, False)


@pytest.mark.parametrize(
    ("server", "reason"),
    [
        (recognize(TOO_OLD, MARIADB), "MariaDB 10.5.29-MariaDB is too old"),
        (recognize("8.0.16", MYSQL), "MySQL 8.0.16 is too old"),
        (recognize("5.7.44-log", MYSQL), "MySQL 5.7.44-log is too old"),
        (recognize("5.7.44-53", "Percona Server (GPL), Release 53"), "Percona Server 5.7.44-53 is too old"),
        (
            recognize("5.7.12", "MySQL Community Server (GPL)", aurora_version="2.12.5"),
            "Aurora MySQL 5.7.12 is too old",
        ),
        (recognize(OLD_TIDB, TIDB), f"TiDB {OLD_TIDB} is too old"),
    ],
    ids=str,
)
def test_a_server_that_the_service_cannot_use_is_rejected_with_the_reason(server: ServerVersion, reason: str) -> None:
    with pytest.raises(
        UnsupportedServer, match=rf"^{re.escape(reason)}\. Use MariaDB 10\.6, MySQL 8\.0\.17, TiDB 8\.5, or a later"
    ):
        server.require_supported()


def test_the_documentation_lists_the_tested_versions() -> None:
    text = (ROOT / "docs" / "databases.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([\w ]+) ([\d.]+) \| tested\b", text, re.MULTILINE)
    assert rows == [(product, version) for product, versions in TESTED_VERSIONS.items() for version in versions]


def result_of_doctor(settings: Settings) -> CheckResult:
    (result,) = [result for result in run_checks(settings) if result.subject == "database"]
    return result


@contextmanager
def server_that_reports(version: str, folder: Path) -> Iterator[PrivateDatabase]:
    """Start a server that reports ``version`` as its own, which only MariaDB can."""
    if not find_or_install_program().is_mariadb:
        pytest.skip("only MariaDB can report another version than its own")
    with PrivateDatabase(folder, options=(f"--version={version}",)) as private:
        yield private


def start_and_check(private: PrivateDatabase) -> tuple[dict[str, Any], CheckResult]:
    """Start a service on the database; return the event about its version, and the result of ``doctor``."""
    settings = settings_of(private.environment())
    migrate(settings, report=lambda _: None)
    service = RunningService(private.service_environment()).start()
    event = service.wait_for("database_version")
    assert service.stop() == 0
    return event, result_of_doctor(settings)


def test_serve_and_doctor_name_the_database_and_whether_it_is_tested(
    service: RunningService, migrated_database: dict[str, str]
) -> None:
    event = service.wait_for("database_version")
    result = result_of_doctor(settings_of(migrated_database))

    assert result.text.startswith(f"{event['database']} {event['version']}")
    assert result.values == {
        "product": event["database"],
        "version": event["version"],
        "tested": int(event["tested"]),
    }


def test_a_tested_version_is_no_warning(tmp_path: Path) -> None:
    with server_that_reports(TESTED, tmp_path / "database") as private:
        event, result = start_and_check(private)

    assert (event["level"], event["tested"]) == ("info", True)
    assert (result.level, result.text) == (Level.OK, f"MariaDB {TESTED}, a tested version")


def test_an_untested_version_is_a_warning(tmp_path: Path) -> None:
    with server_that_reports(UNTESTED, tmp_path / "database") as private:
        event, result = start_and_check(private)

    assert (event["level"], event["tested"]) == ("warning", False)
    assert (result.level, result.text) == (Level.WARNING, f"MariaDB {UNTESTED} is untested")
    assert event["advice"] == result.advice == UNTESTED_ADVICE


@pytest.mark.parametrize("version", [TOO_OLD, OLD_TIDB])
def test_a_version_that_cannot_work_stops_serve_and_migrate_and_is_a_problem(tmp_path: Path, version: str) -> None:
    with server_that_reports(version, tmp_path / "database") as private:
        settings = settings_of(private.environment())
        service = RunningService(private.environment())
        service.spawn()
        assert service.wait() == 1
        with pytest.raises(MigrationError, match=re.escape(version)):
            migrate(settings, report=lambda _: None)
        result = result_of_doctor(settings)

    assert result.level is Level.PROBLEM
    assert service.output[-1].rstrip().endswith(f"cannot be used: {result.text}")
