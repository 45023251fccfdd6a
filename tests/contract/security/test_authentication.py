"""API keys and roles, over every transport and both engines."""

import itertools
import secrets
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import grpc
import httpx
import pytest
from payments_client import PaymentsClient
from payments_client.v1 import payments_pb2 as pb

from server.config.grpc import Engine
from server.domain.callers import NewApiKey, Role
from server.transport.pipeline.auth import ROLES
from server.transport.service.servicer import SERVICE
from tests.conftest import PROBABILITIES
from tests.support.databases import DatabaseServer
from tests.support.drivers.calls import CallFailed, GrpcDriver, call_failed
from tests.support.drivers.requests import charge, new_order_id, new_request_id, refund
from tests.support.drivers.rest import v2_failure
from tests.support.keys import MakeKey, bearer, key_maker
from tests.support.programs import ROOT
from tests.support.running_service import RunningService

REFRESH_SECONDS = 0.2
ALL = tuple(Role)
UNKNOWN_KEY = "paykey_0123456789abcdef_" + "5" * 64


@dataclass(frozen=True)
class GuardedService:
    """A service that requires an API key for every call, with functions that query its database and create keys."""

    service: RunningService
    query: Callable[..., list[Any]]
    make_key: MakeKey


@pytest.fixture(scope="module", params=list(Engine))
def guarded(
    request: pytest.FixtureRequest,
    make_migrated_database: Callable[[], dict[str, str]],
    database_server: DatabaseServer,
) -> Iterator[GuardedService]:
    database = make_migrated_database()
    settings = {
        "ANONYMOUS_ROLES": "-",
        "API_KEY_REFRESH_INTERVAL_SECONDS": str(REFRESH_SECONDS),
        "GRPC_ENGINE": request.param,
        "LOG_LEVEL": "debug",
        "RATE_LIMIT_FAILED_AUTHENTICATIONS_BURST": "1000000",
    }
    name = database["MYSQL_DB"]

    def query(text: str, *values: object) -> list[Any]:
        return database_server.execute(text, values, name)

    make_key = key_maker(database_server, name)
    for role_count in range(len(ALL) + 1):
        for roles in itertools.combinations(ALL, role_count):
            KEYS[frozenset(roles)] = make_key(f"caller-{len(KEYS)}", *roles)
    running = RunningService({**database, **PROBABILITIES, **settings}).start()
    yield GuardedService(running, query, make_key)
    assert running.stop() == 0


KEYS: dict[frozenset[Role], NewApiKey] = {}
"""A key for each set of roles, in the current service."""


@pytest.fixture
def calls(guarded: GuardedService) -> Iterator[GrpcDriver]:
    with grpc.insecure_channel(guarded.service.target) as channel:
        yield GrpcDriver(channel)


REQUESTS: Mapping[str, Any] = {
    "Charge": charge(),
    "BatchCharge": pb.BatchChargeRequest(charges=[charge()]),
    "Refund": refund(1 << 40),
    "GetPayment": pb.GetPaymentRequest(payment_id=1 << 40),
    "ListRefunds": pb.ListRefundsRequest(payment_id=1 << 40),
    "ListPayments": pb.ListPaymentsRequest(),
    "ListPaymentEvents": pb.ListPaymentEventsRequest(payment_id=1 << 40),
    # An authenticated watch fails because of its token, so it ends.
    "WatchPayments": pb.WatchPaymentsRequest(resume_token="nonsense"),
}
PATHS: Mapping[str, tuple[str, str]] = {
    "Charge": ("POST", "/v2/payments:charge"),
    "BatchCharge": ("POST", "/v2/payments:batchCharge"),
    "Refund": ("POST", "/v2/payments/1099511627776:refund"),
    "GetPayment": ("GET", "/v2/payments/1099511627776"),
    "ListRefunds": ("GET", "/v2/payments/1099511627776/refunds"),
    "ListPayments": ("GET", "/v2/payments"),
    "ListPaymentEvents": ("GET", "/v2/payments/1099511627776/events"),
    "WatchPayments": ("GET", "/v2/payments:watch?resumeToken=nonsense"),
}
LEGACY_PATHS: Mapping[str, tuple[str, str]] = {
    "Charge": ("POST", "/v1/payments/charge"),
    "Refund": ("POST", "/v1/payments/1099511627776/refund"),
    "ListPayments": ("GET", "/v1/payments"),
}
ALL_CALLS = [
    *(("grpc", rpc) for rpc in REQUESTS),
    *(("v2", rpc) for rpc in PATHS),
    *(("v1", rpc) for rpc in LEGACY_PATHS),
]


