"""The use cases of payments: charge, refund, get and list."""

from collections.abc import Callable, Sequence
from datetime import datetime

from server.application.ports import ChargeFlow, PaymentStore
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
    PaymentKey,
    RefundOutcome,
    RefundsQuery,
)

_REFERENCE_ATTEMPTS = 5
"""Five collisions of 80 random bits in a row mean a broken random source, which more attempts would not fix."""


class Payments:
    """The use cases, on top of a store and a charge flow."""

    def __init__(
        self,
        store: PaymentStore,
        flow: ChargeFlow,
        *,
        new_reference: Callable[[datetime], str],
        now: Callable[[], datetime],
    ) -> None:
        """Use these ports. ``now`` returns the time in UTC; ``new_reference`` makes the reference of a new payment."""
        self._store = store
        self._flow = flow
        self._new_reference = new_reference
        self._now = now

    async def charge(self, charge: NewCharge, deadline: Deadline) -> ChargeOutcome:
        """Charge an order once per request key, and return the payment, whether it succeeded or failed.

        The payment is PENDING if a remote processor has not answered shortly before the deadline.

        Raises:
            InvalidRequest: the processor cannot make this charge.
            RequestIdReused: an earlier charge has the same request key but other parameters.
            OrderHasPendingPayment: as ``PaymentStore.insert`` does.
            ProcessorUnavailable: the processor does not answer; nothing was stored or charged.
            Overloaded: too many charges are waiting; nothing was stored or charged.
        """
        decision = await self._flow.decide(charge)
        for attempt in range(1, _REFERENCE_ATTEMPTS + 1):
            try:
                stored = await self._store.insert(self._new_payment(charge, decision), deadline)
            except ReferenceTaken:
                if attempt == _REFERENCE_ATTEMPTS:
                    raise
            else:
                return await self._flow.finish_charge(charge, stored, deadline)
        raise AssertionError("unreachable: the last attempt returns or raises")

    async def charge_many(
        self, charges: Sequence[NewCharge | InvalidRequest], deadline: Deadline
    ) -> list[ChargeOutcome | Exception]:
        """Make many charges, and return for each the outcome or the error of ``charge``.

        A charge that could not be decoded is passed as its InvalidRequest, which is also its outcome.
        """
        outcomes: dict[int, ChargeOutcome | Exception] = {}
        stored: dict[int, tuple[NewCharge, ChargeOutcome]] = {}
        decisions: dict[int, tuple[NewCharge, Decision]] = {}
        for index, charge in enumerate(charges):
            if isinstance(charge, InvalidRequest):
                outcomes[index] = charge
                continue
            try:
                decisions[index] = charge, await self._flow.decide(charge)
            except PaymentsError as error:
                outcomes[index] = error
        for _ in range(_REFERENCE_ATTEMPTS if decisions else 0):
            payments = [self._new_payment(charge, decision) for charge, decision in decisions.values()]
            for index, outcome in zip(tuple(decisions), await self._store.insert_many(payments, deadline), strict=True):
                outcomes[index] = outcome
                if isinstance(outcome, ChargeOutcome):
                    stored[index] = decisions[index][0], outcome
                if not isinstance(outcome, ReferenceTaken):
                    del decisions[index]
            if not decisions:
                break
        finished = await self._flow.finish_charges(tuple(stored.values()), deadline)
        outcomes |= dict(zip(stored, finished, strict=True))
        return [outcomes[index] for index in range(len(charges))]

    def _new_payment(self, charge: NewCharge, decision: Decision) -> NewPayment:
        now = self._now()
        return NewPayment(charge, decision, self._new_reference(now), now)

    async def refund(self, refund: NewRefund, deadline: Deadline) -> RefundOutcome:
        """Refund a payment once per request key, never more than was charged.

        Raises:
            PaymentNotFound, PaymentFailed, PaymentPending, PaymentDisputed, PaymentArchived, RefundExceedsPayment,
                InvalidRequest, RequestIdReused: as ``PaymentStore.refund`` does.
            ProcessorUnavailable: the processor does not answer; nothing was stored or refunded.
            Overloaded: too many refunds are waiting for the processor; nothing was stored or refunded.
        """
        status = self._flow.decide_refund(refund)
        stored = await self._store.refund(refund, self._now(), deadline, status)
        return await self._flow.finish_refund(stored, deadline)

    async def get_payment(self, key: PaymentKey, deadline: Deadline) -> PaymentDetails:
        """Return the payment with this id, reference or request key, and its first refunds.

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
        """Return a page of payments by its number, and the number of payments on all pages."""
        return await self._store.list_numbered_page(query, deadline)
