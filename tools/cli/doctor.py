"""``payments doctor`` checks a deployment and says how to fix each problem."""

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
from tools.operations.doctor.checks import run_checks


def command(
    *,
    rows: Annotated[bool, typer.Option(help="Also check the rows, which scans whole tables.")] = True,
    url: Annotated[
        str | None,
        typer.Option(
            help="URL of the service to check: its monitoring port, or its REST port if that serves the metrics. "
            "Defaults to a service on this machine, if one is running."
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object per line, with the measured values.")
    ] = False,
) -> None:
    """Check a deployment, and say how to fix each problem.

    Checks the settings, the database server, migrations, indexes, the event stream, pending
    payments, a running service and the stored rows.

    Exit codes: 0 if no check found a problem (warnings are allowed), 1 otherwise.
    """
    has_problem = False
    for result in _results(url, with_rows=rows):
        has_problem |= result.level is Level.PROBLEM
        print(json.dumps(asdict(result), ensure_ascii=False) if as_json else result, flush=True)
    sys.exit(1 if has_problem else 0)


def _results(url: str | None, *, with_rows: bool) -> Iterator[CheckResult]:
    try:
        settings = load_tool_settings()
        yield from run_checks(settings, with_rows=with_rows)
        yield from service_checks.service(url or service_checks.local_url(settings), is_required=url is not None)
    except SettingsError as error:
        yield CheckResult(Level.PROBLEM, "settings", str(error))
    except pymysql.err.MySQLError as error:
        yield CheckResult(Level.PROBLEM, "database", f"a check failed: {explain(error)}")
