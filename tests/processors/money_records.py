"""Compares the database's records with the faulty processor's own: where money moved, and disputes."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from tests.faults.record import ObservedPayment, ObservedRefund, Status, Tables
from tests.processors.faulty_processor import FaultyProcessor

DISPUTES = """
    SELECT processor_reference, dispute_status, JSON_VALUE(dispute, '$.reference'),
        CAST(JSON_VALUE(dispute, '$.amount_minor') AS SIGNED)
    FROM payments WHERE dispute_status IS NOT NULL
"""
"""Selects the disputes for ``dispute_disagreements``."""

_DISPUTE_STATUSES = {"needs_response": "OPEN", "under_review": "OPEN", "won": "WON", "lost": "LOST"}


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


def dispute_disagreements(rows: Iterable[tuple[object, ...]], processor: FaultyProcessor) -> Iterator[str]:
    """Yield each dispute that only one of the two records has, or that is not the same; ``rows`` is from DISPUTES."""
    stored = set(rows)
    with processor.lock:
        real: set[tuple[object, ...]] = {
            (dispute.intent_id, _DISPUTE_STATUSES[dispute.status], dispute.processor_id, dispute.amount_minor)
            for dispute in processor.disputes.values()
        }
    for dispute in real - stored:
        yield f"dispute: {dispute} is missing in the table"
    for dispute in stored - real:
        yield f"dispute: the table has {dispute}, but the processor has not"


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
