"""Workers that are killed or stopped one after the other, under load: callers notice only retries."""

import os
import signal
import threading
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from payments_client import PaymentMethod, PaymentsClient

from server.config.grpc import Engine
from tests.support.databases import DatabaseServer
from tests.support.drivers.requests import new_order_id
from tests.support.running_service import RunningService
from tests.support.waiting import wait_until

_THREADS = 8
_ROUNDS = 2
_CALLS = 50


@pytest.mark.long
@pytest.mark.parametrize("engine", list(Engine))
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=["killed", "stopped"])
def test_no_call_fails_and_no_charge_is_stored_twice(
    number: signal.Signals,
    engine: Engine,
    start_service: Callable[..., RunningService],
    database_server: DatabaseServer,
    migrated_database: dict[str, str],
) -> None:
    running = start_service(WORKERS="2", GRPC_ENGINE=engine)
    running.wait_for("listening", transport="rest", worker=2)
    order_id = new_order_id()
    stopping = threading.Event()
    charged: list[int] = []
    failed: list[Exception] = []

    def keep_calling() -> None:
        with PaymentsClient(running.target, timeout_seconds=60) as client:
            while not stopping.is_set():
                try:
                    payment = client.charge(order_id=order_id, amount=Decimal(5), method=PaymentMethod.UPI)
                    charged.append(payment.payment_id)
                except Exception as error:  # noqa: BLE001 - any error fails the test
                    failed.append(error)

    threads = [threading.Thread(target=keep_calling) for _ in range(_THREADS)]
    for thread in threads:
        thread.start()
    try:
        for turn in range(2 * _ROUNDS):
            wait_until(partial(_has_length, charged, len(charged) + _CALLS, failed))
            _replace(running, 1 + turn % 2, number)
    finally:
        stopping.set()
        for thread in threads:
            thread.join()
    assert running.stop() == 0
    assert failed == []
    assert len(set(charged)) == len(charged)
    count = database_server.execute("SELECT COUNT(*) FROM payments", database=migrated_database["MYSQL_DB"])
    assert count == [(len(charged),)]


def _has_length(calls: list[int], length: int, failed: list[Exception]) -> bool:
    return len(calls) >= length or bool(failed)


def _replace(running: RunningService, worker: int, number: signal.Signals) -> None:
    """End a worker with a signal, and wait until another process listens in its place."""

    def events(name: str) -> list[dict[str, Any]]:
        of_worker = [event for event in running.events if event.get("worker") == worker]
        return [event for event in of_worker if event["event"] == name and event.get("transport", "rest") == "rest"]

    started = events("worker_started")
    os.kill(started[-1]["pid"], number)
    wait_until(lambda: len(events("worker_started")) > len(started))
    wait_until(lambda: len(events("listening")) > len(started))
