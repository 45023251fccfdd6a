"""Payments into their table: inserted, or updated by payment_id or else by reference, as the replaced loader did.

A batch is first inserted as if none of it were there, which is so for most files and is fastest. Where a unique key
says otherwise, its rows are looked up and locked, and each line is compared with what is there.
"""

import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

import pymysql
from pymysql.constants import ER
from pymysql.converters import encoders
from pymysql.cursors import Cursor

from server.domain.errors import InvalidValue
from server.domain.money import Money
from server.storage import outbox, queries
from tools.batch_writer import BatchWriter, DuplicateKey, RefusedByDatabase
from tools.csv_values import Value
from tools.loading import BatchResult, IdSet, Line, Outcome, Prepared
from tools.payment_records import PAYMENT_COLUMNS, Row

_COLUMNS: Final = ", ".join("refunded <> 0" if column == "refunded" else column for column in PAYMENT_COLUMNS)
_SELECT: Final = f"SELECT {_COLUMNS} FROM payments WHERE "  # noqa: S608 - columns of ours
_SUM_OF_REFUNDS: Final = """
    SELECT payment_id, SUM(amount) FROM refunds
    WHERE payment_id IN %s AND (status IS NULL OR status <> 0) GROUP BY payment_id
"""
_SELECT_IDS: Final = "SELECT payment_id FROM payments WHERE reference IN %s"

_LOCAL_INFILE_REFUSED = frozenset({ER.NOT_ALLOWED_COMMAND, 3948, 4166})
"""LOAD DATA LOCAL is switched off: on the server (MySQL has its own number for it), or on MariaDB."""


@dataclass(slots=True)
class _Known:
    """A payment that is in the table, or that this batch inserts."""

    row: Row
    """As it will be."""

    is_new: bool
    is_changed: bool = False
    is_in_batch: bool = False
    """A line of this batch has named it."""

    @property
    def is_refunded(self) -> bool:
        return bool(self.row["refunded"]) or self.row["refunded_amount"] != 0


