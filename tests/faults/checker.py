"""Compare the history of a fault run with the final content of the database.

Each check takes the history and the tables, and yields one line for each violation. Checks test the guarantees of the
service, not its implementation. ``tests/faults/test_checker.py`` shows that each check can fail.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import replace
from typing import TypeVar

from tests.faults.record import (
    Charge,
    ChargeRequest,
    History,
    ObservedDetails,
    ObservedPayment,
    ObservedRefund,
    Refund,
    RefundRequest,
    Status,
    StoredPayment,
    Tables,
)

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")

MAX_LATENESS_SECONDS = 30
"""The longest time by which a call may exceed its deadline, with a margin for a busy machine."""

_SUCCESS = {"OK"}
_TRANSIENT = {"UNAVAILABLE", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED", "CANCELLED"}
_ALLOWED_CODES = {
    "Charge": _SUCCESS | _TRANSIENT | {"ALREADY_EXISTS"},
    "BatchCharge": _SUCCESS | _TRANSIENT,
    "Refund": _SUCCESS | _TRANSIENT | {"FAILED_PRECONDITION"},
    "GetPayment": _SUCCESS | _TRANSIENT,
    "ListPayments": _SUCCESS | _TRANSIENT,
    "WatchPayments": _SUCCESS | _TRANSIENT,
}
"""The statuses that a server may return for each RPC of the workload. INTERNAL and UNKNOWN are never allowed."""


_DISPUTED = "PAYMENT_DISPUTED"
_EVENTS_OF_THE_PAYER = frozenset({"ACTION_REQUIRED", "DISPUTE_OPENED", "DISPUTE_WON", "DISPUTE_LOST"})


def violations(history: History, tables: Tables) -> list[str]:
    """Run all checks, and return their violations, each prefixed with the name of the check."""
    return [f"{check.__name__}: {violation}" for check in CHECKS for violation in check(history, tables)]


def acknowledged_charges_are_stored_once(history: History, tables: Tables) -> Iterator[str]:
    """Every payment that a client received is stored once, with the same values."""
    stored = _group((row.payment.payment_id, row) for row in tables.payments)
    final = _FinalStatuses(tables)
    acknowledged = {
        (call.request.request_id, final.payment(call.response)): call for call in history.charges if call.response
    }
    for (request_id, payment), call in acknowledged.items():
        rows = [row for row in stored.get(payment.payment_id, ()) if row.request_id == request_id]
        if len(rows) != 1:
            yield f"{call} was acknowledged, but is in the table {len(rows)} times"
        elif _without_refunds(rows[0].payment) != payment:
            yield f"{call} was acknowledged, but the table has {rows[0]}"


def each_request_has_one_payment(history: History, tables: Tables) -> Iterator[str]:
    """A request_id has at most one payment, which matches one of its requests, and every payment was requested."""
    requests: defaultdict[str, set[ChargeRequest]] = defaultdict(set)
    for call in history.charges:
        requests[call.request.request_id].add(replace(call.request, source=""))
    for request_id, rows in _group((row.request_id, row) for row in tables.payments).items():
        if len(rows) > 1:
            yield f"request_id {request_id!r} has {len(rows)} payments: {rows}"
        for row in rows:
            if _request_of(row) not in requests[request_id]:
                yield f"no request matches {row}"


def responses_to_a_charge_agree(history: History, tables: Tables) -> Iterator[str]:
    """All responses to one request_id have the same payment, which matches the request."""
    final = _FinalStatuses(tables)
    payments_by_request: defaultdict[str, set[ObservedPayment]] = defaultdict(set)
    for call in history.charges:
        if call.response is not None:
            payments_by_request[call.request.request_id].add(final.payment(call.response))
            if not _matches_request(call):
                yield f"{call} returned a payment that does not match the request"
    for request_id, payments in payments_by_request.items():
        if len(payments) > 1:
            yield f"the responses to request_id {request_id!r} disagree: {payments}"


def acknowledged_refunds_are_stored_once(history: History, tables: Tables) -> Iterator[str]:
    """Every refund that a client received is stored once, with the same values."""
    stored = _group((row.refund.refund_id, row) for row in tables.refunds)
    final = _FinalStatuses(tables)
    acknowledged = {
        (call.request.request_id, final.refund(call.response.refund)): call for call in history.refunds if call.response
    }
    for (request_id, refund), call in acknowledged.items():
        rows = stored.get(refund.refund_id, ())
        if [(row.request_id, row.refund) for row in rows] != [(request_id, refund)]:
            yield f"{call} was acknowledged, but the table has {rows}"


def each_request_has_one_refund(history: History, tables: Tables) -> Iterator[str]:
    """A request_id has at most one refund, of the requested payment and amount."""
    requests: defaultdict[str, set[RefundRequest]] = defaultdict(set)
    for call in history.refunds:
        requests[call.request.request_id].add(call.request)
    for request_id, rows in _group((row.request_id, row) for row in tables.refunds).items():
        if len(rows) > 1:
            yield f"request_id {request_id!r} has {len(rows)} refunds: {rows}"
        for row in rows:
            if not any(_is_refund_of(row.refund, request) for request in requests[request_id]):
                yield f"no request matches {row}"


def responses_to_a_refund_agree(history: History, tables: Tables) -> Iterator[str]:
    """All responses to one request_id have the same refund, which matches the request."""
    final = _FinalStatuses(tables)
    refunds_by_request: defaultdict[str, set[ObservedRefund]] = defaultdict(set)
    for call in history.refunds:
        if call.response is not None:
            refunds_by_request[call.request.request_id].add(final.refund(call.response.refund))
            if not _is_refund_of(call.response.refund, call.request):
                yield f"{call} returned a refund that does not match the request"
    for request_id, refunds in refunds_by_request.items():
        if len(refunds) > 1:
            yield f"the responses to request_id {request_id!r} disagree: {refunds}"


def refunds_never_exceed_the_payment(history: History, tables: Tables) -> Iterator[str]:
    """The sum of the refunds of a payment, in the table and in every response, is at most the charged amount."""
    refunded = _refunded_amounts(tables)
    for row in tables.payments:
        payment = row.payment
        chargeable = payment.amount_minor if payment.status is Status.SUCCEEDED else 0
        if refunded[payment.payment_id] > chargeable:
            yield f"the refunds of {row} add up to {refunded[payment.payment_id]}"
    for call in history.refunds:
        if call.response is not None and call.response.payment.refunded_minor > call.response.payment.amount_minor:
            yield f"{call} returned a payment with more refunded than charged"


def refunds_and_payments_agree(_history: History, tables: Tables) -> Iterator[str]:
    """The refunded amount of a payment equals the sum of its refunds."""
    refunded = _refunded_amounts(tables)
    for row in tables.payments:
        payment, minor = row.payment, refunded[row.payment.payment_id]
        if (payment.refunded_minor, payment.is_refunded) != (minor, minor == payment.amount_minor):
            yield f"the refunds of {row} add up to {minor}"
    payment_ids = {row.payment.payment_id for row in tables.payments}
    for stored in tables.refunds:
        if stored.refund.payment_id not in payment_ids:
            yield f"{stored} has no payment"


def reads_are_consistent(history: History, tables: Tables) -> Iterator[str]:
    """Every payment that a client read agrees with the refunds it was read with, and all of them are still stored."""
    payments = {_without_refunds(row.payment) for row in tables.payments}
    refunds = {row.refund for row in tables.refunds}
    final = _FinalStatuses(tables)
    for call in history.reads:
        if call.response is None:
            continue
        payment, minor = call.response.payment, sum(_effective_amount(refund) for refund in call.response.refunds)
        if (payment.refunded_minor, payment.is_refunded) != (minor, minor == payment.amount_minor):
            yield f"{call} saw refunds of {minor}"
        if final.payment(payment) not in payments or not refunds.issuperset(map(final.refund, call.response.refunds)):
            yield f"{call} saw a payment or refund that is not in the table"


def acknowledged_writes_are_visible(history: History, tables: Tables) -> Iterator[str]:
    """A read that starts after a charge or refund was acknowledged returns it, on any replica."""
    charged: dict[int, float] = {}
    for call in history.charges:
        if call.response is not None:
            earliest = charged.get(call.response.payment_id, float("inf"))
            charged[call.response.payment_id] = min(earliest, call.ended_seconds)
    refunded: defaultdict[int, list[tuple[float, ObservedRefund]]] = defaultdict(list)
    for refund in history.refunds:
        if refund.response is not None:
            refunded[refund.request.payment_id].append((refund.ended_seconds, refund.response.refund))
    for read in history.reads:
        payment_id = read.request.payment_id
        if read.response is None:
            is_missing = read.failure is not None and read.failure.code == "NOT_FOUND"
            if is_missing and charged.get(payment_id, float("inf")) < read.started_seconds:
                yield f"{read} did not find a payment that had been acknowledged"
            continue
        missing = _unseen(read.response, refunded[payment_id], read.started_seconds, tables.refunds_that_failed_late)
        if missing:
            yield f"{read} did not see {missing}, which had been acknowledged"


def rejections_are_justified(history: History, tables: Tables) -> Iterator[str]:
    """A refund is rejected only if its payment failed or has too little left, also according to the final tables.

    A refund that the processor declined later still counts here, because its amount was reserved at the time. A payment
    must not be reported as pending after a client received its outcome.
    """
    refunded = _refunded_amounts(tables)
    for row in tables.refunds:
        refunded[row.refund.payment_id] += row.refund.amount_minor - _effective_amount(row.refund)
    outcome_received_seconds: dict[int, float] = {}
    for charge in history.charges:
        if charge.response is not None and charge.response.status is not Status.PENDING:
            earlier = outcome_received_seconds.get(charge.response.payment_id, float("inf"))
            outcome_received_seconds[charge.response.payment_id] = min(earlier, charge.ended_seconds)
    payments = {row.payment.payment_id: row.payment for row in tables.payments}
    for call in history.refunds:
        if not _is_rejected_for_its_amount_or_status(call):
            continue
        payment = payments.get(call.request.payment_id)
        if _reason(call) == "PAYMENT_PENDING":
            if outcome_received_seconds.get(call.request.payment_id, float("inf")) < call.started_seconds:
                yield f"{call} was rejected as pending after a client had received the outcome of {payment}"
            continue
        if payment is None or payment.status is not Status.SUCCEEDED:
            continue
        if refunded[payment.payment_id] + (call.request.amount_minor or 1) <= payment.amount_minor:
            yield f"{call} was rejected, though only {refunded[payment.payment_id]} of {payment} were refunded"


def only_disputed_payments_are_rejected_as_disputed(history: History, tables: Tables) -> Iterator[str]:
    """A refund is rejected because of a dispute only if its payment was ever disputed."""
    for call in history.refunds:
        if _reason(call) == _DISPUTED and call.request.payment_id not in tables.disputed_payments:
            yield f"{call} was rejected as disputed, though the payment never was"


def each_payment_and_refund_has_one_event(_history: History, tables: Tables) -> Iterator[str]:
    """The stream has exactly one event for each payment, refund and outcome in the tables, and no other events."""
    expected: Counter[tuple[str, int, int | None]] = Counter(
        (("CHARGED" if row.payment.status is Status.SUCCEEDED else "FAILED"), row.payment.payment_id, None)
        for row in tables.payments
    )
    expected.update(
        (
            "REFUND_FAILED" if row.refund.status is Status.FAILED else "REFUNDED",
            row.refund.payment_id,
            row.refund.refund_id,
        )
        for row in tables.refunds
    )
    if tables.is_two_phase:
        expected.update(("PENDING", row.payment.payment_id, None) for row in tables.payments)
        expected.update(("REFUND_PENDING", row.refund.payment_id, row.refund.refund_id) for row in tables.refunds)
    for late in tables.late_outcomes:
        # A refund that failed late has the event of its failure in any case, and in addition that of its success.
        kind = "REFUNDED" if late.refund_id is not None else late.kind
        expected[kind, late.payment_id, late.refund_id] += 1
    found: Counter[tuple[str, int, int | None]] = Counter(
        (event.kind, event.payment_id, event.refund_id) for event in tables.events
    )
    # Nothing else in the tables says whether a payment needed its payer.
    expected.update({event for event in found if event[0] == "ACTION_REQUIRED"})
    for event, count in (expected - found).items():
        yield f"{event} is missing from the stream {count} times"
    for event, count in (found - expected).items():
        yield f"{event} is in the stream {count} times too many"
    if tables.backlog:
        yield f"{tables.backlog} rows of the outbox were never relayed"


def events_are_in_order(_history: History, tables: Tables) -> Iterator[str]:
    """The stream has no gaps. The events of a payment are its charge, then its refunds with correct totals.

    What the payer must do is after the beginning of the charge and before its outcome, and disputes are after it.
    """
    if [event.sequence for event in tables.events] != list(range(1, len(tables.events) + 1)):
        yield "the sequence of the events has gaps"
    amounts = {row.refund.refund_id: row.refund.amount_minor for row in tables.refunds}
    signs = {"REFUND_PENDING": 1, "REFUND_FAILED": -1} if tables.is_two_phase else {"REFUNDED": 1}
    charge_event_count = 2 if tables.is_two_phase else 1
    for payment_id, events in _group((event.payment_id, event) for event in tables.events).items():
        kinds = [event.kind for event in events]
        has_early_dispute = any(kind.startswith("DISPUTE_") for kind in kinds[:charge_event_count])
        if "ACTION_REQUIRED" in (kinds[:1] + kinds[2:]) or has_early_dispute:
            yield f"the events of payment {payment_id} are not in order: {events}"
        without_payer = [event for event in events if event.kind not in _EVENTS_OF_THE_PAYER]
        for index, event in enumerate(without_payer):
            if (event.refund_id is None) != (index < charge_event_count) or (event.kind == "PENDING") != (
                index < charge_event_count - 1
            ):
                yield f"payment {payment_id} was not charged first: {events}"
        minor = 0
        for event in events:
            minor += signs.get(event.kind, 0) * amounts.get(event.refund_id or 0, 0)
            if event.refunded_minor != minor:
                yield f"{event} follows refunds of {minor}"


def calls_end_by_their_deadline(history: History, _tables: Tables) -> Iterator[str]:
    """No call ends long after its deadline."""
    for call in history.calls():
        if call.ended_seconds - call.started_seconds > call.timeout_seconds + MAX_LATENESS_SECONDS:
            yield f"{call} did not end by its deadline"


def servers_never_fail(history: History, _tables: Tables) -> Iterator[str]:
    """No client received INTERNAL or UNKNOWN with a call_id. Client libraries create such errors without one."""
    for call in history.calls():
        if call.failure is not None and call.failure.code in {"INTERNAL", "UNKNOWN"} and call.failure.call_id:
            yield f"{call} received this error from a server"


CHECKS: tuple[Callable[[History, Tables], Iterator[str]], ...] = (
    acknowledged_charges_are_stored_once,
    each_request_has_one_payment,
    responses_to_a_charge_agree,
    acknowledged_refunds_are_stored_once,
    each_request_has_one_refund,
    responses_to_a_refund_agree,
    refunds_never_exceed_the_payment,
    refunds_and_payments_agree,
    reads_are_consistent,
    acknowledged_writes_are_visible,
    rejections_are_justified,
    only_disputed_payments_are_rejected_as_disputed,
    each_payment_and_refund_has_one_event,
    events_are_in_order,
    calls_end_by_their_deadline,
    servers_never_fail,
)


def requests_without_outcome(history: History) -> list[str]:
    """Return the requests that had no final outcome after the retries that followed the last fault.

    A rejected charge with a reused request_id and a rejected refund that exceeds the payment are final outcomes.
    """
    calls: list[Charge | Refund] = [*history.charges, *history.refunds]
    final = {call.request for call in calls if call.is_final}
    requests = {call.request for call in calls}
    return [f"requests_without_outcome: {request} has no final outcome" for request in requests - final]


def invalid_statuses(calls: Counter[tuple[str, str]]) -> list[str]:
    """Return one line for each status that servers must not return, given the number of calls by RPC and status."""
    return [
        f"invalid_statuses: {count} calls of {rpc} returned {code}"
        for (rpc, code), count in calls.items()
        if code not in _ALLOWED_CODES.get(rpc, _SUCCESS)
    ]


def _without_refunds(payment: ObservedPayment) -> ObservedPayment:
    """Return a payment without its refunds, which is the part that never changes."""
    return ObservedPayment(
        payment.payment_id,
        payment.order_id,
        payment.amount_minor,
        payment.method,
        payment.status,
        payment.reference,
        refunded_minor=0,
        is_refunded=False,
    )


class _FinalStatuses:
    """Replaces the status PENDING in responses, and SUCCEEDED of refunds that failed late, with the final status."""

    def __init__(self, tables: Tables) -> None:
        self._payments = {row.payment.payment_id: row.payment.status for row in tables.payments}
        self._refunds = {row.refund.refund_id: row.refund.status for row in tables.refunds}
        self._failed_late = tables.refunds_that_failed_late

    def payment(self, seen: ObservedPayment) -> ObservedPayment:
        """Return a payment with its final status and without its refunds."""
        unrefunded = _without_refunds(seen)
        if seen.status is not Status.PENDING:
            return unrefunded
        return replace(unrefunded, status=self._payments.get(seen.payment_id, seen.status))

    def refund(self, seen: ObservedRefund) -> ObservedRefund:
        """Return a refund with its final status."""
        may_change = seen.status is Status.SUCCEEDED and seen.refund_id in self._failed_late
        if seen.status is not Status.PENDING and not may_change:
            return seen
        return replace(seen, status=self._refunds.get(seen.refund_id, seen.status))


def _effective_amount(refund: ObservedRefund) -> int:
    """Return the amount of a refund, or zero if the refund failed."""
    return 0 if refund.status is Status.FAILED else refund.amount_minor


def _matches_request(call: Charge) -> bool:
    assert call.response is not None
    request, payment = call.request, call.response
    return (request.order_id, request.amount_minor, request.method) == (
        payment.order_id,
        payment.amount_minor,
        payment.method,
    )


def _request_of(row: StoredPayment) -> ChargeRequest:
    return ChargeRequest(row.request_id, row.payment.order_id, row.payment.amount_minor, row.payment.method)


def _reason(call: Refund) -> str:
    return call.failure.reason if call.failure is not None else ""


def _is_rejected_for_its_amount_or_status(call: Refund) -> bool:
    return call.failure is not None and call.failure.code == "FAILED_PRECONDITION" and _reason(call) != _DISPUTED


def _is_refund_of(refund: ObservedRefund, request: RefundRequest) -> bool:
    return refund.payment_id == request.payment_id and request.amount_minor in {None, refund.amount_minor}


def _refunded_amounts(tables: Tables) -> Counter[int]:
    """Return the sum of the refunds of each payment."""
    sums: Counter[int] = Counter()
    for row in tables.refunds:
        sums[row.refund.payment_id] += _effective_amount(row.refund)
    return sums


def _unseen(
    seen: ObservedDetails,
    acknowledged: list[tuple[float, ObservedRefund]],
    before_seconds: float,
    failed_late: frozenset[int],
) -> list[ObservedRefund]:
    """Return the acknowledged refunds that a read does not have, or has without their acknowledged outcome."""
    found = {(refund.refund_id, refund.status) for refund in seen.refunds}
    return [
        refund
        for ended, refund in acknowledged
        if ended < before_seconds
        and not any(
            (refund.refund_id, status) in found
            for status in (Status if refund.status is Status.PENDING else (refund.status,))
        )
        and not (
            refund.status is Status.SUCCEEDED
            and refund.refund_id in failed_late
            and (refund.refund_id, Status.FAILED) in found
        )
    ]


def _group(pairs: Iterable[tuple[Key, Value]]) -> dict[Key, list[Value]]:
    groups: defaultdict[Key, list[Value]] = defaultdict(list)
    for key, value in pairs:
        groups[key].append(value)
    return dict(groups)
