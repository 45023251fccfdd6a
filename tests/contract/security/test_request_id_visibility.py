"""A caller sees other callers' request_ids only with the role payments.audit, in every RPC and over both engines."""

from collections.abc import Callable, Iterator
from typing import Any

import grpc
import httpx
import pytest
from payments_client.v1 import payments_pb2 as pb
from payments_client.v1.payments_pb2_grpc import PaymentServiceStub

from server.config.grpc import Engine
from server.domain.callers import CALLING_ROLES, NewApiKey, Role
from tests.support.databases import DatabaseServer
from tests.support.drivers.calls import call_failed
from tests.support.drivers.requests import charge, refund
from tests.support.keys import bearer, key_maker
from tests.support.running_service import RunningService

CHARGE_ID, REFUND_ID = "order-7/charge", "order-7/refund"
TIMEOUT_SECONDS = 20


class Viewer:
    """A caller with a key, who looks at the payment of the caller ``shop``."""

    def __init__(self, channel: grpc.Channel, key: NewApiKey) -> None:
        """Call over ``channel`` with ``key``."""
        self._stub = PaymentServiceStub(channel)
        self._metadata = bearer(key)

    def call(self, rpc: str, request: Any) -> Any:  # noqa: ANN401 - messages
        """Call an RPC."""
        return getattr(self._stub, rpc)(request, metadata=self._metadata, timeout=TIMEOUT_SECONDS)

    def seen(self, payment_id: int) -> list[tuple[str, str]]:
        """Return the callers and request_ids that the responses of all RPCs show."""
        found = self.call("GetPayment", pb.GetPaymentRequest(payment_id=payment_id))
        listed = self.call("ListPayments", pb.ListPaymentsRequest()).payments
        refunds = self.call("ListRefunds", pb.ListRefundsRequest(payment_id=payment_id)).refunds
        events = self.call("ListPaymentEvents", pb.ListPaymentEventsRequest(payment_id=payment_id)).events
        again = self.call("Refund", refund(payment_id))
        messages = [found.payment, *found.refunds, *listed, *refunds, *events, again.refund, again.payment]
        messages += [part for event in events for part in (event.payment, event.refund) if part.ByteSize()]
        return [(message.caller, message.request_id) for message in messages]

    def watched(self, token: str) -> list[tuple[str, str]]:
        """Return the callers and request_ids in the first two events after a token."""
        found: list[tuple[str, str]] = []
        stream = self.call("WatchPayments", pb.WatchPaymentsRequest(resume_token=token))
        for response in stream:
            event = response.event
            parts = (event, event.payment, event.refund)
            found += [(part.caller, part.request_id) for part in parts if part.ByteSize()]
            if event.HasField("refund"):
                break
        stream.cancel()
        return found


@pytest.fixture(scope="module", params=list(Engine))
def engine(request: pytest.FixtureRequest) -> Engine:
    return Engine(request.param)


@pytest.fixture(scope="module")
def database(engine: Engine, make_migrated_database: Callable[[], dict[str, str]]) -> dict[str, str]:
    return {**make_migrated_database(), "GRPC_ENGINE": engine}


@pytest.fixture(scope="module")
def keys(database: dict[str, str], database_server: DatabaseServer) -> dict[str, NewApiKey]:
    """The keys of the caller ``shop``, of another one, and of an auditor."""
    make = key_maker(database_server, database["MYSQL_DB"])
    roles = {"shop": CALLING_ROLES, "other": CALLING_ROLES, "auditor": {*CALLING_ROLES, Role.AUDIT}}
    return {name: make(name, *roles) for name, roles in roles.items()}


@pytest.fixture(scope="module")
def service(database: dict[str, str], keys: dict[str, NewApiKey]) -> Iterator[RunningService]:
    assert keys, "the service reads the keys when it starts"
    running = RunningService({**database, "ANONYMOUS_ROLES": "-", "SUCCESS_PROBABILITY": "1"}).start()
    yield running
    assert running.stop() == 0


