"""Compares the database's record of money with the faulty processor's own."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from tests.faults.record import ObservedPayment, ObservedRefund, Status, Tables
from tests.processors.faulty_processor import FaultyProcessor


def disagreements(tables: Tables, processor: FaultyProcessor) -> Iterator[str]:
    """Yield each disagreement: money that moved twice, or that is in only one of the two records."""
    yield from _compare(
        "capture",
        {row.payment.reference: row.payment for row in tables.payments},
        (
            (intent.reference, intent.amount_minor)
            for intent in processor.intents.values()
            if intent.status == "succeeded"
        ),
    )
    yield from _compare(
        "refund",
        {str(row.refund.refund_id): row.refund for row in tables.refunds},
        (
            (refund.refund_id, refund.amount_minor)
            for refund in processor.refunds.values()
            if refund.status == "succeeded"
        ),
    )


def _compare(
    kind: str, rows: Mapping[str, ObservedPayment] | Mapping[str, ObservedRefund], movements: Iterable[tuple[str, int]]
) -> Iterator[str]:
    """Compare rows with the movements of money at the processor, each a name and an amount."""
    counts = Counter(movements)
    expected = Counter((name, row.amount_minor) for name, row in rows.items() if row.status is Status.SUCCEEDED)
    for movement, count in (counts - expected).items():
        yield f"{kind}: {movement} happened {count} times too often; the table has {rows.get(movement[0])}"
    for movement, count in (expected - counts).items():
        yield f"{kind}: {movement} is missing {count} times; the table has {rows.get(movement[0])}"
    for row in rows.values():
        if row.status is Status.PENDING:
            yield f"{kind}: still pending: {row}"
