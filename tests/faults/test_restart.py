"""A graceful restart under load: callers notice only a pause."""

import threading
from collections.abc import Callable
from decimal import Decimal

import pytest
from payments_client import PaymentMethod, PaymentsClient

from tests.support.databases import DatabaseServer
from tests.support.drivers.requests import new_order_id
from tests.support.running_service import RunningService

THREADS = 8
ROUNDS = 2


@pytest.mark.long
@pytest.mark.parametrize("replica_count", [1, 2], ids=["one replica", "two replicas, one after the other"])
def test_no_call_fails_during_graceful_restarts(
    replica_count: int,
    start_service: Callable[..., RunningService],
    database_server: DatabaseServer,
    migrated_database: dict[str, str],
) -> None:
    replicas = [start_service() for _ in range(replica_count)]
    target = f"ipv4:{','.join(replica.target for replica in replicas)}"
    order_id = new_order_id()
    stopping = threading.Event()
    charged: list[int] = []
    refunded: list[int] = []
    failed: list[Exception] = []

    def keep_calling() -> None:
        with PaymentsClient(target, timeout_seconds=30) as client:
            while not stopping.is_set():
                try:
                    payment = client.charge(order_id=order_id, amount=Decimal(5), method=PaymentMethod.UPI)
                    charged.append(payment.payment_id)
                    result = client.refund(payment_id=payment.payment_id, amount=Decimal(2))
                    assert result.refund is not None
                    refunded.append(result.refund.refund_id)
                except Exception as error:  # noqa: BLE001 - any error fails the test
                    failed.append(error)

    threads = [threading.Thread(target=keep_calling) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for replica in replicas * ROUNDS:
        before = len(refunded)
        while len(refunded) < before + 50 and not failed:
            stopping.wait(0.05)
        assert replica.stop() == 0
        replica.start()
    stopping.set()
    for thread in threads:
        thread.join()
    assert failed == []
    for ids, table in ((charged, "payments"), (refunded, "refunds")):
        assert len(set(ids)) == len(ids)
        count = database_server.execute(f"SELECT COUNT(*) FROM {table}", database=migrated_database["MYSQL_DB"])
        assert count == [(len(ids),)]
