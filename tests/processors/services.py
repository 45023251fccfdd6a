"""Services that use the faulty processor, and what tests wait for in them."""

import time
from collections.abc import Callable, Mapping
from typing import Any

import grpc
import httpx
from payments_client.v1 import payments_pb2 as pb

from tests.processors.faulty_processor import FaultyProcessor
from tests.support.databases import DatabaseServer
from tests.support.drivers.calls import GrpcDriver
from tests.support.drivers.requests import charge, new_request_id
from tests.support.running_service import RunningService
from tests.support.waiting import wait_until

FAST = {
    "PROCESSOR_TIMEOUT_SECONDS": "5",
    "PROCESSOR_JANITOR_INTERVAL_SECONDS": "0.1",
    "PROCESSOR_JANITOR_AFTER_SECONDS": "0.5",
    "PROCESSOR_JANITOR_MAX_PAUSE_SECONDS": "1",
    "PROCESSOR_BREAKER_FAILURES": "1000",
}
"""Settings with shorter times than the defaults."""

NO_RECONCILER = {**FAST, "PROCESSOR_JANITOR_AFTER_SECONDS": "3600", "PROCESSOR_KEY_LIFETIME_SECONDS": "86400"}
"""Settings with which the reconciler does nothing while a test runs, unless there is a hint."""

WAIT_SECONDS = 300

RETURN_URL = "https://shop.example/orders/343/paid"


class Starter:
    """Starts services that use the processor, and returns a driver for each."""

    def __init__(self, processor: FaultyProcessor, start: Callable[..., RunningService]) -> None:
        """Start services with ``start``."""
        self._processor = processor
        self._start = start
        self.services: list[RunningService] = []
        self.channels: list[grpc.Channel] = []

    def __call__(self, common: Mapping[str, str] = FAST, **settings: str) -> GrpcDriver:
        """Start a service with these settings."""
        service = self._start(**{**self._processor.settings, **common, **settings})
        self.services.append(service)
        self.channels.append(grpc.insecure_channel(service.target))
        return GrpcDriver(self.channels[-1])

    @property
    def webhooks_url(self) -> str:
        """The address of the webhooks of the last service."""
        return f"{self.services[-1].rest_url}/webhooks/stripe"

    def metric(self, name: str) -> float:
        """Return the value of a metric of the last service; ``name`` includes its labels."""
        lines = httpx.get(f"{self.services[-1].rest_url}/metrics").text.splitlines()
        return next(float(line.split(" ")[1]) for line in lines if line.startswith(f"{name} "))


class Rows:
    """The rows of the test's database, which tests read and change directly."""

    def __init__(self, server: DatabaseServer, name: str) -> None:
        """Use the database ``name``."""
        self._server = server
        self.name = name

    def __call__(self, text: str, *values: object) -> list[Any]:
        """Execute a statement with all privileges, and return its rows."""
        return self._server.execute(text, values, self.name)

    def postpone_polls(self) -> None:
        """Let no service read the list of events while the test runs."""
        self("UPDATE processor_polls SET due_at = UTC_TIMESTAMP(6) + INTERVAL 1 DAY")

    def resume_polls(self) -> None:
        """Let a service read the list of events now."""
        self("UPDATE processor_polls SET due_at = UTC_TIMESTAMP(6)")

    def event_kinds(self, payment_id: int) -> list[str]:
        """Return the kinds of the events of a payment, in the order of the stream."""
        query = "SELECT kind FROM payment_events WHERE payment_id = %s ORDER BY sequence"
        return [kind for (kind,) in self(query, payment_id)]

    def wait_for_events(self, payment_id: int, *kinds: str) -> None:
        """Wait until a payment has exactly these events."""
        wait_until(lambda: self.event_kinds(payment_id) == list(kinds))

    def wait_until_checked(self) -> None:
        """Wait until no payment waits for a check."""
        wait_until(lambda: self("SELECT COUNT(*) FROM processor_checks WHERE waits_since IS NOT NULL") == [(0,)])


def get(api: GrpcDriver, payment_id: int) -> pb.GetPaymentResponse:
    """Return a payment and its refunds."""
    return api.get_payment(pb.GetPaymentRequest(payment_id=payment_id))


def wait_until_settled(api: GrpcDriver, payment_id: int) -> pb.GetPaymentResponse:
    """Return a payment once neither it nor any of its refunds is pending."""
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        details = get(api, payment_id)
        refunds = {refund.status for refund in details.refunds}
        if details.payment.status != pb.PAYMENT_STATUS_PENDING and pb.REFUND_STATUS_PENDING not in refunds:
            return details
        assert time.monotonic() < deadline, f"still pending: {details}"
        time.sleep(0.05)


def charge_within(api: GrpcDriver, request: pb.ChargeRequest, seconds: float) -> pb.Payment:
    """Charge with a deadline."""
    return api.stub.Charge(request, timeout=seconds).payment


def make_charge(api: GrpcDriver, amount: int = 100) -> pb.Payment:
    """Make a charge that succeeds."""
    payment = api.charge(charge(amount=amount)).payment
    assert payment.status == pb.PAYMENT_STATUS_SUCCEEDED
    return payment


def new_source(kind: str = "pm_payer") -> str:
    """Return a payment source that no other test uses; ``kind`` is the beginning of it."""
    return f"{kind}_{new_request_id()}"
