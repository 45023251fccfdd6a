"""The simulated processor: chance, as its settings have it."""

import asyncio
import random
from collections import Counter
from collections.abc import Mapping

import pytest

from server.domain.identifiers import RequestKey
from server.domain.money import Money
from server.domain.payment import CHARGEABLE_METHODS, Decision, NewCharge, PaymentMethod, Status
from server.processors.simulated import SimulatedProcessor

CHARGES = 4000


def decisions(
    probabilities: Mapping[PaymentMethod, float], seed: int, method: PaymentMethod | None = None
) -> list[Decision]:
    processor = SimulatedProcessor(probabilities, random.Random(seed))
    charge = NewCharge(1, Money("INR", 100), method, RequestKey.of("anyone", None))

    async def decide() -> list[Decision]:
        return [await processor.decide(charge) for _ in range(CHARGES)]

    return asyncio.run(decide())


def even(probability: float) -> dict[PaymentMethod, float]:
    return dict.fromkeys(CHARGEABLE_METHODS, probability)


@pytest.mark.parametrize("probability", [0.0, 0.2, 0.6, 1.0])
def test_as_many_succeed_as_the_probability_says(probability: float) -> None:
    outcomes = Counter(decision.status for decision in decisions(even(probability), seed=1))
    assert outcomes[Status.SUCCEEDED] / CHARGES == pytest.approx(probability, abs=0.04)
    assert outcomes[Status.SUCCEEDED] + outcomes[Status.FAILED] == CHARGES


def test_each_method_has_a_probability_of_its_own() -> None:
    own = {PaymentMethod.UPI: 1.0, PaymentMethod.CARD: 0.0, PaymentMethod.COD: 1.0}
    for method, probability in own.items():
        assert {decision.status for decision in decisions(own, seed=1, method=method)} == {
            Status.SUCCEEDED if probability else Status.FAILED
        }


class Lowest(random.Random):
    """The least likely luck."""

    def random(self) -> float:
        """Return the lowest number that it can be."""
        return 0.0


def test_what_has_no_probability_never_succeeds() -> None:
    processor = SimulatedProcessor(even(0.0), Lowest())
    charge = NewCharge(1, Money("INR", 100), PaymentMethod.UPI, RequestKey.of("anyone", None))
    assert asyncio.run(processor.decide(charge)) == Decision(PaymentMethod.UPI, Status.FAILED)


def test_the_method_is_kept_when_one_is_named_and_picked_evenly_when_none_is() -> None:
    named = decisions(even(0.6), seed=1, method=PaymentMethod.COD)
    assert {decision.method for decision in named} == {PaymentMethod.COD}
    picked = Counter(decision.method for decision in decisions(even(0.6), seed=1))
    assert set(picked) == set(CHARGEABLE_METHODS)
    for method in CHARGEABLE_METHODS:
        assert picked[method] / CHARGES == pytest.approx(1 / 3, abs=0.04)


def test_a_seed_makes_it_repeatable() -> None:
    assert decisions(even(0.6), seed=7) == decisions(even(0.6), seed=7)
    assert decisions(even(0.6), seed=7) != decisions(even(0.6), seed=8)
