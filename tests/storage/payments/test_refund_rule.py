"""The SQL of refunds allows the same refunds as ``Payment.amount_to_refund``."""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.domain.deadline import Deadline
from server.domain.errors import PaymentsError
from server.domain.identifiers import RequestKey
from server.domain.money import Money
from server.domain.payment import NewRefund, Payment, RefundOutcome
from server.storage.database.pool import Database
from server.storage.payments.store import MysqlPaymentStore
from tests.support.databases import DatabaseServer, settings_of

CURRENCIES = ("INR", "JPY")

COLUMNS = ("amount", "currency", "status", "refunded", "refunded_amount")

Row = tuple[int | None, str, int | None, int, int]

rows: st.SearchStrategy[Row] = st.tuples(
    st.one_of(st.none(), st.integers(0, 20)),
    st.sampled_from(CURRENCIES),
    st.sampled_from([None, 0, 1, 2]),
    st.sampled_from([0, 0, 0, 1]),
    st.integers(0, 20),
).filter(lambda row: row[4] <= (row[0] or 0))


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(row=rows, requested=st.one_of(st.none(), st.integers(1, 25)), currency=st.sampled_from(CURRENCIES))
def test_a_payment_in_any_state_is_refunded_by_the_rules_of_the_domain(
    migrated_database: dict[str, str],
    database_server: DatabaseServer,
    row: Row,
    requested: int | None,
    currency: str,
) -> None:
    name = migrated_database["MYSQL_DB"]
    payment_id = insert(database_server, name, row)
    amount = None if requested is None else Money.from_amount(currency, Decimal(requested))

    async def run() -> tuple[Payment, RefundOutcome | None]:
        database = Database(settings_of(migrated_database))
        store = MysqlPaymentStore(database)
        try:
            before = (await store.get(payment_id, Deadline())).payment
            outcome = None
            with suppress(PaymentsError):
                refund = NewRefund(payment_id, amount, "", RequestKey.of("anyone", f"of-{payment_id}"))
                outcome = await store.refund(refund, datetime.now(UTC), Deadline())
            after = (await store.get(payment_id, Deadline())).payment
            assert outcome is None or outcome.payment == after
            assert outcome is not None or before == after
            return before, outcome
        finally:
            await database.close(Deadline.after(10))

    before, outcome = asyncio.run(run())
    allowed = None
    with suppress(PaymentsError):
        allowed = before.amount_to_refund(amount)
    refunded = None if outcome is None or outcome.refund is None else outcome.refund.amount
    assert refunded == allowed


def insert(database_server: DatabaseServer, name: str, row: Row) -> int:
    with database_server.connection(name) as connection, connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO payments (order_id, method, created_at, {', '.join(COLUMNS)}) "
            "VALUES (1, 'UPI', '2025-02-07', %s, %s, %s, %s, %s)",
            row,
        )
        return int(cursor.lastrowid)
