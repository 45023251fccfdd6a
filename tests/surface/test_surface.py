"""The surface matches the committed snapshot, so that every change appears in a reviewed diff."""

from collections.abc import Callable

import pytest

from server.storage.database.server_version import is_mariadb
from tests.support import galera, tidb
from tests.support.databases import DatabaseServer, settings_of
from tests.support.running_service import RunningService
from tests.surface.commands import commands
from tests.surface.errors import errors
from tests.surface.grpc_answers import grpc_answers
from tests.surface.legacy_tables import LEGACY_TABLES, restore, rows
from tests.surface.log_events import log_events
from tests.surface.metrics import metric_label_values, metrics
from tests.surface.openapi import openapi
from tests.surface.rest import rest_answers, rest_paths
from tests.surface.schema import schema
from tests.surface.settings import settings
from tests.surface.snapshots import FOLDER, as_yaml, check
from tests.surface.v1_problems import v1_problems
from tests.surface.violations import violations
from tools.database.migrations import migrate

FROM_CODE: dict[str, Callable[[], object]] = {
    "commands": commands,
    "errors": errors,
    "log_events": log_events,
    "metrics": metrics,
    "openapi": openapi,
    "rest_paths": rest_paths,
    "settings": settings,
    "v1_problems": v1_problems,
    "violations": violations,
}
"""Subjects that need no database."""

FROM_SERVICE: dict[str, Callable[[RunningService], object]] = {
    "metric_label_values": metric_label_values,
    "rest_answers": rest_answers,
    "grpc_answers": grpc_answers,
}
"""Subjects read from a new service, in this order: calls add label values, and charges use up ids."""

SCHEMAS = {"MariaDB": "schema_mariadb.sql", "MySQL": "schema_mysql.sql", "TiDB": "schema_tidb.sql"}
"""One file for each product, because they print a table differently."""


@pytest.mark.parametrize("subject", FROM_CODE)
def test_the_code_matches_the_snapshot(subject: str) -> None:
    check({f"{subject}.yaml": as_yaml(FROM_CODE[subject]())})


@pytest.mark.skipif(galera.IS_SELECTED, reason="the nodes of Galera leave gaps between their ids")
def test_a_new_service_matches_the_snapshot(start_service: Callable[..., RunningService]) -> None:
    running = start_service(SUCCESS_PROBABILITY="1", PROCESSOR_SEED="1", MONITORING_PORT="0", REST_METRICS="true")
    check({f"{subject}.yaml": as_yaml(read(running)) for subject, read in FROM_SERVICE.items()})


def test_the_schema_matches_the_snapshot(database_server: DatabaseServer, migrated_database: dict[str, str]) -> None:
    check({schema_file(database_server): schema(database_server, migrated_database["MYSQL_DB"])})


@pytest.mark.parametrize("legacy", LEGACY_TABLES)
def test_an_adopted_table_gets_the_schema_of_a_new_one_and_its_rows_match_the_snapshot(
    legacy: str, database_server: DatabaseServer, empty_database: dict[str, str]
) -> None:
    if legacy == "binary" and galera.IS_SELECTED:
        pytest.skip("Galera does not replicate the rows of a MyISAM table")
    if legacy == "binary" and tidb.IS_SELECTED:
        pytest.skip("TiDB has no latin1_swedish_ci")
    database = empty_database["MYSQL_DB"]
    restore(database_server, database, legacy)

    migrate(settings_of(empty_database), report=lambda _: None)

    check(
        {
            schema_file(database_server): schema(database_server, database),
            rows_file(legacy): as_yaml(rows(database_server, database)),
        }
    )


def test_every_committed_file_is_compared() -> None:
    compared = {*SCHEMAS.values(), *map(rows_file, LEGACY_TABLES)}
    compared |= {f"{subject}.yaml" for subject in (*FROM_CODE, *FROM_SERVICE)}
    assert {file.name for file in FOLDER.iterdir()} == compared


def schema_file(server: DatabaseServer) -> str:
    """Return the file with the schema as this server prints it."""
    ((version,),) = server.execute("SELECT VERSION()")
    return SCHEMAS["MariaDB" if is_mariadb(version) else "TiDB" if tidb.IS_SELECTED else "MySQL"]


def rows_file(legacy: str) -> str:
    """Return the file with the rows of a legacy table after all migrations."""
    return f"legacy_{legacy}.yaml"
