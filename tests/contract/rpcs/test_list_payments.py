"""The contract of ListPayments."""

from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.money_pb2 import Money
from payments_client.v1 import payments_pb2 as pb

from tests.support.databases import settings_of
from tests.support.drivers.calls import CallFailed, Driver, GrpcDriver
from tests.support.drivers.requests import FAILING, charge, money, new_order_id, refund
from tests.support.running_service import RunningService
from tools.database.connection import connect
from tools.operations.sample_data import insert_sample_payments


def ids(payments: list[pb.Payment]) -> list[int]:
    return [payment.payment_id for payment in payments]


def walk(api: Driver, payment_filter: pb.PaymentFilter, order_by: str = "", page_size: int = 0) -> list[pb.Payment]:
    """Follow the page tokens to the last page, and return all payments."""
    request = pb.ListPaymentsRequest(filter=payment_filter, order_by=order_by, page_size=page_size)
    payments: list[pb.Payment] = []
    while True:
        page = api.list_payments(request)
        payments += page.payments
        if not page.next_page_token:
            return payments
        request.page_token = page.next_page_token


@pytest.fixture
def seven_payments(api: Driver) -> list[pb.Payment]:
    """Seven payments of one order, oldest first."""
    order_id = new_order_id()
    return [api.charge(charge(order_id, f"{number}.00")).payment for number in range(1, 8)]


@pytest.fixture
def order_filter(seven_payments: list[pb.Payment]) -> pb.PaymentFilter:
    return pb.PaymentFilter(order_id=seven_payments[0].order_id)


@pytest.mark.parametrize("order_by", ["", "create_time desc", "  create_time   desc "])
@pytest.mark.legacy
def test_the_newest_payments_come_first_by_default(
    api: Driver, seven_payments: list[pb.Payment], order_filter: pb.PaymentFilter, order_by: str
) -> None:
    assert walk(api, order_filter, order_by) == seven_payments[::-1]


@pytest.mark.parametrize("order_by", ["create_time asc", "create_time"])
@pytest.mark.legacy
def test_ascending_order_lists_the_oldest_payments_first(
    api: Driver, seven_payments: list[pb.Payment], order_filter: pb.PaymentFilter, order_by: str
) -> None:
    assert walk(api, order_filter, order_by) == seven_payments


@pytest.mark.parametrize("page_size", [1, 2, 3, 6, 7, 8])
@pytest.mark.parametrize("order_by", ["create_time desc", "create_time asc"])
@pytest.mark.legacy
def test_pages_of_any_size_return_each_payment_once_in_order(
    api: Driver, seven_payments: list[pb.Payment], order_filter: pb.PaymentFilter, order_by: str, page_size: int
) -> None:
    expected = seven_payments if order_by.endswith("asc") else seven_payments[::-1]
    assert walk(api, order_filter, order_by, page_size) == expected


@pytest.mark.legacy
def test_the_last_page_has_no_token(api: Driver, order_filter: pb.PaymentFilter) -> None:
    page = api.list_payments(pb.ListPaymentsRequest(filter=order_filter, page_size=7))
    assert len(page.payments) == 7
    assert page.next_page_token == ""


def test_the_page_size_can_change_between_pages(
    api: Driver, seven_payments: list[pb.Payment], order_filter: pb.PaymentFilter
) -> None:
    first = api.list_payments(pb.ListPaymentsRequest(filter=order_filter, page_size=2))
    rest = api.list_payments(
        pb.ListPaymentsRequest(filter=order_filter, page_size=100, page_token=first.next_page_token)
    )
    assert [*first.payments, *rest.payments] == seven_payments[::-1]


def test_a_page_size_of_zero_means_50_and_one_above_1000_means_1000(
    start_service: Callable[..., RunningService], migrated_database: dict[str, str]
) -> None:
    with closing(connect(settings_of(migrated_database))) as connection:
        insert_sample_payments(connection, 1100, seed=1, now=datetime.now(UTC))
    with grpc.insecure_channel(start_service().target) as channel:
        api = GrpcDriver(channel)
        assert len(api.list_payments(pb.ListPaymentsRequest()).payments) == 50
        assert len(api.list_payments(pb.ListPaymentsRequest(page_size=5000)).payments) == 1000
        assert len(walk(api, pb.PaymentFilter(), page_size=2**31 - 1)) == 1100


