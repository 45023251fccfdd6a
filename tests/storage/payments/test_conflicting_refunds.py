"""Of two concurrent refunds through two nodes of a Galera cluster, one fits, and aborted transactions are retried."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from functools import partial
from pathlib import Path
from threading import Barrier

import pytest
from payments_client import PaymentsClient, RefundExceedsPayment

from tests.support.databases import settings_of
from tests.support.galera import IS_SELECTED, NODES, execute_at
from tests.support.running_service import RunningService
from tools.database.migrations import migrate
from tools.dev.devdb import PrivateDatabase

pytestmark = [pytest.mark.skipif(not IS_SELECTED, reason="for DATABASE=galera"), pytest.mark.timeout(300)]

MAX_ROUNDS = 500
CONFLICTS = "SHOW GLOBAL STATUS WHERE variable_name IN ('wsrep_local_cert_failures', 'wsrep_local_bf_aborts')"


def count_conflicts(cluster: PrivateDatabase) -> int:
    """Return the number of transactions that the nodes have aborted because another node changed the same rows."""
    return sum(int(value) for node in NODES for _, value in execute_at(cluster, node, CONFLICTS))


def succeeds(refund: Callable[[], object], barrier: Barrier) -> bool:
    barrier.wait()
    try:
        refund()
    except RefundExceedsPayment:
        return False
    return True


def test_of_two_refunds_through_two_nodes_one_succeeds_and_conflicts_are_retried(tmp_path: Path) -> None:
    with PrivateDatabase(tmp_path / "devdb") as cluster:
        migrate(settings_of(cluster.environment()), report=lambda _: None)
        environment = {**cluster.service_environment(), "SUCCESS_PROBABILITY": "1", "MYSQL_CAUSAL_READS": "true"}
        services = [
            RunningService({**environment, "MYSQL_SOCKET": f"{cluster.socket_path}{node}"}).start() for node in (1, 2)
        ]
        before = count_conflicts(cluster)
        with (
            PaymentsClient(services[0].target) as first,
            PaymentsClient(services[1].target) as second,
            ThreadPoolExecutor() as threads,
        ):
            barrier = Barrier(2)
            for _ in range(MAX_ROUNDS):
                payment_id = first.charge(order_id=1, amount=Decimal(10)).payment_id
                refunds = [
                    partial(client.refund, payment_id=payment_id, amount=Decimal(6)) for client in (first, second)
                ]
                assert sorted(threads.map(succeeds, refunds, [barrier] * 2)) == [False, True]
                assert second.get_payment(payment_id=payment_id).payment.refunded_amount == Decimal(6)
                if count_conflicts(cluster) > before:
                    break
        assert count_conflicts(cluster) > before
        events = [event for service in services for event in service.take_log()[0]]
        assert [event for event in events if event["event"] == "database_unavailable"] == []
        assert [service.stop() for service in services] == [0, 0]
