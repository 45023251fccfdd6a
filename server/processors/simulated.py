"""The simulated payment processor: approves with a given probability, moves no money, and answers at once."""

import random
from collections.abc import Mapping

from server.domain.payment import CHARGEABLE_METHODS, Decision, NewCharge, PaymentMethod, Status


class SimulatedProcessor:
    """Decides by chance."""

    def __init__(self, success_probabilities: Mapping[PaymentMethod, float], chance: random.Random) -> None:
        """Keep, for each chargeable method, the probability of success (0 to 1), and where chance comes from."""
        self._success_probabilities = dict(success_probabilities)
        self._chance = chance

    async def decide(self, charge: NewCharge) -> Decision:
        """Approve or decline; pick the method where the caller named none."""
        method = charge.method or self._chance.choice(CHARGEABLE_METHODS)
        approved = self._chance.random() < self._success_probabilities[method]
        return Decision(method, Status.SUCCEEDED if approved else Status.FAILED)
