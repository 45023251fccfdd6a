"""The surface matches the committed snapshot, so that every change appears in a reviewed diff."""

from collections.abc import Callable

import pytest

from tests.support.databases import DatabaseServer
from tests.support.running_service import RunningService
from tests.surface.commands import commands
from tests.surface.errors import errors
from tests.surface.grpc_answers import grpc_answers
from tests.surface.log_events import log_events
from tests.surface.metrics import metric_label_values, metrics
from tests.surface.openapi import openapi
from tests.surface.rest import rest_answers, rest_paths
from tests.surface.schema import schema
from tests.surface.settings import settings
from tests.surface.snapshots import FOLDER, as_yaml, check
from tests.surface.v1_problems import v1_problems
from tests.surface.violations import violations

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

SCHEMA = "schema.sql"


@pytest.mark.parametrize("subject", FROM_CODE)
def test_the_code_matches_the_snapshot(subject: str) -> None:
    check({f"{subject}.yaml": as_yaml(FROM_CODE[subject]())})


def test_a_new_service_matches_the_snapshot(start_service: Callable[..., RunningService]) -> None:
    running = start_service(SUCCESS_PROBABILITY="1", PROCESSOR_SEED="1", MONITORING_PORT="0", REST_METRICS="true")
    check({f"{subject}.yaml": as_yaml(read(running)) for subject, read in FROM_SERVICE.items()})


def test_the_schema_matches_the_snapshot(database_server: DatabaseServer, migrated_database: dict[str, str]) -> None:
    ((version,),) = database_server.execute("SELECT VERSION()")
    if "MariaDB" not in version:
        pytest.skip("the snapshot has MariaDB's SHOW CREATE TABLE; other databases print it differently")
    check({SCHEMA: schema(database_server, migrated_database["MYSQL_DB"])})


def test_every_committed_file_is_compared() -> None:
    compared = {SCHEMA, *(f"{subject}.yaml" for subject in (*FROM_CODE, *FROM_SERVICE))}
    assert {file.name for file in FOLDER.iterdir()} == compared
