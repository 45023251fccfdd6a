"""The payments, refunds and events of a fake service, and how they change."""

import heapq
import itertools
import secrets
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial

from payments_client.testing._errors import payment_not_found
from payments_client.testing._money import money_of, total_nanos
from payments_client.testing._sources import DISPUTE_DELAY_SECONDS, Outcome, Source
from payments_client.v1 import payments_pb2 as pb

CALLER = "anonymous"
"""The caller of every call."""

_DISPUTE_EVENTS = frozenset(
    {
        pb.PAYMENT_EVENT_TYPE_DISPUTE_OPENED,
        pb.PAYMENT_EVENT_TYPE_DISPUTE_WON,
        pb.PAYMENT_EVENT_TYPE_DISPUTE_LOST,
    }
)
"""The events that no caller requested."""


class Store:
    """The state of a fake service. It is not thread-safe: the service makes one call at a time."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        """Start without payments. ``clock`` returns the time."""
        self._clock = clock
        self._pending: list[tuple[datetime, int, Callable[[datetime], None]]] = []
        """A heap: when a payment or refund changes, a number that breaks ties, and what to do then."""
        self._numbers = itertools.count()
        self._refund_ids = itertools.count(1)
        self._sources: dict[int, Source] = {}
        self.payments: dict[int, pb.Payment] = {}
        self.refunds: dict[int, list[pb.Refund]] = {}
        """The refunds of each payment, oldest first."""
        self._events: list[pb.PaymentEvent] = []
        """All events, without their next actions."""

    def apply_due_outcomes(self) -> None:
        """Give their outcomes to the charges, refunds and disputes whose time has come."""
        now = self._clock()
        while self._pending and self._pending[0][0] <= now:
            time, _, finish = heapq.heappop(self._pending)
            finish(time)

    def seconds_until_next_outcome(self) -> float | None:
        """Return how long the next outcome takes, or None if nothing is pending."""
        return (self._pending[0][0] - self._clock()).total_seconds() if self._pending else None

    @property
    def event_count(self) -> int:
        """The number of events."""
        return len(self._events)

    def events(self, start: int = 0) -> list[pb.PaymentEvent]:
        """Return the events from ``start`` on, each with the next action that its payment has now."""
        return [self._with_next_action(event) for event in self._events[start:]]

    def payment(self, payment_id: int) -> pb.Payment:
        """Return the payment with this id.

        Raises:
            CallRejected: there is none.
        """
        if payment_id not in self.payments:
            raise payment_not_found()
        return self.payments[payment_id]

    def pending_payment_of_order(self, charge: pb.ChargeRequest) -> pb.Payment | None:
        """Return a pending payment of the order that is to be charged, if there is one."""
        for payment in self.payments.values():
            if payment.status == pb.PAYMENT_STATUS_PENDING and _order_of(payment) == _order_of(charge):
                return payment
        return None

    def add_payment(self, charge: pb.ChargeRequest, source: Source) -> pb.Payment:
        """Make a charge, whose request has a request_id and a currency."""
        now = self._clock()
        payment = pb.Payment(
            payment_id=len(self.payments) + 1,
            order_id=charge.order_id,
            amount=charge.amount,
            method=charge.method or pb.PAYMENT_METHOD_CARD,
            status=pb.PAYMENT_STATUS_PENDING,
            reference=f"ECI{now.astimezone(UTC):%Y%m%d}-{secrets.token_hex(10).upper()}",
            refunded_amount=money_of(charge.amount.currency_code, 0),
            refund_state=pb.REFUND_STATE_NONE,
            caller=CALLER,
            request_id=charge.request_id,
            external_reference=charge.external_reference,
            customer_id=charge.customer_id,
            labels=charge.labels,
        )
        payment.create_time.FromDatetime(now)
        self.payments[payment.payment_id] = payment
        self.refunds[payment.payment_id] = []
        self._sources[payment.payment_id] = source
        finish = partial(self._finish_charge, payment, source.charge)
        delay_seconds = source.charge.delay_seconds
        if delay_seconds or source.dispute:
            self._add_event(pb.PAYMENT_EVENT_TYPE_PENDING, now, payment)
        if source.charge.needs_approval:
            self._require_approval(payment, now, delay_seconds)
        self._call_after(delay_seconds, now, finish)
        if source.dispute:
            self._call_after(DISPUTE_DELAY_SECONDS, now, partial(self._open_dispute, payment, source.dispute))
        return payment

    def add_refund(self, payment: pb.Payment, nanos: int, request: pb.RefundRequest) -> pb.Refund:
        """Refund an amount of a payment, which must have that much left. The request has a request_id."""
        now = self._clock()
        refund = pb.Refund(
            refund_id=next(self._refund_ids),
            payment_id=payment.payment_id,
            amount=money_of(payment.amount.currency_code, nanos),
            status=pb.REFUND_STATUS_PENDING,
            reason=request.reason,
            caller=CALLER,
            request_id=request.request_id,
        )
        refund.create_time.FromDatetime(now)
        self.refunds[payment.payment_id].append(refund)
        self._add_to_refunded_amount(payment, nanos)
        source = self._sources[payment.payment_id]
        if source.refund.delay_seconds or source.refund.failure or source.late_refund:
            self._add_event(pb.PAYMENT_EVENT_TYPE_REFUND_PENDING, now, payment, refund)
        for outcome in (source.refund, source.late_refund):
            if outcome is not None:
                finish = partial(self._finish_refund, payment, refund, outcome)
                self._call_after(outcome.delay_seconds, now, finish)
        return refund

    def _call_after(self, delay_seconds: float, now: datetime, change: Callable[[datetime], None]) -> None:
        """Make a change of a payment after a delay, or at once if it is 0."""
        if not delay_seconds:
            change(now)
            return
        due = now + timedelta(seconds=delay_seconds)
        heapq.heappush(self._pending, (due, next(self._numbers), change))

    def _require_approval(self, payment: pb.Payment, now: datetime, delay_seconds: float) -> None:
        payment.next_action.type = pb.NEXT_ACTION_TYPE_REDIRECT
        payment.next_action.redirect_url = f"https://payments.example/approve/{payment.reference}"
        payment.next_action.expire_time.FromDatetime(now + timedelta(seconds=delay_seconds))
        self._add_event(pb.PAYMENT_EVENT_TYPE_ACTION_REQUIRED, now, payment)

    def _finish_charge(self, payment: pb.Payment, outcome: Outcome, now: datetime) -> None:
        payment.ClearField("next_action")
        payment.status = pb.PAYMENT_STATUS_FAILED if outcome.failure else pb.PAYMENT_STATUS_SUCCEEDED
        payment.failure = outcome.failure
        payment.failure_code = outcome.failure_code
        is_failed = payment.status == pb.PAYMENT_STATUS_FAILED
        kind = pb.PAYMENT_EVENT_TYPE_FAILED if is_failed else pb.PAYMENT_EVENT_TYPE_CHARGED
        self._add_event(kind, now, payment)

    def _finish_refund(self, payment: pb.Payment, refund: pb.Refund, outcome: Outcome, now: datetime) -> None:
        refund.status = pb.REFUND_STATUS_FAILED if outcome.failure else pb.REFUND_STATUS_SUCCEEDED
        refund.failure = outcome.failure
        refund.failure_code = outcome.failure_code
        kind = pb.PAYMENT_EVENT_TYPE_REFUNDED
        if outcome.failure:
            kind = pb.PAYMENT_EVENT_TYPE_REFUND_FAILED
            self._add_to_refunded_amount(payment, -total_nanos(refund.amount))
        self._add_event(kind, now, payment, refund)

    def _open_dispute(self, payment: pb.Payment, end: "pb.DisputeStatus.ValueType", now: datetime) -> None:
        payment.dispute.status = pb.DISPUTE_STATUS_OPEN
        payment.dispute.amount.CopyFrom(payment.amount)
        payment.dispute.reason = "fraudulent"
        payment.dispute.open_time.FromDatetime(now)
        payment.dispute.processor_reference = f"sim_dispute_{payment.payment_id}"
        self._add_event(pb.PAYMENT_EVENT_TYPE_DISPUTE_OPENED, now, payment)
        self._call_after(DISPUTE_DELAY_SECONDS, now, partial(self._close_dispute, payment, end))

    def _close_dispute(self, payment: pb.Payment, status: "pb.DisputeStatus.ValueType", now: datetime) -> None:
        payment.dispute.status = status
        payment.dispute.close_time.FromDatetime(now)
        is_won = status == pb.DISPUTE_STATUS_WON
        kind = pb.PAYMENT_EVENT_TYPE_DISPUTE_WON if is_won else pb.PAYMENT_EVENT_TYPE_DISPUTE_LOST
        self._add_event(kind, now, payment)

    def _add_to_refunded_amount(self, payment: pb.Payment, nanos: int) -> None:
        refunded = total_nanos(payment.refunded_amount) + nanos
        payment.refunded_amount.CopyFrom(money_of(payment.amount.currency_code, refunded))
        if refunded == total_nanos(payment.amount):
            payment.refund_state = pb.REFUND_STATE_FULL
        else:
            payment.refund_state = pb.REFUND_STATE_PARTIAL if refunded else pb.REFUND_STATE_NONE

    def _add_event(
        self,
        kind: "pb.PaymentEventType.ValueType",
        time: datetime,
        payment: pb.Payment,
        refund: pb.Refund | None = None,
    ) -> None:
        event = pb.PaymentEvent(type=kind, payment=payment, refund=refund)
        if kind not in _DISPUTE_EVENTS:
            event.caller = CALLER
            event.request_id = payment.request_id if refund is None else refund.request_id
        event.event_time.FromDatetime(time)
        event.payment.ClearField("next_action")
        self._events.append(event)

    def _with_next_action(self, event: pb.PaymentEvent) -> pb.PaymentEvent:
        payment = self.payments[event.payment.payment_id]
        if not payment.HasField("next_action"):
            return event
        current = pb.PaymentEvent()
        current.CopyFrom(event)
        current.payment.next_action.CopyFrom(payment.next_action)
        return current


def _order_of(charge: pb.ChargeRequest | pb.Payment) -> int | str:
    """Return what identifies an order: its id, or else the caller's own name of it."""
    return charge.order_id or charge.external_reference
