"""Exit codes and messages of failing commands."""

import pymysql
import pytest
import typer

from server.config.settings import SettingsError
from server.storage.schema_check import SchemaOutdated
from tools.cli.failures import report_failures
from tools.database.connection import DatabaseBusy
from tools.errors import ToolError


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ToolError("the archive is busy"), "the archive is busy"),
        (SettingsError("MYSQL_HOST: missing"), "MYSQL_HOST: missing"),
        (SchemaOutdated("run `payments migrate`"), "run `payments migrate`"),
        (OSError(2, "No such file", "a.csv"), "a.csv: No such file"),
        (OSError(28, "No space left"), "standard output: No space left"),
        (BrokenPipeError(32, "Broken pipe"), "standard output was closed before the end; no file was written"),
        (
            pymysql.err.OperationalError(1114, "The table is full"),
            "database error: The table is full; no file was written",
        ),
        (
            DatabaseBusy("another session holds a lock"),
            "database error: another session holds a lock; no file was written",
        ),
    ],
)
def test_a_failure_ends_the_command_with_its_reason_and_consequence(error: Exception, message: str) -> None:
    with pytest.raises(SystemExit) as ended, report_failures("no file was written"):
        raise error

    assert ended.value.code == message


def test_an_interrupt_ends_the_command_with_130(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as ended, report_failures("no file was written"):
        raise KeyboardInterrupt

    assert ended.value.exit_code == 130
    assert capsys.readouterr().err == "interrupted; no file was written\n"


def test_a_bug_in_the_program_is_not_hidden() -> None:
    with pytest.raises(KeyError), report_failures():
        raise KeyError
