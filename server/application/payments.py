"""What the service does, told in the words of its domain: charge, refund, get and list payments."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol

from server.application.two_phase import Settling
from server.domain.deadline import Deadline
from server.domain.errors import InvalidRequest, PaymentsError, ReferenceTaken
from server.domain.listing import NumberedPage, NumberedPageQuery, Page, PageQuery
from server.domain.payment import (
    ChargeOutcome,
    Decision,
    NewCharge,
    NewPayment,
    NewRefund,
    PaymentDetails,
    RefundOutcome,
    RefundsQuery,
    Status,
)
from server.observability import metrics

_REFERENCE_ATTEMPTS = 5
"""A second collision in a row of 80 random bits is a broken random source, which more attempts would not mend."""


class InstantProcessor(Protocol):
    """Moves the money, and knows at once what became of it."""

    async def decide(self, charge: NewCharge) -> Decision:
        """Make the charge, and tell what became of it."""


class PaymentStore(Protocol):
    """Keeps payments.

    Each method raises ``StoreUnavailable`` when it cannot reach the database, and ``DeadlinePassed`` when the deadline
    passed before it began. A write that has begun is finished though its caller goes away.
    """

    async def insert(self, payment: NewPayment, deadline: Deadline) -> ChargeOutcome:
        """Store a payment; or, when its request_id came before with the same parameters, return the earlier one.

        Raises:
            RequestIdReused: it came before with other parameters.
            ReferenceTaken: another payment has its reference; nothing was stored.
        """

    async def insert_many(self, payments: Sequence[NewPayment], deadline: Deadline) -> list[ChargeOutcome | Exception]:
        """Store many payments, and return for each what ``insert`` would return or raise."""

    async def refund(
        self, refund: NewRefund, create_time: datetime, deadline: Deadline, status: Status = Status.SUCCEEDED
    ) -> RefundOutcome:
        """Store a refund and what it makes of its payment, at once; or return the earlier one of its request_id.

        One that is PENDING counts as one that SUCCEEDED.

        Raises:
            PaymentNotFound, PaymentFailed, PaymentPending, PaymentArchived, RefundExceedsPayment: it is not possible.
            InvalidRequest: it is in another currency than the payment.
            RequestIdReused: its request_id came before with other parameters.
        """

    async def get(self, key: int | str, deadline: Deadline) -> PaymentDetails:
        """Return the payment with this id, or with this reference, and its first refunds: ``MAX_REFUNDS_SHOWN``.

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
        """Return a page of payments by its number, and how many there are over all pages."""