def test_the_total_counts_every_match_and_is_sent_only_on_request(api: Driver, order_filter: pb.PaymentFilter) -> None:
    without = api.list_payments(pb.ListPaymentsRequest(filter=order_filter, page_size=2))
    assert not without.HasField("total_size")
    request = pb.ListPaymentsRequest(filter=order_filter, page_size=2, include_total_size=True)
    assert api.list_payments(request).total_size == 7
    request.page_token = without.next_page_token
    assert api.list_payments(request).total_size == 7
    none = pb.ListPaymentsRequest(filter=pb.PaymentFilter(order_id=-77), include_total_size=True)
    assert api.list_payments(none).HasField("total_size")


@pytest.mark.legacy
def test_amount_bounds_are_inclusive(
    api: Driver, seven_payments: list[pb.Payment], order_filter: pb.PaymentFilter
) -> None:
    order_filter.min_amount.CopyFrom(money("3.00"))
    order_filter.max_amount.CopyFrom(money("5.00"))
    assert walk(api, order_filter, "create_time asc") == seven_payments[2:5]


def test_an_amount_bound_matches_only_its_currency(api: Driver) -> None:
    order_id = new_order_id()
    rupees, dollars = (api.charge(charge(order_id, "5.00", currency)).payment for currency in ("INR", "USD"))
    bound = pb.PaymentFilter(order_id=order_id, min_amount=money("1.00"))
    assert walk(api, bound) == [rupees]
    bound.min_amount.currency_code = "USD"
    assert walk(api, bound) == [dollars]


def test_time_bounds_are_inclusive(
    api: Driver, seven_payments: list[pb.Payment], order_filter: pb.PaymentFilter
) -> None:
    order_filter.min_create_time.CopyFrom(seven_payments[1].create_time)
    order_filter.max_create_time.CopyFrom(seven_payments[4].create_time)
    assert walk(api, order_filter, "create_time asc") == seven_payments[1:5]


def test_a_time_bound_more_precise_than_a_microsecond_is_exact(api: Driver, seven_payments: list[pb.Payment]) -> None:
    just_after = Timestamp(seconds=seven_payments[3].create_time.seconds, nanos=seven_payments[3].create_time.nanos + 1)
    order_id = seven_payments[0].order_id
    later = pb.PaymentFilter(order_id=order_id, min_create_time=just_after)
    earlier = pb.PaymentFilter(order_id=order_id, max_create_time=just_after)
    assert walk(api, later, "create_time asc") == seven_payments[4:]
    assert walk(api, earlier, "create_time asc") == seven_payments[:4]


def test_the_earliest_and_latest_timestamps_are_valid_bounds(api: Driver, order_filter: pb.PaymentFilter) -> None:
    order_filter.min_create_time.seconds = -62_135_596_800
    order_filter.max_create_time.CopyFrom(Timestamp(seconds=253_402_300_799, nanos=999_999_999))
    assert len(walk(api, order_filter)) == 7
    order_filter.min_create_time.CopyFrom(order_filter.max_create_time)
    assert walk(api, order_filter) == []


@pytest.fixture(scope="module")
def varied_payments(service: RunningService) -> Iterator[tuple[int, dict[str, pb.Payment]]]:
    """An order id, and its payments by name. They differ in method, status and refund state."""
    order_id = new_order_id()
    with grpc.insecure_channel(service.target) as channel:
        api = GrpcDriver(channel)
        payments = {
            "upi": api.charge(charge(order_id, 10)).payment,
            "cod": api.charge(charge(order_id, 10, method=pb.PAYMENT_METHOD_COD)).payment,
            "declined": api.charge(charge(order_id, 10, method=FAILING)).payment,
        }
        for name, amount in (("partial", 4), ("full", None)):
            payment = api.charge(charge(order_id, 10)).payment
            payments[name] = api.refund(refund(payment.payment_id, amount)).payment
        yield order_id, payments