def rejection(
    service: RunningService, transport: str, rpc: str, headers: tuple[tuple[str, str], ...]
) -> CallFailed | None:
    """Make a call with these headers, and return its authentication error, or None if it passed authentication."""
    failed = None
    if transport == "grpc":
        try:
            call_over_grpc(service, rpc, headers)
        except grpc.RpcError as error:
            failed = call_failed(error)  # type: ignore[arg-type]
    else:
        verb, path = (PATHS if transport == "v2" else LEGACY_PATHS)[rpc]
        with httpx.Client(base_url=service.rest_url) as http:
            response = http.request(verb, path, headers=dict(headers), content=b"{}" if verb == "POST" else None)
        if response.status_code in {401, 403}:
            failed = v2_failure(response) if transport == "v2" else CallFailed("", response.json()["detail"])
            code = {401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED"}[response.status_code]
            assert failed.code in {code, ""}
            failed.code = code
            failed.trailers = dict(response.headers)
    return failed if failed is not None and failed.code in {"UNAUTHENTICATED", "PERMISSION_DENIED"} else None


def call_over_grpc(service: RunningService, rpc: str, metadata: Sequence[tuple[str, str]]) -> None:
    """Make a call with this metadata, and end a stream after its first response."""
    with grpc.insecure_channel(service.target) as channel:
        response = getattr(GrpcDriver(channel).stub, rpc)(REQUESTS[rpc], metadata=metadata, timeout=30)
        if rpc == "WatchPayments":
            next(response)


def test_every_rpc_has_a_role_and_a_test_request() -> None:
    assert {method.name for method in SERVICE.methods} == ROLES.keys() == REQUESTS.keys() == PATHS.keys()
    assert ROLES == {
        "Charge": "payments.charge",
        "BatchCharge": "payments.charge",
        "Refund": "payments.refund",
        "GetPayment": "payments.read",
        "ListRefunds": "payments.read",
        "ListPayments": "payments.read",
        "ListPaymentEvents": "payments.read",
        "WatchPayments": "payments.read",
    }


@pytest.mark.parametrize(("transport", "rpc"), ALL_CALLS)
def test_an_rpc_requires_exactly_its_role(guarded: GuardedService, transport: str, rpc: str) -> None:
    needed = ROLES[rpc]
    assert rejection(guarded.service, transport, rpc, bearer(KEYS[frozenset({needed})])) is None
    failed = rejection(guarded.service, transport, rpc, bearer(KEYS[frozenset(ALL) - {needed}]))
    assert failed is not None
    assert (failed.code, failed.reason) == ("PERMISSION_DENIED", "" if transport == "v1" else "ROLE_MISSING")
    assert needed in failed.message
    assert "www-authenticate" not in failed.trailers


@pytest.mark.parametrize(("transport", "rpc"), ALL_CALLS)
def test_a_call_without_credentials_is_rejected_with_instructions(
    guarded: GuardedService, transport: str, rpc: str
) -> None:
    failed = rejection(guarded.service, transport, rpc, ())
    assert failed is not None
    assert (failed.code, failed.reason) == ("UNAUTHENTICATED", "" if transport == "v1" else "CREDENTIALS_MISSING")
    assert ROLES[rpc] in failed.message
    if transport != "grpc":
        assert failed.trailers["www-authenticate"] == 'Bearer realm="payments"'


@pytest.mark.parametrize("transport", ["grpc", "v2", "v1"])
@pytest.mark.parametrize(
    "headers",
    [
        bearer(UNKNOWN_KEY),
        bearer("x"),
        (("authorization", "Bearer"),),
        (("authorization", "Basic dXNlcjpwYXNzd29yZA=="),),
        (("authorization", ""),),
        (("x-api-key", UNKNOWN_KEY),),
        (("x-api-key", ""),),
    ],
)
def test_an_invalid_key_is_rejected_and_not_treated_as_anonymous(
    guarded: GuardedService, transport: str, headers: tuple[tuple[str, str], ...]
) -> None:
    failed = rejection(guarded.service, transport, "ListPayments", headers)
    assert failed is not None
    assert (failed.code, failed.reason) == ("UNAUTHENTICATED", "" if transport == "v1" else "API_KEY_INVALID")
    if transport != "grpc":
        assert failed.trailers["www-authenticate"] == 'Bearer realm="payments", error="invalid_token"'


@pytest.mark.parametrize("transport", ["grpc", "v2", "v1"])
def test_a_key_with_another_secret_or_id_is_rejected(guarded: GuardedService, transport: str) -> None:
    known, other = (KEYS[frozenset(ALL) - {role}].text for role in (Role.CHARGE, Role.REFUND))
    flipped = known[:-1] + ("0" if known[-1] != "0" else "1")
    mixed = known[:24] + other[24:]
    for wrong in (flipped, mixed, known.upper(), known + "0", known[:-1]):
        failed = rejection(guarded.service, transport, "ListPayments", bearer(wrong))
        assert failed is not None
        assert failed.code == "UNAUTHENTICATED"


@pytest.mark.parametrize("transport", ["grpc", "v2", "v1"])
def test_a_key_can_be_in_x_api_key_and_the_scheme_is_case_insensitive(guarded: GuardedService, transport: str) -> None:
    key = KEYS[frozenset(ALL)].text
    for headers in (
        (("x-api-key", key),),
        (("authorization", f"bearer {key}"),),
        (("authorization", f"BEARER {key}"),),
    ):
        assert rejection(guarded.service, transport, "ListPayments", headers) is None
    # An invalid key in one header is an error even if the other header has a valid key.
    assert rejection(guarded.service, transport, "ListPayments", (*bearer(UNKNOWN_KEY), ("x-api-key", key))) is not None


@pytest.mark.parametrize("rpc", ["Charge", "WatchPayments"])
@pytest.mark.parametrize("name", ["authorization", "x-api-key"])
@pytest.mark.parametrize("order", [("right", "wrong"), ("wrong", "right"), ("right", "right")])
def test_two_keys_in_the_same_metadata_are_rejected_even_if_one_is_valid(
    guarded: GuardedService, rpc: str, name: str, order: tuple[str, str]
) -> None:
    key = KEYS[frozenset(ALL)].text
    scheme = "Bearer " if name == "authorization" else ""
    metadata = [(name, scheme + {"right": key, "wrong": UNKNOWN_KEY}[which]) for which in order]
    with pytest.raises(grpc.RpcError) as error_info:
        call_over_grpc(guarded.service, rpc, metadata)
    failed = call_failed(error_info.value)  # type: ignore[arg-type]
    assert (failed.code, failed.reason) == ("INVALID_ARGUMENT", "INVALID_REQUEST")
    assert (failed.fields, failed.descriptions) == ([name], ["must be sent at most once"])


def test_other_metadata_can_be_repeated(guarded: GuardedService) -> None:
    repeated = [("x-request-id", "a"), ("x-request-id", "b"), ("baggage", "a=1"), ("baggage", "b=2")]
    call_over_grpc(guarded.service, "ListPayments", (*bearer(KEYS[frozenset(ALL)]), *repeated))


def test_request_ids_belong_to_callers_and_callers_are_stored_with_payments_and_refunds(
    guarded: GuardedService, calls: GrpcDriver
) -> None:
    first, again = (guarded.make_key("shop", *ALL) for _ in range(2))
    other = guarded.make_key("till", *ALL)
    wait_until_accepted(calls, other)
    request = charge(request_id=new_request_id())
    payment_ids = [calls.stub.Charge(request, metadata=bearer(key)).payment.payment_id for key in (first, again, other)]
    assert payment_ids[0] == payment_ids[1] != payment_ids[2]
    refund_request = refund(payment_ids[0], request_id=new_request_id())
    calls.stub.Refund(refund_request, metadata=bearer(other))
    order = str(new_order_id())
    path, body = "/v2/payments:charge", {"orderId": order, "amount": {"units": "5"}}
    httpx.post(guarded.service.rest_url + path, json=body, headers={"X-API-Key": first.text}).raise_for_status()
    legacy = {"order_id": int(order), "amount": 5}
    httpx.post(
        f"{guarded.service.rest_url}/v1/payments/charge", json=legacy, headers=dict(bearer(other))
    ).raise_for_status()

    callers = dict(guarded.query("SELECT payment_id, caller FROM payments"))
    assert (callers[payment_ids[0]], callers[payment_ids[2]]) == (b"shop", b"till")
    assert guarded.query("SELECT caller FROM refunds WHERE payment_id = %s", payment_ids[0]) == [(b"till",)]
    callers_of_order = guarded.query("SELECT caller FROM payments WHERE order_id = %s ORDER BY payment_id", order)
    assert callers_of_order == [(b"shop",), (b"till",)]
    event = guarded.service.wait_for("call", rpc="Refund", caller="till")
    assert event["code"] == "OK"


def test_new_revoked_and_expired_keys_take_effect_within_seconds(guarded: GuardedService, calls: GrpcDriver) -> None:
    key = guarded.make_key("brief", Role.READ)
    wait_until_accepted(calls, key)
    guarded.query("UPDATE api_keys SET revoked_at = UTC_TIMESTAMP(6) WHERE key_id = %s", key.key_id)
    wait_until_rejected(calls, key)
    expiring = guarded.make_key("brief", Role.READ, expire_time=datetime.now(UTC) + timedelta(seconds=8))
    wait_until_accepted(calls, expiring)
    wait_until_rejected(calls, expiring)
    expired = guarded.make_key("brief", Role.READ, expire_time=datetime.now(UTC) - timedelta(seconds=1))
    last = guarded.make_key("brief", Role.READ)
    wait_until_accepted(calls, last)
    assert list_status(calls, expired) == "UNAUTHENTICATED"


def list_status(calls: GrpcDriver, key: NewApiKey) -> str:
    try:
        calls.stub.ListPayments(pb.ListPaymentsRequest(page_size=1), metadata=bearer(key), timeout=30)
    except grpc.RpcError as error:
        return error.code().name
    return "OK"


def wait_until_accepted(calls: GrpcDriver, key: NewApiKey) -> None:
    wait_for_status(calls, key, "OK")


def wait_until_rejected(calls: GrpcDriver, key: NewApiKey) -> None:
    wait_for_status(calls, key, "UNAUTHENTICATED")


def wait_for_status(calls: GrpcDriver, key: NewApiKey, expected: str) -> None:
    for _ in range(300):
        if list_status(calls, key) == expected:
            return
        time.sleep(0.1)
    pytest.fail(f"calls with the key do not return {expected}")


def test_health_reflection_and_docs_need_no_key(guarded: GuardedService) -> None:
    grpcurl = [str(ROOT / ".bin" / "grpcurl"), "-plaintext", guarded.service.target]
    listed = subprocess.run([*grpcurl, "list"], capture_output=True, text=True, check=True, timeout=30)
    assert "payments.v1.PaymentService" in listed.stdout
    health = subprocess.run(
        [*grpcurl, "grpc.health.v1.Health/Check"], capture_output=True, text=True, check=True, timeout=30
    )
    assert "SERVING" in health.stdout
    for path in ("/healthz", "/readyz", "/docs", "/redoc", "/openapi.json"):
        assert httpx.get(guarded.service.rest_url + path).status_code == 200


def test_grpcurl_curl_and_the_python_client_call_with_a_key(guarded: GuardedService) -> None:
    key = KEYS[frozenset(ALL)].text
    header = "authorization: Bearer " + key
    method = "payments.v1.PaymentService/ListPayments"
    grpcurl = [str(ROOT / ".bin" / "grpcurl"), "-plaintext"]
    result = subprocess.run(
        [*grpcurl, "-H", header, guarded.service.target, method],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert result.returncode == 0, result.stderr
    result = subprocess.run(
        [*grpcurl, guarded.service.target, method], capture_output=True, text=True, check=False, timeout=30
    )
    assert "Unauthenticated" in result.stderr
    assert "CREDENTIALS_MISSING" in result.stderr
    url = f"{guarded.service.rest_url}/v1/payments"
    result = subprocess.run(["curl", "-s", "-H", header, url], capture_output=True, text=True, check=True, timeout=30)
    assert '"items"' in result.stdout
    with PaymentsClient(guarded.service.target, api_key=key) as client:
        assert client.charge(order_id=new_order_id(), amount=Decimal(5)).payment_id


def test_no_credentials_are_logged_returned_or_stored(guarded: GuardedService, calls: GrpcDriver) -> None:
    key = guarded.make_key("quiet", Role.READ)
    wait_until_accepted(calls, key)
    secret = secrets.token_hex(20)
    credentials = (f"Bearer {secret}", f"Basic {secret}", f"{secret}", f"Bearer paykey_{key.key_id}_{secret}")
    errors = []
    for transport in ("grpc", "v2", "v1"):
        for rpc in ("Charge", "ListPayments"):
            for headers in (
                *((("authorization", value),) for value in credentials),
                (("x-api-key", secret),),
                bearer(key),
            ):
                failed = rejection(guarded.service, transport, rpc, headers)
                errors.append(repr(failed))
    guarded.service.wait_for("call", caller="quiet", code="PERMISSION_DENIED")
    time.sleep(0.2)
    secret_part = key.text.rpartition("_")[2]
    everything = "".join(guarded.service.output) + "".join(errors)
    assert secret not in everything
    assert secret_part not in everything
    rows = repr(guarded.query("SELECT * FROM api_keys"))
    assert key.key_id in rows
    assert secret_part not in rows
    assert bytes.fromhex(secret_part) not in [row[1] for row in guarded.query("SELECT key_id, digest FROM api_keys")]


@pytest.mark.parametrize("engine", list(Engine))
def test_anonymous_callers_have_the_configured_roles(
    start_service: Callable[..., RunningService], engine: Engine
) -> None:
    running = start_service(ANONYMOUS_ROLES="payments.read", GRPC_ENGINE=engine)
    for transport in ("grpc", "v2", "v1"):
        assert rejection(running, transport, "ListPayments", ()) is None
        for rpc in ("Charge", "Refund"):
            failed = rejection(running, transport, rpc, ())
            assert failed is not None
            assert failed.code == "UNAUTHENTICATED"
        assert rejection(running, transport, "ListPayments", bearer(UNKNOWN_KEY)) is not None


@pytest.mark.parametrize("engine", list(Engine))
def test_reflection_and_docs_can_be_turned_off(start_service: Callable[..., RunningService], engine: Engine) -> None:
    running = start_service(GRPC_REFLECTION="false", REST_DOCS="false", GRPC_ENGINE=engine)
    grpcurl = [str(ROOT / ".bin" / "grpcurl"), "-plaintext", running.target, "list"]
    listed = subprocess.run(grpcurl, capture_output=True, text=True, check=False, timeout=30)
    assert "does not support the reflection API" in listed.stderr
    for path in ("/docs", "/redoc", "/openapi.json", "/docs/assets/swagger-ui.css"):
        assert httpx.get(running.rest_url + path).status_code == 404
    assert httpx.get(running.rest_url + "/v1/payments").status_code == 200
