"""Load payments into their table: insert new payments, and correct adopted and imported ones.

A batch is first inserted as if every row were new, because that is true of most files and is fastest. If one of its
keys is already in the table or in the archive, the stored payments are read and locked, and each line is compared with
them (``payment_changes``). ``archived_keys`` explains why no archived payment is inserted again.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from pymysql.converters import encoders
from pymysql.cursors import Cursor

from server.storage import outbox
from tools.database.connection import DatabaseBusy
from tools.transfer.files.csv_values import Value
from tools.transfer.files.records import PAYMENT_COLUMNS, Problem, Row
from tools.transfer.tables.archived_keys import ArchivedKeys, archived_payments
from tools.transfer.tables.batch_payments import DEFAULTS, BatchPayment, BatchPayments
from tools.transfer.tables.batches import BatchResult, Line, Outcome, merge_or_halve
from tools.transfer.tables.id_set import IdSet
from tools.transfer.tables.payment_changes import (
    CHANGEABLE_COLUMNS,
    changed_columns,
    forbidden_change,
    is_kept,
    refunded_amount_of,
)
from tools.transfer.tables.transactions import RetryingTransactions, RowsRejected

_SELECT_IDS: Final = "SELECT payment_id FROM payments WHERE reference IN %s"
_IS_ARCHIVED: Final = "belongs to an archived payment: run `payments unarchive` first"


class PaymentLoader:
    """Loads payments with ``columns``. Columns that the file lacks are left unchanged, or get their defaults.

    If two lines of a file have different values for the same payment, the second is rejected. Otherwise every run would
    change the table back and forth.
    """

    def __init__(
        self, transactions: RetryingTransactions, columns: Sequence[str], *, overwrite: bool, dry_run: bool
    ) -> None:
        """Load in ``transactions``.

        ``overwrite`` also changes adopted and imported payments that were refunded. ``dry_run`` writes nothing.
        """
        self._transactions = transactions
        self._columns = tuple(columns)
        self._overwrite = overwrite
        self._dry_run = dry_run
        self._expects_new = not dry_run
        self._loaded_ids = IdSet()
        self._changeable_columns = tuple(column for column in columns if column in CHANGEABLE_COLUMNS)
        self._insert_columns = (*columns, *(() if "currency" in columns else ("currency",)))

    def prepare(self, lines: Sequence[Line]) -> str | None:
        """Return the statement that inserts the batch, if its rows are expected to be new."""
        return _insert_sql([line.row for line in lines], self._insert_columns) if self._expects_new else None

    def load(self, lines: Sequence[Line], prepared: str | None) -> BatchResult:
        """Load a batch.

        Raises:
            TablesNotEmpty: the transactions require empty tables, and the database has payments.
            DatabaseBusy: another session blocked the transaction for too long.
        """
        result = self._insert_all(lines, prepared) if prepared is not None and self._expects_new else None
        if result is None:
            result = merge_or_halve(lines, self._merge, "payment_id" if "payment_id" in self._columns else "reference")
            self._expects_new = not self._dry_run and result.counts[Outcome.INSERTED] * 2 > len(lines)
        self._loaded_ids.update(result.payment_ids)
        return result

    def _insert_all(self, lines: Sequence[Line], sql: str) -> BatchResult | None:
        """Insert a batch of new payments. If one of them is stored or archived already, roll back and return None."""
        rows = [line.row for line in lines]

        def work(cursor: Cursor) -> list[int]:
            cursor.execute(sql)
            if archived_payments(cursor, rows):
                raise RowsRejected(_IS_ARCHIVED)
            _add_events(cursor, (DEFAULTS | row for row in rows))
            return _ids(cursor, rows)

        try:
            ids = self._transactions.run(work)
        except RowsRejected:
            return None
        return BatchResult(Counter({Outcome.INSERTED: len(lines)}), payment_ids=ids)

    def _merge(self, lines: Sequence[Line]) -> BatchResult:
        return self._transactions.run(lambda cursor: self._merge_in(cursor, lines))

    def _merge_in(self, cursor: Cursor, lines: Sequence[Line]) -> BatchResult:
        rows = [line.row for line in lines]
        known = BatchPayments(cursor, rows, lock=not self._dry_run)
        refunds = known.sums_of_refunds() if self._overwrite else {}
        archived = archived_payments(cursor, [row for row in rows if known.find(row) is None])
        result = BatchResult()
        accepted: list[BatchPayment] = []
        for line in lines:
            row = line.row
            payment = known.find(row)
            problem = known.conflict(row, payment)
            outcome = problem or (
                _outcome_of_new(row, archived) if payment is None else self._outcome_of_known(row, payment, refunds)
            )
            if not isinstance(outcome, Outcome):
                result.reject(line, *outcome)
                continue
            result.counts[outcome] += 1
            if payment is None:
                payment = known.add(row)
            elif outcome is Outcome.UPDATED:
                result.overwritten += payment.is_refunded
                self._change(payment, row)
            payment.is_in_batch = True
            accepted.append(payment)
        if self._dry_run:
            result.payment_ids = [it.payment_id for it in accepted if it.payment_id is not None]
        else:
            self._write(cursor, accepted)
            result.payment_ids = _ids(cursor, [payment.row for payment in accepted])
        return result

    def _outcome_of_known(self, row: Row, payment: BatchPayment, refunds: Mapping[int, Decimal]) -> Outcome | Problem:
        changed = changed_columns(row, payment, self._columns)
        if not changed:
            return Outcome.UNCHANGED
        if is_kept(row, payment, changed, overwrite=self._overwrite):
            return Outcome.KEPT
        payment_id = payment.payment_id
        if payment.is_in_batch or payment_id is None or payment_id in self._loaded_ids:
            return changed[0], "an earlier line of this file has another value for this payment"
        return forbidden_change(row, payment, changed, refunds.get(payment_id)) or Outcome.UPDATED

    def _change(self, payment: BatchPayment, row: Row) -> None:
        payment.row = payment.row | {column: row[column] for column in self._changeable_columns}
        payment.is_changed = True

    def _write(self, cursor: Cursor, payments: Iterable[BatchPayment]) -> None:
        """Insert the new payments in one statement, and update the changed ones, whose rows are locked, in another."""
        distinct = {id(payment): payment for payment in payments}.values()
        new = [payment.row for payment in distinct if payment.is_new]
        changed = [payment.row for payment in distinct if payment.is_changed]
        if new:
            cursor.execute(_insert_sql(new, self._insert_columns))
            if archived_payments(cursor, new):
                raise DatabaseBusy("a payment of the batch was archived in the meantime")
        if changed:
            updates = ", ".join(f"{column} = VALUES({column})" for column in self._changeable_columns)
            cursor.execute(f"{_insert_sql(changed, PAYMENT_COLUMNS)} ON DUPLICATE KEY UPDATE {updates}")
        _add_events(cursor, (*new, *changed))


def _outcome_of_new(row: Row, archived: ArchivedKeys) -> Outcome | Problem:
    field = archived.field_of(row)
    return Outcome.INSERTED if field is None else (field, _IS_ARCHIVED)


def _ids(cursor: Cursor, rows: Sequence[Row]) -> list[int]:
    """Return the ids of stored payments; look up those that are not in the rows by reference."""
    ids = [payment_id for row in rows if (payment_id := row.get("payment_id")) is not None]
    references = [row["reference"] for row in rows if row.get("payment_id") is None]
    if references:
        cursor.execute(_SELECT_IDS, (references,))
        ids += (row[0] for row in cursor.fetchall())
    return ids


def _add_events(cursor: Cursor, rows: Iterable[Row]) -> None:
    """Add an event for each payment to the outbox, in the transaction that writes the payments."""
    imported = [(row.get("payment_id") or row["reference"], refunded_amount_of(row)) for row in rows]
    if imported:
        cursor.execute(outbox.INSERT_CHANGES, (outbox.import_changes(imported, datetime.now(UTC)),))


def _insert_sql(rows: Sequence[Row], columns: Sequence[str]) -> str:
    """Return the statement that inserts rows, with values encoded by the driver's encoders, a column at a time.

    A cursor makes five function calls to encode each value, which costs more than all other work on a row.
    """
    literals = (_literals([row[column] for row in rows]) for column in columns)
    values = "),(".join(map(",".join, zip(*literals, strict=True)))
    return f"INSERT INTO payments ({', '.join(columns)}) VALUES ({values})"  # noqa: S608 - encoded values


def _literals(values: Sequence[Value]) -> list[str]:
    types = set(map(type, values))
    if types <= {int, Decimal}:
        return list(map(str, values))
    return [encoders[type(value)](value, None) for value in values]
