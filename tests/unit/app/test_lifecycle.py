"""The lifecycle: parts start in order, are drained, and are closed in reverse order, also when a start fails."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from server.app.build import Application
from server.app.errors import StartupError
from server.app.lifecycle import run
from server.config.settings import Settings
from server.domain.deadline import Deadline
from server.storage.readiness import DatabaseUnusable

SETTINGS = Settings(mysql_host="none", monitoring_port=0, drain_timeout_seconds=7, event_loop_probe_interval_seconds=60)
LISTENING = [
    "wait_for_database",
    "grpc.listen",
    "rest.listen",
    "monitoring.listen",
    "monitor.check",
    "health.tell_alive",
]
STARTED = [*LISTENING, "grpc.start", "rest.start", "monitoring.start"]
DRAINED = ["monitor.stop_serving", "event_feed.close", "calls.close", "calls.ended", "calls.end", "health.end_watches"]
REMOTE_CLOSED = ["worker_thread.close", "remote.flow.close", "remote.processor.close"]
CLOSED = ["rest.stop", "grpc.stop", *REMOTE_CLOSED, "database.close", "tracing.close", "monitoring.stop"]
BACKGROUND = ["background ended"] * 5


class Parts:
    """Fakes of all parts, which record what is done with them."""

    def __init__(self) -> None:
        """Record nothing yet."""
        self.done: list[str] = []
        self.deadlines: list[float] = []
        self.failing: dict[str, Exception] = {}
        self.running = 0
        self.background_is_up = asyncio.Event()

    def application(self) -> Application:
        """Return an application of the fakes."""
        parts = {
            "settings": SETTINGS,
            "tls": SimpleNamespace(grpc_credentials=lambda: None, reload=self.background),
            "tracing": SimpleNamespace(close=self.later("tracing.close")),
            "database": SimpleNamespace(close=self.until("database.close")),
            "wait_for_database": self.later("wait_for_database"),
            "keys": SimpleNamespace(refresh=self.background),
            "remote": SimpleNamespace(
                processor=SimpleNamespace(close=self.later("remote.processor.close")),
                flow=SimpleNamespace(close=self.until("remote.flow.close")),
                reconciler=SimpleNamespace(round=self.background),
            ),
            "event_feed": SimpleNamespace(
                poll=self.background, pause=self.background, close=self.now("event_feed.close")
            ),
            "relay": SimpleNamespace(round=self.background),
            "calls": SimpleNamespace(
                close=self.now("calls.close"), ended=self.later("calls.ended"), end=self.now("calls.end")
            ),
            "worker_thread": SimpleNamespace(close=self.now("worker_thread.close")),
            "health": SimpleNamespace(
                tell_alive=self.now("health.tell_alive"),
                drain=self.now("health.drain"),
                end_watches=self.now("health.end_watches"),
            ),
            "monitor": SimpleNamespace(
                check=self.later("monitor.check"), stop_serving=self.now("monitor.stop_serving")
            ),
            "grpc": SimpleNamespace(
                add_secure_port=self.now("grpc.listen", 1),
                start=self.later("grpc.start"),
                stop=self.later("grpc.stop"),
            ),
            "rest": self.server("rest"),
            "monitoring": self.server("monitoring"),
        }
        return Application(**cast("Any", parts))

    def now(self, name: str, returned: object = None) -> Callable[..., object]:
        """Return a function that records its call."""

        def call(*_arguments: object) -> object:
            self.done.append(name)
            if name in self.failing:
                raise self.failing[name]
            return returned

        return call

    def later(self, name: str) -> Callable[..., Awaitable[None]]:
        """Return a coroutine function that records its call."""

        async def call(*_arguments: object) -> None:
            self.now(name)()

        return call

    def until(self, name: str) -> Callable[[Deadline], Awaitable[None]]:
        """Return the same for one that has a deadline."""

        async def call(deadline: Deadline) -> None:
            self.deadlines.append(deadline.seconds_left())
            self.now(name)()

        return call

    def server(self, name: str) -> SimpleNamespace:
        """Return a fake HTTP server."""
        return SimpleNamespace(
            listen=self.now(f"{name}.listen", 1), start=self.later(f"{name}.start"), stop=self.later(f"{name}.stop")
        )

    async def background(self, *_arguments: object) -> None:
        """Work in the background until cancelled, and take a moment to end."""
        self.running += 1
        self.background_is_up.set()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            self.running -= 1
            self.done.append("background ended")


@pytest.fixture
def parts() -> Parts:
    return Parts()


async def run_until_it_serves(parts: Parts) -> None:
    """Run an application, and stop it once it serves."""
    stop = asyncio.Event()
    running = asyncio.create_task(run(parts.application(), stop))
    await parts.background_is_up.wait()
    stop.set()
    await running


def test_parts_start_in_order_are_drained_and_are_closed_in_reverse_order(parts: Parts) -> None:
    asyncio.run(run_until_it_serves(parts))

    assert parts.done == [*STARTED, "monitor.check", "health.drain", *BACKGROUND, *DRAINED, *CLOSED]
    assert all(6 < seconds <= 7 for seconds in parts.deadlines)


@pytest.mark.parametrize(
    ("failing", "started", "closed"),
    [
        ("wait_for_database", ["wait_for_database"], ["database.close", "tracing.close"]),
        ("rest.listen", LISTENING[:3], [*REMOTE_CLOSED, "database.close", "tracing.close"]),
        ("rest.start", STARTED[:-1], ["grpc.stop", *REMOTE_CLOSED, "database.close", "tracing.close"]),
        ("monitoring.start", STARTED, CLOSED[:-1]),
    ],
)
def test_a_start_that_fails_closes_what_was_opened(
    parts: Parts, failing: str, started: list[str], closed: list[str]
) -> None:
    parts.failing[failing] = DatabaseUnusable("no database") if failing == "wait_for_database" else OSError("taken")

    with pytest.raises((StartupError, OSError)):
        asyncio.run(run(parts.application(), asyncio.Event()))

    assert parts.done == [*started, *closed]
    assert all(seconds <= 0 for seconds in parts.deadlines)


def test_an_error_while_closing_does_not_keep_the_rest_open(parts: Parts) -> None:
    parts.failing["grpc.stop"] = RuntimeError("stuck")

    with pytest.raises(RuntimeError, match="stuck"):
        asyncio.run(run_until_it_serves(parts))

    assert parts.done[-len(CLOSED) :] == CLOSED


def test_a_stop_while_the_database_is_awaited_starts_nothing(parts: Parts) -> None:
    async def stop_early() -> None:
        stop = asyncio.Event()

        async def wait_for_ever() -> None:
            await asyncio.Event().wait()

        application = replace(parts.application(), wait_for_database=wait_for_ever)
        running = asyncio.create_task(run(application, stop))
        await asyncio.sleep(0)
        stop.set()
        await running

    asyncio.run(stop_early())

    assert parts.done == ["database.close", "tracing.close"]