@pytest.mark.parametrize(
    ("condition", "names"),
    [
        ({"methods": [pb.PAYMENT_METHOD_UPI]}, {"upi", "partial", "full"}),
        ({"methods": [pb.PAYMENT_METHOD_COD, pb.PAYMENT_METHOD_CARD]}, {"cod", "declined"}),
        ({"methods": [pb.PAYMENT_METHOD_OTHER]}, set()),
        ({"methods": [pb.PAYMENT_METHOD_OTHER, pb.PAYMENT_METHOD_COD]}, {"cod"}),
        ({"methods": [pb.PAYMENT_METHOD_COD] * 20}, {"cod"}),
        ({"statuses": [pb.PAYMENT_STATUS_FAILED]}, {"declined"}),
        ({"statuses": [pb.PAYMENT_STATUS_SUCCEEDED]}, {"upi", "cod", "partial", "full"}),
        ({"statuses": [pb.PAYMENT_STATUS_PENDING]}, set()),
        (
            {"statuses": [pb.PAYMENT_STATUS_PENDING, pb.PAYMENT_STATUS_FAILED, pb.PAYMENT_STATUS_SUCCEEDED]},
            {"upi", "cod", "declined", "partial", "full"},
        ),
        ({"refund_states": [pb.REFUND_STATE_NONE]}, {"upi", "cod", "declined"}),
        ({"refund_states": [pb.REFUND_STATE_PARTIAL]}, {"partial"}),
        ({"refund_states": [pb.REFUND_STATE_FULL]}, {"full"}),
        ({"refund_states": [pb.REFUND_STATE_FULL, pb.REFUND_STATE_PARTIAL]}, {"full", "partial"}),
        ({"methods": [pb.PAYMENT_METHOD_UPI], "refund_states": [pb.REFUND_STATE_NONE]}, {"upi"}),
        ({"methods": [pb.PAYMENT_METHOD_UPI], "statuses": [pb.PAYMENT_STATUS_FAILED]}, set()),
    ],
)
def test_a_payment_must_match_all_conditions_of_a_filter(
    api: Driver, varied_payments: tuple[int, dict[str, pb.Payment]], condition: dict[str, list[int]], names: set[str]
) -> None:
    order_id, payments = varied_payments
    payment_filter = pb.PaymentFilter(order_id=order_id, **condition)  # type: ignore[arg-type]
    expected = sorted((payments[name].payment_id for name in names), reverse=True)
    assert ids(walk(api, payment_filter)) == expected
    request = pb.ListPaymentsRequest(filter=payment_filter, include_total_size=True)
    assert api.list_payments(request).total_size == len(names)
    # Without the order id, the list also contains payments of other tests.
    payment_filter.ClearField("order_id")
    assert set(expected) <= set(ids(walk(api, payment_filter, page_size=1000)))


def test_a_filter_by_reference_finds_one_payment(api: Driver, seven_payments: list[pb.Payment]) -> None:
    assert walk(api, pb.PaymentFilter(reference=seven_payments[2].reference)) == [seven_payments[2]]
    assert walk(api, pb.PaymentFilter(reference=seven_payments[2].reference, order_id=-1)) == []


def test_a_page_token_is_rejected_with_another_filter_or_order(
    api: Driver, seven_payments: list[pb.Payment], order_filter: pb.PaymentFilter
) -> None:
    token = api.list_payments(pb.ListPaymentsRequest(filter=order_filter, page_size=2)).next_page_token
    others = [
        pb.ListPaymentsRequest(page_token=token),
        pb.ListPaymentsRequest(filter=order_filter, order_by="create_time asc", page_token=token),
        pb.ListPaymentsRequest(filter=pb.PaymentFilter(order_id=seven_payments[0].order_id + 1), page_token=token),
        pb.ListPaymentsRequest(
            filter=pb.PaymentFilter(order_id=seven_payments[0].order_id, methods=[pb.PAYMENT_METHOD_UPI]),
            page_token=token,
        ),
    ]
    for request in others:
        with pytest.raises(CallFailed) as failed:
            api.list_payments(request)
        assert failed.value.fields == ["page_token"]


def test_a_page_token_is_valid_with_an_equivalent_filter(
    api: Driver, seven_payments: list[pb.Payment], order_filter: pb.PaymentFilter
) -> None:
    order_filter.methods.extend([pb.PAYMENT_METHOD_UPI, pb.PAYMENT_METHOD_COD])
    order_filter.min_amount.CopyFrom(money("0.50"))
    token = api.list_payments(pb.ListPaymentsRequest(filter=order_filter, page_size=2)).next_page_token
    same = pb.PaymentFilter(
        order_id=seven_payments[0].order_id,
        methods=[pb.PAYMENT_METHOD_COD, pb.PAYMENT_METHOD_UPI, pb.PAYMENT_METHOD_COD],
        min_amount=money("0.50", "INR"),
    )
    page = api.list_payments(pb.ListPaymentsRequest(filter=same, order_by="create_time desc", page_token=token))
    assert list(page.payments) == seven_payments[4::-1]


