"""The immediate flow: the processor decides before anything is stored, and afterwards the flow only counts."""

from dataclasses import replace

import pytest

from server.application.immediate import ImmediateFlow
from server.domain.deadline import Deadline
from server.domain.payment import ChargeOutcome, Decision, NewCharge, PaymentMethod, RefundOutcome, Status
from tests.support.fakes import counter_value, new_charge, new_refund, stored_payment, stored_refund

pytestmark = pytest.mark.asyncio

DECISION = Decision(PaymentMethod.CARD, Status.FAILED)


class DecliningProcessor:
    """An ``InstantProcessor`` that declines every charge."""

    def __init__(self) -> None:
        """Start without charges."""
        self.charges: list[NewCharge] = []

    async def decide(self, charge: NewCharge) -> Decision:
        """Decline the charge."""
        self.charges.append(charge)
        return DECISION


def charge_count() -> float:
    return counter_value("payments_charges", method="UPI", status="SUCCEEDED")


async def test_the_processor_decides_a_charge_and_a_refund_always_succeeds() -> None:
    processor, charge = DecliningProcessor(), new_charge()
    flow = ImmediateFlow(processor)
    assert await flow.decide(charge) is DECISION
    assert processor.charges == [charge]
    assert flow.decide_refund(new_refund()) is Status.SUCCEEDED


async def test_a_stored_charge_is_returned_unchanged_and_counted_unless_it_is_a_replay() -> None:
    flow, before = ImmediateFlow(DecliningProcessor()), charge_count()
    for replayed in (False, True):
        outcome = ChargeOutcome(stored_payment(1, Status.SUCCEEDED), replayed)
        assert await flow.finish_charge(new_charge(), outcome, Deadline.after(-1)) is outcome
        assert charge_count() == before + 1


async def test_many_stored_charges_keep_their_order_and_are_counted() -> None:
    before = charge_count()
    outcomes = [
        ChargeOutcome(stored_payment(1, Status.SUCCEEDED), replayed=False),
        ChargeOutcome(stored_payment(2, Status.SUCCEEDED), replayed=True),
        ChargeOutcome(stored_payment(3, Status.SUCCEEDED), replayed=False),
    ]
    stored = [(new_charge(), outcome) for outcome in outcomes]
    assert await ImmediateFlow(DecliningProcessor()).finish_charges(stored, Deadline()) == outcomes
    assert charge_count() == before + 2


@pytest.mark.parametrize(("refunded", "kind"), [(56_100, "full"), (100, "partial")])
async def test_a_stored_refund_is_returned_unchanged_and_counted_if_it_is_new(refunded: int, kind: str) -> None:
    flow = ImmediateFlow(DecliningProcessor())
    before = counter_value("payments_refunds", kind=kind)
    payment = stored_payment(1, Status.SUCCEEDED, refunded)
    new = RefundOutcome(stored_refund(1, 1, Status.SUCCEEDED), payment, replayed=False, is_new=True)
    for outcome in (new, replace(new, replayed=True, is_new=False)):
        assert await flow.finish_refund(outcome, Deadline()) is outcome
        assert counter_value("payments_refunds", kind=kind) == before + 1
