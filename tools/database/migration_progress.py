"""Report the progress of a long migration, which a second connection reads from the database."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress

import pymysql

from server.config.database import DatabaseSettings
from server.storage.database.server_version import is_mariadb
from tools.database.connection import DatabaseConnection, DatabaseConnectionError, connect, execute

INTERVAL_SECONDS = 5.0

_SELECT_MARIADB_PROGRESS = (
    "SELECT state, stage, max_stage, progress FROM information_schema.processlist WHERE id = %s AND max_stage > 0"
)
"""``progress`` is a percentage of the stage. Only an ALTER that copies the table has stages."""

_SELECT_MYSQL_PROGRESS = """
    SELECT s.event_name, s.work_completed, s.work_estimated
    FROM performance_schema.events_stages_current s JOIN performance_schema.threads t ON t.thread_id = s.thread_id
    WHERE t.processlist_id = %s AND s.work_estimated > 0
"""
"""Returns rows for the stages of an ALTER if the consumer events_stages_current is enabled."""


@contextmanager
def report_progress(
    connection: DatabaseConnection, settings: DatabaseSettings, name: str, report: Callable[[str], None]
) -> Iterator[None]:
    """Report every few seconds how long ``connection`` has been running the migration ``name``, and its progress.

    Reports only the time if the database does not provide the progress, or if the second connection fails.
    """
    done = threading.Event()
    start = time.monotonic()
    session_id = connection.thread_id()  # type: ignore[no-untyped-call]

    def report_until_done() -> None:
        while not done.wait(INTERVAL_SECONDS):
            progress = None
            with suppress(DatabaseConnectionError, pymysql.err.MySQLError):
                short_wait = settings.model_copy(update={"mysql_startup_timeout_seconds": INTERVAL_SECONDS})
                with closing(connect(short_wait, report=lambda _: None)) as second_connection:
                    progress = _progress(second_connection, session_id)
            if not done.is_set():
                report(f"{name}: running for {time.monotonic() - start:.0f} s{f', {progress}' if progress else ''}")

    reporter = threading.Thread(target=report_until_done, daemon=True)
    reporter.start()
    try:
        yield
    finally:
        done.set()
        reporter.join()


def _progress(connection: DatabaseConnection, session_id: int) -> str | None:
    ((version,),) = execute(connection, "SELECT VERSION()")
    query = _SELECT_MARIADB_PROGRESS if is_mariadb(version) else _SELECT_MYSQL_PROGRESS
    rows = execute(connection, query, session_id)
    if not rows:
        return None
    if is_mariadb(version):
        state, stage, stages, percent = rows[0]
        return f"{percent:.0f} % of stage {stage} of {stages} ({state})"
    event, completed, estimated = rows[0]
    return f"{min(100, 100 * completed / estimated):.0f} % ({event.rpartition('/')[2]})"
