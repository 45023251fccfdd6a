"""Disputes: a payer demands that the bank return the money of a payment."""

from dataclasses import replace
from datetime import datetime
from enum import StrEnum

from server.domain.money import Money
from server.domain.value import value


class DisputeStatus(StrEnum):
    """The state of a dispute: not decided yet, decided for the merchant, or decided for the payer."""

    OPEN = "OPEN"
    WON = "WON"
    LOST = "LOST"


@value()
class SeenDispute:
    """A dispute as the processor knows it now: see ``Dispute``."""

    status: DisputeStatus
    amount: Money | None
    reason: str
    processor_reference: str


@value()
class Dispute:
    """A dispute about a payment.

    ``amount`` is None if it is in another currency than the payment. ``reason`` is the processor's own code. The times
    are when this service learned of the dispute and of its decision, in UTC; ``close_time`` is None while it is open.
    """

    status: DisputeStatus
    amount: Money | None
    reason: str
    open_time: datetime
    close_time: datetime | None
    processor_reference: str

    def at(self, time: datetime) -> "Dispute | None":
        """Return the dispute as it was at ``time``; None if it was not opened yet."""
        if time < self.open_time:
            return None
        if self.close_time is None or time >= self.close_time:
            return self
        return replace(self, status=DisputeStatus.OPEN, close_time=None)

    @property
    def as_seen(self) -> SeenDispute:
        """The dispute without the times, which only this service knows."""
        return SeenDispute(self.status, self.amount, self.reason, self.processor_reference)

    def after(self, seen: SeenDispute, now: datetime) -> "Dispute":
        """Return the dispute of the same payment after the processor showed ``seen`` at ``now``."""
        is_same = self.processor_reference == seen.processor_reference
        return Dispute.of(seen, self.open_time if is_same else now, now)

    @classmethod
    def of(cls, seen: SeenDispute, open_time: datetime, now: datetime) -> "Dispute":
        """Return the dispute that the processor showed at ``now``, and that this service knows since ``open_time``."""
        close_time = None if seen.status is DisputeStatus.OPEN else now
        return cls(seen.status, seen.amount, seen.reason, open_time, close_time, seen.processor_reference)
