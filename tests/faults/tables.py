"""Read the content of the database after a run."""

import time
from collections.abc import Callable
from typing import Any

from tests.faults.record import (
    ObservedPayment,
    ObservedRefund,
    Status,
    StoredEvent,
    StoredLateOutcome,
    StoredPayment,
    StoredRefund,
    Tables,
)

_RELAY_TIMEOUT_SECONDS = 30
_STATUSES = {None: Status.PENDING, 1: Status.SUCCEEDED, 0: Status.FAILED}


def read_tables(execute: Callable[[str], list[Any]], *, is_two_phase: bool) -> Tables:
    """Wait until the relays have emptied the outbox, and read the content of the database with ``execute``."""

    def outbox_backlog() -> int:
        return int(execute("SELECT COUNT(*) FROM payment_outbox")[0][0])

    deadline_seconds = time.monotonic() + _RELAY_TIMEOUT_SECONDS
    while outbox_backlog() and time.monotonic() < deadline_seconds:
        time.sleep(0.05)
    events = execute(
        "SELECT sequence, kind, payment_id, refund_id, CAST(refunded_amount * 100 AS SIGNED) FROM payment_events "
        "ORDER BY sequence"
    )
    payments = execute(
        "SELECT payment_id, order_id, CAST(amount * 100 AS SIGNED), method, status, reference, "
        "CAST(refunded_amount * 100 AS SIGNED), refunded, CONVERT(request_id USING ascii) FROM payments"
    )
    refunds = execute(
        "SELECT refund_id, payment_id, CAST(amount * 100 AS SIGNED), status, CONVERT(request_id USING ascii) "
        "FROM refunds"
    )
    late_outcomes = execute("SELECT kind, payment_id, refund_id FROM late_outcomes") if is_two_phase else []
    return Tables(
        tuple(
            StoredPayment(
                request_id,
                ObservedPayment(
                    payment_id, order_id, minor, method, _STATUSES[status], reference, refunded, bool(is_full)
                ),
            )
            for payment_id, order_id, minor, method, status, reference, refunded, is_full, request_id in payments
        ),
        tuple(
            StoredRefund(request_id, ObservedRefund(refund_id, payment_id, minor, _STATUSES[status]))
            for refund_id, payment_id, minor, status, request_id in refunds
        ),
        tuple(StoredEvent(*event) for event in events),
        outbox_backlog(),
        is_two_phase=is_two_phase,
        late_outcomes=tuple(StoredLateOutcome(*late) for late in late_outcomes),
    )
