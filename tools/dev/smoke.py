"""``make smoke``: make a charge in a running service over gRPC, and read the payment over gRPC and REST.

The payment is not removed, so use this only on services that are not in use yet.
"""

import argparse
import secrets
import sys
from decimal import Decimal
from typing import Any

import httpx
from payments_client import Payment, PaymentsClient, PaymentsError

from tools.operations.health_probe import health

_AMOUNT = Decimal("561.00")
_TIMEOUT_SECONDS = 10.0
_MAX_ORDER_ID = 2**62


class SmokeTestFailed(Exception):
    """The service did not behave as expected; the message says what went wrong."""


def smoke_test(grpc_address: str, rest_url: str) -> Payment:
    """Charge, read the payment over gRPC and both versions of REST, and return it.

    Raises:
        SmokeTestFailed: the service is not serving, a call failed, or a response does not match the payment.
    """
    is_serving, text = health(grpc_address, "", _TIMEOUT_SECONDS)
    if not is_serving:
        raise SmokeTestFailed(text)
    try:
        with PaymentsClient(grpc_address, timeout_seconds=_TIMEOUT_SECONDS) as client:
            payment = _charge_twice(client)
        with httpx.Client(base_url=rest_url, timeout=_TIMEOUT_SECONDS, trust_env=False) as http:
            _read_over_rest(http, payment)
    except PaymentsError as error:
        raise SmokeTestFailed(f"gRPC at {grpc_address}: {error}") from error
    except httpx.HTTPError as error:
        raise SmokeTestFailed(f"REST at {rest_url}: {error}") from error
    return payment


def _charge_twice(client: PaymentsClient) -> Payment:
    """Charge, retry the charge, and read the payment.

    Raises:
        PaymentsError: a call failed.
        SmokeTestFailed: the retry made another payment, or GetPayment returned a different one.
    """
    order_id, request_id = secrets.randbelow(_MAX_ORDER_ID) + 1, f"smoke-{secrets.token_hex(8)}"
    payment, retried = (client.charge(order_id=order_id, amount=_AMOUNT, request_id=request_id) for _ in range(2))
    _expect("the retry of the charge", retried, payment)
    _expect("GetPayment", client.get_payment(payment_id=payment.payment_id).payment, payment)
    return payment


def _read_over_rest(http: httpx.Client, payment: Payment) -> None:
    """Read the payment from both versions of the REST API.

    Raises:
        httpx.HTTPError: a request failed.
        SmokeTestFailed: a response does not match the payment.
    """
    body = _get(http, f"/v2/payments/{payment.payment_id}")["payment"]
    _expect("/v2", (body["reference"], body["amount"]["units"]), (payment.reference, str(int(_AMOUNT))))
    items = _get(http, f"/v1/payments?order_id={payment.order_id}")["items"]
    _expect("/v1", [(item["reference"], item["amount"]) for item in items], [(payment.reference, float(_AMOUNT))])


def _get(http: httpx.Client, path: str) -> Any:  # noqa: ANN401 - JSON
    return http.get(path).raise_for_status().json()


def _expect(source: str, actual: object, expected: object) -> None:
    if actual != expected:
        raise SmokeTestFailed(f"{source} returned {actual} instead of {expected}")


def main() -> None:
    """Run the program."""
    parser = argparse.ArgumentParser(prog="python -m tools.dev.smoke", description=__doc__)
    parser.add_argument(
        "--grpc", default="127.0.0.1:50051", help="host:port of gRPC, without TLS (default: %(default)s)"
    )
    parser.add_argument("--rest", default="http://127.0.0.1:8001", help="URL of REST (default: %(default)s)")
    arguments = parser.parse_args()
    try:
        payment = smoke_test(arguments.grpc, arguments.rest)
    except SmokeTestFailed as error:
        sys.exit(f"smoke test failed: {error}")
    print(f"smoke test passed: payment {payment.payment_id} is the same over gRPC, /v2 and /v1")


if __name__ == "__main__":
    main()
