"""The stored payments that the lines of a batch refer to, and the payments that the batch inserts."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from pymysql.cursors import Cursor

from tools.transfer.files.records import PAYMENT_COLUMNS, Problem, Row
from tools.transfer.tables.archived_keys import request_of

_COLUMNS: Final = ", ".join("refunded <> 0" if column == "refunded" else column for column in PAYMENT_COLUMNS)
_SELECT: Final = f"SELECT {_COLUMNS} FROM payments WHERE "  # noqa: S608 - constant columns
_SUM_OF_REFUNDS: Final = """
    SELECT payment_id, SUM(amount) FROM refunds
    WHERE payment_id IN %s AND (status IS NULL OR status <> 0) GROUP BY payment_id
"""

DEFAULTS: Row = dict.fromkeys(PAYMENT_COLUMNS) | {"refunded": 0, "refunded_amount": Decimal()}
"""The values of a new payment in columns that the file lacks."""


@dataclass(slots=True)
class BatchPayment:
    """A stored payment, or one that this batch inserts, with its values after the batch."""

    row: Row
    is_new: bool
    is_changed: bool = False
    is_in_batch: bool = False
    """Whether an earlier line of this batch refers to it."""

    @property
    def payment_id(self) -> int | None:
        """Its id, or None if the database has not assigned one yet."""
        payment_id: int | None = self.row["payment_id"]
        return payment_id

    @property
    def is_refunded(self) -> bool:
        """Whether any of it was refunded."""
        return bool(self.row["refunded"]) or self.row["refunded_amount"] != 0

    @property
    def has_caller(self) -> bool:
        """Whether this service made it, or it was imported from this service's export; no import changes it then."""
        return self.row["caller"] is not None

    @property
    def name(self) -> str:
        """Its name in the reasons of rejected lines."""
        return "of an earlier line" if self.payment_id is None else str(self.payment_id)


class BatchPayments:
    """The payments of a batch, indexed by id, by reference and by request."""

    def __init__(self, cursor: Cursor, rows: Sequence[Row], *, lock: bool) -> None:
        """Read the stored payments, and ``lock`` them until the end of the transaction."""
        self._cursor = cursor
        self._lock_clause = " FOR UPDATE" if lock else ""
        self._by_id: dict[int, BatchPayment] = {}
        self._by_reference: dict[str, BatchPayment] = {}
        self._by_request: dict[tuple[bytes, bytes], BatchPayment] = {}
        # Lock in the order of the ids, so that concurrent imports wait for each other instead of deadlocking.
        ids = {key for row in rows if (key := row.get("payment_id")) is not None}
        self._read("payment_id IN %s ORDER BY payment_id", sorted(ids))
        references = {reference for row in rows if (reference := row.get("reference")) is not None}
        self._read("reference IN %s", sorted(references - {p.row["reference"] for p in self._by_id.values()}, key=str))
        requests = {request_of(row) for row in rows if row.get("caller") is not None}
        self._read("(caller, request_id) IN %s", sorted(requests - self._by_request.keys(), key=repr))

    def find(self, row: Row) -> BatchPayment | None:
        """Return the payment with the row's id or, failing that, with its reference."""
        payment_id, reference = row.get("payment_id"), row.get("reference")
        payment = None if payment_id is None else self._by_id.get(payment_id)
        return payment or (None if reference is None else self._by_reference.get(reference))

    def conflict(self, row: Row, payment: BatchPayment | None) -> Problem | None:
        """Return a problem if a key of the row belongs to a payment other than ``payment``, which the row refers to."""
        reference = row.get("reference")
        if reference is not None:
            other = self._by_reference.get(reference)
            if other is not None and other is not payment:
                return "reference", f"payment {other.name} has this reference"
        if row.get("caller") is not None:
            other = self._by_request.get(request_of(row))
            if other is not None and other is not payment:
                return "request_id", f"payment {other.name} has this caller and request_id"
        return None

    def add(self, row: Row) -> BatchPayment:
        """Add a payment to be inserted."""
        payment = BatchPayment(DEFAULTS | row, is_new=True)
        self._index(payment)
        return payment

    def sums_of_refunds(self) -> dict[int, Decimal]:
        """Return the sum of the stored refunds of each refunded payment, by payment id."""
        ids = [payment_id for payment_id, payment in self._by_id.items() if payment.is_refunded]
        return sums_of_refunds(self._cursor, ids)

    def _read(self, condition: str, keys: Sequence[object]) -> None:
        if not keys:
            return
        self._cursor.execute(f"{_SELECT}{condition}{self._lock_clause}", (keys,))
        for values in self._cursor.fetchall():
            self._index(BatchPayment(dict(zip(PAYMENT_COLUMNS, values, strict=True)), is_new=False))

    def _index(self, payment: BatchPayment) -> None:
        row = payment.row
        if row["payment_id"] is not None:
            payment = self._by_id.setdefault(row["payment_id"], payment)
        if row["reference"] is not None:
            self._by_reference[row["reference"]] = payment
        if row["caller"] is not None:
            self._by_request[request_of(row)] = payment


def sums_of_refunds(cursor: Cursor, payment_ids: Sequence[int]) -> dict[int, Decimal]:
    """Return the sum of the stored refunds of each payment, by payment id, without failed refunds."""
    if not payment_ids:
        return {}
    cursor.execute(_SUM_OF_REFUNDS, (payment_ids,))
    return dict(cursor.fetchall())
