"""How far a long migration is, as the database itself tells another connection."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress

import pymysql

from server.config.settings import Settings
from tools.database.connection import DatabaseConnection, DatabaseConnectionError, connect

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
def saying_progress(
    connection: DatabaseConnection, settings: Settings, what: str, say: Callable[[str], None]
) -> Iterator[None]:
    """Say every few seconds how long ``connection`` has worked at ``what`` and, if the database tells, how far it is.

    It looks through a connection of its own; when it cannot, it tells the time alone.
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
    with connection.cursor() as cursor:
        cursor.execute("SELECT VERSION()")
        (version,) = cursor.fetchone() or ("",)
        is_mariadb = "mariadb" in version.lower()
        cursor.execute(_MARIADB if is_mariadb else _MYSQL, (number,))
        row = cursor.fetchone()
    if row is None:
        return None
    if is_mariadb:
        state, stage, stages, percent = row
        return f"{percent:.0f} % of stage {stage} of {stages} ({state})"
    event, completed, estimated = row
    return f"{min(100, 100 * completed / estimated):.0f} % ({event.rpartition('/')[2]})"
