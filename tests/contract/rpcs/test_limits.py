"""Rate limits and time limits of callers, over real connections."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager

import grpc
import httpx
import pytest
from payments_client.v1 import payments_pb2 as pb

from server.config.grpc import Engine
from server.domain.callers import Role
from tests.support.databases import DatabaseServer
from tests.support.drivers.calls import CallFailed, GrpcDriver, call_failed
from tests.support.drivers.requests import charge, new_order_id, refund
from tests.support.keys import bearer, key_maker
from tests.support.running_service import RunningService

StartService = Callable[..., RunningService]
Hold = Callable[[], AbstractContextManager[None]]


@pytest.fixture
def rate_limited(start_service: StartService) -> RunningService:
    """A server whose callers may make a burst of five calls, then one call every 100 seconds."""
    return start_service(RATE_LIMIT_CALLS_PER_SECOND="0.01", RATE_LIMIT_BURST_CALLS="5")


def test_a_caller_that_exceeds_its_rate_gets_a_retry_delay(rate_limited: RunningService) -> None:
    with grpc.insecure_channel(rate_limited.target) as channel:
        api = GrpcDriver(channel)
        for _ in range(5):
            api.charge(charge())
        with pytest.raises(CallFailed) as failed:
            api.charge(charge())
    assert (failed.value.code, failed.value.reason) == ("RESOURCE_EXHAUSTED", "RATE_LIMITED")
    assert failed.value.retry_after_seconds is not None
    assert 30 < failed.value.retry_after_seconds <= 100
    assert failed.value.trailers["grpc-retry-pushback-ms"] == str(round(failed.value.retry_after_seconds * 1000))


@pytest.mark.parametrize(("verb", "path"), [("POST", "/v1/payments/charge"), ("GET", "/v2/payments")])
def test_anonymous_callers_of_grpc_and_rest_share_the_rate_of_their_address(
    rate_limited: RunningService, verb: str, path: str
) -> None:
    with grpc.insecure_channel(rate_limited.target) as channel:
        for _ in range(5):
            GrpcDriver(channel).charge(charge())
    body = {"order_id": 7, "amount": 5} if verb == "POST" else None
    response = httpx.request(verb, rate_limited.rest_url + path, json=body)
    assert response.status_code == 429
    assert 30 < int(response.headers["Retry-After"]) <= 100
    elsewhere = {"X-Forwarded-For": "198.51.100.7"}  # any client can send this header
    assert httpx.request(verb, rate_limited.rest_url + path, json=body, headers=elsewhere).status_code == 429


@pytest.mark.parametrize("rest_host", ["127.0.0.1", "::"])
def test_behind_a_trusted_proxy_the_caller_is_the_last_address_that_is_not_a_proxy(
    start_service: StartService, rest_host: str
) -> None:
    rates = {"RATE_LIMIT_CALLS_PER_SECOND": "0.01", "RATE_LIMIT_BURST_CALLS": "2"}
    running = start_service(
        TRUSTED_PROXIES="127.0.0.1, 10.9.0.0/16", REST_HOST=rest_host, LISTEN_WITHOUT="tls,authentication", **rates
    )

    def status_of(forwarded_for: str) -> int:
        headers = {"X-Forwarded-For": forwarded_for}
        return httpx.get(f"{running.rest_url}/v2/payments", headers=headers).status_code

    # The client's claim comes first, then each proxy appends the address that it sees.
    claims = ["203.0.113.1, 198.51.100.7", "203.0.113.2, 198.51.100.7", "127.0.0.1, 198.51.100.7, 10.9.0.4"]
    assert [status_of(claim) for claim in claims] == [200, 200, 429]
    assert status_of("198.51.100.7, 198.51.100.8") == 200


@pytest.mark.parametrize(("trusted", "scheme"), [("", "http"), ("10.0.0.0/8", "http"), ("127.0.0.0/8", "https")])
def test_redirects_use_the_forwarded_scheme_of_trusted_proxies_only(
    start_service: StartService, trusted: str, scheme: str
) -> None:
    running = start_service(TRUSTED_PROXIES=trusted)
    headers = {"X-Forwarded-Proto": "https", "Host": "payments.example.com"}
    response = httpx.get(f"{running.rest_url}/v1/payments/", headers=headers)
    assert response.headers["Location"] == f"{scheme}://payments.example.com/v1/payments"


def test_a_batch_counts_as_one_call_for_each_charge(rate_limited: RunningService) -> None:
    with grpc.insecure_channel(rate_limited.target) as channel:
        api = GrpcDriver(channel)
        api.batch_charge(pb.BatchChargeRequest(charges=[charge(new_order_id()) for _ in range(5)]))
        with pytest.raises(CallFailed) as failed:
            api.charge(charge())
    assert failed.value.reason == "RATE_LIMITED"


@pytest.mark.parametrize("engine", list(Engine))
def test_failed_authentications_are_limited_by_address_and_valid_keys_are_not(
    start_service: StartService, database_server: DatabaseServer, migrated_database: dict[str, str], engine: Engine
) -> None:
    key = key_maker(database_server, migrated_database["MYSQL_DB"])("shop", Role.READ)
    running = start_service(
        GRPC_ENGINE=engine,
        ANONYMOUS_ROLES="-",
        RATE_LIMIT_FAILED_AUTHENTICATIONS_PER_SECOND="0.01",
        RATE_LIMIT_FAILED_AUTHENTICATIONS_BURST="3",
    )

    def call(*headers: tuple[str, str]) -> CallFailed:
        try:
            api.stub.ListPayments(pb.ListPaymentsRequest(page_size=1), metadata=headers, timeout=30)
        except grpc.RpcError as error:
            return call_failed(error)  # type: ignore[arg-type]
        return CallFailed("OK", "")

    unknown_key = bearer("paykey_0123456789abcdef_" + "5" * 64)
    with grpc.insecure_channel(running.target) as channel:
        api = GrpcDriver(channel)
        failures = [call(*unknown_key), call(), call(("authorization", "Basic x"))]
        assert [failed.reason for failed in failures] == ["API_KEY_INVALID", "CREDENTIALS_MISSING", "API_KEY_INVALID"]
        two_keys = (("x-api-key", "a"), ("x-api-key", "b"))
        causes = (
            (unknown_key, "the API key is unknown"),
            ((), "authenticate with an API key"),
            (two_keys, "x-api-key: must be sent at most"),
        )
        for headers, cause in causes:
            limited = call(*headers)
            assert (limited.code, limited.reason) == ("RESOURCE_EXHAUSTED", "RATE_LIMITED")
            assert limited.retry_after_seconds is not None
            assert 30 < limited.retry_after_seconds <= 100
            assert cause in limited.message
            assert "this address" in limited.message
        assert call(*bearer(key)).code == "OK"
    url = f"{running.rest_url}/v1/payments"
    over_rest = httpx.get(url, headers=dict(unknown_key))
    assert over_rest.status_code == 429
    assert 30 < int(over_rest.headers["Retry-After"]) <= 100
    assert httpx.get(url, headers=dict(bearer(key))).status_code == 200
    metrics = httpx.get(f"{running.rest_url}/metrics").text
    assert "payments_failed_authentications_limited_total 4.0" in metrics
    event = running.wait_for("failed_authentications_limited")
    assert event["address"] == "127.0.0.1"
    assert "request_id" not in event, "the event covers many calls"
    logged = [event["code"] for event in running.events if event["event"] == "call"]
    assert logged.count("UNAUTHENTICATED") == 3
    assert not {"RESOURCE_EXHAUSTED", "INVALID_ARGUMENT"} & set(logged), (
        "one line per rejected call would let anyone fill the log"
    )


def test_health_checks_have_no_rate_limit(rate_limited: RunningService) -> None:
    assert {httpx.get(f"{rate_limited.rest_url}/readyz").status_code for _ in range(20)} == {200}


def test_a_call_that_exceeds_its_time_limit_ends_and_its_transaction_completes(
    start_service: StartService, lock_payment_rows: Hold
) -> None:
    running = start_service(CALL_TIMEOUT_SECONDS="0.5")
    with grpc.insecure_channel(running.target) as channel:
        api = GrpcDriver(channel)
        payment = api.charge(charge()).payment
        other = api.charge(charge()).payment
        with lock_payment_rows():
            with pytest.raises(CallFailed) as failed:
                api.refund(refund(payment.payment_id))
            response = httpx.post(f"{running.rest_url}/v2/payments/{other.payment_id}:refund", json={}, timeout=30)
        assert (failed.value.code, failed.value.reason) == ("DEADLINE_EXCEEDED", "CALL_TOO_LONG")
        assert response.status_code == 504
        assert response.json()["details"][0]["reason"] == "CALL_TOO_LONG"
        deadline = time.monotonic() + 30
        for payment_id in (payment.payment_id, other.payment_id):
            request = pb.GetPaymentRequest(payment_id=payment_id)
            while api.get_payment(request).payment.refund_state != pb.REFUND_STATE_FULL:
                assert time.monotonic() < deadline
                time.sleep(0.05)
