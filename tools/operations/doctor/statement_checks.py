"""Check that the database accepts every statement of the service, without executing any."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

import pymysql

from server.config.database import DatabaseSettings
from server.storage.database import driver_errors
from server.storage.database.access import explain
from server.storage.database.pool import prepare_connection
from server.storage.database.server_version import UNTESTED_ADVICE
from server.storage.statements import STATEMENTS, explanations, list_statements, name_of, summary_of
from tools.database.connection import DatabaseConnection, connect, execute, read_server_version
from tools.operations.doctor.check_result import CheckResult, Level

SUBJECT = "statements"

_ACCOUNT = "payments_service"
"""The account that ``deploy/sql`` creates for the service."""

_ADVICE = "The calls that need it fail. If the tables were altered by hand, compare them with migrations/."


@dataclass(frozen=True, slots=True)
class _Statement:
    """A statement, its EXPLAIN, and the name of the script that it is a part of."""

    name: str
    text: str
    explanation: str


@dataclass(frozen=True, slots=True)
class _Rejection:
    """A statement that the database rejects, and its error."""

    statement: _Statement
    error: pymysql.err.MySQLError

    @property
    def is_denied(self) -> bool:
        return driver_errors.kind(self.error) == "access_denied"


def statements(settings: DatabaseSettings, *, lock_timeout_seconds: int) -> Iterator[CheckResult]:
    """Explain every statement on a connection like the service's, as the account in the settings."""
    every_statement = _statements()
    with closing(connect(settings, report=lambda _: None, multi_statements=True)) as connection:
        execute(connection, prepare_connection(settings))
        execute(connection, f"SET SESSION lock_wait_timeout = {lock_timeout_seconds}")
        rejections = [found for one in every_statement if (found := _rejection(connection, one)) is not None]
        advice = _ADVICE if read_server_version(connection).is_tested else UNTESTED_ADVICE
    reported: set[str] = set()
    for rejection in rejections:
        # The first of each name is enough: all lists have one name, and often the same fault.
        if not rejection.is_denied and rejection.statement.name not in reported:
            reported.add(rejection.statement.name)
            yield _rejected(rejection, advice)
    if denied := [rejection for rejection in rejections if rejection.is_denied]:
        yield _denied(settings.mysql_user, denied)
    if not rejections:
        text = f"the database accepts all {len(every_statement)} statements of the service"
        yield CheckResult(Level.OK, SUBJECT, text, values={"statements": len(every_statement)})


def _statements() -> list[_Statement]:
    """Return every statement once, with the name of the first script that has it."""
    scripts = [*STATEMENTS.items(), *((name_of(text), text) for text in list_statements())]
    found: dict[str, _Statement] = {}
    for name, script in scripts:
        for text, explanation in explanations(script):
            found.setdefault(text, _Statement(name, text, explanation))
    return list(found.values())


def _rejection(connection: DatabaseConnection, statement: _Statement) -> _Rejection | None:
    try:
        execute(connection, statement.explanation)
    except pymysql.err.MySQLError as error:
        if driver_errors.kind(error) not in {"access_denied", "refused"}:
            raise
        return _Rejection(statement, error)
    return None


def _rejected(rejection: _Rejection, advice: str) -> CheckResult:
    statement = rejection.statement
    summary = summary_of(statement.text)
    name = statement.name if statement.name == summary else f"{statement.name} ({summary})"
    text = f"the database rejects {name}: {explain(rejection.error)}"
    return CheckResult(Level.PROBLEM, SUBJECT, text, advice, {"statement": statement.name})


def _denied(user: str, denied: list[_Rejection]) -> CheckResult:
    """Return a warning, not a problem, because tools have accounts of their own."""
    names = ", ".join(dict.fromkeys(rejection.statement.name for rejection in denied))
    text = f"{user} may not execute {names}"
    return CheckResult(Level.WARNING, SUBJECT, text, explain(denied[0].error, _ACCOUNT), {"denied": len(denied)})
