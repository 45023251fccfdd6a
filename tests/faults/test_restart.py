"""A restart in good order, under load: callers notice nothing but a pause."""

import threading
from collections.abc import Callable
from decimal import Decimal

from payments import PaymentsClient

from tests.api.requests import new_order_id
from tests.conftest import DatabaseServer
from tests.running_service import RunningService

THREADS = 8
RESTARTS = 3


def test_no_call_fails_while_the_service_is_stopped_and_started_again(
    start_service: Callable[..., RunningService], database_server: DatabaseServer, migrated_database: dict[str, str]
) -> None:
    running = start_service()
    order_id = new_order_id()
    stopping = threading.Event()
    charged: list[int] = []
    failed: list[Exception] = []

    def keep_charging() -> None:
        with PaymentsClient(running.target, timeout_seconds=30) as client:
            while not stopping.is_set():
                try:
                    charged.append(client.charge(order_id=order_id, amount=Decimal(5)).payment_id)
                except Exception as error:  # noqa: BLE001 - whatever it is, the test fails by it
                    failed.append(error)

    threads = [threading.Thread(target=keep_charging) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for _ in range(RESTARTS):
        before = len(charged)
        while len(charged) < before + 50 and not failed:
            stopping.wait(0.05)
        assert running.stop() == 0
        running.start()
    stopping.set()
    for thread in threads:
        thread.join()
    assert failed == []
    assert len(set(charged)) == len(charged)
    count = database_server.execute("SELECT COUNT(*) FROM payments", database=migrated_database["MYSQL_DB"])
    assert count == [(len(charged),)]
