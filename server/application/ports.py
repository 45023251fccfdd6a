"""The ports of the use cases: the interfaces of stores and processors, and the charge flow between the two.

Every method of a store raises ``StoreUnavailable`` when it cannot reach the database. ``tests/support`` implements each
port in memory, and one test suite checks both the fakes and the real stores against the guarantees made here.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from server.domain.deadline import Deadline
from server.domain.dispute import Dispute
from server.domain.events import EventsPage, EventsQuery, OutboxHead, PaymentEvent
from server.domain.late_outcomes import Check, CheckCounts, FailedRefund, Hint, Hints, ProcessorView
from server.domain.listing import NumberedPage, NumberedPageQuery, Page, PageQuery
from server.domain.money import Money
from server.domain.payment import (
    ChargeOutcome,
    Decision,
    NewCharge,
    NewPayment,
    NewRefund,
    Payment,
    PaymentDetails,
    PaymentKey,
    PaymentMethod,
    Refund,
    RefundOutcome,
    RefundsQuery,
    Status,
)
from server.domain.processing import Capture, Outcome, PendingRequest, ProcessorRefund


class PaymentStore(Protocol):
    """Stores payments and refunds.

    Each method raises ``DeadlinePassed`` if the deadline has passed before its work begins. A write that has begun runs
    to completion even if its caller is cancelled.
    """

    async def insert(self, payment: NewPayment, deadline: Deadline) -> ChargeOutcome:
        """Store a payment, or return the earlier one with the same request key and parameters.

        Raises:
            RequestIdReused: an earlier payment has the same request key but other parameters.
            OrderHasPendingPayment: the charge says ``unless_pending``, and another payment of its order is PENDING.
            ReferenceTaken: another payment has this reference; nothing was stored.
            Overloaded: too many payments are waiting to be stored.
        """

    async def insert_many(self, payments: Sequence[NewPayment], deadline: Deadline) -> list[ChargeOutcome | Exception]:
        """Store many payments, and return for each the outcome or the error of ``insert``."""

    async def refund(
        self, refund: NewRefund, create_time: datetime, deadline: Deadline, status: Status = Status.SUCCEEDED
    ) -> RefundOutcome:
        """Store a refund and update its payment in one transaction, or return the earlier refund of its request key.

        A PENDING refund reduces the refundable amount of the payment just as a SUCCEEDED one does. A refund of a
        payment whose simulated source is one of ``DEFERRED_REFUNDS`` is stored as PENDING, whatever ``status`` is.

        Raises:
            PaymentNotFound, PaymentFailed, PaymentPending, PaymentDisputed, PaymentArchived, RefundExceedsPayment: the
                payment cannot be refunded.
            InvalidRequest: the refund's currency is not that of the payment.
            RequestIdReused: an earlier refund has the same request key but other parameters.
        """

    async def get(self, key: PaymentKey, deadline: Deadline) -> PaymentDetails:
        """Return the payment with this id, reference or request key, and its first ``MAX_REFUNDS_SHOWN`` refunds.

        Raises:
            PaymentNotFound: there is none.
        """

    async def list_refunds(self, query: RefundsQuery, deadline: Deadline) -> PaymentDetails:
        """Return a payment and a page of its refunds.

        Raises:
            PaymentNotFound: there is no such payment.
        """

    async def list_page(self, query: PageQuery, deadline: Deadline) -> Page:
        """Return a page of payments."""

    async def list_numbered_page(self, query: NumberedPageQuery, deadline: Deadline) -> NumberedPage:
        """Return a page of payments by its number, and the number of payments on all pages."""


class SettlementStore(Protocol):
    """Stores the outcomes of pending charges and refunds. Of each, only the first SUCCEEDED or FAILED is stored."""

    async def settle_charge(self, payment: Payment, outcome: Outcome, now: datetime) -> tuple[Payment, bool]:
        """Store a payment's outcome unless it has one; return the stored payment, and whether this call settled it."""

    async def settle_refund(self, refund: Refund, outcome: Outcome, now: datetime) -> tuple[Refund, Payment, bool]:
        """Store a refund's outcome unless it has one: see ``settle_charge``.

        The amount of a failed refund can be refunded again.
        """

    async def await_payer(self, payment: Payment, outcome: Outcome, now: datetime) -> Payment:
        """Store what the payer must do, unless the payment has its outcome by now, and return the stored payment."""

    async def processor_id(self, payment_id: int) -> str | None:
        """Return the processor's id of a payment; None if the processor has not returned one."""


