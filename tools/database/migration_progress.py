"""The progress of a long migration, read from the database on another connection."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress

import pymysql

from server.config.database import DatabaseSettings
from tools.database.connection import DatabaseConnection, DatabaseConnectionError, connect, execute, is_mariadb

EVERY_SECONDS = 5.0

_MARIADB = (
    "SELECT state, stage, max_stage, progress FROM information_schema.processlist WHERE id = %s AND max_stage > 0"
)
"""``progress`` is the percentage of the stage; there are some for an ALTER that copies the table."""

_MYSQL = """
    SELECT s.event_name, s.work_completed, s.work_estimated
    FROM performance_schema.events_stages_current s JOIN performance_schema.threads t ON t.thread_id = s.thread_id
    WHERE t.processlist_id = %s AND s.work_estimated > 0
"""
"""Has rows where the consumer events_stages_current is on, for the stages of an ALTER."""


@contextmanager
def progress_reported(
    connection: DatabaseConnection, settings: DatabaseSettings, what: str, say: Callable[[str], None]
) -> Iterator[None]:
    """Report every few seconds how long ``connection`` has worked at ``what``, and how much of it is done.

    Reports the time alone when the database does not give the progress, or a second connection fails.
    """
    done = threading.Event()
    start = time.monotonic()
    number = connection.thread_id()  # type: ignore[no-untyped-call]

    def report() -> None:
        while not done.wait(EVERY_SECONDS):
            progress = None
            with suppress(DatabaseConnectionError, pymysql.err.MySQLError):
                impatient = settings.model_copy(update={"mysql_startup_timeout_seconds": EVERY_SECONDS})
                with closing(connect(impatient, say=lambda _: None)) as other:
                    progress = _progress(other, number)
            if not done.is_set():
                say(f"{what}: running for {time.monotonic() - start:.0f} s{f', {progress}' if progress else ''}")

    reporter = threading.Thread(target=report, daemon=True)
    reporter.start()
    try:
        yield
    finally:
        done.set()
        reporter.join()


def _progress(connection: DatabaseConnection, number: int) -> str | None:
    ((version,),) = execute(connection, "SELECT VERSION()")
    rows = execute(connection, _MARIADB if is_mariadb(version) else _MYSQL, number)
    if not rows:
        return None
    if is_mariadb(version):
        state, stage, stages, percent = rows[0]
        return f"{percent:.0f} % of stage {stage} of {stages} ({state})"
    event, completed, estimated = rows[0]
    return f"{min(100, 100 * completed / estimated):.0f} % ({event.rpartition('/')[2]})"
