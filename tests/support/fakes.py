"""Requests and stored payments for unit tests, and a fake processor. The in-memory stores are in ``memory``."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

from server.domain.errors import InvalidValue, OutcomeUnknown, ProcessorUnavailable
from server.domain.identifiers import RequestKey
from server.domain.money import Money
from server.domain.payment import (
    NewCharge,
    NewRefund,
    Payment,
    PaymentMethod,
    Refund,
    Status,
)
from server.domain.processing import Capture, Outcome, ProcessorRefund
from server.observability.metrics import REGISTRY

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def new_charge(
    request_id: str | None = None, method: PaymentMethod | None = PaymentMethod.UPI, order_id: int = 7
) -> NewCharge:
    return NewCharge(order_id, Money("INR", 56_100), method, RequestKey.of("shop", request_id))


def new_refund(payment_id: int = 1, amount: int | None = None, request_id: str | None = None) -> NewRefund:
    money = None if amount is None else Money("INR", amount)
    return NewRefund(payment_id, money, "damaged", RequestKey.of("shop", request_id))


def stored_payment(payment_id: int, status: Status = Status.PENDING, refunded: int = 0) -> Payment:
    return Payment(
        payment_id=payment_id,
        order_id=7,
        amount=Money("INR", 56_100),
        method=PaymentMethod.UPI,
        other_method="",
        status=status,
        reference=f"R{payment_id}",
        create_time=NOW,
        refunded_amount=Money("INR", refunded),
        is_refunded=refunded == 56_100,
        caller="shop",
        request_id=f"request-{payment_id}",
    )


def stored_refund(refund_id: int, payment_id: int, status: Status = Status.PENDING, amount: int = 56_100) -> Refund:
    money, request_id = Money("INR", amount), f"refund-{refund_id}"
    return Refund(refund_id, payment_id, money, status, "damaged", NOW, "shop", request_id)


async def until(condition: Callable[[], bool]) -> None:
    """Let other tasks run until the condition is true."""
    while not condition():  # noqa: ASYNC110 - there is no event to wait for
        await asyncio.sleep(0)


def counter_value(name: str, **labels: str) -> float:
    """Return the value of a counter in this process."""
    return REGISTRY.get_sample_value(f"{name}_total", labels) or 0.0


class FakeProcessor:
    """A ``RemoteProcessor`` that returns preset outcomes, once ``may_answer`` is set."""

    methods = methods_without_source = frozenset({PaymentMethod.UPI, PaymentMethod.CARD})

    def __init__(self) -> None:
        """Create a processor that carries out every request immediately."""
        self.answer: Outcome | Exception = Outcome(Status.SUCCEEDED, "pi_1")
        self.found: Outcome | Exception | None = None
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.requests: list[Capture | ProcessorRefund] = []
        self.lookups: list[Capture | ProcessorRefund] = []
        self.in_progress = self.max_in_progress = 0
        self.is_answering = True
        self.accepts_requests = True
        self.checks = 0
        self.unsupported_amount: Money | None = None

    def check_amount(self, amount: Money) -> None:
        """Raise ``InvalidValue`` for ``unsupported_amount``."""
        if amount == self.unsupported_amount:
            raise InvalidValue("must be another amount")

    def check(self) -> None:
        """Count the check, and raise ``ProcessorUnavailable`` unless ``accepts_requests``."""
        self.checks += 1
        if not self.accepts_requests:
            raise ProcessorUnavailable("the payment processor does not answer at the moment", 1)

    async def capture(self, request: Capture) -> Outcome:
        """Record the request, and return ``answer`` or raise it."""
        return await self._answer(request)

    async def refund(self, request: ProcessorRefund) -> Outcome:
        """Record the request, and return ``answer`` or raise it."""
        return await self._answer(request)

    async def find_capture(self, request: Capture) -> Outcome | None:
        """Record the lookup, and return ``found`` or raise it."""
        return self._look_up(request)

    async def find_refund(self, request: ProcessorRefund) -> Outcome | None:
        """Record the lookup, and return ``found`` or raise it."""
        return self._look_up(request)

    async def _answer(self, request: Capture | ProcessorRefund) -> Outcome:
        self.requests.append(request)
        self.in_progress += 1
        self.max_in_progress = max(self.max_in_progress, self.in_progress)
        try:
            await self.may_answer.wait()
        finally:
            self.in_progress -= 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def _look_up(self, request: Capture | ProcessorRefund) -> Outcome | None:
        self.lookups.append(request)
        if isinstance(self.found, Exception):
            raise self.found
        return self.found


UNKNOWN = OutcomeUnknown("no answer")