class PendingStore(Protocol):
    """Finds the pending charges and refunds."""

    async def claim(self, at_most: int) -> list[PendingRequest]:
        """Claim up to ``at_most`` due requests, so that no other reconciler asks about them for a while."""

    async def count_pending(self) -> tuple[dict[str, int], float]:
        """Count the pending charges and refunds, by kind; return also the age of the oldest in seconds, or 0."""


class LateStore(Protocol):
    """Stores what changes after a payment or refund has its outcome, and which payments to check for that."""

    async def request_check(self, hint: Hint) -> bool:
        """Make the payment of a hint due for a check, and its pending requests due for the reconciler.

        Return whether there is such a payment, live or archived.
        """

    async def add_check(self, payment_id: int) -> None:
        """Make a payment due for a check, without an effect on its pending requests."""

    async def count_checks(self) -> CheckCounts:
        """Count the payments to check."""

    async def claim_checks(self, at_most: int) -> list[Check]:
        """Claim up to ``at_most`` payments that are due, so that no other replica checks them for a while."""

    async def postpone_check(self, check: Check) -> None:
        """Keep a check until it is claimed again, unless there was another hint. Until then, it does not wait."""

    async def finish_check(self, check: Check, *, again_after_seconds: float | None) -> None:
        """Remove a check, or, for an open dispute, postpone it, unless there was another hint since it was claimed."""

    async def set_dispute(self, payment: Payment, dispute: Dispute, now: datetime) -> bool:
        """Store the dispute of a payment, unless another one than ``payment.dispute`` is stored.

        Return whether this call stored it.
        """

    async def fail_refund(self, payment: Payment, failed: FailedRefund, now: datetime) -> bool | None:
        """Store that a SUCCEEDED refund failed, so that its amount can be refunded again.

        Return whether this call changed it; None if no refund of the payment has this id, amount and processor_id.
        """

    async def take_poll(self, interval_seconds: float) -> tuple[bool, str | None]:
        """Claim the next reading of the processor's events, which is due ``interval_seconds`` after the last one.

        Return whether this succeeded, and the last event that need not be read again, if any.
        """

    async def set_last_event(self, event_id: str | None) -> None:
        """Store the last event that need not be read again."""


class EventStore(Protocol):
    """Reads the event stream."""

    async def last_sequence(self) -> int:
        """Return the sequence of the newest event; 0 if there was never one."""

    async def first_sequence(self) -> int:
        """Return the sequence of the oldest stored event, or of the next one if none is stored."""

    async def events_after(self, sequence: int, at_most: int) -> Sequence[PaymentEvent]:
        """Return up to ``at_most`` events that follow this sequence, in order and without gaps."""


class HistoryStore(Protocol):
    """Reads the events of one payment."""

    async def events_of_payment(self, query: EventsQuery, deadline: Deadline) -> EventsPage:
        """Return a page of a payment's events, also if the events or the payment are archived.

        Raises:
            PaymentNotFound: there is no such payment.
        """


class Outbox(Protocol):
    """Holds committed changes until a relay moves them into the event stream.

    One relay at a time holds the lease of the stream, by the clock of the database. Each lease has a number of its own,
    and nothing can be moved with the number of an earlier one.
    """

    async def head(self, at_most: int) -> OutboxHead:
        """Return up to ``at_most`` of the oldest rows, and the state of the lease."""

    async def newest_id(self) -> int:
        """Return the highest id of a committed row, or 0 if there is none."""

    async def take_lease(self, after_number: int, seconds: float) -> bool:
        """Take the lease ``after_number + 1``, and return whether this succeeded.

        It fails if the current lease has another number than ``after_number`` or has not ended. If the connection is
        lost, it may return False although it has taken the lease, which then ends unused.
        """

    async def release_lease(self, number: int) -> None:
        """End the lease if it still has this number, so that another relay can take it at once."""

    async def move(self, outbox_ids: Sequence[int], lease_number: int, seconds: float) -> Mapping[str, int] | None:
        """Move rows into the stream as its next events, and renew the lease, all or nothing.

        Return the number of events of each kind. Return None if nothing is known to be moved, for example because the
        lease has another number by now.
        """