class Payments:
    """The use cases, over a processor and a store.

    An instant processor is asked first, and what it is asked is written once, with its outcome. For a remote one it is
    written before, as PENDING: see ``settling``.
    """

    def __init__(
        self,
        store: PaymentStore,
        processor: InstantProcessor | Settling,
        *,
        new_reference: Callable[[datetime], str],
        now: Callable[[], datetime],
    ) -> None:
        """Keep the ports: ``new_reference`` makes one for a payment of that time, ``now`` is the time in UTC."""
        self._store = store
        self._processor = processor
        self._new_reference = new_reference
        self._now = now

    async def charge(self, charge: NewCharge, deadline: Deadline) -> ChargeOutcome:
        """Charge an order once per request key, and return the payment, be it succeeded or failed.

        It is pending where a remote processor has not answered shortly before the deadline.

        Raises:
            RequestIdReused: the key came before with other parameters.
            ProcessorUnavailable: the processor does not answer; nothing was begun.
        """
        decision = await self._decide(charge)
        for attempt in range(1, _REFERENCE_ATTEMPTS + 1):
            try:
                outcome = await self._store.insert(self._new_payment(charge, decision), deadline)
            except ReferenceTaken:
                if attempt == _REFERENCE_ATTEMPTS:
                    raise
            else:
                return await self._charged(outcome, deadline)
        raise AssertionError("unreachable: the last attempt returns or raises")

    async def charge_many(
        self, charges: Sequence[NewCharge | InvalidRequest], deadline: Deadline
    ) -> list[ChargeOutcome | Exception]:
        """Make many charges, and return what became of each: what ``charge`` would return or raise.

        A charge that could not be read is the error that says so, and stays that.
        """
        outcomes: list[ChargeOutcome | Exception | None] = [None for _ in charges]
        decided: dict[int, tuple[NewCharge, Decision]] = {}
        for place, charge in enumerate(charges):
            if isinstance(charge, InvalidRequest):
                outcomes[place] = charge
                continue
            try:
                decided[place] = charge, await self._decide(charge)
            except PaymentsError as error:
                outcomes[place] = error
        for _ in range(_REFERENCE_ATTEMPTS if decided else 0):
            payments = [self._new_payment(*made) for made in decided.values()]
            for place, outcome in zip(tuple(decided), await self._store.insert_many(payments, deadline), strict=True):
                outcomes[place] = outcome
                if not isinstance(outcome, ReferenceTaken):
                    del decided[place]
            if not decided:
                break
        return await self._all_charged([outcome for outcome in outcomes if outcome is not None], deadline)

    async def _decide(self, charge: NewCharge) -> Decision:
        """Return what is to be written of a charge."""
        if not isinstance(self._processor, Settling):
            return await self._processor.decide(charge)
        method = self._processor.method_of(charge)
        self._processor.admit()
        return Decision(method, Status.PENDING)

    async def _charged(self, outcome: ChargeOutcome, deadline: Deadline) -> ChargeOutcome:
        """Return what became of a charge that was written."""
        if isinstance(self._processor, Settling):
            return await self._processor.charged(outcome, deadline)
        return _counted(outcome)

    async def _all_charged(
        self, outcomes: list[ChargeOutcome | Exception], deadline: Deadline
    ) -> list[ChargeOutcome | Exception]:
        if not isinstance(self._processor, Settling):
            # Nothing is waited for: a task for each would cost a batch as much as the rest of it.
            return [one if isinstance(one, Exception) else _counted(one) for one in outcomes]
        written = {place: one for place, one in enumerate(outcomes) if isinstance(one, ChargeOutcome)}
        charged = await asyncio.gather(*(self._charged(one, deadline) for one in written.values()))
        for place, outcome in zip(written, charged, strict=True):
            outcomes[place] = outcome
        return outcomes

    def _new_payment(self, charge: NewCharge, decision: Decision) -> NewPayment:
        now = self._now()
        return NewPayment(charge, decision.method, decision.status, self._new_reference(now), now)

    async def refund(self, refund: NewRefund, deadline: Deadline) -> RefundOutcome:
        """Refund a payment once per request key, never more than was charged.

        Raises:
            PaymentNotFound, PaymentFailed, PaymentPending, RefundExceedsPayment, InvalidRequest, RequestIdReused: as
                ``PaymentStore.refund`` has it.
            ProcessorUnavailable: the processor does not answer; nothing was begun.
        """
        if isinstance(self._processor, Settling):
            if refund.amount is not None:
                self._processor.check_amount(refund.amount)
            self._processor.admit()
            reserved = await self._store.refund(refund, self._now(), deadline, Status.PENDING)
            return await self._processor.refunded(reserved, deadline)
        outcome = await self._store.refund(refund, self._now(), deadline)
        if outcome.is_new:
            metrics.refunded(is_full=outcome.payment.is_refunded)()
        return outcome

    async def get_payment(self, key: int | str, deadline: Deadline) -> PaymentDetails:
        """Return the payment with this id, or with this reference, and its first refunds.

        Raises:
            PaymentNotFound: there is none.
        """
        return await self._store.get(key, deadline)

    async def list_refunds(self, query: RefundsQuery, deadline: Deadline) -> PaymentDetails:
        """Return a payment and a page of its refunds.

        Raises:
            PaymentNotFound: there is no such payment.
        """
        return await self._store.list_refunds(query, deadline)

    async def list_payments(self, query: PageQuery, deadline: Deadline) -> Page:
        """Return a page of payments."""
        return await self._store.list_page(query, deadline)

    async def list_numbered_page(self, query: NumberedPageQuery, deadline: Deadline) -> NumberedPage:
        """Return a page of payments by its number, and how many there are over all pages."""
        return await self._store.list_numbered_page(query, deadline)


def _counted(outcome: ChargeOutcome) -> ChargeOutcome:
    if not outcome.replayed:
        metrics.charged(outcome.payment.method, outcome.payment.status)()
    return outcome
