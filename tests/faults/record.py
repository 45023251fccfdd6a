"""The history of a fault run: every call from its client's point of view, and the final content of the database."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Generic, TypeVar

Request = TypeVar("Request", bound="ChargeRequest | RefundRequest | PaymentRequest")
Response = TypeVar("Response", bound="ObservedPayment | RefundResponse | ObservedDetails")


_FINAL_CODES = frozenset({"ALREADY_EXISTS", "FAILED_PRECONDITION"})
"""Errors that a retry would repeat: a reused request_id, and a refund that the state of its payment rules out."""


class Status(StrEnum):
    """The status of a charge or refund."""

    PENDING = "PENDING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True)
class ChargeRequest:
    """The parameters of a charge. ``source`` is the payer's payment source, or empty."""

    request_id: str
    order_id: int
    amount_minor: int
    method: str
    source: str = ""


@dataclass(frozen=True, slots=True)
class RefundRequest:
    """The parameters of a refund. If ``amount_minor`` is None, the remaining amount is refunded."""

    request_id: str
    payment_id: int
    amount_minor: int | None


@dataclass(frozen=True, slots=True)
class PaymentRequest:
    """The parameters of a read."""

    payment_id: int


@dataclass(frozen=True, slots=True)
class ObservedPayment:
    """A payment in a response or in the table."""

    payment_id: int
    order_id: int
    amount_minor: int
    method: str
    status: Status
    reference: str
    refunded_minor: int
    is_refunded: bool


@dataclass(frozen=True, slots=True)
class ObservedRefund:
    """A refund in a response or in the table."""

    refund_id: int
    payment_id: int
    amount_minor: int
    status: Status = Status.SUCCEEDED


@dataclass(frozen=True, slots=True)
class RefundResponse:
    """The response to a refund."""

    refund: ObservedRefund
    payment: ObservedPayment


@dataclass(frozen=True, slots=True)
class ObservedDetails:
    """The response to a read."""

    payment: ObservedPayment
    refunds: tuple[ObservedRefund, ...]


@dataclass(frozen=True, slots=True)
class Failure:
    """The error of a call. ``call_id`` is None if the client library created the error itself."""

    code: str
    reason: str = ""
    call_id: str | None = None


@dataclass(slots=True)
class Call(Generic[Request, Response]):
    """A call. It has a response or a failure, and neither before it ends."""

    request: Request
    timeout_seconds: float
    started_seconds: float = field(default_factory=time.monotonic)
    ended_seconds: float = float("inf")
    response: Response | None = None
    failure: Failure | None = None

    @property
    def is_final(self) -> bool:
        """Whether the call succeeded or has a permanent error, so that a retry would have the same outcome."""
        return self.response is not None or (self.failure is not None and self.failure.code in _FINAL_CODES)

    def succeed(self, response: Response) -> None:
        """Record the response and the current time."""
        self.ended_seconds = time.monotonic()
        self.response = response

    def fail(self, failure: Failure) -> None:
        """Record the failure and the current time."""
        self.ended_seconds = time.monotonic()
        self.failure = failure


Charge = Call[ChargeRequest, ObservedPayment]
Refund = Call[RefundRequest, RefundResponse]
Read = Call[PaymentRequest, ObservedDetails]


@dataclass(slots=True)
class History:
    """Every call of a run."""

    charges: list[Charge] = field(default_factory=list)
    refunds: list[Refund] = field(default_factory=list)
    reads: list[Read] = field(default_factory=list)

    def calls(self) -> "Iterator[Charge | Refund | Read]":
        """Iterate over all calls."""
        yield from self.charges
        yield from self.refunds
        yield from self.reads


@dataclass(frozen=True, slots=True)
class StoredPayment:
    """A row of ``payments``."""

    request_id: str
    payment: ObservedPayment


@dataclass(frozen=True, slots=True)
class StoredRefund:
    """A row of ``refunds``."""

    request_id: str
    refund: ObservedRefund


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """A row of ``payment_events``."""

    sequence: int
    kind: str
    payment_id: int
    refund_id: int | None
    refunded_minor: int


@dataclass(frozen=True, slots=True)
class StoredLateOutcome:
    """A row of ``late_outcomes``: a refund that failed after it had succeeded, or what became of a dispute."""

    kind: str
    payment_id: int
    refund_id: int | None


@dataclass(frozen=True, slots=True)
class Tables:
    """The content of the database. ``backlog`` is the number of rows that the relays left in the outbox.

    ``is_two_phase`` says whether every payment and refund was stored as PENDING before its outcome was known.
    """

    payments: tuple[StoredPayment, ...]
    refunds: tuple[StoredRefund, ...]
    events: tuple[StoredEvent, ...]
    backlog: int = 0
    is_two_phase: bool = False
    late_outcomes: tuple[StoredLateOutcome, ...] = ()

    @property
    def refunds_that_failed_late(self) -> frozenset[int]:
        """The ids of the refunds that failed after they had succeeded."""
        return frozenset(late.refund_id for late in self.late_outcomes if late.refund_id is not None)

    @property
    def disputed_payments(self) -> frozenset[int]:
        """The ids of the payments that were ever disputed."""
        return frozenset(late.payment_id for late in self.late_outcomes if late.refund_id is None)
