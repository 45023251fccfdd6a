"""Refunds into their table. A refund is a thing that happened: one that is there is never changed."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from pymysql.cursors import Cursor

from server.storage import outbox, queries
from tools.batch_writer import BatchWriter, DuplicateKey, RefusedByDatabase
from tools.csv_values import Value
from tools.loading import BatchResult, Line, Outcome, Prepared
from tools.payment_records import REFUND_COLUMNS, Row

_COLUMNS: Final = ", ".join(REFUND_COLUMNS)
_SELECT_BY_ID: Final = f"SELECT {_COLUMNS} FROM refunds WHERE refund_id IN %s"  # noqa: S608 - columns of ours
_SELECT_BY_REQUEST: Final = f"SELECT {_COLUMNS} FROM refunds WHERE (caller, request_id) IN %s"  # noqa: S608
_INSERT: Final = f"INSERT INTO refunds ({_COLUMNS}) VALUES "  # noqa: S608
_PLACES: Final = f"({', '.join(['%s'] * len(REFUND_COLUMNS))})"

_SELECT_REFUNDABLE: Final = """
    SELECT payment_id, currency, IF(refunded <> 0, COALESCE(amount, 0), refunded_amount) FROM payments
    WHERE payment_id IN %s ORDER BY payment_id
"""
"""What its refunds can add up to."""

_SUM_OF_REFUNDS: Final = """
    SELECT payment_id, SUM(amount) FROM refunds
    WHERE payment_id IN %s AND (status IS NULL OR status <> 0) GROUP BY payment_id
"""


class RefundLoader:
    """Loads refunds of payments that are there, and that count as much refunded as their refunds add up to."""

    def __init__(self, writer: BatchWriter, *, dry_run: bool) -> None:
        """Load through ``writer``; ``dry_run`` only looks."""
        self._writer = writer
        self._dry_run = dry_run

    def prepare(self, lines: Sequence[Line]) -> None:
        """Prepare nothing: a refund is always looked up."""

    def load(self, lines: Sequence[Line], prepared: Prepared | None) -> BatchResult:
        """Load a batch.

        Raises:
            DatabaseConnectionError: no connection.
            DatabaseBusy: another session is in the way for too long.
            pymysql.err.MySQLError: the database fails in another way.
        """
        try:
            return self._writer.run(lambda cursor: self._merge(cursor, lines))
        except (DuplicateKey, RefusedByDatabase) as error:
            result = BatchResult()
            if len(lines) == 1:
                reason = str(error) if isinstance(error, RefusedByDatabase) else "its keys belong to other refunds"
                result.reject(lines[0], "refund_id", reason)
                return result
            middle = len(lines) // 2
            result.add(self.load(lines[:middle], prepared))
            result.add(self.load(lines[middle:], prepared))
            return result

    def _merge(self, cursor: Cursor, lines: Sequence[Line]) -> BatchResult:
        rows = [line.row for line in lines]
        payment_ids = sorted({row["payment_id"] for row in rows}, key=int)  # type: ignore[arg-type]
        cursor.execute(_SELECT_REFUNDABLE + ("" if self._dry_run else " FOR UPDATE"), (payment_ids,))
        refundable = {payment_id: (currency, most) for payment_id, currency, most in cursor.fetchall()}
        cursor.execute(_SUM_OF_REFUNDS, (payment_ids,))
        sums: dict[Value, Decimal] = dict(cursor.fetchall())
        by_id = _by_id(cursor, rows)
        by_request = _by_request(cursor, rows)
        result, new = BatchResult(), []
        for line in lines:
            row = line.row
            payment_id, request = row["payment_id"], (row["caller"], row["request_id"])
            known = by_id.get(row["refund_id"])
            if known == row:
                result.counts[Outcome.UNCHANGED] += 1
                continue
            problem = _conflict(row, known, by_request.get(request))
            if problem is None and payment_id not in refundable:
                problem = "payment_id", "there is no such payment; import the payments first"
            if problem is None:
                problem = _excess(row, sums.get(payment_id, Decimal()), *refundable[payment_id])
            if problem is not None:
                result.reject(line, *problem)
                continue
            if row["status"] != 0:
                sums[payment_id] = sums.get(payment_id, Decimal()) + _amount(row)
            by_id[row["refund_id"]] = by_request[request] = row
            new.append(row)
        result.counts[Outcome.INSERTED] = len(new)
        if new and not self._dry_run:
            values = [row[column] for row in new for column in REFUND_COLUMNS]
            cursor.execute(_INSERT + ", ".join([_PLACES] * len(new)), values)
            taken = [(_id(row), int(str(row["payment_id"])), refundable[row["payment_id"]][1]) for row in new]
            cursor.execute(queries.TELL, (outbox.imported_refunds(taken, datetime.now(UTC)),))
        return result


def _by_id(cursor: Cursor, rows: Iterable[Row]) -> dict[Value, Row]:
    cursor.execute(_SELECT_BY_ID, ([row["refund_id"] for row in rows],))
    return {values[0]: dict(zip(REFUND_COLUMNS, values, strict=True)) for values in cursor.fetchall()}


def _by_request(cursor: Cursor, rows: Iterable[Row]) -> dict[tuple[Value, Value], Row]:
    cursor.execute(_SELECT_BY_REQUEST, ([(row["caller"], row["request_id"]) for row in rows],))
    refunds = (dict(zip(REFUND_COLUMNS, values, strict=True)) for values in cursor.fetchall())
    return {(row["caller"], row["request_id"]): row for row in refunds}


def _conflict(row: Row, known: Row | None, other: Row | None) -> tuple[str, str] | None:
    if known is not None:
        column = next(column for column in REFUND_COLUMNS if known[column] != row[column])
        return column, f"refund {_id(row)} is there with another value, and a refund does not change"
    if other is not None:
        return "request_id", f"refund {_id(other)} has this caller and request_id"
    return None


def _excess(row: Row, given_back: Decimal, currency: str, most: Decimal) -> tuple[str, str] | None:
    """Return the field, and why, if the refund is more than its payment counts as refunded."""
    if row["status"] == 0 or given_back + _amount(row) <= most:
        return None
    return "amount", f"must be at most {most - given_back} {currency}: {most} of the payment count as refunded in all"


def _amount(row: Row) -> Decimal:
    amount = row["amount"]
    assert isinstance(amount, Decimal)
    return amount


def _id(row: Row) -> int:
    refund_id = row["refund_id"]
    assert isinstance(refund_id, int)
    return refund_id
