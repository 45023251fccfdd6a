"""The simulated processor: random outcomes with the configured probabilities."""

import asyncio
import random
from collections import Counter
from collections.abc import Mapping

import pytest

from server.domain.identifiers import RequestKey
from server.domain.money import Money
from server.domain.payment import CHARGEABLE_METHODS, Decision, Failure, FailureReason, NewCharge, PaymentMethod, Status
from server.processors.simulated.instant import SimulatedProcessor

CHARGES = 4000


def decisions(
    probabilities: Mapping[PaymentMethod, float], seed: int, method: PaymentMethod | None = None
) -> list[Decision]:
    processor = SimulatedProcessor(probabilities, random.Random(seed))
    charge = NewCharge(1, Money("INR", 100), method, RequestKey.of("anyone", None))

    async def decide() -> list[Decision]:
        return [await processor.decide(charge) for _ in range(CHARGES)]

    return asyncio.run(decide())


def same_for_all(probability: float) -> dict[PaymentMethod, float]:
    return dict.fromkeys(CHARGEABLE_METHODS, probability)


@pytest.mark.parametrize("probability", [0.0, 0.2, 0.6, 1.0])
def test_charges_succeed_with_the_configured_probability(probability: float) -> None:
    outcomes = Counter(decision.status for decision in decisions(same_for_all(probability), seed=1))
    assert outcomes[Status.SUCCEEDED] / CHARGES == pytest.approx(probability, abs=0.04)
    assert outcomes[Status.SUCCEEDED] + outcomes[Status.FAILED] == CHARGES


def test_each_method_has_its_own_probability() -> None:
    own = {PaymentMethod.UPI: 1.0, PaymentMethod.CARD: 0.0, PaymentMethod.COD: 1.0}
    for method, probability in own.items():
        assert {decision.status for decision in decisions(own, seed=1, method=method)} == {
            Status.SUCCEEDED if probability else Status.FAILED
        }


class AlwaysZero(random.Random):
    """A random number generator that always returns its minimum."""

    def random(self) -> float:
        """Return 0."""
        return 0.0


def test_with_probability_0_no_charge_succeeds_even_if_the_random_number_is_0() -> None:
    processor = SimulatedProcessor(same_for_all(0.0), AlwaysZero())
    charge = NewCharge(1, Money("INR", 100), PaymentMethod.UPI, RequestKey.of("anyone", None))
    declined = Failure(FailureReason.DECLINED, "declined")
    assert asyncio.run(processor.decide(charge)) == Decision(PaymentMethod.UPI, Status.FAILED, declined)


def test_a_given_method_is_kept_and_a_missing_one_is_picked_evenly() -> None:
    given = decisions(same_for_all(0.6), seed=1, method=PaymentMethod.COD)
    assert {decision.method for decision in given} == {PaymentMethod.COD}
    picked = Counter(decision.method for decision in decisions(same_for_all(0.6), seed=1))
    assert set(picked) == set(CHARGEABLE_METHODS)
    for method in CHARGEABLE_METHODS:
        assert picked[method] / CHARGES == pytest.approx(1 / 3, abs=0.04)


def test_a_seed_makes_the_outcomes_repeatable() -> None:
    assert decisions(same_for_all(0.6), seed=7) == decisions(same_for_all(0.6), seed=7)
    assert decisions(same_for_all(0.6), seed=7) != decisions(same_for_all(0.6), seed=8)
