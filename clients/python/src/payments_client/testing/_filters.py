"""Which payments and events match a filter."""

from payments_client.testing._money import Currencies, total_nanos
from payments_client.testing._paging import sort_key
from payments_client.v1 import payments_pb2 as pb


def payment_matches(wanted: pb.PaymentFilter, payment: pb.Payment, currencies: Currencies) -> bool:
    """Return whether a payment satisfies all conditions of a filter."""
    conditions = (
        not wanted.HasField("order_id") or wanted.order_id == payment.order_id,
        not wanted.methods or payment.method in wanted.methods,
        not wanted.statuses or payment.status in wanted.statuses,
        not wanted.refund_states or payment.refund_state in wanted.refund_states,
        not wanted.HasField("reference") or wanted.reference == payment.reference,
        _has_amount_between(wanted, payment, currencies),
        not wanted.HasField("min_create_time") or sort_key(wanted.min_create_time) <= sort_key(payment.create_time),
        not wanted.HasField("max_create_time") or sort_key(payment.create_time) <= sort_key(wanted.max_create_time),
        not wanted.HasField("request_id") or wanted.request_id == payment.request_id,
        not wanted.HasField("caller") or wanted.caller == payment.caller,
        not wanted.HasField("processor_reference") or wanted.processor_reference == payment.processor_reference,
        not wanted.HasField("external_reference") or wanted.external_reference == payment.external_reference,
        not wanted.HasField("customer_id") or wanted.customer_id == payment.customer_id,
    )
    return all(conditions)


def event_matches(wanted: pb.PaymentEventFilter, event: pb.PaymentEvent) -> bool:
    """Return whether an event satisfies all conditions of a filter."""
    payment = event.payment
    conditions = (
        not wanted.HasField("caller") or wanted.caller == payment.caller,
        not wanted.HasField("order_id") or wanted.order_id == payment.order_id,
        not wanted.HasField("external_reference") or wanted.external_reference == payment.external_reference,
        not wanted.HasField("customer_id") or wanted.customer_id == payment.customer_id,
        not wanted.types or event.type in wanted.types,
    )
    return all(conditions)


def _has_amount_between(wanted: pb.PaymentFilter, payment: pb.Payment, currencies: Currencies) -> bool:
    amount = total_nanos(payment.amount)
    for field in ("min_amount", "max_amount"):
        if wanted.HasField(field):
            currency = getattr(wanted, field).currency_code or currencies.default
            if currency != payment.amount.currency_code:
                return False
    if wanted.HasField("min_amount") and amount < total_nanos(wanted.min_amount):
        return False
    return not wanted.HasField("max_amount") or amount <= total_nanos(wanted.max_amount)
