"""The RPCs Charge and BatchCharge."""

import secrets

from payments_client.testing import _errors, _requests
from payments_client.testing._errors import CallRejected
from payments_client.testing._money import Currencies
from payments_client.testing._sources import SOURCES, Source
from payments_client.testing._store import Store
from payments_client.v1 import payments_pb2 as pb


class Charges:
    """Makes charges, each request_id once."""

    def __init__(self, store: Store, currencies: Currencies, default_source: Source) -> None:
        """Keep the payments in ``store``. A charge without a source has the outcome of ``default_source``."""
        self._store = store
        self._currencies = currencies
        self._default_source = default_source
        self._made: dict[str, tuple[pb.ChargeRequest, pb.Payment]] = {}
        """The parameters and the payment of each request_id."""

    def charge(self, request: pb.ChargeRequest) -> tuple[pb.ChargeResponse, bool]:
        """Make a charge, and return the response and whether it is a replay."""
        payment, is_replay = self._charge(request)
        return pb.ChargeResponse(payment=payment), is_replay

    def batch_charge(self, request: pb.BatchChargeRequest, call_id: str) -> pb.BatchChargeResponse:
        """Make many charges, and return the payment or the error of each."""
        _requests.check_batch_charge(request)
        response = pb.BatchChargeResponse()
        for charge in request.charges:
            result = response.results.add()
            try:
                payment, result.replayed = self._charge(charge)
                result.payment.CopyFrom(payment)
            except CallRejected as error:
                result.error.CopyFrom(error.status(call_id))
        return response

    def _charge(self, request: pb.ChargeRequest) -> tuple[pb.Payment, bool]:
        _requests.check_charge(request, self._currencies)
        parameters = self._parameters_of(request)
        if parameters.request_id in self._made:
            earlier, payment = self._made[parameters.request_id]
            if parameters != earlier:
                raise _errors.request_id_reused("Charge", parameters.request_id)
            return payment, True
        if request.unless_pending:
            pending = self._store.pending_payment_of_order(request)
            if pending is not None:
                raise _errors.order_has_pending_payment(pending.payment_id)
        source = SOURCES[request.payment_source] if request.payment_source else self._default_source
        payment = self._store.add_payment(parameters, source)
        self._made[parameters.request_id] = parameters, payment
        return payment, False

    def _parameters_of(self, request: pb.ChargeRequest) -> pb.ChargeRequest:
        """Return a charge with a request_id and a currency, and without the fields that a retry need not repeat."""
        parameters = pb.ChargeRequest()
        parameters.CopyFrom(request)
        parameters.ClearField("unless_pending")
        parameters.ClearField("return_url")
        if not request.HasField("request_id"):
            parameters.request_id = secrets.token_hex(16)
        if not request.amount.currency_code:
            parameters.amount.currency_code = self._currencies.default
        return parameters
