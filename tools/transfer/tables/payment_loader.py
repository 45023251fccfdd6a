"""Load payments into their table: insert new ones, and correct adopted and imported ones.

A batch is first inserted as if every row were new, which is so for most files and is fastest. If a unique key or the
archive has one of its keys already, the stored payments are read and locked, and each line is compared with them
(``payment_changes``). Why no archived payment comes back is in ``archived_keys``.
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
    refunded_of,
)
from tools.transfer.tables.transactions import RetriedTransactions, RowsRefused

_SELECT_IDS: Final = "SELECT payment_id FROM payments WHERE reference IN %s"
_IS_ARCHIVED: Final = "is that of an archived payment: `payments unarchive` it first"


class PaymentLoader:
    """Loads payments that have ``columns``; columns that the file lacks stay as they are, or get their defaults.

    When two lines of a file name the same payment with different values, the second is rejected. Otherwise every run
    would change the table back and forth.
    """

    def __init__(
        self, transactions: RetriedTransactions, columns: Sequence[str], *, overwrite: bool, dry_run: bool
    ) -> None:
        """Load in ``transactions``.

        ``overwrite`` changes adopted and imported payments that were refunded, too. ``dry_run`` writes nothing.
        """
        self._transactions = transactions
        self._columns = tuple(columns)
        self._overwrite = overwrite
        self._dry_run = dry_run
        self._is_new_expected = not dry_run
        self._seen = IdSet()
        self._changeable_columns = tuple(column for column in columns if column in CHANGEABLE_COLUMNS)
        self._insert_columns = (*columns, *(() if "currency" in columns else ("currency",)))

    def prepare(self, lines: Sequence[Line]) -> str | None:
        """Return the statement that inserts the batch, if its rows are likely to be new."""
        return _insertion([line.row for line in lines], self._insert_columns) if self._is_new_expected else None

    def load(self, lines: Sequence[Line], prepared: str | None) -> BatchResult:
        """Load a batch.

        Raises:
            TablesNotEmpty: there are payments, and the writer was to load into an empty table only.
            DatabaseBusy: another session is in the way for too long.
        """
        result = self._insert_all(lines, prepared) if prepared is not None and self._is_new_expected else None
        if result is None:
            result = merge_or_halve(lines, self._merge, "payment_id" if "payment_id" in self._columns else "reference")
            self._is_new_expected = not self._dry_run and result.counts[Outcome.INSERTED] * 2 > len(lines)
        self._seen.update(result.payment_ids)
        return result

    def _insert_all(self, lines: Sequence[Line], insertion: str) -> BatchResult | None:
        """Insert a batch of new payments; None, after a rollback, when one of them is stored or archived already."""
        rows = [line.row for line in lines]

        def work(cursor: Cursor) -> list[int]:
            cursor.execute(insertion)
            if archived_payments(cursor, rows):
                raise RowsRefused(_IS_ARCHIVED)
            _add_events(cursor, (DEFAULTS | row for row in rows))
            return _ids(cursor, rows)

        try:
            ids = self._transactions.run(work)
        except RowsRefused:
            return None
        return BatchResult(Counter({Outcome.INSERTED: len(lines)}), payment_ids=ids)

    def _merge(self, lines: Sequence[Line]) -> BatchResult:
        return self._transactions.run(lambda cursor: self._merge_in(cursor, lines))

    def _merge_in(self, cursor: Cursor, lines: Sequence[Line]) -> BatchResult:
        rows = [line.row for line in lines]
        known = BatchPayments(cursor, rows, lock=not self._dry_run)
        refunds = known.sums_of_refunds() if self._overwrite else {}
        archived = archived_payments(cursor, [row for row in rows if known.named_by(row) is None])
        result = BatchResult()
        named: list[BatchPayment] = []
        for line in lines:
            row = line.row
            payment = known.named_by(row)
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
            named.append(payment)
        if self._dry_run:
            result.payment_ids = [it.payment_id for it in named if it.payment_id is not None]
        else:
            self._write(cursor, named)
            result.payment_ids = _ids(cursor, [payment.row for payment in named])
        return result

    def _outcome_of_known(self, row: Row, payment: BatchPayment, refunds: Mapping[int, Decimal]) -> Outcome | Problem:
        changed = changed_columns(row, payment, self._columns)
        if not changed:
            return Outcome.UNCHANGED
        if is_kept(row, payment, changed, overwrite=self._overwrite):
            return Outcome.KEPT
        payment_id = payment.payment_id
        if payment.is_in_batch or payment_id is None or payment_id in self._seen:
            return changed[0], "an earlier line of this file has the same payment with another value"
        return forbidden_change(row, payment, changed, refunds.get(payment_id)) or Outcome.UPDATED

    def _change(self, payment: BatchPayment, row: Row) -> None:
        payment.row = payment.row | {column: row[column] for column in self._changeable_columns}
        payment.is_changed = True

    def _write(self, cursor: Cursor, payments: Iterable[BatchPayment]) -> None:
        """Insert the new ones and update the changed ones, whose rows are locked, each kind in one statement."""
        each_once = {id(payment): payment for payment in payments}.values()
        new = [payment.row for payment in each_once if payment.is_new]
        changed = [payment.row for payment in each_once if payment.is_changed]
        if new:
            cursor.execute(_insertion(new, self._insert_columns))
            if archived_payments(cursor, new):
                raise DatabaseBusy("a payment of the batch was archived meanwhile")
        if changed:
            updates = ", ".join(f"{column} = VALUES({column})" for column in self._changeable_columns)
            cursor.execute(f"{_insertion(changed, PAYMENT_COLUMNS)} ON DUPLICATE KEY UPDATE {updates}")
        _add_events(cursor, (*new, *changed))


def _outcome_of_new(row: Row, archived: ArchivedKeys) -> Outcome | Problem:
    field = archived.field_of(row)
    return Outcome.INSERTED if field is None else (field, _IS_ARCHIVED)


def _ids(cursor: Cursor, rows: Sequence[Row]) -> list[int]:
    """Return the ids of stored payments; those that a row does not name are found by their references."""
    ids = [payment_id for row in rows if (payment_id := row.get("payment_id")) is not None]
    references = [row["reference"] for row in rows if row.get("payment_id") is None]
    if references:
        cursor.execute(_SELECT_IDS, (references,))
        ids += (row[0] for row in cursor.fetchall())
    return ids


def _add_events(cursor: Cursor, rows: Iterable[Row]) -> None:
    """Add an event for each payment to the outbox, in the transaction that writes the payments."""
    imported = [(row.get("payment_id") or row["reference"], refunded_of(row)) for row in rows]
    if imported:
        cursor.execute(outbox.TELL, (outbox.imported(imported, datetime.now(UTC)),))


def _insertion(rows: Sequence[Row], columns: Sequence[str]) -> str:
    """Return the statement that inserts rows, with values written by the driver's encoders, a column at a time.

    A cursor would look up the encoder of each value through five calls, which costs more than all the rest of a row.
    """
    literals = (_literals([row[column] for row in rows]) for column in columns)
    values = "),(".join(map(",".join, zip(*literals, strict=True)))
    return f"INSERT INTO payments ({', '.join(columns)}) VALUES ({values})"  # noqa: S608 - see above


def _literals(values: Sequence[Value]) -> list[str]:
    types = set(map(type, values))
    if types <= {int, Decimal}:
        return list(map(str, values))
    return [encoders[type(value)](value, None) for value in values]
