"""Erase a customer: the customer_id and the labels of all its payments, live and archived. The money is kept.

Each erased payment gets an event, in the transaction that erases it. The stream has events of live payments only, so
archived payments are moved back to the live tables first. The next ``payments archive`` moves them again.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial

from server.config.database import DatabaseSettings
from server.domain.events import EventKind
from server.storage import outbox
from tools.database.connection import DatabaseConnection, execute
from tools.database.migration_records import open_migrated
from tools.operations.archive import archive_transactions, unarchive_one
from tools.progress import ProgressDisplay

_BATCH_PAYMENTS = 500

_SELECT_ARCHIVED = "SELECT payment_id FROM payments_archive WHERE customer_id = %s ORDER BY payment_id LIMIT %s"
_SELECT_LIVE = """
    SELECT payment_id FROM payments FORCE INDEX (payments_by_customer) WHERE customer_id = %s
    ORDER BY payment_id LIMIT %s
"""
_LOCK = """
    SELECT payment_id, IF(refunded <> 0, COALESCE(amount, 0), refunded_amount) FROM payments
    WHERE payment_id IN %s ORDER BY payment_id FOR UPDATE
"""
_ERASE = """
    UPDATE {table} SET customer_id = NULL, labels = NULL, forgotten_at = UTC_TIMESTAMP(6) WHERE payment_id IN %s
"""


def forget(settings: DatabaseSettings, customer_id: str, progress: ProgressDisplay) -> int:
    """Erase a customer, and return the number of payments that it had. Services can keep running.

    It can be stopped at any moment and started again.

    Raises:
        ArchiveError: a later release added a column.
        LockHeld: another process is archiving.
        LockLost: this process was suspended, and another one has been archiving since.
        SchemaOutdated: the database is not migrated.
    """
    count = 0
    with (
        open_migrated(settings, report=progress.print_line) as connection,
        archive_transactions(connection, settings) as transactions,
    ):
        while erased := transactions.run(partial(_erase_batch, connection, customer_id)):
            count += erased
            progress.update(count, 0)
    return count


def _erase_batch(connection: DatabaseConnection, customer_id: str) -> int:
    """Erase the customer from some of its payments, and return their number."""
    archived = _ids(connection, _SELECT_ARCHIVED, customer_id)
    for payment_id in archived:
        unarchive_one(connection, payment_id)
    ids = sorted({*archived, *_ids(connection, _SELECT_LIVE, customer_id)})
    if not ids:
        return 0
    now = datetime.now(UTC)
    changes = [
        (EventKind.FORGOTTEN, payment_id, None, refunded_amount, now)
        for payment_id, refunded_amount in execute(connection, _LOCK, ids)
    ]
    for table in ("payments", "payments_archive"):
        execute(connection, _ERASE.format(table=table), ids)
    execute(connection, outbox.INSERT_CHANGES, outbox.encode_changes(changes))
    return len(ids)


def _ids(connection: DatabaseConnection, query: str, customer_id: str) -> Sequence[int]:
    return [int(payment_id) for (payment_id,) in execute(connection, query, customer_id, _BATCH_PAYMENTS)]
