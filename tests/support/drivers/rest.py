"""The drivers of the contract tests over REST: ``/v2`` has every RPC, ``/v1`` only the calls of the legacy REST API."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, TypeVar
from urllib.parse import quote

import httpx
import pytest
from google.protobuf import json_format
from google.protobuf.message import Message
from google.rpc import code_pb2, status_pb2
from payments_client.v1 import payments_pb2 as pb

from tests.support.drivers.calls import TIMEOUT_SECONDS, CallFailed, fill_from_details
from tests.support.drivers.requests import SUCCEEDING, amount_of, money

Response = TypeVar("Response", bound=Message)

_V1_METHODS = {"UPI": pb.PAYMENT_METHOD_UPI, "CARD": pb.PAYMENT_METHOD_CARD, "COD": pb.PAYMENT_METHOD_COD}


class RestDriver:
    """Calls ``/v2``, with the paths of google.api.http and the JSON mapping of protobuf."""

    def __init__(self, url: str) -> None:
        """Use the service with this REST URL."""
        self.http = httpx.Client(base_url=url, timeout=TIMEOUT_SECONDS)

    def charge(self, request: pb.ChargeRequest) -> pb.ChargeResponse:
        """Call Charge."""
        return self._call(pb.ChargeResponse(), "POST", "/v2/payments:charge", json=as_json(request))

    def batch_charge(self, request: pb.BatchChargeRequest) -> pb.BatchChargeResponse:
        """Call BatchCharge."""
        return self._call(pb.BatchChargeResponse(), "POST", "/v2/payments:batchCharge", json=as_json(request))

    def refund(self, request: pb.RefundRequest) -> pb.RefundResponse:
        """Call Refund."""
        body = as_json(request)
        payment_id = body.pop("paymentId", "0")
        return self._call(pb.RefundResponse(), "POST", f"/v2/payments/{payment_id}:refund", json=body)

    def get_payment(self, request: pb.GetPaymentRequest) -> pb.GetPaymentResponse:
        """Call GetPayment."""
        if request.WhichOneof("key") is None:
            pytest.skip("a path always names a payment")
        if request.HasField("payment_id"):
            path = f"/v2/payments/{request.payment_id}"
        elif request.reference:
            path = f"/v2/payments/by-reference/{quote(request.reference, safe='')}"
        elif request.request_id:
            path = f"/v2/payments/by-request-id/{quote(request.request_id, safe='')}"
        else:
            pytest.skip("a path cannot have an empty segment")
        parameters = {"caller": request.caller} if request.caller else {}
        return self._call(pb.GetPaymentResponse(), "GET", path, params=parameters)

    def list_refunds(self, request: pb.ListRefundsRequest) -> pb.ListRefundsResponse:
        """Call ListRefunds."""
        return self._list_of_payment(request, "refunds", pb.ListRefundsResponse())

    def list_payment_events(self, request: pb.ListPaymentEventsRequest) -> pb.ListPaymentEventsResponse:
        """Call ListPaymentEvents."""
        return self._list_of_payment(request, "events", pb.ListPaymentEventsResponse())

    def _list_of_payment(
        self, request: pb.ListRefundsRequest | pb.ListPaymentEventsRequest, collection: str, response: Response
    ) -> Response:
        parameters = as_json(request)
        parameters.pop("paymentId", None)
        path = f"/v2/payments/{request.payment_id}/{collection}"
        return self._call(response, "GET", path, params=list(flatten(parameters)))

    def list_payments(self, request: pb.ListPaymentsRequest) -> pb.ListPaymentsResponse:
        """Call ListPayments."""
        parameters = list(flatten(as_json(request)))
        return self._call(pb.ListPaymentsResponse(), "GET", "/v2/payments", params=parameters)

    def _call(self, message: Response, verb: str, path: str, **arguments: Any) -> Response:  # noqa: ANN401 - of httpx
        response = self.http.request(verb, path, **arguments)
        if response.is_success:
            return json_format.ParseDict(response.json(), message)
        raise v2_failure(response)


class LegacyDriver:
    """Calls ``/v1`` of a server that approves every charge, because ``/v1`` cannot name a method."""

    def __init__(self, url: str) -> None:
        """Use the service with this REST URL."""
        self.http = httpx.Client(base_url=url, timeout=TIMEOUT_SECONDS)

    def charge(self, request: pb.ChargeRequest) -> pb.ChargeResponse:
        """Call Charge, and look up the payment in the list of its order."""
        if request.method not in {pb.PAYMENT_METHOD_UNSPECIFIED, SUCCEEDING}:
            pytest.skip("/v1 cannot name a method")
        if request.amount.currency_code not in {"", "INR"}:
            pytest.skip("/v1 cannot name a currency")
        body: dict[str, Any] = {"order_id": request.order_id}
        if request.HasField("amount"):
            body["amount"] = str(amount_of(request.amount))
        charged = self._json("POST", "/v1/payments/charge", json=body, headers=_key(request))
        (payment,) = (one for one in self._all(order_id=request.order_id) if one.reference == charged["reference"])
        return pb.ChargeResponse(payment=payment)

    def batch_charge(self, request: pb.BatchChargeRequest) -> pb.BatchChargeResponse:
        """Skip: ``/v1`` has no such call."""
        pytest.skip(f"/v1 has no batches, so it cannot make {len(request.charges)} charges in one request")

    def refund(self, request: pb.RefundRequest) -> pb.RefundResponse:
        """Call Refund. The response of ``/v1`` has only the amount and the method of the payment."""
        assert not request.HasField("amount")
        assert not request.reason
        body = self._json("POST", f"/v1/payments/{request.payment_id}/refund", headers=_key(request))
        assert body["payment_id"] == request.payment_id
        assert body["message"] == f"Amount {body['amount']:.2f} refunded to {body['method']}"
        payment = pb.Payment(
            payment_id=request.payment_id,
            amount=money(str(body["amount"]), "INR"),
            method=_V1_METHODS[body["method"]],
            refund_state=pb.REFUND_STATE_FULL,
        )
        return pb.RefundResponse(payment=payment)

    def get_payment(self, request: pb.GetPaymentRequest) -> pb.GetPaymentResponse:
        """Look up a payment in the list of all payments."""
        for payment in self._all():
            if payment.payment_id == request.payment_id:
                return pb.GetPaymentResponse(payment=payment)
        raise CallFailed("NOT_FOUND", "no such payment")

    def list_refunds(self, request: pb.ListRefundsRequest) -> pb.ListRefundsResponse:
        """Skip: ``/v1`` has no such call."""
        pytest.skip(f"/v1 does not return the refunds of payment {request.payment_id}")

    def list_payment_events(self, request: pb.ListPaymentEventsRequest) -> pb.ListPaymentEventsResponse:
        """Skip: ``/v1`` has no such call."""
        pytest.skip(f"/v1 does not return the events of payment {request.payment_id}")

    def list_payments(self, request: pb.ListPaymentsRequest) -> pb.ListPaymentsResponse:
        """List a page of payments; the page token is the page number."""
        wanted = request.filter
        page, per_page = int(request.page_token or 1), request.page_size or 50
        parameters: dict[str, Any] = {"page": page, "per_page": per_page}
        if wanted.HasField("order_id"):
            parameters["order_id"] = wanted.order_id
        if wanted.HasField("min_amount"):
            parameters["amount_gt"] = str(amount_of(wanted.min_amount))
        if wanted.HasField("max_amount"):
            parameters["amount_lt"] = str(amount_of(wanted.max_amount))
        is_oldest_first = request.order_by.strip() in {"create_time", "create_time asc"}
        parameters["sort_by_created"] = "asc" if is_oldest_first else "desc"
        body = self._json("GET", "/v1/payments", params=parameters)
        return pb.ListPaymentsResponse(
            payments=map(payment_of, body["items"]),
            total_size=body["total"],
            next_page_token=str(page + 1) if page * per_page < body["total"] else "",
        )

    def _all(self, **parameters: int) -> Iterator[pb.Payment]:
        for page in range(1, 1000):
            body = self._json("GET", "/v1/payments", params={**parameters, "page": page, "per_page": 200})
            yield from map(payment_of, body["items"])
            if not body["items"]:
                return

    def _json(self, verb: str, path: str, **arguments: Any) -> Any:  # noqa: ANN401 - JSON
        response = self.http.request(verb, path, **arguments)
        if response.is_success:
            return response.json()
        raise v1_failure(response)


def as_json(message: Message) -> dict[str, Any]:
    """Convert a message to JSON, or skip the test if JSON cannot represent it."""
    try:
        return json_format.MessageToDict(message)
    except (json_format.SerializeToJsonError, ValueError) as error:
        pytest.skip(f"JSON cannot represent the message: {error}")


def flatten(value: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield the query parameters for a JSON object."""
    for name, one in value.items():
        for item in one if isinstance(one, list) else [one]:
            if isinstance(item, dict):
                yield from flatten(item, f"{prefix}{name}.")
            else:
                yield prefix + name, str(item).lower() if isinstance(item, bool) else str(item)