def time(seconds: int) -> Timestamp:
    return Timestamp(seconds=seconds)


INVALID_LISTS = [
    ("negative page_size", pb.ListPaymentsRequest(page_size=-1), ["page_size"]),
    ("order_by another field", pb.ListPaymentsRequest(order_by="amount"), ["order_by"]),
    ("order_by two fields", pb.ListPaymentsRequest(order_by="create_time desc, amount"), ["order_by"]),
    ("order_by SQL", pb.ListPaymentsRequest(order_by="create_time; DROP TABLE payments"), ["order_by"]),
    ("token garbage", pb.ListPaymentsRequest(page_token="garbage"), ["page_token"]),
    ("token of the right length", pb.ListPaymentsRequest(page_token="A" * 40), ["page_token"]),
    ("token not ASCII", pb.ListPaymentsRequest(page_token="\u0917" * 40), ["page_token"]),
    ("token too long", pb.ListPaymentsRequest(page_token="A" * 20_000), ["page_token"]),
    ("unknown method", pb.ListPaymentsRequest(filter=pb.PaymentFilter(methods=[77])), ["filter.methods"]),  # type: ignore[list-item]
    ("unspecified method", pb.ListPaymentsRequest(filter=pb.PaymentFilter(methods=[0])), ["filter.methods"]),  # type: ignore[list-item]
    ("unknown status", pb.ListPaymentsRequest(filter=pb.PaymentFilter(statuses=[9])), ["filter.statuses"]),  # type: ignore[list-item]
    ("unknown state", pb.ListPaymentsRequest(filter=pb.PaymentFilter(refund_states=[-3])), ["filter.refund_states"]),  # type: ignore[list-item]
    ("too many methods", pb.ListPaymentsRequest(filter=pb.PaymentFilter(methods=[1] * 21)), ["filter.methods"]),  # type: ignore[list-item]
    ("empty reference", pb.ListPaymentsRequest(filter=pb.PaymentFilter(reference="")), ["filter.reference"]),
    ("long reference", pb.ListPaymentsRequest(filter=pb.PaymentFilter(reference="x" * 101)), ["filter.reference"]),
    (
        "amount too precise",
        pb.ListPaymentsRequest(filter=pb.PaymentFilter(min_amount=Money(nanos=1))),
        ["filter.min_amount.nanos"],
    ),
    (
        "amounts reversed",
        pb.ListPaymentsRequest(filter=pb.PaymentFilter(min_amount=money(2), max_amount=money(1))),
        ["filter.max_amount"],
    ),
    (
        "amounts of two currencies",
        pb.ListPaymentsRequest(filter=pb.PaymentFilter(min_amount=money(1), max_amount=money(2, "USD"))),
        ["filter.max_amount.currency_code"],
    ),
    (
        "times reversed",
        pb.ListPaymentsRequest(filter=pb.PaymentFilter(min_create_time=time(2), max_create_time=time(1))),
        ["filter.max_create_time"],
    ),
    (
        "time beyond the year 9999",
        pb.ListPaymentsRequest(filter=pb.PaymentFilter(max_create_time=time(253_402_300_800))),
        ["filter.max_create_time.seconds"],
    ),
    (
        "time with negative nanos",
        pb.ListPaymentsRequest(filter=pb.PaymentFilter(min_create_time=Timestamp(nanos=-1))),
        ["filter.min_create_time.nanos"],
    ),
    (
        "several at once",
        pb.ListPaymentsRequest(filter=pb.PaymentFilter(statuses=[9], reference=""), page_size=-5, order_by="x"),  # type: ignore[list-item]
        ["filter.statuses", "filter.reference", "order_by", "page_size"],
    ),
]


@pytest.mark.parametrize(("_", "message", "fields"), INVALID_LISTS, ids=[case[0] for case in INVALID_LISTS])
def test_an_invalid_list_request_is_rejected_with_its_fields_named(
    api: Driver, _: str, message: pb.ListPaymentsRequest, fields: list[str]
) -> None:
    with pytest.raises(CallFailed) as failed:
        api.list_payments(message)
    assert (failed.value.code, failed.value.reason) == ("INVALID_ARGUMENT", "INVALID_REQUEST")
    assert failed.value.fields == fields
