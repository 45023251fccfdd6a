"""The simulated payment processor: approves with a given probability, moves no money, and answers at once."""

import random
from collections.abc import Mapping

from server.domain.payment import CHARGEABLE_METHODS, Decision, NewCharge, PaymentMethod, Status


class SimulatedProcessor:
    """Approves or declines charges at random."""

    def __init__(self, success_probabilities: Mapping[PaymentMethod, float], rng: random.Random) -> None:
        """Approve with these probabilities (0 to 1), one for each chargeable method, drawn from ``rng``."""
        self._success_probabilities = dict(success_probabilities)
        self._rng = rng

    async def decide(self, charge: NewCharge) -> Decision:
        """Approve or decline the charge; pick a method if the caller gave none."""
        method = charge.method or self._rng.choice(CHARGEABLE_METHODS)
        approved = self._rng.random() < self._success_probabilities[method]
        return Decision(method, Status.SUCCEEDED if approved else Status.FAILED)
