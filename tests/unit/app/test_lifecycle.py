"""The lifecycle: parts start in order, are drained, and are closed in reverse order, even if the startup fails."""

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
LISTEN_CALLS = [
    "wait_for_database",
    "grpc.listen",
    "rest.listen",
    "monitoring.listen",
    "monitor.check",
    "health.report_alive",
]
START_CALLS = [*LISTEN_CALLS, "grpc.start", "rest.start", "monitoring.start"]
STOP_CALLS = ["calls.reject_new", "health.drain", "monitor.stop_serving", *["background ended"] * 6]
DRAIN_CALLS = [
    "event_feed.close",
    "calls.wait_until_idle",
    "relay.release",
    "calls.cancel_all",
    "health.end_watches",
]
REMOTE_CLOSE_CALLS = ["worker_thread.close", "settlement.flow.close", "settlement.close_processor"]
CLOSE_CALLS = [
    "rest.stop",
    "grpc.stop",
    *REMOTE_CLOSE_CALLS,
    "relay.release",
    "database.close",
    "tracing.close",
    "monitoring.stop",
]


class Parts:
    """Fakes of all parts, which record the calls of their methods."""

    def __init__(self) -> None:
        """Start with no calls."""
        self.calls: list[str] = []
        self.deadlines: list[float] = []
        self.failing: dict[str, Exception] = {}
        self.running = 0
        self.background_is_up = asyncio.Event()

    def application(self) -> Application:
        """Return an application made of the fakes."""
        parts = {
            "settings": SETTINGS,
            "tls": SimpleNamespace(reload=self.background),
            "tracing": SimpleNamespace(close=self.async_recorder("tracing.close")),
            "database": SimpleNamespace(close=self.deadline_recorder("database.close")),
            "wait_for_database": self.async_recorder("wait_for_database"),
            "keys": SimpleNamespace(refresh=self.background),
            "settlement": SimpleNamespace(
                close_processor=self.async_recorder("settlement.close_processor"),
                flow=SimpleNamespace(close=self.deadline_recorder("settlement.flow.close")),
                reconciler=SimpleNamespace(round=self.background),
                late_outcomes=SimpleNamespace(round=self.background),
            ),
            "event_feed": SimpleNamespace(
                poll=self.background, pause=self.background, close=self.recorder("event_feed.close")
            ),
            "relay": SimpleNamespace(round=self.background, release=self.async_recorder("relay.release")),
            "calls": SimpleNamespace(
                reject_new=self.recorder("calls.reject_new"),
                wait_until_idle=self.async_recorder("calls.wait_until_idle"),
                cancel_all=self.recorder("calls.cancel_all"),
            ),
            "worker_thread": SimpleNamespace(close=self.recorder("worker_thread.close")),
            "health": SimpleNamespace(
                report_alive=self.recorder("health.report_alive"),
                drain=self.recorder("health.drain"),
                end_watches=self.recorder("health.end_watches"),
            ),
            "monitor": SimpleNamespace(
                check=self.async_recorder("monitor.check"), stop_serving=self.recorder("monitor.stop_serving")
            ),
            "grpc": SimpleNamespace(
                listen=self.recorder("grpc.listen"),
                port=1,
                start=self.async_recorder("grpc.start"),
                stop=self.async_recorder("grpc.stop"),
            ),
            "rest": self.server("rest"),
            "monitoring": self.server("monitoring"),
        }
        return Application(**cast("Any", parts))

    def recorder(self, name: str, result: object = None) -> Callable[..., object]:
        """Return a function that records its call."""

        def call(*_arguments: object) -> object:
            self.calls.append(name)
            if name in self.failing:
                raise self.failing[name]
            return result

        return call

    def async_recorder(self, name: str) -> Callable[..., Awaitable[None]]:
        """Return a coroutine function that records its call."""

        async def call(*_arguments: object) -> None:
            self.recorder(name)()

        return call

    def deadline_recorder(self, name: str) -> Callable[[Deadline], Awaitable[None]]:
        """Return a coroutine function that records its call and its deadline."""

        async def call(deadline: Deadline) -> None:
            self.deadlines.append(deadline.seconds_left())
            self.recorder(name)()

        return call

    def server(self, name: str) -> SimpleNamespace:
        """Return a fake HTTP server."""
        return SimpleNamespace(
            listen=self.recorder(f"{name}.listen"),
            port=1,
            start=self.async_recorder(f"{name}.start"),
            stop=self.async_recorder(f"{name}.stop"),
        )

    async def background(self, *_arguments: object) -> None:
        """Wait in the background until cancelled, and take a moment to end."""
        self.running += 1
        self.background_is_up.set()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            self.running -= 1
            self.calls.append("background ended")


@pytest.fixture
def parts() -> Parts:
    return Parts()


async def run_and_stop(parts: Parts) -> None:
    """Run an application, and stop it once its background work has started."""
    stop = asyncio.Event()
    running = asyncio.create_task(run(parts.application(), stop))
    await parts.background_is_up.wait()
    stop.set()
    await running


def test_parts_start_in_order_are_drained_and_are_closed_in_reverse_order(parts: Parts) -> None:
    asyncio.run(run_and_stop(parts))

    assert parts.calls == [*START_CALLS, "monitor.check", *STOP_CALLS, *DRAIN_CALLS, *CLOSE_CALLS]
    assert all(6 < seconds <= 7 for seconds in parts.deadlines)


@pytest.mark.parametrize(
    ("failing", "started", "closed"),
    [
        ("wait_for_database", ["wait_for_database"], ["relay.release", "database.close", "tracing.close"]),
        ("rest.listen", LISTEN_CALLS[:3], [*REMOTE_CLOSE_CALLS, "relay.release", "database.close", "tracing.close"]),
        (
            "rest.start",
            START_CALLS[:-1],
            ["grpc.stop", *REMOTE_CLOSE_CALLS, "relay.release", "database.close", "tracing.close"],
        ),
        ("monitoring.start", START_CALLS, CLOSE_CALLS[:-1]),
    ],
)
def test_a_failed_startup_closes_the_opened_parts(
    parts: Parts, failing: str, started: list[str], closed: list[str]
) -> None:
    parts.failing[failing] = DatabaseUnusable("no database") if failing == "wait_for_database" else OSError("taken")

    with pytest.raises((StartupError, OSError)):
        asyncio.run(run(parts.application(), asyncio.Event()))

    assert parts.calls == [*started, *closed]
    assert all(seconds <= 0 for seconds in parts.deadlines)


def test_an_error_while_closing_does_not_keep_other_parts_open(parts: Parts) -> None:
    parts.failing["grpc.stop"] = RuntimeError("stuck")

    with pytest.raises(RuntimeError, match="stuck"):
        asyncio.run(run_and_stop(parts))

    assert parts.calls[-len(CLOSE_CALLS) :] == CLOSE_CALLS


def test_a_stop_while_waiting_for_the_database_starts_nothing(parts: Parts) -> None:
    async def stop_early() -> None:
        stop = asyncio.Event()

        async def wait_forever() -> None:
            await asyncio.Event().wait()

        application = replace(parts.application(), wait_for_database=wait_forever)
        running = asyncio.create_task(run(application, stop))
        await asyncio.sleep(0)
        stop.set()
        await running

    asyncio.run(stop_early())

    assert parts.calls == ["relay.release", "database.close", "tracing.close"]
