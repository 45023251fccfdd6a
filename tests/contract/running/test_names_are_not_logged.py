"""The caller's own names of a payment may be personal data: no log has them, whatever the outcome."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import grpc
import pytest
from payments_client.v1 import payments_pb2 as pb

from server.config.grpc import Engine
from tests.support.drivers.calls import CallFailed, Driver, GrpcDriver
from tests.support.drivers.requests import charge
from tests.support.drivers.rest import RestDriver
from tests.support.running_service import RunningService

SECRETS = ("SECRET-REFERENCE", "SECRET-CUSTOMER", "SECRET-KEY", "SECRET-VALUE")


@pytest.mark.parametrize("engine", Engine)
def test_names_are_in_no_log(start_service: Callable[..., RunningService], engine: Engine) -> None:
    service = start_service(LOG_LEVEL="debug", GRPC_ENGINE=engine)
    reference, customer, key, value = SECRETS
    names: dict[str, Any] = {"external_reference": reference, "customer_id": customer, "labels": {key: value}}
    invalid = {**names, "external_reference": reference + "\0", "labels": {key + "\0": value}}

    def use(api: Driver) -> None:
        for fields in (names, invalid, {**names, "payment_source": "sim_pending_5s"}):
            for unless_pending in (False, True):
                with suppress(CallFailed):
                    api.charge(charge(7, **fields, unless_pending=unless_pending))
        for condition in (
            pb.PaymentFilter(external_reference=reference),
            pb.PaymentFilter(customer_id=customer),
            pb.PaymentFilter(customer_id=customer + "\0"),
        ):
            with suppress(CallFailed):
                api.list_payments(pb.ListPaymentsRequest(filter=condition))

    with grpc.insecure_channel(service.target) as channel:
        use(GrpcDriver(channel))
    rest = RestDriver(service.rest_url)
    with rest.http:
        use(rest)
    assert service.stop() == 0
    assert any(event["event"] == "call" for event in service.events)
    for event in service.events:
        assert not [secret for secret in SECRETS if secret in repr(event)], event
