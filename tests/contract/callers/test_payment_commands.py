"""`payments charge`, `refund`, `get` and `list`, run as subprocesses against a running service."""

import json
import os
import subprocess
from typing import Any

import grpc
import pytest

from tests.support import programs
from tests.support.drivers.calls import GrpcDriver
from tests.support.drivers.requests import refund
from tests.support.running_service import RunningService


def payments(service: RunningService, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command against the service."""
    return programs.run(
        "tools.cli.main",
        *arguments,
        environment={"PATH": os.environ["PATH"], "PAYMENTS_TARGET": service.target, "TERM": "dumb", **environment},
    )


def charge(service: RunningService, order_id: int, *arguments: str) -> dict[str, Any]:
    """Charge an order 100.00 by UPI, and return the payment."""
    result = payments(service, "charge", str(order_id), "100.00", "--method", "UPI", "--json", *arguments)
    assert (result.returncode, result.stderr) == (0, "")
    payment: dict[str, Any] = json.loads(result.stdout)
    return payment


def test_a_charge_is_shown_as_a_table(service: RunningService) -> None:
    result = payments(service, "charge", "9001", "1561.00", "--method", "upi")
    assert (result.returncode, result.stderr) == (0, "")
    for shown in ("9001", "1,561.00 INR", "UPI", "SUCCEEDED", "ECI20"):
        assert shown in result.stdout


def test_a_declined_charge_exits_with_3(service: RunningService) -> None:
    result = payments(service, "charge", "9002", "5", "--method", "CARD")
    assert result.returncode == 3
    assert "FAILED" in result.stdout


def test_the_same_request_id_charges_once(service: RunningService) -> None:
    first, again = (charge(service, 9003, "--request-id", "order-9003") for _ in range(2))
    assert first == again


def test_a_payment_is_refunded_and_shown_with_its_refunds(service: RunningService) -> None:
    payment = charge(service, 9004)
    result = payments(
        service, "refund", str(payment["payment_id"]), "--amount", "30.50", "--reason", "it was [bold]late"
    )
    assert (result.returncode, result.stderr) == (0, "")
    for key in (str(payment["payment_id"]), payment["reference"]):
        shown = payments(service, "get", key)
        for text in ("30.50 INR", "it was [bold]late", payment["reference"]):
            assert text in shown.stdout
    rest = json.loads(payments(service, "refund", str(payment["payment_id"]), "--json").stdout)
    assert (rest["refund"]["amount"], rest["payment"]["refund_state"]) == ("69.50", "FULL")


def test_a_payment_is_shown_with_all_its_refunds(service: RunningService) -> None:
    payment_id = charge(service, 9007)["payment_id"]
    with grpc.insecure_channel(service.target) as channel:
        refund_ids = [GrpcDriver(channel).refund(refund(payment_id, "0.01")).refund.refund_id for _ in range(101)]
    shown = json.loads(payments(service, "get", str(payment_id), "--json").stdout)
    assert [item["refund_id"] for item in shown["refunds"]] == refund_ids


def test_a_list_contains_the_payments_that_match_its_options(service: RunningService) -> None:
    ids = [charge(service, 9005)["payment_id"] for _ in range(3)]
    result = payments(service, "list", "--order-id", "9005", "--method", "UPI", "--since", "7d", "--json")
    assert [json.loads(line)["payment_id"] for line in result.stdout.splitlines()] == ids[::-1]
    result = payments(service, "list", "--order-id", "9005", "--oldest-first", "--limit", "2", "--json")
    assert [json.loads(line)["payment_id"] for line in result.stdout.splitlines()] == ids[:2]
    table = payments(service, "list", "--order-id", "9005", "--min-amount", "100", "--max-amount", "100.00").stdout
    assert all(str(payment_id) in table for payment_id in ids)


def test_an_until_date_includes_the_whole_day(service: RunningService) -> None:
    payment = charge(service, 9006)
    day = payment["create_time"][:10]
    result = payments(service, "list", "--order-id", "9006", "--since", day, "--until", day, "--json")
    assert [json.loads(line)["payment_id"] for line in result.stdout.splitlines()] == [payment["payment_id"]]
    result = payments(service, "list", "--order-id", "9006", "--until", f"{day}T00:00:00", "--json")
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "exit_code", "message"),
    [
        (["charge", "0", "5"], 1, "order_id: must be 1 or more"),
        (["charge", "1", "5.001"], 2, "amount must have at most 2 decimals"),
        (["charge", "1", "five"], 2, "must be a number such as 561.00"),
        (["charge", "1", "5", "--method", "OTHER"], 2, "OTHER"),
        (["refund", "999999999"], 1, "PAYMENT_NOT_FOUND: payment not found"),
        (["refund", "1", "--currency", "INR"], 2, "currency needs an amount"),
        (["list", "--since", "yesterday"], 2, "must be a time such as"),
        (["list", "--target", "10.0.0.1:1", "--api-key", "secret-key"], 2, "api_key needs credentials"),
        (["list", "--ca-file", "/nothing"], 2, "No such file"),
    ],
)
def test_a_failed_command_reports_why_and_sets_its_exit_code(
    service: RunningService, arguments: list[str], exit_code: int, message: str
) -> None:
    result = payments(service, *arguments)
    assert (result.returncode, result.stdout) == (exit_code, "")
    assert message in " ".join(result.stderr.replace("│", " ").split())
    assert "secret-key" not in result.stderr
    assert "Traceback" not in result.stderr


def test_a_charge_whose_outcome_is_unknown_says_how_to_find_out(service: RunningService) -> None:
    result = payments(service, "charge", "1", "5", "--target", "127.0.0.1:1", "--timeout", "1", "--request-id", "mine")
    assert (result.returncode, result.stdout) == (4, "")
    assert "repeat the command with --request-id mine:" in result.stderr
