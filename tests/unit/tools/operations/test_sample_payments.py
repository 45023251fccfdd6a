"""Sample payments: plausible, repeatable, and consistent with their refunds."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from statistics import mean, median

import pytest

from tools.operations.sample_payments import SamplePayment, sample_payments

NOW = datetime.fromisoformat("2026-03-04 15:16:17.181920")


@pytest.fixture(scope="module")
def payments() -> list[SamplePayment]:
    return list(sample_payments(5_000, seed=1, now=NOW))


def test_the_same_seed_and_now_give_the_same_payments(payments: list[SamplePayment]) -> None:
    assert list(sample_payments(5_000, seed=1, now=NOW)) == payments
    assert list(sample_payments(5_000, seed=1, now=NOW.replace(tzinfo=UTC))) == payments


def test_another_seed_or_now_gives_other_payments(payments: list[SamplePayment]) -> None:
    keys = {payment.reference for payment in payments} | {payment.request_id for payment in payments}
    for other in (
        sample_payments(5_000, seed=2, now=NOW),
        sample_payments(5_000, seed=1, now=NOW + timedelta(microseconds=1)),
    ):
        assert keys.isdisjoint(key for payment in other for key in (payment.reference, payment.request_id))


@pytest.mark.parametrize("count", [1, 7, 400, 2_001])
def test_the_requested_number_of_payments_is_generated(count: int) -> None:
    assert len(list(sample_payments(count, seed=1, now=NOW))) == count


def test_amounts_are_skewed(payments: list[SamplePayment]) -> None:
    amounts = [payment.amount_minor for payment in payments]

    assert mean(amounts) > median(amounts) * 3 // 2
    assert max(amounts) > 20 * median(amounts)
    assert min(amounts) > 0


def test_about_two_in_five_fail_and_upi_is_used_most(payments: list[SamplePayment]) -> None:
    failed = sum(not payment.has_succeeded for payment in payments)
    methods = Counter(payment.method for payment in payments)

    assert 1_800 < failed < 2_200
    assert methods["UPI"] > methods["CARD"] > methods["COD"] > 500
    assert set(methods) == {"UPI", "CARD", "COD"}


def test_times_are_in_order_up_to_now_and_denser_during_the_day(payments: list[SamplePayment]) -> None:
    times = [payment.create_time for payment in payments]
    hours = Counter(time.hour for time in times)

    assert times == sorted(times)
    assert NOW - timedelta(days=180) <= times[0] < NOW - timedelta(days=178)
    assert NOW - timedelta(days=2) < times[-1] <= NOW
    assert hours[14] > 4 * hours[21]


def test_references_and_request_ids_are_unique_and_references_have_the_payments_date(
    payments: list[SamplePayment],
) -> None:
    assert len({payment.reference for payment in payments}) == len(payments)
    request_ids = [payment.request_id for payment in payments]
    request_ids += [refund.request_id for payment in payments for refund in payment.refunds]
    assert len(set(request_ids)) == len(request_ids)
    for payment in payments:
        prefix, suffix = payment.reference.split("-")
        assert prefix == f"ECI{payment.create_time:%Y%m%d}"
        assert len(suffix) == 20
        assert set(suffix) <= set("0123456789ABCDEF")


def test_some_orders_are_paid_again_after_a_failed_payment(payments: list[SamplePayment]) -> None:
    earlier: dict[int, SamplePayment] = {}
    repeated = 0
    for payment in payments:
        if payment.order_id in earlier:
            repeated += 1
            assert not earlier[payment.order_id].has_succeeded
        earlier[payment.order_id] = payment
    assert repeated > 500


def test_refunds_never_exceed_their_payment_and_come_after_it(payments: list[SamplePayment]) -> None:
    refunded = [payment for payment in payments if payment.refunds]
    in_full = [payment for payment in refunded if payment.refunded_minor == payment.amount_minor]

    assert len(refunded) > len(in_full) > 50
    for payment in refunded:
        assert payment.has_succeeded
        assert 0 < payment.refunded_minor <= payment.amount_minor
        times = [payment.create_time, *(refund.create_time for refund in payment.refunds), NOW]
        assert times == sorted(times)
        assert all(refund.amount_minor > 0 for refund in payment.refunds)
