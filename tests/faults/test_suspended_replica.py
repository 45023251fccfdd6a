"""A replica that is suspended at any moment holds no row lock, so the others can continue."""

import random
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import grpc
import pymysql
from payments_client.v1 import payments_pb2 as pb

from tests.support.databases import DatabaseServer
from tests.support.drivers.calls import CallFailed, GrpcDriver
from tests.support.drivers.requests import charge, new_request_id, refund
from tests.support.running_service import RunningService

ROUNDS = 25
CLIENTS = 8


def test_a_replica_suspended_during_refunds_leaves_no_payment_locked(
    start_service: Callable[..., RunningService], database_server: DatabaseServer, migrated_database: dict[str, str]
) -> None:
    suspended, other = start_service(), start_service()
    rng = random.Random(1)
    is_over = False

    def keep_refunding(payment_id: int) -> None:
        with grpc.insecure_channel(suspended.target) as channel:
            calls = GrpcDriver(channel)
            while not is_over:
                with suppress(CallFailed):
                    calls.refund(refund(payment_id, "0.01"))

    with grpc.insecure_channel(other.target) as channel, ThreadPoolExecutor(CLIENTS) as threads:
        calls = GrpcDriver(channel)
        payment_id = calls.charge(charge(amount="10000.00")).payment.payment_id
        futures = [threads.submit(keep_refunding, payment_id) for _ in range(CLIENTS)]
        try:
            for _ in range(ROUNDS):
                time.sleep(rng.uniform(0.02, 0.06))
                suspended.send(signal.SIGSTOP)
                try:
                    assert_unlocked(database_server, migrated_database["MYSQL_DB"], payment_id)
                    calls.refund(refund(payment_id, "0.01", request_id=new_request_id()))
                finally:
                    suspended.send(signal.SIGCONT)
        finally:
            is_over = True
        for future in futures:
            future.result()
        refunded = calls.get_payment(pb.GetPaymentRequest(payment_id=payment_id)).payment.refunded_amount
        refunds = calls.list_refunds(pb.ListRefundsRequest(payment_id=payment_id, page_size=1000)).refunds
    assert refunded.units * 100 + refunded.nanos // 10_000_000 == len(refunds)


def assert_unlocked(database_server: DatabaseServer, database: str, payment_id: int) -> None:
    """Lock the row within a second, because the database may still execute statements that the replica sent before."""
    connection = pymysql.connect(**database_server.connect_kwargs, database=database, autocommit=False)
    with connection, connection.cursor() as cursor:
        cursor.execute("SET SESSION innodb_lock_wait_timeout = 1")
        cursor.execute("SELECT 1 FROM payments WHERE payment_id = %s FOR UPDATE", (payment_id,))
        connection.rollback()
