"""A fake with a clock that tests set, its client, and the generated stub."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import cast

import grpc
import pytest
from payments_client import PaymentsClient
from payments_client.testing import FakePayments
from payments_client.testing._channel import FakeChannel
from payments_client.v1.payments_pb2_grpc import PaymentServiceStub

NOW = datetime(2026, 1, 2, 3, 4, 5, 678_901, tzinfo=UTC)


class Clock:
    """A clock that tests set."""

    def __init__(self) -> None:
        """Start at ``NOW``."""
        self.now = NOW

    def __call__(self) -> datetime:
        """Return the time."""
        return self.now

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.now += timedelta(seconds=seconds)


class RunningClock(Clock):
    """A clock that runs, and that tests can set forward."""

    def __call__(self) -> datetime:
        """Return the time."""
        return self.now + timedelta(seconds=time.monotonic())


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def fake(clock: Clock) -> FakePayments:
    return FakePayments(clock=clock)


@pytest.fixture
def client(fake: FakePayments) -> Iterator[PaymentsClient]:
    with fake.client() as client:
        yield client


@pytest.fixture
def stub(fake: FakePayments) -> PaymentServiceStub:
    """Return the generated stub, which can send what the client does not, and shows the trailers."""
    return PaymentServiceStub(cast("grpc.Channel", FakeChannel(fake._service)))
