"""The service with use cases that find no payments, which is enough to list its routes and to reject requests."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import NoReturn, cast

import httpx
from starlette.types import ASGIApp, Receive, Scope, Send

from server.application.event_feed import EventFeed
from server.application.health import HealthMonitor
from server.application.history import PaymentHistory
from server.application.payments import Payments
from server.domain.callers import Role
from server.domain.errors import PaymentNotFound
from server.domain.money import Currencies
from server.transport.pipeline.auth import ROLES, Authorizer, Keys
from server.transport.pipeline.calls import Calls
from server.transport.pipeline.worker_thread import WorkerThread
from server.transport.rest.application import http_app
from server.transport.rest.monitoring import metrics_endpoints, monitoring_app
from server.transport.service.servicer import SERVICE, PaymentServicer
from tests.support.databases import settings_of

_CURRENCIES = Currencies("INR", frozenset({"INR"}))
"""A single currency, because messages list several in no fixed order."""


class _NoPayments:
    """Use cases that accept every request and find no payments."""

    def __getattr__(self, name: str) -> Callable[..., Awaitable[NoReturn]]:
        async def find_nothing(*_arguments: object) -> NoReturn:
            raise PaymentNotFound(f"{name} finds nothing")

        return find_nothing

    async def watch(self, *_arguments: object) -> AsyncGenerator[tuple[int, None], None]:
        """Yield the start of the stream, as ``EventFeed`` does."""
        yield 0, None


@dataclass(frozen=True)
class WithoutDatabase:
    """The servicer, and the ASGI applications of the REST and the monitoring port."""

    servicer: PaymentServicer
    rest: ASGIApp
    monitoring: ASGIApp


@contextmanager
def service_without_database() -> Iterator[WithoutDatabase]:
    """Build the service with every optional route enabled."""
    worker_thread = WorkerThread()
    authorizer = Authorizer(
        ROLES, cast("Keys", None), anonymous_roles=frozenset(Role), certificate_roles={}, requires_certificate=False
    )
    payments = cast("Payments", _NoPayments())
    servicer = PaymentServicer(
        payments,
        cast("PaymentHistory", _NoPayments()),
        cast("EventFeed", _NoPayments()),
        _CURRENCIES,
        worker_thread,
    )
    monitor = cast("HealthMonitor", SimpleNamespace(is_serving=True))
    settings = settings_of({"MYSQL_HOST": "none", "REST_DOCS": "true", "REST_METRICS": "true"})
    services = [(SERVICE, servicer)]
    rest = http_app(
        settings,
        services,
        payments,
        _CURRENCIES,
        Calls(100, authorizer),
        monitor,
        worker_thread,
        metrics=metrics_endpoints(),
    )
    yield WithoutDatabase(servicer, rest, monitoring_app(monitor))
    worker_thread.close()


def client_of(app: ASGIApp) -> httpx.AsyncClient:
    """Return a client that calls ``app`` in this process."""

    async def with_state(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, "state": {}}, receive, send)

    return httpx.AsyncClient(transport=httpx.ASGITransport(with_state), base_url="http://service")
