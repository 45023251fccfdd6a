"""Load payments into their table: insert new ones, and correct adopted and imported ones.

A batch is first inserted as if every row were new, which is so for most files and is fastest. If a unique key or the
archive has one of its keys already, the stored payments are read and locked, and each line is compared with them
(``payment_changes``). Why no archived payment comes back is in ``archived_keys``.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from pymysql.converters import encoders
from pymysql.cursors import Cursor

from server.storage import outbox
from tools.transfer.archived_keys import ArchivedKeys, archived_payments
from tools.transfer.batch_writer import BatchWriter, DatabaseBusy, DuplicateKey, RefusedByDatabase
from tools.transfer.csv_values import Value
from tools.transfer.known_payments import DEFAULTS, KnownPayment, KnownPayments, payment_id_of
from tools.transfer.lines import BatchResult, IdSet, Line, Outcome
from tools.transfer.payment_changes import CHANGEABLE_COLUMNS, changed_columns, forbidden_change, is_kept, refunded_of
from tools.transfer.records import PAYMENT_COLUMNS, Problem, Row

_SELECT_IDS: Final = "SELECT payment_id FROM payments WHERE reference IN %s"
_IS_ARCHIVED: Final = "is that of an archived payment: `payments unarchive` it first"


class PaymentLoader:
    """Loads payments that have ``columns``; columns that the file lacks stay as they are, or get their defaults.

    When two lines of a file name the same payment with different values, the second is rejected. Otherwise every run
    would change the table back and forth.
    """

    def __init__(self, writer: BatchWriter, columns: Sequence[str], *, overwrite: bool, dry_run: bool) -> None:
        """Load through ``writer``.

        ``overwrite`` changes adopted and imported payments that were refunded, too. ``dry_run`` writes nothing.
        """
        self._writer = writer
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
            DatabaseConnectionError: no connection.
            DatabaseBusy: another session is in the way for too long.
            TableNotEmpty: there are payments, and the writer was to load into an empty table only.
            pymysql.err.MySQLError: the database fails in another way.
        """
        if prepared is not None and self._is_new_expected:
            try:
                ids = self._writer.run(lambda cursor: self._insert_new(cursor, lines, prepared))
            except (DuplicateKey, RefusedByDatabase):
                pass
            else:
                self._seen.update(ids)
                result = BatchResult()
                result.counts[Outcome.INSERTED] = len(lines)
                return result
        result = self._merge_or_halve(lines)
        self._is_new_expected = not self._dry_run and result.counts[Outcome.INSERTED] * 2 > len(lines)
        return result

    def _insert_new(self, cursor: Cursor, lines: Sequence[Line], insertion: str) -> list[int]:
        rows = [line.row for line in lines]
        cursor.execute(insertion)
        if archived_payments(cursor, rows):
            raise DuplicateKey
        _add_events(cursor, (DEFAULTS | row for row in rows))
        return _ids(cursor, rows)

    def _merge_or_halve(self, lines: Sequence[Line]) -> BatchResult:
        """Merge a batch; if the database refuses it, merge its halves, until each refused line is alone."""
        try:
            result, ids = self._writer.run(lambda cursor: self._merge(cursor, lines))
        except (DuplicateKey, RefusedByDatabase) as error:
            # A duplicate here: another session inserted it after the look-up, and the next look-up finds it.
            result = BatchResult()
            if len(lines) == 1:
                reason = str(error) if isinstance(error, RefusedByDatabase) else "its keys belong to other payments"
                result.reject(lines[0], "payment_id" if "payment_id" in self._columns else "reference", reason)
                return result
            middle = len(lines) // 2
            result.add(self._merge_or_halve(lines[:middle]))
            result.add(self._merge_or_halve(lines[middle:]))
            return result
        self._seen.update(ids)
        return result

    def _merge(self, cursor: Cursor, lines: Sequence[Line]) -> tuple[BatchResult, list[int]]:
        """Return the outcome of the lines, and the ids of their payments."""
        rows = [line.row for line in lines]
        known = KnownPayments(cursor, rows, lock=not self._dry_run)
        refunds = known.sums_of_refunds() if self._overwrite else {}
        archived = archived_payments(cursor, [row for row in rows if known.named_by(row) is None])
        result = BatchResult()
        named: list[KnownPayment] = []
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
            return result, [it.payment_id for it in named if it.payment_id is not None]
        self._write(cursor, named)
        return result, _ids(cursor, [payment.row for payment in named])

    def _outcome_of_known(self, row: Row, payment: KnownPayment, refunds: Mapping[Value, Decimal]) -> Outcome | Problem:
        changed = changed_columns(row, payment, self._columns)
        if not changed:
            return Outcome.UNCHANGED
        if is_kept(row, payment, changed, overwrite=self._overwrite):
            return Outcome.KEPT
        payment_id = payment.payment_id
        if payment.is_in_batch or (payment_id is not None and payment_id in self._seen):
            return changed[0], "an earlier line of this file has the same payment with another value"
        return forbidden_change(row, payment, changed, refunds.get(payment_id)) or Outcome.UPDATED

    def _change(self, payment: KnownPayment, row: Row) -> None:
        payment.row = payment.row | {column: row[column] for column in self._changeable_columns}
        payment.is_changed = True

    def _write(self, cursor: Cursor, payments: Iterable[KnownPayment]) -> None:
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
    ids = [payment_id for row in rows if (payment_id := payment_id_of(row)) is not None]
    references = [row["reference"] for row in rows if payment_id_of(row) is None]
    if references:
        cursor.execute(_SELECT_IDS, (references,))
        ids += (row[0] for row in cursor.fetchall())
    return ids


def _add_events(cursor: Cursor, rows: Iterable[Row]) -> None:
    """Add an event for each payment to the outbox, in the transaction that writes the payments."""
    imported = [(payment_id_of(row) or str(row["reference"]), refunded_of(row)) for row in rows]
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
