"""Nothing secret in what the service prints or answers: callers send card numbers and keys where none belong."""

import contextlib
import itertools
from collections.abc import Callable, Iterator

import grpc
import httpx
import pytest
from google.type import money_pb2
from payments.v1 import payments_pb2 as pb

from server.domain.callers import NewApiKey, Role
from tests.support.databases import DatabaseServer
from tests.support.drivers.calls import GrpcDriver
from tests.support.drivers.requests import charge, new_request_id
from tests.support.keys import bearer, key_maker
from tests.support.running_service import RunningService
from tests.support.secrecy import CARD_NUMBERS, secrets_in

CARD = CARD_NUMBERS[0]
SERVICE_NAME = "/payments.v1.PaymentService/"


@pytest.fixture
def quiet(start_service: Callable[..., RunningService]) -> Iterator[RunningService]:
    """A service that logs all it can; when it ends, its output is searched."""
    service = start_service(LOG_LEVEL="debug", TRUSTED_PROXIES="127.0.0.1")
    yield service
    assert service.stop() == 0


def unary(channel: grpc.Channel, rpc: str) -> "grpc.UnaryUnaryMultiCallable[bytes, bytes]":
    """Return how an RPC is called with bytes of any kind."""
    return channel.unary_unary(SERVICE_NAME + rpc, request_serializer=bytes, response_deserializer=bytes)


def as_unknown_field(text: str) -> bytes:
    """Return a field that no message has, with a text in it."""
    return b"\xaa\x7d" + bytes([len(text)]) + text.encode()


def test_what_callers_send_by_grpc_is_in_no_log_and_no_error(quiet: RunningService) -> None:
    rpcs = ("Charge", "BatchCharge", "Refund", "GetPayment", "ListRefunds", "ListPayments")
    answers: list[str] = []
    with grpc.insecure_channel(quiet.target) as channel:
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
                    answers += [str(error.details()), str(error.trailing_metadata())]
    assert secrets_in(answers) == []


@pytest.mark.parametrize("version", ["v1", "v2"])
@pytest.mark.parametrize("named", ["authorization", "user-agent"])
def test_what_callers_send_by_rest_is_in_no_log_and_what_they_did_wrong_is_told_without(
    quiet: RunningService, version: str, named: str
) -> None:
    charges = f"/{version}/payments" + ("/charge" if version == "v1" else ":charge")
    answers: list[str] = []
    with httpx.Client(base_url=quiet.rest_url) as http:
        for number in CARD_NUMBERS:
            headers = {
                "x-request-id": number,
                # With the first, which is no key, nothing else is looked at.
                named: f"Bearer {number}",
                "x-forwarded-for": number,
                "content-type": "application/json",
            }
            replies = [
                http.get(f"/{version}/payments", params={number: "1"}, headers=headers),
                http.get(f"/{number}", headers=headers),
                http.request(number[:4], f"/{version}/payments", headers={"x-request-id": f"card {number}"}),
                http.post(charges, json={number: 1}, headers=headers),
                http.post(charges, json={"orderId": 1, "amount": {number: 1}}, headers=headers),
                http.post(charges, content=f"{{{number}", headers=headers),
                http.post(charges, params={number: "1"}, json={}, headers=headers),
                http.post(charges, content=number, headers=headers | {"content-type": number}),
            ]
            answers += [str(reply.headers) for reply in replies]
            if version == "v2":
                answers += [reply.text for reply in replies]
    # The bodies of /v1 show the input that was wrong, to who sent it: callers of the replaced service know them so.
    assert secrets_in(answers) == []


@pytest.mark.parametrize("is_known", [True, False])
def test_an_api_key_is_in_no_log_no_error_and_no_metric(
    start_service: Callable[..., RunningService],
    database_server: DatabaseServer,
    migrated_database: dict[str, str],
    is_known: bool,  # noqa: FBT001
) -> None:
    make_key = key_maker(database_server, migrated_database["MYSQL_DB"])
    key = make_key("shop", Role.READ) if is_known else NewApiKey.make()
    service = start_service(LOG_LEVEL="debug", TRUSTED_PROXIES="127.0.0.1")
    answers: list[str] = []
    with grpc.insecure_channel(service.target) as channel:
        for rpc in ("Charge", "ListPayments"):
            with contextlib.suppress(grpc.RpcError):
                unary(channel, rpc)(b"", metadata=bearer(key), timeout=20)
    with httpx.Client(base_url=service.rest_url) as http:
        for headers in (dict(bearer(key)), {"x-api-key": key.text}):
            replies = [
                http.get(path, headers=headers) for path in ("/v1/payments", "/v2/payments", "/none", "/metrics")
            ]
            replies.append(http.post("/v2/payments:charge", json={}, headers=headers))
            answers += [f"{reply.headers} {reply.text}" for reply in replies]
    assert secrets_in(answers) == []
    assert service.stop() == 0


def test_an_error_of_the_database_that_quotes_a_card_number_is_logged_without(
    quiet: RunningService, database_server: DatabaseServer, migrated_database: dict[str, str]
) -> None:
    database_server.execute(
        f"""
        CREATE TRIGGER unlucky BEFORE INSERT ON payments FOR EACH ROW
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'no such card: {CARD}'
        """,
        database=migrated_database["MYSQL_DB"],
    )
    with grpc.insecure_channel(quiet.target) as channel, pytest.raises(Exception, match="internal error") as told:
        GrpcDriver(channel).charge(charge(request_id=new_request_id()))

    assert secrets_in([str(told.value)]) == []
    assert "no such card: [card number]" in quiet.wait_for("internal_error", level="error")["exception"][0]["exc_value"]


@pytest.mark.parametrize("wanted", [CARD, f"card {CARD}", "4111 1111 1111 1111"])
def test_a_call_that_is_named_by_a_card_number_gets_another_name(quiet: RunningService, wanted: str) -> None:
    named = httpx.get(f"{quiet.rest_url}/v2/payments", headers={"x-request-id": wanted}).headers["x-request-id"]

    assert len(named) == 32
    assert quiet.wait_for("call", request_id=named)


@pytest.mark.parametrize("name", ["MYSQL_HOST", "MYSQL_PORT"])
def test_a_password_that_is_in_the_wrong_setting_is_not_printed(migrated_database: dict[str, str], name: str) -> None:
    service = RunningService({**migrated_database, name: "mysql://payments:hunter2@db/ecommerce"})

    service.spawn()

    assert service.wait() == 2  # which looks for it
    assert any(f"{name}=" in line for line in service.output)


def test_a_secret_in_the_output_would_be_found(migrated_database: dict[str, str]) -> None:
    service = RunningService({**migrated_database, "DEFAULT_CURRENCY": CARD})

    service.spawn()

    with pytest.raises(AssertionError, match="a card number of the tests"):
        service.wait()
