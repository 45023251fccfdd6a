"""A payment source, and the page on which a payer approves, reach only those who need them."""

import itertools
from contextlib import suppress
from typing import Any

import httpx
import pytest
from payments_client.v1 import payments_pb2 as pb

from server.config.grpc import Engine
from server.domain.callers import CALLING_ROLES, Role
from tests.processors.fake_objects import APPROVAL_PAGE, DECLINED, MISSING, NEEDS_REDIRECT
from tests.processors.faulty_processor import Fault, FaultyProcessor
from tests.processors.services import FAST, RETURN_URL, Rows, Starter, new_source
from tests.support.databases import DatabaseServer
from tests.support.drivers.calls import CallFailed, Driver
from tests.support.drivers.requests import charge, new_request_id
from tests.support.drivers.rest import RestDriver
from tests.support.keys import bearer, key_maker
from tests.support.otlp_receiver import running_otlp_receiver
from tests.support.waiting import wait_until

MARK = "SECRETSOURCE"
"""A part of each source of this test, and of the pages for their approval."""


def use(api: Driver, processor: FaultyProcessor) -> list[pb.Payment]:
    """Charge with sources in every way that succeeds or fails, and return the payments."""
    payments = []
    kinds = ("pm_payer", DECLINED, MISSING, NEEDS_REDIRECT)
    for fault in (None, Fault(drop_after=True), Fault(error_before=500)):
        processor.fault = lambda request, fault=fault: fault if "payment_method" in request.form else None  # type: ignore[misc]
        for kind in kinds:
            request_id, source = new_request_id(), new_source(f"{kind}_{MARK}")
            request = charge(343, request_id=request_id, payment_source=source, return_url=RETURN_URL)
            payments.append(api.charge(request).payment)
            with suppress(CallFailed):
                request.payment_source = new_source(MARK)
                api.charge(request)
    processor.fault = lambda _: None
    for source in (f"sim_{MARK}", f"{MARK} with a space", MARK + "x" * 255):
        with suppress(CallFailed):
            api.charge(charge(payment_source=source))
        api.batch_charge(pb.BatchChargeRequest(charges=[charge(payment_source=source)]))
    with suppress(CallFailed):
        api.charge(charge(payment_source=f"pm_{MARK}", return_url=f"http://{MARK}"))
    return payments


@pytest.mark.parametrize("engine", Engine)
def test_sources_reach_the_processor_and_nothing_else(
    processor: FaultyProcessor, start: Starter, rows: Rows, engine: Engine
) -> None:
    with running_otlp_receiver() as receiver:
        api = start(
            FAST,
            LOG_LEVEL="debug",
            GRPC_ENGINE=engine,
            TRACING_ENDPOINT=receiver.url,
            TRACING_SAMPLE_RATIO="1",
            OTEL_BSP_SCHEDULE_DELAY="50",
        )
        (service,) = start.services
        payments = use(api, processor)
        rest = RestDriver(service.rest_url)
        with rest.http:
            payments += use(rest, processor)
        body = {"order_id": 343, "amount": 561.00}
        httpx.post(
            f"{service.rest_url}/v1/payments/charge", json=body, headers={"Payment-Source": new_source(MARK)}
        ).raise_for_status()
        assert sum(MARK in request.form.get("payment_method", "") for request in processor.requests) > len(payments)
        metrics = httpx.get(f"{service.rest_url}/metrics").text
        pages = rows("SELECT next_action FROM payments WHERE next_action IS NOT NULL")
        tables = rows("SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()")
        stored = {
            table: [row for row in rows(f"SELECT * FROM `{table}`") if APPROVAL_PAGE not in str(row)]
            for (table,) in tables
        }
        assert service.stop() == 0
        wait_until(lambda: any(span.name == "StripeProcessor.capture" for span in receiver.spans))

    assert pages, "the page of an approval is stored until the payment has its outcome"
    assert stored["payments"]
    assert not [table for table, found in stored.items() if MARK in str(found)]
    assert not [event for event in service.events if MARK in repr(event)]
    assert not [line for line in service.output if MARK in line]
    assert MARK not in metrics
    assert not [body for body in receiver.bodies if MARK.encode() in body]


def test_only_the_caller_of_a_charge_and_auditors_see_the_page_of_its_approval(
    start: Starter, rows: Rows, database_server: DatabaseServer
) -> None:
    make = key_maker(database_server, rows.name)
    roles = {"shop": CALLING_ROLES, "other": CALLING_ROLES, "auditor": {*CALLING_ROLES, Role.AUDIT}}
    metadata = {name: bearer(make(name, *roles)) for name, roles in roles.items()}
    stub = start(FAST, ANONYMOUS_ROLES="-").stub

    def call(rpc: str, request: Any, name: str) -> Any:  # noqa: ANN401 - messages
        return getattr(stub, rpc)(request, metadata=metadata[name], timeout=60)

    tokens = {}
    for name in roles:
        stream = call("WatchPayments", pb.WatchPaymentsRequest(), name)
        tokens[name] = next(stream).resume_token
        stream.cancel()
    source = new_source(NEEDS_REDIRECT)
    charged = charge(payment_source=source, return_url=RETURN_URL, request_id="approval")
    payment = call("Charge", charged, "shop").payment
    assert call("Charge", charged, "shop").payment == payment
    assert payment.next_action.redirect_url == APPROVAL_PAGE + source

    rows.wait_for_events(payment.payment_id, "PENDING", "ACTION_REQUIRED")
    for name in roles:
        events = call("ListPaymentEvents", pb.ListPaymentEventsRequest(payment_id=payment.payment_id), name).events
        stream = call("WatchPayments", pb.WatchPaymentsRequest(resume_token=tokens[name]), name)
        seen = [
            call("GetPayment", pb.GetPaymentRequest(payment_id=payment.payment_id), name).payment,
            *call("ListPayments", pb.ListPaymentsRequest(), name).payments,
            *(event.payment for event in events),
            *(one.event.payment for one in itertools.islice((one for one in stream if one.HasField("event")), 2)),
        ]
        stream.cancel()
        assert len(seen) == 6
        assert {one.next_action.type for one in seen} == {pb.NEXT_ACTION_TYPE_REDIRECT}
        pages = {one.next_action.redirect_url for one in seen}
        assert pages == ({""} if name == "other" else {APPROVAL_PAGE + source}), name
