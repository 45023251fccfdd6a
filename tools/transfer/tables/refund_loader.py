"""Load refunds into their table, except for payments made by this service. Stored refunds never change.

A batch locks its payments, so that neither a refund nor the archive can interfere. ``archived_keys`` explains why no
archived refund is inserted again; the archive moves a refund and its payment in one transaction.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from pymysql.cursors import Cursor

from server.storage import outbox
from tools.database.connection import DatabaseBusy
from tools.transfer.files.records import REFUND_COLUMNS, Problem, Row
from tools.transfer.tables.archived_keys import archived_payment_ids, archived_refunds, request_of
from tools.transfer.tables.batch_payments import sums_of_refunds
from tools.transfer.tables.batches import BatchResult, Line, Outcome, merge_or_halve
from tools.transfer.tables.transactions import RetryingTransactions

_COLUMNS: Final = ", ".join(REFUND_COLUMNS)
_SELECT_BY_ID: Final = f"SELECT {_COLUMNS} FROM refunds WHERE refund_id IN %s"  # noqa: S608 - constant columns
_SELECT_BY_REQUEST: Final = f"SELECT {_COLUMNS} FROM refunds WHERE (caller, request_id) IN %s"  # noqa: S608
_INSERT: Final = f"INSERT INTO refunds ({_COLUMNS}) VALUES "  # noqa: S608
_PLACEHOLDERS: Final = f"({', '.join(['%s'] * len(REFUND_COLUMNS))})"

_SELECT_REFUNDABLE: Final = """
    SELECT payment_id, currency, IF(refunded <> 0, COALESCE(amount, 0), refunded_amount) FROM payments
    WHERE payment_id IN %s ORDER BY payment_id
"""
"""The last column is the refunded amount of the payment, which its refunds must not exceed."""

_PAYMENT_IS_ARCHIVED: Final = "belongs to an archived payment: run `payments unarchive` first"
_MADE_BY_SERVICE: Final = """
    SELECT payment_id FROM {0} WHERE payment_id IN %s AND refund_id IS NULL AND kind <> 'IMPORTED'
"""
_SELECT_MADE_BY_SERVICE: Final = " UNION ".join(
    _MADE_BY_SERVICE.format(table) for table in ("payment_events", "payment_events_archive")
)
"""Payments whose events show that they were charged here. An imported payment can have a caller too, but no such event.

