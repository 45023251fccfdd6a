"""The work of Charge and ListPayments, counted in function calls, which do not depend on how busy the machine is.

The count covers the service's own part: from the request message to the values for the store, and from the rows of the
database to the response message. If a change raises a count on purpose, raise its bound too.
"""

import random
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from types import FrameType

import pytest
from google.type.money_pb2 import Money as MoneyMessage
from payments_client.v1 import payments_pb2 as pb

from server.domain.callers import CALLING_ROLES, ApiKey, Caller, NewApiKey, Role, key_id_of
from server.domain.identifiers import reference_maker
from server.domain.listing import Page
from server.domain.money import Currencies
from server.domain.payment import ChargeOutcome, Decision, NewPayment, PaymentMethod, Status
from server.observability.logs import json_call_log, log_context
from server.storage.outbox import charge_changes
from server.storage.payments.codec import cached_payment
from server.storage.payments.insert import payment_values, stored_payment
from server.storage.payments.queries import SEPARATOR
from server.transport.pipeline.auth import ROLES, Authorizer, credentials_of
from server.transport.service import requests, responses

MAX_CALLS_PER_CHARGE = 80
MAX_CALLS_PER_LISTED_PAYMENT = 27
MAX_CALLS_TO_AUTHORIZE = 3
MAX_CALLS_TO_AUTHORIZE_A_KEY = 19
MAX_CALLS_TO_LOG_A_CALL = 7

VIEWER = Caller("anonymous", CALLING_ROLES)
CURRENCIES = Currencies("INR", frozenset({"INR"}))
NOW = datetime(2026, 11, 24, 22, 57, 36, 368_894, tzinfo=UTC)
new_reference = reference_maker("ECI{date}")


def count_function_calls(work: Callable[[], object]) -> int:
    """Return how many functions, in Python and in C, ``work`` calls once its caches are filled."""
    for _ in range(3):
        work()
    count = 0

    def count_call(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal count
        count += event in {"call", "c_call"}

    sys.setprofile(count_call)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


def charge() -> bytes:
    request = pb.ChargeRequest.FromString(CHARGE)
    charge = requests.charge_request(request, "anonymous", CURRENCIES)
    decision = Decision(PaymentMethod.UPI, Status.SUCCEEDED)
    payment = NewPayment(charge, decision, new_reference(NOW), NOW)
    payment_values(payment)
    charge_changes((payment,))
    outcome = ChargeOutcome(stored_payment(payment, 7), replayed=False)
    return responses.charge_response(outcome, VIEWER).SerializeToString()


def list_page(values: list[bytes]) -> bytes:
    query = requests.list_request(pb.ListPaymentsRequest.FromString(b""), VIEWER, CURRENCIES)
    page = Page(tuple(map(cached_payment, values)), None, None)
    return responses.list_response(page, query, VIEWER).SerializeToString()


CHARGE = pb.ChargeRequest(
    order_id=342, amount=MoneyMessage(units=561), method=pb.PAYMENT_METHOD_UPI, request_id="order-342"
).SerializeToString()


def row(number: int) -> bytes:
    amount, time = f"{number}.5000", "2026-11-24 22:57:36.368894"
    values = (
        number,
        342,
        amount,
        "INR",
        1,
        time,
        "0.0000",
        0,
        "",
        "anonymous",
        number,
        "",
        3,
        "UPI",
        f"ECI-{number:020X}",
    )
    return SEPARATOR.join(map(str, values)).encode()


def test_a_charge_stays_within_its_bound_of_function_calls() -> None:
    assert count_function_calls(charge) <= MAX_CALLS_PER_CHARGE


def test_a_listed_payment_stays_within_its_bound_of_function_calls() -> None:
    rows = [row(random.randint(1, 10**6)) for _ in range(100)]
    few, many = count_function_calls(lambda: list_page(rows[:50])), count_function_calls(lambda: list_page(rows))
    assert (many - few) / 50 <= MAX_CALLS_PER_LISTED_PAYMENT


class OneKey:
    """A key store with one key."""

    def __init__(self, key: NewApiKey) -> None:
        """Store the key of a caller with every role."""
        self._keys = {key.key_id: ApiKey(key.key_id, key.digest, Caller("shop", frozenset(Role)), None)}

    def caller_of(self, text: str) -> Caller | None:
        """Return the caller of the key."""
        key = self._keys.get(key_id_of(text) or "")
        return key.caller if key is not None and key.matches(text) else None


@pytest.mark.parametrize(
    ("has_key", "max_calls"), [(False, MAX_CALLS_TO_AUTHORIZE), (True, MAX_CALLS_TO_AUTHORIZE_A_KEY)]
)
def test_authorizing_a_call_stays_within_its_bound_of_function_calls(has_key: bool, max_calls: int) -> None:  # noqa: FBT001
    key = NewApiKey.generate()
    authorization = f"Bearer {key.text}" if has_key else None
    authorizer = Authorizer(
        ROLES, OneKey(key), anonymous_roles=frozenset(Role), certificate_roles={}, requires_certificate=False
    )

    def authorize() -> None:
        authorizer.check_role("Charge", authorizer.caller(credentials_of(authorization, None, None)))

    assert count_function_calls(authorize) - count_function_calls(lambda: None) <= max_calls


def test_logging_a_call_stays_within_its_bound_of_function_calls() -> None:
    lines: list[bytes] = []
    log_call = json_call_log(lines.append)
    log_context.set({"request_id": "order-342", "rpc": "Charge"})
    assert (
        count_function_calls(lambda: log_call("OK", 12.35, "anonymous", "ipv4:127.0.0.1:34567"))
        <= MAX_CALLS_TO_LOG_A_CALL
    )
    assert b'"rpc":"Charge"' in lines[0]


@pytest.mark.parametrize("work", [charge, lambda: list_page([row(number) for number in range(1, 51)])])
def test_the_number_of_function_calls_is_deterministic(work: Callable[[], object]) -> None:
    assert len({count_function_calls(work) for _ in range(5)}) == 1
