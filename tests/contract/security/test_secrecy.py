"""Card numbers and keys that callers send in the wrong places appear in no log, response or metric."""

import contextlib
import itertools
from collections.abc import Callable, Iterator

import grpc
import httpx
import pytest
from google.type import money_pb2
from payments_client.v1 import payments_pb2 as pb

from server.domain.callers import NewApiKey, Role
from tests.support.databases import DatabaseServer
from tests.support.drivers.calls import GrpcDriver
from tests.support.drivers.requests import charge, new_request_id
from tests.support.keys import bearer, key_maker
from tests.support.running_service import RunningService
from tests.support.secrecy import CARD_NUMBERS, secrets_in
from tests.support.tidb import except_on_tidb

CARD = CARD_NUMBERS[0]
SERVICE_NAME = "/payments.v1.PaymentService/"


@pytest.fixture
def service_with_debug_log(start_service: Callable[..., RunningService]) -> Iterator[RunningService]:
    """A service with debug logs, whose output is searched for secrets when it stops."""
    service = start_service(LOG_LEVEL="debug", TRUSTED_PROXIES="127.0.0.1")
    yield service
    assert service.stop() == 0


def unary(channel: grpc.Channel, rpc: str) -> "grpc.UnaryUnaryMultiCallable[bytes, bytes]":
    """Return a callable that sends arbitrary bytes to an RPC."""
    return channel.unary_unary(SERVICE_NAME + rpc, request_serializer=bytes, response_deserializer=bytes)


def as_unknown_field(text: str) -> bytes:
    """Encode a text as a field that no message has."""
    return b"\xaa\x7d" + bytes([len(text)]) + text.encode()


def test_values_sent_over_grpc_appear_in_no_log_or_error(service_with_debug_log: RunningService) -> None:
    rpcs = ("Charge", "BatchCharge", "Refund", "GetPayment", "ListRefunds", "ListPayments", "ListPaymentEvents")
    texts: list[str] = []
    with grpc.insecure_channel(service_with_debug_log.target) as channel:
        for number, rpc in itertools.product(CARD_NUMBERS, rpcs):
            messages = [
                number.encode(),
                as_unknown_field(number),
                pb.ChargeRequest(
                    request_id=f"{number}\n", amount=money_pb2.Money(currency_code=number)
                ).SerializeToString(),
                pb.RefundRequest(reason=f"{number}\0").SerializeToString(),
                pb.ListPaymentsRequest(page_token=number, order_by=number).SerializeToString(),
                pb.ListPaymentsRequest(filter=pb.PaymentFilter(reference=number * 10)).SerializeToString(),
            ]
            names = (
                ("x-request-id", number),
                ("x-request-id", f"card {number}"),
                ("authorization", f"Bearer {number}"),
            )
            for message, name in itertools.product(messages, names):
                try:
                    unary(channel, rpc)(message, metadata=(name,), timeout=20)
                except grpc.RpcError as error:
                    texts += [str(error.details()), str(error.trailing_metadata())]
    assert secrets_in(texts) == []


@pytest.mark.parametrize("version", ["v1", "v2"])
@pytest.mark.parametrize("header_name", ["authorization", "user-agent"])
def test_values_sent_over_rest_appear_in_no_log_or_error(
    service_with_debug_log: RunningService, version: str, header_name: str
) -> None:
    charges = f"/{version}/payments" + ("/charge" if version == "v1" else ":charge")
    texts: list[str] = []
    with httpx.Client(base_url=service_with_debug_log.rest_url) as http:
        for number in CARD_NUMBERS:
            headers = {
                "x-request-id": number,
                # An Authorization header without a valid key stops the check of the other headers.
                header_name: f"Bearer {number}",
                "x-forwarded-for": number,
                "content-type": "application/json",
            }
            responses = [
                http.get(f"/{version}/payments", params={number: "1"}, headers=headers),
                http.get(f"/{number}", headers=headers),
                http.request(number[:4], f"/{version}/payments", headers={"x-request-id": f"card {number}"}),
                http.post(charges, json={number: 1}, headers=headers),
                http.post(charges, json={"orderId": 1, "amount": {number: 1}}, headers=headers),
                http.post(charges, content=f"{{{number}", headers=headers),
                http.post(charges, params={number: "1"}, json={}, headers=headers),
                http.post(charges, content=number, headers=headers | {"content-type": number}),
            ]
            texts += [str(response.headers) for response in responses]
            if version == "v2":
                texts += [response.text for response in responses]
    # The error bodies of /v1 return the invalid input to its sender, as in the legacy service.
    assert secrets_in(texts) == []