class PaymentLoader:
    """Loads payments that have ``columns``; what the file does not have is left as it is, or has its default.

    One payment in two lines of a file that say different things is rejected the second time: else the second run would
    change the table back and forth.
    """

    def __init__(  # noqa: PLR0913 - all are named
        self,
        writer: BatchWriter,
        columns: Sequence[str],
        say: Callable[[str], None],
        *,
        overwrite: bool,
        dry_run: bool,
        fast: bool,
    ) -> None:
        """Load through ``writer``.

        ``overwrite`` changes refunded payments too. ``dry_run`` only looks. ``fast`` has the database read files of
        this machine, where it may; ``say`` tells when it may not.
        """
        self._writer = writer
        self._columns = tuple(columns)
        self._say = say
        self._overwrite = overwrite
        self._dry_run = dry_run
        self._fast = fast
        self._is_new_expected = not dry_run
        self._seen = IdSet()
        self._value_columns = tuple(column for column in columns if column != "payment_id")
        self._insert_columns = (*columns, *(() if "currency" in columns else ("currency",)))

    def prepare(self, lines: Sequence[Line]) -> Prepared | None:
        """Return the statement that inserts the batch, or the file to load by, if it is likely to be new."""
        if not self._is_new_expected:
            return None
        rows = [line.row for line in lines]
        if self._fast:
            return Prepared(_tab_separated(rows, self._insert_columns), is_file=True)
        return Prepared(_insertion(rows, self._insert_columns), is_file=False)

    def load(self, lines: Sequence[Line], prepared: Prepared | None) -> BatchResult:
        """Load a batch.

        Raises:
            DatabaseConnectionError: no connection.
            DatabaseBusy: another session is in the way for too long.
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

    def _insert_new(self, cursor: Cursor, lines: Sequence[Line], prepared: Prepared) -> list[int]:
        if prepared.is_file:
            self._load_file(cursor, lines, prepared.text)
        else:
            cursor.execute(prepared.text)
        _tell(cursor, (_DEFAULTS | line.row for line in lines))
        ids, references = [], []
        for line in lines:
            payment_id = line.row.get("payment_id")
            if isinstance(payment_id, int):
                ids.append(payment_id)
            else:
                references.append(line.row["reference"])
        if references:
            cursor.execute(_SELECT_IDS, (references,))
            ids += (row[0] for row in cursor.fetchall())
        return ids

    def _load_file(self, cursor: Cursor, lines: Sequence[Line], text: str) -> None:
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            try:
                count = cursor.execute(
                    f"LOAD DATA LOCAL INFILE %s INTO TABLE payments CHARACTER SET utf8mb4 "
                    f"({', '.join(self._insert_columns)})",
                    (file.name,),
                )
            except pymysql.err.MySQLError as error:
                if error.args[0] not in _LOCAL_INFILE_REFUSED:
                    raise
                self._say("the database does not allow LOAD DATA LOCAL (local_infile); going on without")
                self._fast = False
                cursor.execute(_insertion([line.row for line in lines], self._insert_columns))
                return
        # LOCAL leaves out what it cannot load and bends what it can, each with a warning.
        if count != len(lines) or cursor.warning_count:
            raise pymysql.err.IntegrityError(ER.DUP_ENTRY)

    def _merge_or_halve(self, lines: Sequence[Line]) -> BatchResult:
        try:
            result, ids = self._writer.run(lambda cursor: self._merge(cursor, lines))
        except (DuplicateKey, RefusedByDatabase) as error:
            # A duplicate after a look: somebody else inserted it in between, so that the next look shows it.
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
        """Return what became of the lines, and the ids that they have."""
        known = _KnownPayments(cursor, [line.row for line in lines], lock=not self._dry_run)
        refunds = self._sums_of_refunds(cursor, known.payments)
        result = BatchResult()
        named: list[_Known] = []
        for line in lines:
            payment = known.named_by(line.row)
            problem = known.conflict(line.row, payment) or (payment and self._contradiction(line.row, payment, refunds))
            if problem:
                result.reject(line, *problem)
                continue
            if payment is None:
                payment = known.add(line.row)
                result.counts[Outcome.INSERTED] += 1
            elif not self._changes(line.row, payment):
                result.counts[Outcome.UNCHANGED] += 1
            elif payment.is_refunded and not self._overwrite:
                result.counts[Outcome.KEPT] += 1
            else:
                known.change(payment, {column: line.row[column] for column in self._value_columns})
                result.counts[Outcome.UPDATED] += 1
            payment.is_in_batch = True
            named.append(payment)
        if self._dry_run:
            return result, [payment_id for payment in named if (payment_id := _id(payment.row)) is not None]
        self._write(cursor, named)
        unnumbered = [payment.row["reference"] for payment in named if _id(payment.row) is None]
        ids = [payment_id for payment in named if (payment_id := _id(payment.row)) is not None]
        if unnumbered:
            cursor.execute(_SELECT_IDS, (unnumbered,))
            ids += (row[0] for row in cursor.fetchall())
        return result, ids

    def _write(self, cursor: Cursor, payments: Iterable[_Known]) -> None:
        """Insert the new ones and update the changed ones, whose rows are locked, each kind by one statement."""
        each_once = {id(payment): payment for payment in payments}.values()
        new = [payment.row for payment in each_once if payment.is_new]
        changed = [payment.row for payment in each_once if payment.is_changed and not payment.is_new]
        if new:
            cursor.execute(_insertion(new, self._insert_columns))
        if changed:
            updates = ", ".join(f"{column} = VALUES({column})" for column in self._value_columns)
            cursor.execute(f"{_insertion(changed, PAYMENT_COLUMNS)} ON DUPLICATE KEY UPDATE {updates}")
        _tell(cursor, (*new, *changed))

    def _changes(self, row: Row, payment: _Known) -> bool:
        return any(row[column] != payment.row[column] for column in self._value_columns)

    def _sums_of_refunds(self, cursor: Cursor, payments: Iterable[_Known]) -> Mapping[Value, Decimal]:
        """Return what was given back of payments, where that can matter, by their ids."""
        if not self._overwrite:
            return {}
        ids = [payment.row["payment_id"] for payment in payments if payment.is_refunded]
        if not ids:
            return {}
        cursor.execute(_SUM_OF_REFUNDS, (ids,))
        return dict(cursor.fetchall())

    def _contradiction(self, row: Row, payment: _Known, refunds: Mapping[Value, Decimal]) -> tuple[str, str] | None:
        """Return the field, and why, if the line cannot be what becomes of a payment that is there."""
        if not self._changes(row, payment) or (payment.is_refunded and not self._overwrite):
            return None
        payment_id = _id(payment.row)
        if payment.is_in_batch or (payment_id is not None and payment_id in self._seen):
            column = next(column for column in self._value_columns if row[column] != payment.row[column])
            return column, "an earlier line of this file has the same payment with another value"
        return _inconsistency(payment.row | {column: row[column] for column in self._columns}, refunds.get(payment_id))


def _inconsistency(row: Row, given_back: Decimal | None) -> tuple[str, str] | None:
    """Return the field, and why, if a payment cannot be so. ``given_back`` is the sum of its refunds, if it has any."""
    amount, refunded_amount = row["amount"], row["refunded_amount"]
    assert isinstance(amount, Decimal | None)
    assert isinstance(refunded_amount, Decimal)
    if amount is not None:
        try:
            Money.from_amount(str(row["currency"]), amount)
        except InvalidValue as error:
            return "amount", error.description
    if refunded_amount > (amount or 0):
        return "amount", f"must be at least {refunded_amount}, which was refunded"
    if given_back is not None and row["status"] != 1:
        return "status", f"must be SUCCESS, as {given_back} was refunded"
    if given_back is not None and given_back > ((amount or 0) if row["refunded"] else refunded_amount):
        return "amount" if row["refunded"] else "refunded", f"{given_back} was refunded, which is more than this allows"
    return None


class _KnownPayments:
    """The payments that the lines of a batch can mean: by id, by reference and by request."""

    def __init__(self, cursor: Cursor, rows: Sequence[Row], *, lock: bool) -> None:
        self._cursor = cursor
        self._tail = " FOR UPDATE" if lock else ""
        self._by_id: dict[Value, _Known] = {}
        self._by_reference: dict[str, _Known] = {}
        self._by_request: dict[tuple[Value, Value], _Known] = {}
        # In the order of the ids, so that two that load at once wait for one another instead of both.
        self._read(
            "payment_id IN %s ORDER BY payment_id", sorted({key for row in rows if (key := _id(row)) is not None})
        )
        references = {reference for row in rows if (reference := row.get("reference")) is not None}
        self._read("reference IN %s", sorted(references - {p.row["reference"] for p in self._by_id.values()}, key=str))
        requests = {_request(row) for row in rows if row.get("caller") is not None}
        self._read("(caller, request_id) IN %s", sorted(requests - self._by_request.keys(), key=repr))

    @property
    def payments(self) -> Iterable[_Known]:
        """Those that are in the table."""
        return self._by_id.values()

    def named_by(self, row: Row) -> _Known | None:
        """Return the payment of the row's id or else of its reference."""
        payment_id, reference = row.get("payment_id"), row.get("reference")
        payment = None if payment_id is None else self._by_id.get(payment_id)
        return payment or (None if reference is None else self._by_reference.get(_reference_key(reference)))

    def conflict(self, row: Row, payment: _Known | None) -> tuple[str, str] | None:
        """Return the field, and why, if keys of the row belong to another payment than the one that it names."""
        reference = row.get("reference")
        if reference is not None:
            other = self._by_reference.get(_reference_key(reference))
            if other is not None and other is not payment:
                return "reference", f"payment {_name(other)} has this reference"
        if row.get("caller") is not None:
            other = self._by_request.get(_request(row))
            if other is not None and other is not payment:
                return "request_id", f"payment {_name(other)} has this caller and request_id"
        return None

    def add(self, row: Row) -> _Known:
        """Add a payment that is to be inserted."""
        payment = _Known(_DEFAULTS | row, is_new=True)
        self._index(payment)
        return payment

    def change(self, payment: _Known, values: Row) -> None:
        """Give a payment other values."""
        before = payment.row
        payment.row = before | values
        payment.is_changed = True
        if before["reference"] is not None:
            del self._by_reference[_reference_key(before["reference"])]
        if before["caller"] is not None:
            del self._by_request[_request(before)]
        self._index(payment)

    def _read(self, condition: str, keys: Sequence[Value | tuple[Value, Value]]) -> None:
        if not keys:
            return
        self._cursor.execute(f"{_SELECT}{condition}{self._tail}", (keys,))
        for values in self._cursor.fetchall():
            self._index(_Known(dict(zip(PAYMENT_COLUMNS, values, strict=True)), is_new=False))

    def _index(self, payment: _Known) -> None:
        row = payment.row
        if row["payment_id"] is not None:
            payment = self._by_id.setdefault(row["payment_id"], payment)
        if row["reference"] is not None:
            self._by_reference[_reference_key(row["reference"])] = payment
        if row["caller"] is not None:
            self._by_request[_request(row)] = payment


