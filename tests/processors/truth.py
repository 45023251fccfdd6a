"""Compares what the database says of money with what the faulty processor did with it."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from tests.faults.record import PaymentSeen, RefundSeen, Status, Tables
from tests.processors.faulty_processor import FaultyProcessor


def disagreements(tables: Tables, processor: FaultyProcessor) -> Iterator[str]:
    """Return what is wrong: money that was moved twice, or is in one of the two records and not in the other."""
    yield from _compared(
        "capture",
        {row.payment.reference: row.payment for row in tables.payments},
        ((one.reference, one.amount_minor) for one in processor.intents.values() if one.status == "succeeded"),
    )
    yield from _compared(
        "refund",
        {str(row.refund.refund_id): row.refund for row in tables.refunds},
        ((one.refund_id, one.amount_minor) for one in processor.refunds.values() if one.status == "succeeded"),
    )


def _compared(
    kind: str, rows: Mapping[str, PaymentSeen] | Mapping[str, RefundSeen], moved: Iterable[tuple[str, int]]
) -> Iterator[str]:
    """Compare rows with what was moved: the name, and the amount, of each."""
    counts = Counter(moved)
    expected = Counter((name, row.amount_minor) for name, row in rows.items() if row.status is Status.SUCCEEDED)
    for one, count in (counts - expected).items():
        yield f"{kind}: {one} was made {count} times too often; the table has {rows.get(one[0])}"
    for one, count in (expected - counts).items():
        yield f"{kind}: {one} was made {count} times too rarely; the table has {rows.get(one[0])}"
    for row in rows.values():
        if row.status is Status.PENDING:
            yield f"{kind}: pending: {row}"
