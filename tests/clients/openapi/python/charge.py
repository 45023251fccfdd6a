"""Charge an order, get the payment and list it, with the client that openapi-python-client generates.

Print the responses as JSON. The generated client is the package ``payments_rest``.
"""

import json
import sys

from payments_rest import Client
from payments_rest.api.payment_service import (
    payment_service_charge,
    payment_service_get_payment,
    payment_service_list_payments,
)
from payments_rest.models import (
    ChargeRequest,
    ChargeResponse,
    GetPaymentResponse,
    ListPaymentsResponse,
    Money,
    Payment,
    PaymentMethod,
)


def main(server: str, order_id: str) -> None:
    """Make the three calls."""
    with Client(server) as client:
        amount = Money(currency_code="INR", units="561", nanos=250_000_000)
        charge = ChargeRequest(order_id=order_id, amount=amount, method=PaymentMethod.PAYMENT_METHOD_UPI)
        charged = payment_service_charge.sync(client=client, body=charge, idempotency_key="openapi-python")
        assert isinstance(charged, ChargeResponse), charged
        assert isinstance(charged.payment, Payment), charged
        payment_id = charged.payment.payment_id
        assert isinstance(payment_id, str), payment_id

        got = payment_service_get_payment.sync(payment_id, client=client)
        assert isinstance(got, GetPaymentResponse), got
        assert isinstance(got.payment, Payment), got

        listed = payment_service_list_payments.sync(
            client=client, filter_order_id=order_id, filter_methods=[PaymentMethod.PAYMENT_METHOD_UPI]
        )
        assert isinstance(listed, ListPaymentsResponse), listed
        assert isinstance(listed.payments, list), listed
    output = {
        "charged": charged.payment.to_dict(),
        "got": got.payment.to_dict(),
        "listed": [payment.to_dict() for payment in listed.payments],
    }
    print(json.dumps(output))


if __name__ == "__main__":
    main(*sys.argv[1:])
