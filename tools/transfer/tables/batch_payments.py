"""The stored payments that the lines of a batch name, and those that the batch inserts."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from pymysql.cursors import Cursor

from tools.transfer.files.records import PAYMENT_COLUMNS, Problem, Row
from tools.transfer.tables.archived_keys import reference_key, request_of

_COLUMNS: Final = ", ".join("refunded <> 0" if column == "refunded" else column for column in PAYMENT_COLUMNS)
_SELECT: Final = f"SELECT {_COLUMNS} FROM payments WHERE "  # noqa: S608 - columns of ours
_SUM_OF_REFUNDS: Final = """
    SELECT payment_id, SUM(amount) FROM refunds
    WHERE payment_id IN %s AND (status IS NULL OR status <> 0) GROUP BY payment_id
"""

DEFAULTS: Row = dict.fromkeys(PAYMENT_COLUMNS) | {"refunded": 0, "refunded_amount": Decimal()}
"""The values of a new payment in the columns that its file does not have."""


@dataclass(slots=True)
class BatchPayment:
    """A payment that is stored, or that this batch inserts, with the values that it will have."""

    row: Row
    is_new: bool
    is_changed: bool = False
    is_in_batch: bool = False
    """Whether a line of this batch has named it."""

    @property
    def payment_id(self) -> int | None:
        """Its id; None if the database is still to assign one."""
        payment_id: int | None = self.row["payment_id"]
        return payment_id

    @property
    def is_refunded(self) -> bool:
        """Whether any of it was refunded."""
        return bool(self.row["refunded"]) or self.row["refunded_amount"] != 0

    @property
    def is_of_service(self) -> bool:
        """Whether the service made it, for a caller's request: then no import changes it."""
        return self.row["caller"] is not None

    @property
    def name(self) -> str:
        """How the reason of a rejected line names it."""
        return "of an earlier line" if self.payment_id is None else str(self.payment_id)


class BatchPayments:
    """The payments of a batch by id, by reference and by request."""

    def __init__(self, cursor: Cursor, rows: Sequence[Row], *, lock: bool) -> None:
        """Read them, and ``lock`` them until the end of the transaction."""
        self._cursor = cursor
        self._tail = " FOR UPDATE" if lock else ""
        self._by_id: dict[int, BatchPayment] = {}
        self._by_reference: dict[str, BatchPayment] = {}
        self._by_request: dict[tuple[bytes, bytes], BatchPayment] = {}
        # In the order of the ids, so that of two imports at once one waits for the other, instead of a deadlock.
        ids = {key for row in rows if (key := row.get("payment_id")) is not None}
        self._read("payment_id IN %s ORDER BY payment_id", sorted(ids))
        references = {reference for row in rows if (reference := row.get("reference")) is not None}
        self._read("reference IN %s", sorted(references - {p.row["reference"] for p in self._by_id.values()}, key=str))
        requests = {request_of(row) for row in rows if row.get("caller") is not None}
        self._read("(caller, request_id) IN %s", sorted(requests - self._by_request.keys(), key=repr))

    def named_by(self, row: Row) -> BatchPayment | None:
        """Return the payment of the row's id or else of its reference."""
        payment_id, reference = row.get("payment_id"), row.get("reference")
        payment = None if payment_id is None else self._by_id.get(payment_id)
        return payment or (None if reference is None else self._by_reference.get(reference_key(reference)))

    def conflict(self, row: Row, payment: BatchPayment | None) -> Problem | None:
        """Return the field, and why, if keys of the row belong to another payment than the one that it names."""
        reference = row.get("reference")
        if reference is not None:
            other = self._by_reference.get(reference_key(reference))
            if other is not None and other is not payment:
                return "reference", f"payment {other.name} has this reference"
        if row.get("caller") is not None:
            other = self._by_request.get(request_of(row))
            if other is not None and other is not payment:
                return "request_id", f"payment {other.name} has this caller and request_id"
        return None

    def add(self, row: Row) -> BatchPayment:
        """Add a payment that is to be inserted."""
        payment = BatchPayment(DEFAULTS | row, is_new=True)
        self._index(payment)
        return payment

    def sums_of_refunds(self) -> dict[int, Decimal]:
        """Return the sums of the stored refunds, by the ids of their payments."""
        ids = [payment_id for payment_id, payment in self._by_id.items() if payment.is_refunded]
        return sums_of_refunds(self._cursor, ids)

    def _read(self, condition: str, keys: Sequence[object]) -> None:
        if not keys:
            return
        self._cursor.execute(f"{_SELECT}{condition}{self._tail}", (keys,))
        for values in self._cursor.fetchall():
            self._index(BatchPayment(dict(zip(PAYMENT_COLUMNS, values, strict=True)), is_new=False))

    def _index(self, payment: BatchPayment) -> None:
        row = payment.row
        if row["payment_id"] is not None:
            payment = self._by_id.setdefault(row["payment_id"], payment)
        if row["reference"] is not None:
            self._by_reference[reference_key(row["reference"])] = payment
        if row["caller"] is not None:
            self._by_request[request_of(row)] = payment


def sums_of_refunds(cursor: Cursor, payment_ids: Sequence[int]) -> dict[int, Decimal]:
    """Return the sums of the stored refunds that did not fail, by the ids of their payments."""
    if not payment_ids:
        return {}
    cursor.execute(_SUM_OF_REFUNDS, (payment_ids,))
    return dict(cursor.fetchall())
