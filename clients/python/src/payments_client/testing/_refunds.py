"""The RPC Refund."""

import secrets

from payments_client.testing import _errors, _requests
from payments_client.testing._money import Currencies, format_amount, total_nanos
from payments_client.testing._store import Store
from payments_client.v1 import payments_pb2 as pb

_DISPUTED = {
    pb.DISPUTE_STATUS_OPEN: "the payer disputes this payment; it cannot be refunded while the dispute is open",
    pb.DISPUTE_STATUS_LOST: "the payer got the money back by a dispute; it cannot be refunded",
}
"""Why a payment with such a dispute cannot be refunded."""


class Refunds:
    """Makes refunds, each request_id once, and never more than the charge."""

    def __init__(self, store: Store, currencies: Currencies) -> None:
        """Refund the payments in ``store``."""
        self._store = store
        self._currencies = currencies
        self._made: dict[str, tuple[pb.RefundRequest, pb.Refund]] = {}
        """The parameters and the refund of each request_id."""

    def refund(self, request: pb.RefundRequest) -> tuple[pb.RefundResponse, bool]:
        """Make a refund, and return the response and whether it is a replay."""
        _requests.check_refund(request, self._currencies)
        parameters = self._parameters_of(request)
        if parameters.request_id in self._made:
            earlier, refund = self._made[parameters.request_id]
            if parameters != earlier:
                raise _errors.request_id_reused("Refund", parameters.request_id)
            return pb.RefundResponse(refund=refund, payment=self._store.payments[refund.payment_id]), True
        payment = self._store.payment(request.payment_id)
        if not request.HasField("request_id") and _repeats_full_refund(parameters, payment):
            return pb.RefundResponse(refund=self._last_refund(payment), payment=payment), False
        refund = self._store.add_refund(payment, _nanos_to_refund(parameters, payment), parameters)
        self._made[parameters.request_id] = parameters, refund
        return pb.RefundResponse(refund=refund, payment=payment), False

    def _parameters_of(self, request: pb.RefundRequest) -> pb.RefundRequest:
        """Return a refund with a request_id and, if it has an amount, a currency."""
        parameters = pb.RefundRequest()
        parameters.CopyFrom(request)
        if not request.HasField("request_id"):
            parameters.request_id = secrets.token_hex(16)
        if request.HasField("amount") and not request.amount.currency_code:
            parameters.amount.currency_code = self._currencies.default
        return parameters

    def _last_refund(self, payment: pb.Payment) -> pb.Refund:
        """Return the last refund of a fully refunded payment that did not fail."""
        refunds = self._store.refunds[payment.payment_id]
        return next(refund for refund in reversed(refunds) if refund.status != pb.REFUND_STATUS_FAILED)


def _repeats_full_refund(refund: pb.RefundRequest, payment: pb.Payment) -> bool:
    is_full = not refund.HasField("amount") or refund.amount == payment.amount
    return is_full and payment.refund_state == pb.REFUND_STATE_FULL


def _nanos_to_refund(refund: pb.RefundRequest, payment: pb.Payment) -> int:
    """Return the amount to refund.

    Raises:
        CallRejected: the payment cannot be refunded, or has less than the amount left.
    """
    if payment.status == pb.PAYMENT_STATUS_FAILED:
        raise _errors.cannot_refund("PAYMENT_FAILED", "payment failed; there is nothing to refund")
    if payment.status == pb.PAYMENT_STATUS_PENDING:
        message = "payment is pending; it can be refunded once it has succeeded"
        raise _errors.cannot_refund("PAYMENT_PENDING", message)
    currency = payment.amount.currency_code
    remaining = total_nanos(payment.amount) - total_nanos(payment.refunded_amount)
    if not remaining:
        raise _errors.cannot_refund("REFUND_EXCEEDS_PAYMENT", "nothing is left to refund")
    if payment.dispute.status in _DISPUTED:
        raise _errors.cannot_refund("PAYMENT_DISPUTED", _DISPUTED[payment.dispute.status])
    if not refund.HasField("amount"):
        return remaining
    if refund.amount.currency_code != currency:
        raise _errors.invalid_request([("amount.currency_code", f"must be the payment's currency, {currency}")])
    if total_nanos(refund.amount) > remaining:
        message = f"only {format_amount(currency, remaining)} is left to refund"
        raise _errors.cannot_refund("REFUND_EXCEEDS_PAYMENT", message)
    return total_nanos(refund.amount)