_DEFAULTS: Row = dict.fromkeys(PAYMENT_COLUMNS) | {"refunded": 0, "refunded_amount": Decimal()}
"""What a payment has in the columns that its file has not."""


def _tell(cursor: Cursor, rows: Iterable[Row]) -> None:
    """Tell the stream of events, in the transaction that takes payments over, that it did."""
    taken = [(_id(row) or str(row["reference"]), refunded_of(row)) for row in rows]
    if taken:
        cursor.execute(queries.TELL, (outbox.imported(taken, datetime.now(UTC)),))


def refunded_of(row: Row) -> Decimal:
    """Return how much of a payment was given back: all of it where only the flag of the replaced service says so."""
    given_back = (row["amount"] or Decimal()) if row["refunded"] else row["refunded_amount"]
    assert isinstance(given_back, Decimal)
    return given_back


def _insertion(rows: Sequence[Row], columns: Sequence[str]) -> str:
    """Return the statement that inserts rows, their values bound by the driver's encoders, a column at a time.

    A cursor would ask for the encoder of each value through five calls: that costs more than all the rest of a row.
    """
    literals = (_literals([row[column] for row in rows]) for column in columns)
    values = "),(".join(map(",".join, zip(*literals, strict=True)))
    return f"INSERT INTO payments ({', '.join(columns)}) VALUES ({values})"  # noqa: S608 - see above


def _literals(values: Sequence[Value]) -> list[str]:
    types = set(map(type, values))
    if types <= {int, Decimal}:
        return list(map(str, values))
    return [encoders[type(value)](value, None) for value in values]


_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r", "\0": "\\0"})


def _tab_separated(rows: Sequence[Row], columns: Sequence[str]) -> str:
    return "".join("\t".join(_field(row[column]) for column in columns) + "\n" for row in rows)


def _field(value: Value) -> str:
    if value is None:
        return "\\N"
    if isinstance(value, bytes):
        value = value.decode()
    return value.translate(_ESCAPES) if isinstance(value, str) else str(value)


def _id(row: Row) -> int | None:
    payment_id = row.get("payment_id")
    assert isinstance(payment_id, int | None)
    return payment_id


def _reference_key(reference: Value) -> str:
    """Return the reference as the database's key compares it, to which spaces at the end are nothing."""
    assert isinstance(reference, str)
    return reference.rstrip(" ")


def _request(row: Row) -> tuple[Value, Value]:
    return row["caller"], row["request_id"]


def _name(payment: _Known) -> str:
    payment_id = _id(payment.row)
    return "of an earlier line" if payment_id is None else str(payment_id)