class InstantProcessor(Protocol):
    """Charges immediately, so that the outcome of a charge is known before it is stored."""

    async def decide(self, charge: NewCharge) -> Decision:
        """Make the charge, and return its outcome."""


class RemoteProcessor(Protocol):
    """Moves the money through a remote service, which may answer late or not at all."""

    @property
    def methods(self) -> frozenset[PaymentMethod]:
        """The payment methods that it supports."""

    @property
    def methods_without_source(self) -> frozenset[PaymentMethod]:
        """Those for which the deployment has a means of payment, so that a charge needs no payment source."""

    @property
    def accepts_requests(self) -> bool:
        """Whether a request may be sent now, that is, whether ``check`` would pass."""

    @property
    def is_answering(self) -> bool:
        """Whether it has answered recently."""

    def check_amount(self, amount: Money) -> None:
        """Check that it can charge, or refund, exactly this amount.

        Raises:
            InvalidValue: it cannot; the description says which amounts are possible.
        """

    def check(self) -> None:
        """Check that a request may be sent now, if only as a trial.

        Raises:
            ProcessorUnavailable: it has not answered recently.
        """

    async def capture(self, request: Capture) -> Outcome:
        """Charge a payment. It is idempotent: a repeated request returns the outcome of the first.

        The outcome is PENDING while the payer must approve the payment. If the time for that is over, or if the request
        has a source of its own that is no longer known and the processor has not received an earlier request, this
        method makes sure that the payment will never be charged, and returns FAILED.

        Raises:
            OutcomeUnknown: the processor did not say whether the payment was charged.
        """

    async def find_capture(self, request: Capture) -> Outcome | None:
        """Look up the outcome of a payment without charging it; None if the processor does not know the payment.

        Raises:
            OutcomeUnknown: the processor did not answer.
        """

    async def refund(self, request: ProcessorRefund) -> Outcome:
        """Refund a payment, idempotently: see ``capture``."""

    async def find_refund(self, request: ProcessorRefund) -> Outcome | None:
        """Look up the outcome of a refund: see ``find_capture``."""


class ProcessorRecords(Protocol):
    """What a remote processor knows about settled payments, and its list of events."""

    async def view(self, check: Check) -> ProcessorView:
        """Return what the processor knows about a settled payment now.

        ``failed_refunds`` are among those that are SUCCEEDED here.

        Raises:
            OutcomeUnknown: the processor did not answer, or its answer does not match the payment.
        """

    async def hints_after(self, event_id: str | None) -> Hints:
        """Return hints from the events after ``event_id``, or from the newest events if it is None.

        Raises:
            OutcomeUnknown: the processor did not answer.
        """


class ChargeFlow(Protocol):
    """Decides a charge or refund before its one write, and finishes it after the write.

    ``ImmediateFlow`` knows the outcome before the write. ``TwoPhaseFlow`` stores the charge or refund as PENDING first,
    and then sends it to a remote processor.
    """

    async def decide(self, charge: NewCharge) -> Decision:
        """Return the method and the status to store a charge with.

        Raises:
            InvalidRequest: the processor cannot make this charge.
            ProcessorUnavailable, Overloaded: it can make no charge now; nothing was stored or sent.
        """

    def decide_refund(self, refund: NewRefund) -> Status:
        """Return the status to store a refund with.

        Raises:
            InvalidRequest, ProcessorUnavailable, Overloaded: as ``decide`` does.
        """

    async def finish_charge(self, charge: NewCharge, stored: ChargeOutcome, deadline: Deadline) -> ChargeOutcome:
        """Finish a stored charge, and return it with its outcome, or as PENDING if that takes too long."""

    async def finish_charges(
        self, stored: Sequence[tuple[NewCharge, ChargeOutcome]], deadline: Deadline
    ) -> list[ChargeOutcome]:
        """Finish many stored charges: see ``finish_charge``."""

    async def finish_refund(self, stored: RefundOutcome, deadline: Deadline) -> RefundOutcome:
        """Finish a stored refund: see ``finish_charge``."""