A charge whose event the relay has not numbered yet is missing here. But its refunds already add up to its refunded
amount, so that an import cannot add a refund with any effect.
"""


class RefundLoader:
    """Loads refunds of stored payments, up to the refunded amount of each payment."""

    def __init__(self, transactions: RetryingTransactions, *, dry_run: bool) -> None:
        """Load in ``transactions``; ``dry_run`` writes nothing."""
        self._transactions = transactions
        self._dry_run = dry_run

    def prepare(self, lines: Sequence[Line]) -> None:
        """Prepare nothing, because refunds are always looked up."""

    def load(self, lines: Sequence[Line], prepared: str | None) -> BatchResult:  # noqa: ARG002 - of the protocol
        """Load a batch.

        Raises:
            DatabaseBusy: another session blocked the transaction for too long.
        """
        return merge_or_halve(lines, self._merge, "refund_id")

    def _merge(self, lines: Sequence[Line]) -> BatchResult:
        return self._transactions.run(lambda cursor: self._merge_in(cursor, lines))

    def _merge_in(self, cursor: Cursor, lines: Sequence[Line]) -> BatchResult:
        stored = _StoredRows(cursor, [line.row for line in lines], lock=not self._dry_run)
        result, new = BatchResult(), []
        for line in lines:
            if stored.by_id.get(line.row["refund_id"]) == line.row:
                result.counts[Outcome.UNCHANGED] += 1
                continue
            problem = stored.problem(line.row)
            if problem is not None:
                result.reject(line, *problem)
                continue
            stored.add(line.row)
            new.append(line.row)
        result.counts[Outcome.INSERTED] = len(new)
        if new and not self._dry_run:
            values = [row[column] for row in new for column in REFUND_COLUMNS]
            cursor.execute(_INSERT + ", ".join([_PLACEHOLDERS] * len(new)), values)
            if archived_refunds(cursor, new):
                raise DatabaseBusy("a refund of the batch was archived in the meantime")
            refunds = [(row["refund_id"], row["payment_id"], stored.refundable[row["payment_id"]][1]) for row in new]
            cursor.execute(outbox.INSERT_CHANGES, (outbox.refund_import_changes(refunds, datetime.now(UTC)),))
        return result


class _StoredRows:
    """The stored payments and refunds that a batch refers to, and the refunds that it adds."""

    def __init__(self, cursor: Cursor, rows: Sequence[Row], *, lock: bool) -> None:
        payment_ids = sorted({row["payment_id"] for row in rows}, key=int)
        cursor.execute(_SELECT_REFUNDABLE + (" FOR UPDATE" if lock else ""), (payment_ids,))
        self.refundable = {payment_id: (currency, refunded) for payment_id, currency, refunded in cursor.fetchall()}
        self._sums = sums_of_refunds(cursor, payment_ids)
        cursor.execute(_SELECT_MADE_BY_SERVICE, (payment_ids, payment_ids))
        self._made_by_service = {payment_id for (payment_id,) in cursor.fetchall()}
        by_id = _refunds(cursor, _SELECT_BY_ID, [row["refund_id"] for row in rows])
        self.by_id = {refund["refund_id"]: refund for refund in by_id}
        by_request = _refunds(cursor, _SELECT_BY_REQUEST, [request_of(row) for row in rows])
        self._by_request = {request_of(refund): refund for refund in by_request}
        self._archived = archived_refunds(cursor, rows)
        missing = [payment_id for payment_id in payment_ids if payment_id not in self.refundable]
        self._archived_payments = archived_payment_ids(cursor, missing)

    def problem(self, row: Row) -> Problem | None:
        """Return a problem if a refund that is not stored cannot be added."""
        payment_id, known = row["payment_id"], self.by_id.get(row["refund_id"])
        problem = _conflict(row, known, self._by_request.get(request_of(row)))
        if problem is not None:
            return problem
        if payment_id in self._archived_payments:
            return "payment_id", _PAYMENT_IS_ARCHIVED
        if payment_id not in self.refundable:
            return "payment_id", "there is no such payment; import the payments first"
        if payment_id in self._made_by_service:
            return "payment_id", f"payment {payment_id} was made by this service, and an import adds no refunds to it"
        field = self._archived.field_of(row)
        if field is not None:
            return field, "belongs to an archived refund"
        return _excess(row, self._sums.get(payment_id, Decimal()), *self.refundable[payment_id])

    def add(self, row: Row) -> None:
        """Add a refund to be inserted."""
        if row["status"] != 0:
            self._sums[row["payment_id"]] = self._sums.get(row["payment_id"], Decimal()) + row["amount"]
        self.by_id[row["refund_id"]] = self._by_request[request_of(row)] = row


def _refunds(cursor: Cursor, text: str, keys: Sequence[object]) -> list[Row]:
    cursor.execute(text, (keys,))
    return [dict(zip(REFUND_COLUMNS, values, strict=True)) for values in cursor.fetchall()]


def _conflict(row: Row, known: Row | None, other: Row | None) -> Problem | None:
    if known is not None:
        column = next(column for column in REFUND_COLUMNS if known[column] != row[column])
        return column, f"refund {row['refund_id']} is stored with another value, and refunds never change"
    if other is not None:
        return "request_id", f"refund {other['refund_id']} has this caller and request_id"
    return None


def _excess(row: Row, sum_of_refunds: Decimal, currency: str, refunded: Decimal) -> Problem | None:
    """Return a problem if the refunds would exceed the refunded amount of the payment."""
    if row["status"] == 0 or sum_of_refunds + row["amount"] <= refunded:
        return None
    rest = refunded - sum_of_refunds
    return "amount", f"must be at most {rest} {currency}: the payment's refunded amount is {refunded}"