@pytest.mark.parametrize("is_known", [True, False])
def test_an_api_key_appears_in_no_log_error_or_metric(
    start_service: Callable[..., RunningService],
    database_server: DatabaseServer,
    migrated_database: dict[str, str],
    is_known: bool,  # noqa: FBT001
) -> None:
    make_key = key_maker(database_server, migrated_database["MYSQL_DB"])
    key = make_key("shop", Role.READ) if is_known else NewApiKey.generate()
    service = start_service(LOG_LEVEL="debug", TRUSTED_PROXIES="127.0.0.1")
    texts: list[str] = []
    with grpc.insecure_channel(service.target) as channel:
        for rpc in ("Charge", "ListPayments"):
            with contextlib.suppress(grpc.RpcError):
                unary(channel, rpc)(b"", metadata=bearer(key), timeout=20)
    with httpx.Client(base_url=service.rest_url) as http:
        for headers in (dict(bearer(key)), {"x-api-key": key.text}):
            responses = [
                http.get(path, headers=headers) for path in ("/v1/payments", "/v2/payments", "/none", "/metrics")
            ]
            responses.append(http.post("/v2/payments:charge", json={}, headers=headers))
            texts += [f"{response.headers} {response.text}" for response in responses]
    assert secrets_in(texts) == []
    assert service.stop() == 0


@except_on_tidb("it has no triggers")
def test_a_card_number_in_a_database_error_is_not_logged(
    service_with_debug_log: RunningService, database_server: DatabaseServer, migrated_database: dict[str, str]
) -> None:
    database_server.execute(
        f"""
        CREATE TRIGGER unlucky BEFORE INSERT ON payments FOR EACH ROW
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'no such card: {CARD}'
        """,
        database=migrated_database["MYSQL_DB"],
    )
    with (
        grpc.insecure_channel(service_with_debug_log.target) as channel,
        pytest.raises(Exception, match="internal error") as error_info,
    ):
        GrpcDriver(channel).charge(charge(request_id=new_request_id()))

    assert secrets_in([str(error_info.value)]) == []
    assert (
        "no such card: [card number]"
        in service_with_debug_log.wait_for("internal_error", level="error")["exception"][0]["exc_value"]
    )


@pytest.mark.parametrize("requested_id", [CARD, f"card {CARD}", "4111 1111 1111 1111"])
def test_a_call_id_with_a_card_number_is_replaced(service_with_debug_log: RunningService, requested_id: str) -> None:
    call_id = httpx.get(
        f"{service_with_debug_log.rest_url}/v2/payments", headers={"x-request-id": requested_id}
    ).headers["x-request-id"]

    assert len(call_id) == 32
    assert service_with_debug_log.wait_for("call", request_id=call_id)


@pytest.mark.parametrize("name", ["MYSQL_HOST", "MYSQL_PORT"])
def test_a_password_in_the_wrong_setting_is_not_printed(migrated_database: dict[str, str], name: str) -> None:
    service = RunningService({**migrated_database, name: "mysql://payments:hunter2@db/ecommerce"})

    service.spawn()

    assert service.wait() == 2  # wait() also searches the output for secrets
    assert any(f"{name}=" in line for line in service.output)


def test_the_search_for_secrets_finds_one_in_the_output(migrated_database: dict[str, str]) -> None:
    service = RunningService({**migrated_database, "DEFAULT_CURRENCY": CARD})

    service.spawn()

    with pytest.raises(AssertionError, match="a card number of the tests"):
        service.wait()
