"""The simulated processor's instant answers: at random, or as the payment source of a charge says."""

import random
from collections.abc import Mapping

from server.domain.errors import FieldViolation, InvalidRequest
from server.domain.payment import (
    CHARGEABLE_METHODS,
    Decision,
    Failure,
    FailureReason,
    NewCharge,
    PaymentMethod,
    Status,
)
from server.domain.simulation import SimulatedSource

_FAILURES = {
    SimulatedSource.INSUFFICIENT_FUNDS: FailureReason.INSUFFICIENT_FUNDS,
    SimulatedSource.EXPIRED_METHOD: FailureReason.EXPIRED_METHOD,
    SimulatedSource.INVALID_METHOD: FailureReason.INVALID_METHOD,
    SimulatedSource.AUTHENTICATION_REQUIRED: FailureReason.AUTHENTICATION_REQUIRED,
    SimulatedSource.FRAUD: FailureReason.SUSPECTED_FRAUD,
    SimulatedSource.LIMIT_EXCEEDED: FailureReason.LIMIT_EXCEEDED,
    SimulatedSource.DECLINED: FailureReason.DECLINED,
    SimulatedSource.PROCESSOR_ERROR: FailureReason.PROCESSOR_ERROR,
}
_DEFERRED = frozenset(
    {
        SimulatedSource.PENDING,
        SimulatedSource.PENDING_DECLINED,
        SimulatedSource.APPROVAL,
        SimulatedSource.APPROVAL_REFUSED,
        SimulatedSource.TIMEOUT,
        SimulatedSource.DISPUTE_WON,
        SimulatedSource.DISPUTE_LOST,
    }
)
"""The sources whose charges are PENDING at first, if only for a moment: see ``deferred``."""


def simulated_failure(reason: FailureReason) -> Failure:
    """Return the failure with this reason. The simulated processor's code for it is the reason in lower case."""
    return Failure(reason, reason.value.lower())


_FAILED = {source: simulated_failure(reason) for source, reason in _FAILURES.items()}
_DECLINED = simulated_failure(FailureReason.DECLINED)


class SimulatedProcessor:
    """Decides charges as their payment source says, and the others at random."""

    def __init__(self, success_probabilities: Mapping[PaymentMethod, float], rng: random.Random) -> None:
        """Approve with these probabilities (0 to 1), one for each chargeable method, drawn from ``rng``."""
        self._success_probabilities = dict(success_probabilities)
        self._rng = rng

    async def decide(self, charge: NewCharge) -> Decision:
        """Approve, decline or defer the charge; pick a method if the caller gave none.

        Raises:
            InvalidRequest: the payment source is not one of the simulated processor.
        """
        method = charge.method or self._rng.choice(CHARGEABLE_METHODS)
        if charge.source is not None:
            return _decision_of_source(method, charge.source)
        if self._rng.random() < self._success_probabilities[method]:
            return Decision(method, Status.SUCCEEDED)
        return Decision(method, Status.FAILED, _DECLINED)


def _decision_of_source(method: PaymentMethod, text: str) -> Decision:
    try:
        source = SimulatedSource(text)
    except ValueError:
        allowed = f"must be one of {', '.join(SimulatedSource)}, or empty"
        raise InvalidRequest((FieldViolation("payment_source", allowed),)) from None
    if source in _DEFERRED:
        return Decision(method, Status.PENDING, simulated_source=source)
    failure = _FAILED.get(source)
    status = Status.SUCCEEDED if failure is None else Status.FAILED
    return Decision(method, status, failure, simulated_source=source)
