"""Find rows whose keys belong to archived payments or refunds, so that an import never inserts one a second time.

Why no import can insert what `payments archive` moves, however the two interleave. The archive deletes a live row and
writes its copy in one transaction, and `payments unarchive` inserts the live row and keeps the copy. So at every
commit, a payment that exists has its keys in the live table, in the archive, or in both. An import

1. inserts its new rows. The unique keys of the live table stop a row that is live, and make the import wait for a
   session that is about to insert or delete such a row. An INSERT that succeeds therefore proves that no live row has
   these keys, and that every deletion of one has been committed;
2. looks its new rows up in the archive, in the same transaction, by every unique key. The transaction is READ
   COMMITTED, so this statement reads everything that was committed before it began. That includes the copy of a row
   whose deletion let the INSERT succeed;
3. rolls back if the archive has any of the keys, and starts over. The second attempt looks the archive up before it
   inserts, too, so it rejects these rows and inserts the others.

A key that the import did insert cannot become archived before its commit, because nobody else sees the new row. A live
row that the import updates is locked from before the comparison until the commit, and the archive skips locked rows.
None of this depends on the order in which the two programs take table locks, or on how long either waits.
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
    """The keys of a batch that archived rows have too."""

    def __init__(self, cursor: Cursor, table: str, id_column: str, rows: Sequence[Row]) -> None:
        """Look up the rows of ``table`` by every unique key of its archive."""
        self._id_column = id_column
        ids = [row[id_column] for row in rows if row.get(id_column) is not None]
        requests = [request_of(row) for row in rows if row.get("caller") is not None]
        references = [row["reference"] for row in rows if row.get("reference") is not None]
        archive = f"{table}_archive"
        self._ids = {key for (key,) in _found(cursor, _BY_ID.format(id_column, archive), ids)}
        self._references = {reference_key(key) for (key,) in _found(cursor, _BY_REFERENCE, references)}
        self._requests = set(_found(cursor, _BY_REQUEST.format(archive), requests))

    def __bool__(self) -> bool:
        """Whether any row has a key of an archived one."""
        return bool(self._ids or self._references or self._requests)

    def field_of(self, row: Row) -> str | None:
        """Return the field by which a row has a key of an archived one, if it has."""
        if row.get(self._id_column) in self._ids:
            return self._id_column
        reference = row.get("reference")
        if reference is not None and reference_key(reference) in self._references:
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
    """Return which of these ids are in the archive of payments."""
    return {key for (key,) in _found(cursor, _PAYMENTS, payment_ids)}


def reference_key(reference: str) -> str:
    """Return the reference as the unique key of the column compares it: without spaces at its end."""
    return reference.rstrip(" ")


def request_of(row: Row) -> tuple[bytes, bytes]:
    """Return what identifies the request that a row records."""
    return row["caller"], row["request_id"]


def _found(cursor: Cursor, text: str, keys: Sequence[object]) -> Sequence[tuple[Any, ...]]:
    if not keys:
        return ()
    cursor.execute(text, (keys,))
    return cursor.fetchall()