def v2_failure(response: httpx.Response) -> CallFailed:
    """Convert an error response of ``/v2``."""
    status = json_format.ParseDict(response.json(), status_pb2.Status())
    failed = CallFailed(code_pb2.Code.Name(status.code), status.message)
    failed.trailers = dict(response.headers)
    fill_from_details(failed, status)
    return failed


def v1_failure(response: httpx.Response) -> CallFailed:
    """Convert an error response of ``/v1`` to the corresponding error of the contract."""
    detail = response.json()["detail"]
    match response.status_code, detail:
        case 404, "Payment not found":
            return CallFailed("NOT_FOUND", detail, "PAYMENT_NOT_FOUND")
        case 400, "Payment had failed; cannot issue refund":
            return CallFailed("FAILED_PRECONDITION", detail, "PAYMENT_FAILED")
        case 422, [{"type": "idempotency_key_reused", "msg": message}]:
            return CallFailed("ALREADY_EXISTS", message, "REQUEST_ID_REUSED")
        case 422, [*problems]:
            names = {"idempotency-key": "request_id"}
            fields = [names.get(problem["loc"][-1], problem["loc"][-1]) for problem in problems]
            return CallFailed("INVALID_ARGUMENT", "", "INVALID_REQUEST", fields, [one["msg"] for one in problems])
    raise AssertionError(response.text)


def payment_of(item: dict[str, Any]) -> pb.Payment:
    """Convert a list item of ``/v1`` to a payment with the fields that ``/v1`` has."""
    payment = pb.Payment(
        payment_id=item["payment_id"],
        order_id=item["order_id"],
        amount=money(Decimal(str(item["amount"])), "INR"),
        method=_V1_METHODS[item["method"]],
        status=pb.PAYMENT_STATUS_SUCCEEDED if item["status"] else pb.PAYMENT_STATUS_FAILED,
        reference=item["reference"],
        refund_state=pb.REFUND_STATE_FULL if item["refunded"] else pb.REFUND_STATE_NONE,
    )
    payment.create_time.FromJsonString(item["created_at"] + "Z")
    return payment


def _key(request: pb.ChargeRequest | pb.RefundRequest) -> dict[str, bytes]:
    return {"Idempotency-Key": request.request_id.encode()} if request.HasField("request_id") else {}
