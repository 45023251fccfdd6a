"""Find rows whose keys belong to archived payments or refunds, so that an import never inserts one a second time.

An import cannot insert a payment again while `payments archive` moves it, however the two interleave. The archive
deletes a live row and writes its copy in one transaction, and `payments unarchive` inserts the live row and leaves the
copy. At every commit, the keys of an existing payment are therefore in the live table, in the archive, or in both. An
import proceeds as follows:

1. It inserts its new rows. The unique keys of the live table reject the keys of a live row, and make the import wait
   for a session that is inserting or deleting such a row. An INSERT that succeeds therefore proves that no live row has
   these keys, and that every deletion of one has been committed.
2. In the same transaction, it looks up the new rows in the archive by every unique key. The transaction is READ
   COMMITTED, so this statement reads everything that was committed before it started. That includes the copy of a row
   whose deletion let the INSERT succeed.
3. If the archive has any of the keys, it rolls back and starts over. The second attempt also looks in the archive
   before it inserts, so it rejects these rows and inserts the others.

A row that the import has inserted cannot be archived before the commit, because no other session sees it. A live row
that the import updates is locked from before the comparison until the commit, and the archive skips locked rows. None
of this depends on the order in which the two programs take table locks, or on how long either waits.
"""

from collections.abc import Sequence
from typing import Any, Final

from pymysql.cursors import Cursor

from tools.transfer.files.records import Row

_BY_ID: Final = "SELECT {0} FROM {1} WHERE {0} IN %s"
_BY_REFERENCE: Final = "SELECT reference FROM payments_archive WHERE reference IN %s"
_BY_REQUEST: Final = "SELECT caller, request_id FROM {0} WHERE (caller, request_id) IN %s"
_PAYMENTS: Final = "SELECT payment_id FROM payments_archive WHERE payment_id IN %s"


class ArchivedKeys:
    """The keys of a batch that archived rows also have."""

    def __init__(self, cursor: Cursor, table: str, id_column: str, rows: Sequence[Row]) -> None:
        """Look up the rows of ``table`` by every unique key of its archive."""
        self._id_column = id_column
        ids = [row[id_column] for row in rows if row.get(id_column) is not None]
        requests = [request_of(row) for row in rows if row.get("caller") is not None]
        references = [row["reference"] for row in rows if row.get("reference") is not None]
        archive = f"{table}_archive"
        self._ids = {key for (key,) in _select(cursor, _BY_ID.format(id_column, archive), ids)}
        self._references = {key for (key,) in _select(cursor, _BY_REFERENCE, references)}
        self._requests = set(_select(cursor, _BY_REQUEST.format(archive), requests))

    def __bool__(self) -> bool:
        """Whether any row has a key of an archived row."""
        return bool(self._ids or self._references or self._requests)

    def field_of(self, row: Row) -> str | None:
        """Return the field in which a row has the key of an archived row, or None."""
        if row.get(self._id_column) in self._ids:
            return self._id_column
        if row.get("reference") in self._references:
            return "reference"
        if row.get("caller") is not None and request_of(row) in self._requests:
            return "request_id"
        return None


def archived_payments(cursor: Cursor, rows: Sequence[Row]) -> ArchivedKeys:
    """Look up payments in the archive by payment_id, by reference, and by caller and request_id."""
    return ArchivedKeys(cursor, "payments", "payment_id", rows)


def archived_refunds(cursor: Cursor, rows: Sequence[Row]) -> ArchivedKeys:
    """Look up refunds in the archive by refund_id, and by caller and request_id."""
    return ArchivedKeys(cursor, "refunds", "refund_id", rows)


def archived_payment_ids(cursor: Cursor, payment_ids: Sequence[int]) -> set[int]:
    """Return the ids that belong to archived payments."""
    return {key for (key,) in _select(cursor, _PAYMENTS, payment_ids)}


def request_of(row: Row) -> tuple[bytes, bytes]:
    """Return the caller and the request_id of a row."""
    return row["caller"], row["request_id"]


def _select(cursor: Cursor, text: str, keys: Sequence[object]) -> Sequence[tuple[Any, ...]]:
    if not keys:
        return ()
    cursor.execute(text, (keys,))
    return cursor.fetchall()
