"""The record of a fault run: every call as its client saw it, and what the database held at the end."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Generic, TypeVar

Asked = TypeVar("Asked", bound="ChargeAsked | RefundAsked | PaymentAsked")
Answer = TypeVar("Answer", bound="PaymentSeen | RefundAnswer | DetailsSeen")


_FOR_GOOD = frozenset({"ALREADY_EXISTS", "FAILED_PRECONDITION"})
"""A request_id that came before with other parameters; a payment of which less remains."""


class Status(StrEnum):
    """What became of a charge."""

    PENDING = "PENDING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True)
class ChargeAsked:
    """What a charge asks for."""

    request_id: str
    order_id: int
    amount_minor: int
    method: str


@dataclass(frozen=True, slots=True)
class RefundAsked:
    """What a refund asks for; ``amount_minor`` None is all that remains."""

    request_id: str
    payment_id: int
    amount_minor: int | None


@dataclass(frozen=True, slots=True)
class PaymentAsked:
    """What a read asks for."""

    payment_id: int


@dataclass(frozen=True, slots=True)
class PaymentSeen:
    """A payment, as an answer or the table has it."""

    payment_id: int
    order_id: int
    amount_minor: int
    method: str
    status: Status
    reference: str
    refunded_minor: int
    is_refunded: bool


@dataclass(frozen=True, slots=True)
class RefundSeen:
    """A refund, as an answer or the table has it."""

    refund_id: int
    payment_id: int
    amount_minor: int
    status: Status = Status.SUCCEEDED


@dataclass(frozen=True, slots=True)
class RefundAnswer:
    """What a refund is answered with."""

    refund: RefundSeen
    payment: PaymentSeen


@dataclass(frozen=True, slots=True)
class DetailsSeen:
    """What a read is answered with."""

    payment: PaymentSeen
    refunds: tuple[RefundSeen, ...]


@dataclass(frozen=True, slots=True)
class Failure:
    """An error that a call ended in. ``call_id`` is None where the client library made it up by itself."""

    code: str
    reason: str = ""
    call_id: str | None = None


@dataclass(slots=True)
class Call(Generic[Asked, Answer]):
    """One call. It ended in an answer, or in a failure, or (neither) was given up by its client."""

    asked: Asked
    timeout_seconds: float
    begun_seconds: float = field(default_factory=time.monotonic)
    ended_seconds: float = float("inf")
    answer: Answer | None = None
    failure: Failure | None = None

    @property
    def is_settled(self) -> bool:
        """Whether it was answered, or refused for good: called again, it would end the same."""
        return self.answer is not None or (self.failure is not None and self.failure.code in _FOR_GOOD)

    def answered(self, answer: Answer) -> None:
        """Note that it was answered, now."""
        self.ended_seconds = time.monotonic()
        self.answer = answer

    def failed(self, failure: Failure) -> None:
        """Note that it failed, now."""
        self.ended_seconds = time.monotonic()
        self.failure = failure


Charge = Call[ChargeAsked, PaymentSeen]
Refund = Call[RefundAsked, RefundAnswer]
Read = Call[PaymentAsked, DetailsSeen]


@dataclass(slots=True)
class History:
    """Every call of a run."""

    charges: list[Charge] = field(default_factory=list)
    refunds: list[Refund] = field(default_factory=list)
    reads: list[Read] = field(default_factory=list)

    def calls(self) -> "Iterator[Charge | Refund | Read]":
        """Go through all of them."""
        yield from self.charges
        yield from self.refunds
        yield from self.reads


@dataclass(frozen=True, slots=True)
class StoredPayment:
    """A row of ``payments``."""

    request_id: str
    payment: PaymentSeen


@dataclass(frozen=True, slots=True)
class StoredRefund:
    """A row of ``refunds``."""

    request_id: str
    refund: RefundSeen


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """A row of ``payment_events``."""

    sequence: int
    kind: str
    payment_id: int
    refund_id: int | None
    refunded_minor: int


@dataclass(frozen=True, slots=True)
class Tables:
    """What the database holds; ``waiting`` is how many rows the outbox still has, once the relays had time enough.

    ``is_reserved`` tells that everything was written as PENDING before its outcome was known.
    """

    payments: tuple[StoredPayment, ...]
    refunds: tuple[StoredRefund, ...]
    events: tuple[StoredEvent, ...]
    waiting: int = 0
    is_reserved: bool = False
