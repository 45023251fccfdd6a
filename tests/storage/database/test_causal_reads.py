"""Causal reads: a replica at another node of a Galera cluster sees every earlier write, even if its node is slow."""

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path

import pymysql
import pytest
from payments_client import PaymentNotFound, PaymentsClient

from tests.support.databases import settings_of
from tests.support.running_service import RunningService
from tools.database.migrations import migrate
from tools.database.private_database import SELECTED_DATABASE
from tools.dev.devdb import ADMINISTRATOR, PrivateDatabase

_STILL_WAITING_SECONDS = 0.5


@pytest.mark.skipif(SELECTED_DATABASE == "galera", reason="Galera has causal reads")
def test_a_service_with_causal_reads_does_not_start_on_another_database(migrated_database: dict[str, str]) -> None:
    service = RunningService({**migrated_database, "MYSQL_CAUSAL_READS": "true"})
    service.spawn()

    assert service.wait() == 1
    reason = "MYSQL_CAUSAL_READS is on, but the database is not a node of a Galera cluster (wsrep_on): unset it"
    assert service.output[-1].rstrip().endswith(f"cannot be used: {reason}")


@pytest.mark.skipif(SELECTED_DATABASE != "galera", reason="for DATABASE=galera")
def test_a_causal_read_waits_for_a_write_at_another_node_and_other_reads_miss_it(tmp_path: Path) -> None:
    with PrivateDatabase(tmp_path / "devdb") as cluster:
        migrate(settings_of(cluster.environment()), report=lambda _: None)
        environment = cluster.service_environment()

        def start_at(node: int, **settings: str) -> RunningService:
            return RunningService({**environment, "MYSQL_SOCKET": f"{cluster.socket_path}{node}", **settings}).start()

        first, causal, other = start_at(1), start_at(2, MYSQL_CAUSAL_READS="true"), start_at(2)
        with (
            PaymentsClient(first.target) as writer,
            PaymentsClient(causal.target) as causal_reader,
            PaymentsClient(other.target) as reader,
            pymysql.connect(unix_socket=f"{cluster.socket_path}2", user=ADMINISTRATOR) as second_node,
            ThreadPoolExecutor() as threads,
        ):
            second_node.cursor().execute("FLUSH TABLES WITH READ LOCK")  # the node applies nothing
            payment = writer.charge(order_id=1, amount=Decimal(1))
            with pytest.raises(PaymentNotFound):
                reader.get_payment(payment_id=payment.payment_id)
            reading = threads.submit(causal_reader.get_payment, payment_id=payment.payment_id)
            with pytest.raises(TimeoutError):
                reading.result(_STILL_WAITING_SECONDS)
            second_node.cursor().execute("UNLOCK TABLES")
            assert reading.result().payment == payment
        assert [service.stop() for service in (first, causal, other)] == [0, 0, 0]
