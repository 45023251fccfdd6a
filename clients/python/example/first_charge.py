import os
from decimal import Decimal

from payments_client import PaymentMethod, PaymentsClient

with PaymentsClient(os.environ.get("PAYMENTS_TARGET", "127.0.0.1:50051")) as client:
    payment = client.charge(order_id=342, amount=Decimal("561.00"), method=PaymentMethod.UPI)
    print(payment.payment_id, payment.status, payment.reference)
    if payment.status == "SUCCEEDED":
        result = client.refund(payment_id=payment.payment_id, amount=Decimal("100.00"), reason="one item was damaged")
        print(result.payment.refunded_amount, result.payment.refund_state)
    for payment in client.list_payments(order_id=342):
        print(payment.create_time, payment.amount, payment.currency, payment.method, payment.status)