@pytest.fixture(scope="module")
def viewers(service: RunningService, keys: dict[str, NewApiKey]) -> Iterator[dict[str, Viewer]]:
    with grpc.insecure_channel(service.target) as channel:
        yield {name: Viewer(channel, key) for name, key in keys.items()}


@pytest.fixture(scope="module")
def refunded(viewers: dict[str, Viewer]) -> tuple[int, str]:
    """The id of a refunded payment of ``shop``, and the resume token from before its charge."""
    shop = viewers["shop"]
    stream = shop.call("WatchPayments", pb.WatchPaymentsRequest())
    token = next(stream).resume_token
    stream.cancel()
    payment_id = shop.call("Charge", charge(request_id=CHARGE_ID)).payment.payment_id
    shop.call("Refund", refund(payment_id, request_id=REFUND_ID))
    return payment_id, token


@pytest.mark.parametrize("viewer", ["shop", "auditor"])
def test_the_caller_itself_and_an_auditor_see_the_request_ids(
    viewers: dict[str, Viewer], refunded: tuple[int, str], viewer: str
) -> None:
    payment_id, token = refunded
    for seen in (viewers[viewer].seen(payment_id), viewers[viewer].watched(token)):
        assert set(seen) == {("shop", CHARGE_ID), ("shop", REFUND_ID)}


def test_another_caller_sees_the_payment_and_its_caller_but_no_request_id(
    viewers: dict[str, Viewer], refunded: tuple[int, str]
) -> None:
    payment_id, token = refunded
    other = viewers["other"]
    assert set(other.seen(payment_id)) == set(other.watched(token)) == {("shop", "")}


@pytest.mark.parametrize(
    ("rpc", "request_"),
    [
        ("GetPayment", pb.GetPaymentRequest(request_id=CHARGE_ID, caller="shop")),
        ("ListPayments", pb.ListPaymentsRequest(filter=pb.PaymentFilter(request_id=CHARGE_ID, caller="shop"))),
    ],
)
def test_only_an_auditor_finds_a_payment_by_the_request_id_of_another_caller(
    viewers: dict[str, Viewer], refunded: tuple[int, str], rpc: str, request_: object
) -> None:
    for viewer in ("shop", "auditor"):
        found = viewers[viewer].call(rpc, request_)
        (payment,) = found.payments if rpc == "ListPayments" else [found.payment]
        assert payment.payment_id == refunded[0]
    with pytest.raises(grpc.RpcError) as failed:
        viewers["other"].call(rpc, request_)
    error = call_failed(failed.value)  # type: ignore[arg-type]
    assert (error.code, error.reason) == ("PERMISSION_DENIED", "ROLE_MISSING")
    assert "payments.audit" in error.message


def test_a_request_id_without_a_caller_is_that_of_the_calling_caller(
    viewers: dict[str, Viewer], refunded: tuple[int, str]
) -> None:
    request = pb.ListPaymentsRequest(filter=pb.PaymentFilter(request_id=CHARGE_ID))
    counts = {name: len(viewer.call("ListPayments", request).payments) for name, viewer in viewers.items()}
    assert (refunded[0] > 0, counts) == (True, {"shop": 1, "other": 0, "auditor": 0})


def test_rest_has_the_same_rule(service: RunningService, keys: dict[str, NewApiKey], refunded: tuple[int, str]) -> None:
    with httpx.Client(base_url=service.rest_url, timeout=TIMEOUT_SECONDS) as http:
        for name, request_id in (("shop", CHARGE_ID), ("other", None), ("auditor", CHARGE_ID)):
            payment = http.get(f"/v2/payments/{refunded[0]}", headers=dict(bearer(keys[name]))).json()["payment"]
            assert (payment["caller"], payment.get("requestId")) == ("shop", request_id)
        path = f"/v2/payments/by-request-id/{CHARGE_ID.replace('/', '%2F')}?caller=shop"
        statuses = {name: http.get(path, headers=dict(bearer(key))).status_code for name, key in keys.items()}
        assert statuses == {"shop": 200, "other": 403, "auditor": 200}
