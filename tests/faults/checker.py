"""Compares the record of a fault run with what the database holds at its end.

Each check is a function from a history and the tables to what is wrong, a line for each; none knows how the service
works, only what it promises. ``tests/faults/test_checker.py`` shows that each can fail.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import replace
from typing import TypeVar

from tests.faults.record import (
    Charge,
    ChargeAsked,
    DetailsSeen,
    History,
    PaymentSeen,
    Refund,
    RefundAsked,
    RefundSeen,
    Status,
    StoredPayment,
    Tables,
)

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")

LATE_SECONDS = 30
"""How long after its deadline a call may end: room for a machine that has much else to do."""

_OUTCOMES = {"OK"}
_PASSING = {"UNAVAILABLE", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED", "CANCELLED"}
_ALLOWED_CODES = {
    "Charge": _OUTCOMES | _PASSING | {"ALREADY_EXISTS"},
    "BatchCharge": _OUTCOMES | _PASSING,
    "Refund": _OUTCOMES | _PASSING | {"FAILED_PRECONDITION"},
    "GetPayment": _OUTCOMES | _PASSING,
    "ListPayments": _OUTCOMES | _PASSING,
}
"""What a server may say to the calls of the workload. INTERNAL and UNKNOWN are never among it."""


def violations(history: History, tables: Tables) -> list[str]:
    """Return what is wrong, each with the name of its check before it."""
    return [f"{check.__name__}: {wrong}" for check in CHECKS for wrong in check(history, tables)]


def acknowledged_charges_are_stored_once(history: History, tables: Tables) -> Iterator[str]:
    """Every payment that a client was told of is in the table, once, as it was told."""
    stored = _grouped((row.payment.payment_id, row) for row in tables.payments)
    final = _Final(tables)
    told = {(call.asked.request_id, final.payment(call.answer)): call for call in history.charges if call.answer}
    for (request_id, payment), call in told.items():
        rows = [row for row in stored.get(payment.payment_id, ()) if row.request_id == request_id]
        if len(rows) != 1:
            yield f"{call} was acknowledged, and is in the table {len(rows)} times"
        elif _lasting(rows[0].payment) != payment:
            yield f"{call} was acknowledged, and the table has {rows[0]}"


def each_request_has_one_payment(history: History, tables: Tables) -> Iterator[str]:
    """A request_id has one payment at most, made as one of its calls asked for it; no payment comes from nowhere."""
    asked: defaultdict[str, set[ChargeAsked]] = defaultdict(set)
    for call in history.charges:
        asked[call.asked.request_id].add(call.asked)
    for request_id, rows in _grouped((row.request_id, row) for row in tables.payments).items():
        if len(rows) > 1:
            yield f"request_id {request_id!r} has {len(rows)} payments: {rows}"
        for row in rows:
            if _charge_of(row) not in asked[request_id]:
                yield f"nobody asked for {row}"


def answers_to_a_charge_agree(history: History, tables: Tables) -> Iterator[str]:
    """All answers to one request_id tell of the same payment, which is the one that was asked for."""
    final = _Final(tables)
    answers: defaultdict[str, set[PaymentSeen]] = defaultdict(set)
    for call in history.charges:
        if call.answer is not None:
            answers[call.asked.request_id].add(final.payment(call.answer))
            if not _is_as_asked(call):
                yield f"{call} was answered with another payment than was asked for"
    for request_id, payments in answers.items():
        if len(payments) > 1:
            yield f"the answers to request_id {request_id!r} disagree: {payments}"


def acknowledged_refunds_are_stored_once(history: History, tables: Tables) -> Iterator[str]:
    """Every refund that a client was told of is in the table, once, as it was told."""
    stored = _grouped((row.refund.refund_id, row) for row in tables.refunds)
    final = _Final(tables)
    told = {(call.asked.request_id, final.refund(call.answer.refund)): call for call in history.refunds if call.answer}
    for (request_id, refund), call in told.items():
        rows = stored.get(refund.refund_id, ())
        if [(row.request_id, row.refund) for row in rows] != [(request_id, refund)]:
            yield f"{call} was acknowledged, and the table has {rows}"


def each_request_has_one_refund(history: History, tables: Tables) -> Iterator[str]:
    """A request_id has one refund at most, of the payment and amount that it asked for."""
    asked: defaultdict[str, set[RefundAsked]] = defaultdict(set)
    for call in history.refunds:
        asked[call.asked.request_id].add(call.asked)
    for request_id, rows in _grouped((row.request_id, row) for row in tables.refunds).items():
        if len(rows) > 1:
            yield f"request_id {request_id!r} has {len(rows)} refunds: {rows}"
        for row in rows:
            if not any(_is_refund_of(row.refund, wanted) for wanted in asked[request_id]):
                yield f"nobody asked for {row}"


def answers_to_a_refund_agree(history: History, tables: Tables) -> Iterator[str]:
    """All answers to one request_id tell of the same refund, which is the one that was asked for."""
    final = _Final(tables)
    answers: defaultdict[str, set[RefundSeen]] = defaultdict(set)
    for call in history.refunds:
        if call.answer is not None:
            answers[call.asked.request_id].add(final.refund(call.answer.refund))
            if not _is_refund_of(call.answer.refund, call.asked):
                yield f"{call} was answered with another refund than was asked for"
    for request_id, refunds in answers.items():
        if len(refunds) > 1:
            yield f"the answers to request_id {request_id!r} disagree: {refunds}"


def refunds_never_exceed_the_payment(history: History, tables: Tables) -> Iterator[str]:
    """The refunds of a payment, in the table and in every answer, sum up to what was charged at most."""
    refunded = _refunded(tables)
    for row in tables.payments:
        payment = row.payment
        chargeable = payment.amount_minor if payment.status is Status.SUCCEEDED else 0
        if refunded[payment.payment_id] > chargeable:
            yield f"{refunded[payment.payment_id]} were refunded of {row}"
    for call in history.refunds:
        if call.answer is not None and call.answer.payment.refunded_minor > call.answer.payment.amount_minor:
            yield f"{call} was answered with more refunded than was charged"


def refunds_and_payments_agree(_history: History, tables: Tables) -> Iterator[str]:
    """What a payment says was refunded of it is the sum of its refunds."""
    refunded = _refunded(tables)
    for row in tables.payments:
        payment, minor = row.payment, refunded[row.payment.payment_id]
        if (payment.refunded_minor, payment.is_refunded) != (minor, minor == payment.amount_minor):
            yield f"the refunds of {row} sum up to {minor}"
    payment_ids = {row.payment.payment_id for row in tables.payments}
    for stored in tables.refunds:
        if stored.refund.payment_id not in payment_ids:
            yield f"{stored} is of no payment"


def nothing_half_done_is_seen(history: History, tables: Tables) -> Iterator[str]:
    """Whatever a client read agrees with itself, and did not vanish."""
    payments = {_lasting(row.payment) for row in tables.payments}
    refunds = {row.refund for row in tables.refunds}
    final = _Final(tables)
    for call in history.reads:
        if call.answer is None:
            continue
        payment, minor = call.answer.payment, sum(_counted(refund) for refund in call.answer.refunds)
        if (payment.refunded_minor, payment.is_refunded) != (minor, minor == payment.amount_minor):
            yield f"{call} saw refunds of {minor}"
        if final.payment(payment) not in payments or not refunds.issuperset(map(final.refund, call.answer.refunds)):
            yield f"{call} saw what the table has not"


def what_was_acknowledged_is_seen(history: History, _tables: Tables) -> Iterator[str]:
    """A read that begins after the answer to a charge, or a refund, sees it; on whichever replica."""
    charged: dict[int, float] = {}
    for call in history.charges:
        if call.answer is not None:
            known = charged.get(call.answer.payment_id, float("inf"))
            charged[call.answer.payment_id] = min(known, call.ended_seconds)
    refunded: defaultdict[int, list[tuple[float, RefundSeen]]] = defaultdict(list)
    for refund in history.refunds:
        if refund.answer is not None:
            refunded[refund.asked.payment_id].append((refund.ended_seconds, refund.answer.refund))
    for read in history.reads:
        payment_id = read.asked.payment_id
        if read.answer is None:
            is_missing = read.failure is not None and read.failure.code == "NOT_FOUND"
            if is_missing and charged.get(payment_id, float("inf")) < read.begun_seconds:
                yield f"{read} did not find a payment that had been acknowledged"
            continue
        missing = _unseen(read.answer, refunded[payment_id], read.begun_seconds)
        if missing:
            yield f"{read} did not see {missing}, which had been acknowledged"


def refusals_are_justified(history: History, tables: Tables) -> Iterator[str]:
    """A refund is refused only where less remained, or nothing was charged: so it stands at the end too.

    What a processor refused at last had counted until then; and a payment is pending no more once somebody was told so.
    """
    refunded = _refunded(tables)
    for row in tables.refunds:
        refunded[row.refund.payment_id] += row.refund.amount_minor - _counted(row.refund)
    known: dict[int, float] = {}
    for charge in history.charges:
        if charge.answer is not None and charge.answer.status is not Status.PENDING:
            earlier = known.get(charge.answer.payment_id, float("inf"))
            known[charge.answer.payment_id] = min(earlier, charge.ended_seconds)
    payments = {row.payment.payment_id: row.payment for row in tables.payments}
    for call in history.refunds:
        if call.failure is None or call.failure.code != "FAILED_PRECONDITION":
            continue
        payment = payments.get(call.asked.payment_id)
        if call.failure.reason == "PAYMENT_PENDING":
            if known.get(call.asked.payment_id, float("inf")) < call.begun_seconds:
                yield f"{call} was refused, though somebody had been told of the outcome of {payment}"
            continue
        if payment is None or payment.status is not Status.SUCCEEDED:
            continue
        if refunded[payment.payment_id] + (call.asked.amount_minor or 1) <= payment.amount_minor:
            yield f"{call} was refused, though {refunded[payment.payment_id]} were refunded of {payment}"


def each_payment_and_refund_has_one_event(_history: History, tables: Tables) -> Iterator[str]:
    """Everything that is in the tables was told to the stream once, as it is; and nothing else was."""
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
    if tables.is_reserved:
        expected.update(("PENDING", row.payment.payment_id, None) for row in tables.payments)
        expected.update(("REFUND_PENDING", row.refund.payment_id, row.refund.refund_id) for row in tables.refunds)
    told: Counter[tuple[str, int, int | None]] = Counter(
        (event.kind, event.payment_id, event.refund_id) for event in tables.events
    )
    for event, count in (expected - told).items():
        yield f"{event} is missing in the stream {count} times"
    for event, count in (told - expected).items():
        yield f"{event} is in the stream {count} times too often"
    if tables.waiting:
        yield f"{tables.waiting} rows of the outbox were never relayed"


def events_are_in_order(_history: History, tables: Tables) -> Iterator[str]:
    """The stream has no gaps, and that of a payment its charge first, then its refunds as they added up."""
    if [event.sequence for event in tables.events] != list(range(1, len(tables.events) + 1)):
        yield "the sequence of the events has gaps"
    amounts = {row.refund.refund_id: row.refund.amount_minor for row in tables.refunds}
    signs = {"REFUND_PENDING": 1, "REFUND_FAILED": -1} if tables.is_reserved else {"REFUNDED": 1}
    charging = 2 if tables.is_reserved else 1
    for payment_id, events in _grouped((event.payment_id, event) for event in tables.events).items():
        minor = 0
        for place, event in enumerate(events):
            if (event.refund_id is None) != (place < charging) or (event.kind == "PENDING") != (place < charging - 1):
                yield f"payment {payment_id} was not charged first: {events}"
            minor += signs.get(event.kind, 0) * amounts.get(event.refund_id or 0, 0)
            if event.refunded_minor != minor:
                yield f"{event} came when {minor} were refunded"


def calls_end_by_their_deadline(history: History, _tables: Tables) -> Iterator[str]:
    """No call goes on long after its deadline."""
    for call in history.calls():
        if call.ended_seconds - call.begun_seconds > call.timeout_seconds + LATE_SECONDS:
            yield f"{call} did not end by its deadline"


def servers_never_fail(history: History, _tables: Tables) -> Iterator[str]:
    """No error of INTERNAL or UNKNOWN that a client got has a call_id: libraries make such errors, servers do not."""
    for call in history.calls():
        if call.failure is not None and call.failure.code in {"INTERNAL", "UNKNOWN"} and call.failure.call_id:
            yield f"{call} was answered so by a server"


CHECKS: tuple[Callable[[History, Tables], Iterator[str]], ...] = (
    acknowledged_charges_are_stored_once,
    each_request_has_one_payment,
    answers_to_a_charge_agree,
    acknowledged_refunds_are_stored_once,
    each_request_has_one_refund,
    answers_to_a_refund_agree,
    refunds_never_exceed_the_payment,
    refunds_and_payments_agree,
    nothing_half_done_is_seen,
    what_was_acknowledged_is_seen,
    refusals_are_justified,
    each_payment_and_refund_has_one_event,
    events_are_in_order,
    calls_end_by_their_deadline,
    servers_never_fail,
)


def unanswered(history: History) -> list[str]:
    """Return what is wrong when, after the last fault, every request was repeated until it was answered: but was not.

    A charge with a request_id of another one is refused for good, and so is a refund of more than remains.
    """
    calls: list[Charge | Refund] = [*history.charges, *history.refunds]
    settled = {call.asked for call in calls if call.is_settled}
    asked = {call.asked for call in calls}
    return [f"unanswered: {wanted} was never answered" for wanted in asked - settled]


def wrong_codes(calls: Counter[tuple[str, str]]) -> list[str]:
    """Return what the servers should not have answered, of how often they answered which RPC with which code."""
    return [
        f"wrong_codes: {count} calls of {rpc} were answered with {code}"
        for (rpc, code), count in calls.items()
        if code not in _ALLOWED_CODES.get(rpc, _OUTCOMES)
    ]


def _lasting(payment: PaymentSeen) -> PaymentSeen:
    """Return what never changes of a payment: all but what was refunded of it."""
    return PaymentSeen(
        payment.payment_id,
        payment.order_id,
        payment.amount_minor,
        payment.method,
        payment.status,
        payment.reference,
        refunded_minor=0,
        is_refunded=False,
    )


class _Final:
    """Answers as they would be now: what was told as PENDING has come to the outcome that the table has."""

    def __init__(self, tables: Tables) -> None:
        self._payments = {row.payment.payment_id: row.payment.status for row in tables.payments}
        self._refunds = {row.refund.refund_id: row.refund.status for row in tables.refunds}

    def payment(self, seen: PaymentSeen) -> PaymentSeen:
        """Return what never changes again of a payment."""
        lasting = _lasting(seen)
        if seen.status is not Status.PENDING:
            return lasting
        return replace(lasting, status=self._payments.get(seen.payment_id, seen.status))

    def refund(self, seen: RefundSeen) -> RefundSeen:
        """Return a refund likewise."""
        if seen.status is not Status.PENDING:
            return seen
        return replace(seen, status=self._refunds.get(seen.refund_id, seen.status))


def _counted(refund: RefundSeen) -> int:
    """Return what a refund counts for: one that failed, for nothing."""
    return 0 if refund.status is Status.FAILED else refund.amount_minor


def _is_as_asked(call: Charge) -> bool:
    assert call.answer is not None
    asked, got = call.asked, call.answer
    return (asked.order_id, asked.amount_minor, asked.method) == (got.order_id, got.amount_minor, got.method)


def _charge_of(row: StoredPayment) -> ChargeAsked:
    return ChargeAsked(row.request_id, row.payment.order_id, row.payment.amount_minor, row.payment.method)


def _is_refund_of(refund: RefundSeen, asked: RefundAsked) -> bool:
    return refund.payment_id == asked.payment_id and asked.amount_minor in {None, refund.amount_minor}


def _refunded(tables: Tables) -> Counter[int]:
    """Return the sum of the refunds of each payment."""
    sums: Counter[int] = Counter()
    for row in tables.refunds:
        sums[row.refund.payment_id] += _counted(row.refund)
    return sums


def _unseen(seen: DetailsSeen, acknowledged: list[tuple[float, RefundSeen]], before_seconds: float) -> list[RefundSeen]:
    """Return the refunds that had been acknowledged and are not seen, or not with the outcome that was known."""
    found = {(refund.refund_id, refund.status) for refund in seen.refunds}
    return [
        refund
        for ended, refund in acknowledged
        if ended < before_seconds
        and not any(
            (refund.refund_id, status) in found
            for status in (Status if refund.status is Status.PENDING else (refund.status,))
        )
    ]


def _grouped(pairs: Iterable[tuple[Key, Value]]) -> dict[Key, list[Value]]:
    groups: defaultdict[Key, list[Value]] = defaultdict(list)
    for key, value in pairs:
        groups[key].append(value)
    return dict(groups)
