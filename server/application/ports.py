"""The ports of the use cases: what they need from stores and processors, and how a charge flows between the two.

Every method of a store raises ``StoreUnavailable`` when it cannot reach the database. ``tests/support`` has each port
in memory, and one suite of tests holds the fakes and the real stores to the promises made here.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from server.domain.deadline import Deadline
from server.domain.events import OutboxRow, PaymentEvent
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
    PaymentMethod,
    Refund,
    RefundOutcome,
    RefundsQuery,
    Status,
)
from server.domain.processing import Capture, GiveBack, Outcome, PendingRequest


class PaymentStore(Protocol):
    """Stores payments and refunds.

    Each method raises ``DeadlinePassed`` when the deadline passed before its work began. A write that has begun runs to
    its end even when its caller is cancelled.
    """

    async def insert(self, payment: NewPayment, deadline: Deadline) -> ChargeOutcome:
        """Store a payment, or return the earlier one of the same request key and parameters.

        Raises:
            RequestIdReused: an earlier payment has the request key, and other parameters.
            ReferenceTaken: another payment has the reference; nothing was stored.
            Overloaded: too many payments are waiting to be stored.
        """

    async def insert_many(self, payments: Sequence[NewPayment], deadline: Deadline) -> list[ChargeOutcome | Exception]:
        """Store many payments, and return for each what ``insert`` would return or raise."""

    async def refund(
        self, refund: NewRefund, create_time: datetime, deadline: Deadline, status: Status = Status.SUCCEEDED
    ) -> RefundOutcome:
        """Store a refund and update its payment in one transaction, or return the earlier refund of its request key.

        A PENDING refund reduces what remains of the payment as much as one that SUCCEEDED.

        Raises:
            PaymentNotFound, PaymentFailed, PaymentPending, PaymentArchived, RefundExceedsPayment: it is not possible.
            InvalidRequest: its currency is not that of the payment.
            RequestIdReused: an earlier refund has the request key, and other parameters.
        """

    async def get(self, key: int | str, deadline: Deadline) -> PaymentDetails:
        """Return the payment with this id or reference, and its first ``MAX_REFUNDS_SHOWN`` refunds.

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
        """Return a page of payments by its number, and how many payments there are over all pages."""


class SettlementStore(Protocol):
    """Stores the outcomes of pending charges and refunds. The first outcome of each is final."""

    async def settle_charge(self, payment: Payment, outcome: Outcome, now: datetime) -> tuple[Payment, bool]:
        """Store a payment's outcome unless it has one; return the payment now, and whether this call settled it."""

    async def settle_refund(self, refund: Refund, outcome: Outcome, now: datetime) -> tuple[Refund, Payment, bool]:
        """Store a refund's outcome likewise. The amount of a failed refund can be refunded again."""

    async def processor_id(self, payment_id: int) -> str | None:
        """Return the processor's id of a payment; None when it has told none."""


class PendingStore(Protocol):
    """Knows the charges and refunds without an outcome."""

    async def claim(self, at_most: int) -> list[PendingRequest]:
        """Claim requests that are due, so that no other reconciler asks about them for a while."""

    async def pending(self) -> tuple[dict[str, int], float]:
        """Count the charges and refunds without an outcome, by kind; return the age of the oldest in seconds, or 0."""


class EventStore(Protocol):
    """Reads the stream of events."""

    async def last_sequence(self) -> int:
        """Return the sequence of the newest event; 0 when there was never one."""

    async def first_sequence(self) -> int:
        """Return the sequence of the oldest event that is kept; that of the next one when none is."""

    async def events_after(self, sequence: int, at_most: int) -> Sequence[PaymentEvent]:
        """Return the events that follow this sequence, in order and without gaps."""


class Outbox(Protocol):
    """Holds committed changes until the relay moves them into the stream."""

    async def head(self, at_most: int) -> Sequence[OutboxRow]:
        """Return the oldest rows."""

    async def move(self, outbox_ids: Sequence[int]) -> Mapping[str, int]:
        """Move rows into the stream as its next events, and return the number of events of each kind.

        Returns no event when another relay is moving rows.
        """


class InstantProcessor(Protocol):
    """Moves the money at once, so that the outcome of a charge is known before it is stored."""

    async def decide(self, charge: NewCharge) -> Decision:
        """Make the charge, and return its outcome."""


class RemoteProcessor(Protocol):
    """Moves the money elsewhere: it may answer late, or not at all."""

    @property
    def methods(self) -> frozenset[PaymentMethod]:
        """The methods by which it can charge."""

    @property
    def may_be_asked(self) -> bool:
        """Whether ``check`` would return."""

    @property
    def is_answering(self) -> bool:
        """Whether it has answered of late."""

    def check_amount(self, amount: Money) -> None:
        """Check that it can charge, or refund, exactly this amount.

        Raises:
            InvalidValue: it cannot; the description says which amounts it can.
        """

    def check(self) -> None:
        """Check that it may be asked now, if only as a trial.

        Raises:
            ProcessorUnavailable: it has not answered of late.
        """

    async def capture(self, asked: Capture) -> Outcome:
        """Charge a payment. It is idempotent: a repeated request returns the outcome of the first.

        Raises:
            OutcomeUnknown: the processor did not say whether the payment was charged.
        """

    async def find_capture(self, asked: Capture) -> Outcome | None:
        """Look up the outcome of a payment without charging it; None when the processor does not know the payment.

        Raises:
            OutcomeUnknown: the processor did not answer.
        """

    async def give_back(self, asked: GiveBack) -> Outcome:
        """Refund a payment, idempotently: see ``capture``."""

    async def find_give_back(self, asked: GiveBack) -> Outcome | None:
        """Look up the outcome of a refund: see ``find_capture``."""


class ChargeFlow(Protocol):
    """What happens around the one write of a charge or a refund: before it, and once it is stored.

    ``ImmediateFlow`` knows the outcome before the write. ``TwoPhaseFlow`` has the write reserve it as PENDING, and asks
    a remote processor then.
    """

    async def decide(self, charge: NewCharge) -> Decision:
        """Return the method and the status that a charge is to be stored with.

        Raises:
            InvalidRequest: the processor cannot make this charge.
            ProcessorUnavailable, Overloaded: it cannot make any now; nothing was begun.
        """

    def decide_refund(self, refund: NewRefund) -> Status:
        """Return the status that a refund is to be stored with.

        Raises:
            InvalidRequest, ProcessorUnavailable, Overloaded: as ``decide`` does.
        """

    async def finish_charge(self, stored: ChargeOutcome, deadline: Deadline) -> ChargeOutcome:
        """Finish a charge that was stored, and return it with its outcome, or PENDING when that takes too long."""

    async def finish_charges(
        self, stored: Sequence[ChargeOutcome | Exception], deadline: Deadline
    ) -> list[ChargeOutcome | Exception]:
        """Finish many charges, and leave the errors among them in their places."""

    async def finish_refund(self, stored: RefundOutcome, deadline: Deadline) -> RefundOutcome:
        """Finish a refund that was stored: see ``finish_charge``."""
