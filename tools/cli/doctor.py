"""``payments doctor`` checks a deployment and says what to do about each problem."""

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from typing import Annotated

import pymysql
import typer

from server.config.settings import SettingsError
from server.storage.database.access import explain
from tools.database.settings import load_tool_settings
from tools.operations.doctor import service_checks
from tools.operations.doctor.check_result import CheckResult, Level
from tools.operations.doctor.examination import examine


def command(
    *,
    rows: Annotated[bool, typer.Option(help="Look at the rows too, which reads whole tables.")] = True,
    url: Annotated[
        str | None,
        typer.Option(
            help="Where the monitoring of a service is, or its REST where that has the metrics, to ask it too; else "
            "one on this machine, if there is one."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line, with what was measured.")] = False,
) -> None:
    """Look over settings, database, migrations, indexes, clock, stream, pool, service and rows; say what to do.

    Exit codes: 0 the service can work, 1 there is a problem.
    """
    has_problem = False
    for result in _results(url, with_rows=rows):
        has_problem |= result.level is Level.PROBLEM
        print(json.dumps(asdict(result), ensure_ascii=False) if as_json else result, flush=True)
    sys.exit(1 if has_problem else 0)


def _results(url: str | None, *, with_rows: bool) -> Iterator[CheckResult]:
    try:
        settings = load_tool_settings()
        yield from examine(settings, with_rows=with_rows)
        yield from service_checks.service(url or service_checks.local_url(settings), is_asked_for=url is not None)
    except SettingsError as error:
        yield CheckResult(Level.PROBLEM, "settings", str(error))
    except pymysql.err.MySQLError as error:
        yield CheckResult(Level.PROBLEM, "database", f"it failed: {explain(error)}")
