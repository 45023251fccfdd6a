"""Rows in any form that an earlier system may have left are read as the expected payments."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from decimal import Decimal
from itertools import count, product
from typing import NamedTuple

import pytest

from server.domain.listing import Order, PaymentFilter
from server.domain.money import AMOUNT_DIGITS, MINOR_DIGITS, Money
from server.domain.payment import Payment, PaymentDetails, PaymentMethod, Status
from server.storage.payments import listing, queries
from server.storage.payments.codec import (
    EarlierCharge,
    cached_payment,
    charges_from_rows,
    details_from_rows,
    many_details_from_rows,
)
from tests.support.databases import DatabaseServer

_ids = count(1)


class Columns(NamedTuple):
    """The columns of a row to insert."""

    order_id: int = 342
    amount: Decimal | None = Decimal("561.00")
    currency: str = "INR"
    method: str = "UPI"
    status: int | None = 1
    reference: str | None = None
    created_at: datetime | None = datetime(2025, 2, 7, 5, 28, 54)  # noqa: DTZ001 - like the column
    refunded_amount: Decimal = Decimal(0)
    refunded: int = 0
    caller: str | None = None
    request_id: str | None = None

    def expected(self, payment_id: int) -> Payment:
        """Return the payment that is expected for this row, by the rules for adopted rows."""
        known = self.method in {"UPI", "CARD", "COD"}
        money = None if self.amount is None else Money.from_amount(self.currency, self.amount)
        refunded = Money.from_amount(self.currency, self.refunded_amount)
        return Payment(
            payment_id=payment_id,
            order_id=self.order_id,
            amount=money,
            method=PaymentMethod(self.method) if known else PaymentMethod.OTHER,
            other_method="" if known else self.method,
            status={None: Status.PENDING, 0: Status.FAILED, 1: Status.SUCCEEDED}[self.status],
            reference=self.reference,
            create_time=None if self.created_at is None else self.created_at.replace(tzinfo=UTC),
            refunded_amount=money if self.refunded or money is None else refunded,
            is_refunded=bool(self.refunded),
            caller=self.caller or "",
            request_id=self.request_id or "",
        )


def raw_row(row: Iterable[object]) -> tuple[bytes | None, ...]:
    """Return a row of the driver as the database sent it."""
    return tuple(value if value is None or isinstance(value, bytes) else str(value).encode() for value in row)


_UNUSUAL_TEXTS = [
    "",
    "upi",
    "UPI ",
    " UPI",
    'a "b", c',
    "a\\b",
    "[1]",
    "null",
    "line\nline\t\x01\x1f",
    "बैंक",
    "🏦" * 60,
    "x" * 255,
]

SHAPES = [
    *(Columns(order_id=number) for number in (0, -1, 1, 2**31, 2**63 - 1, -(2**63))),
    *(Columns(amount=Decimal(amount)) for amount in ("0.00", "0.01", "0.10", "-0.01", "-5.50", "99999999.99")),
    *(Columns(currency=currency) for currency, digits in sorted(MINOR_DIGITS.items()) if digits <= AMOUNT_DIGITS),
    *(Columns(method=method) for method in ("UPI", "CARD", "COD", *_UNUSUAL_TEXTS)),
    *(Columns(reference=f"{number} {text}"[:100]) for number, text in enumerate(_UNUSUAL_TEXTS)),
    *(
        Columns(created_at=time)
        for time in (
            None,
            datetime(1000, 1, 1),  # noqa: DTZ001
            datetime(2038, 1, 19, 3, 14, 8, 1),  # noqa: DTZ001
            datetime(9999, 12, 31, 23, 59, 59, 999_999),  # noqa: DTZ001
        )
    ),
    *(
        Columns(amount=amount, status=status, refunded_amount=refunded_amount, refunded=refunded, caller=caller)
        for amount, status, refunded_amount, refunded, caller in product(
            (None, Decimal("561.00")), (None, 0, 1), (Decimal(0), Decimal("1.50")), (0, 1), (None, "", "shop")
        )
        if amount is not None or not refunded_amount
    ),
]


@pytest.fixture(scope="module")
def inserted_rows(
    make_migrated_database: Callable[[], dict[str, str]], database_server: DatabaseServer
) -> tuple[str, dict[int, Columns]]:
    """Insert a row of each form; return the name of the database, and the columns by payment_id."""
    environment = make_migrated_database()
    rows = dict(zip(_ids, SHAPES, strict=False))
    for payment_id, columns in rows.items():
        names = ", ".join(("payment_id", *Columns._fields))
        placeholders = ", ".join(["%s"] * (len(columns) + 1))
        text = f"INSERT INTO payments ({names}) VALUES ({placeholders})"
        database_server.execute(text, (payment_id, *columns), environment["MYSQL_DB"])
    return environment["MYSQL_DB"], rows


def test_each_row_is_read_as_the_expected_payment(
    inserted_rows: tuple[str, dict[int, Columns]], database_server: DatabaseServer
) -> None:
    database, rows = inserted_rows
    for payment_id, columns in rows.items():
        expected = PaymentDetails(columns.expected(payment_id), (), has_more=False)
        found = database_server.execute(queries.SELECT_DETAILS_OF_MANY, ((payment_id,),), database)
        assert many_details_from_rows(map(raw_row, found)) == {payment_id: expected}
        found = database_server.execute(queries.SELECT_DETAILS_BY_ID, (payment_id, 0, 1, payment_id), database)
        assert details_from_rows(list(map(raw_row, found)), 1) == expected
        by_id = queries.SELECT_CHARGES_BY_REQUEST.replace("FORCE INDEX (payments_by_request) ", "")
        by_id = by_id.replace("(p.caller, p.request_id) IN %s", "p.payment_id = %s")
        (charge,) = charges_from_rows(map(raw_row, database_server.execute(by_id, (payment_id,), database))).values()
        assert charge == EarlierCharge(columns.expected(payment_id), None, is_forgotten=False)


def test_each_row_of_a_page_is_read_as_the_expected_payment(
    inserted_rows: tuple[str, dict[int, Columns]], database_server: DatabaseServer
) -> None:
    database, rows = inserted_rows
    found: list[Payment] = []
    for part in listing.page_parts(PaymentFilter(), Order.OLDEST_FIRST, None):
        rows_of_page = database_server.execute(part.text, (*part.values, 1000), database)
        found += (cached_payment(text) for (text,) in rows_of_page)
    assert {payment.payment_id: payment for payment in found} == {
        payment_id: columns.expected(payment_id) for payment_id, columns in rows.items()
    }
