"""`payments charge`, `refund`, `get`, `events`, `list` and `watch`, run as subprocesses against a running service."""

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import grpc
import pytest
from payments_client.v1 import payments_pb2 as pb
from payments_client.v1.payments_pb2_grpc import PaymentServiceStub

from tests.support import programs
from tests.support.certificates import Authority
from tests.support.drivers.calls import GrpcDriver
from tests.support.drivers.requests import refund
from tests.support.programs import ROOT
from tests.support.running_service import RunningService

StartService = Callable[..., RunningService]


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


def test_a_failed_refund_exits_with_3(service: RunningService) -> None:
    charged = payments(service, "charge", "9012", "5", "--source", "sim_refund_fails", "--json")
    result = payments(service, "refund", str(json.loads(charged.stdout)["payment_id"]))
    assert (result.returncode, "FAILED: DECLINED" in result.stdout) == (3, True), result.stderr


def test_a_charge_has_the_callers_own_names_and_is_found_by_them(service: RunningService) -> None:
    names = ("--external-reference", "ORD-9010", "--customer", "customer-9010", "--label", "channel=web")
    result = payments(service, "charge", "5.00", *names, "--source", "sim_declined", "--request-id", "9010", "--json")
    assert (result.returncode, result.stderr) == (3, "")
    payment = json.loads(result.stdout)
    shown = {name: payment[name] for name in ("order_id", "external_reference", "customer_id", "labels", "failure")}
    assert shown == {
        "order_id": 0,
        "external_reference": "ORD-9010",
        "customer_id": "customer-9010",
        "labels": {"channel": "web"},
        "failure": "DECLINED",
    }
    assert (payment["caller"], payment["request_id"]) == ("anonymous", "9010")
    for options in (
        ("--external-reference", "ORD-9010"),
        ("--customer", "customer-9010"),
        ("--request-id", "9010", "--caller", "anonymous"),
    ):
        listed = payments(service, "list", *options)
        assert all(text in listed.stdout for text in (payment["reference"], "ORD-9010", "FAILED: DECLINED")), options
    details = json.loads(payments(service, "get", "--request-id", "9010", "--json").stdout)
    assert details["payment"] == payment


def test_an_order_with_a_pending_payment_is_not_charged_again(service: RunningService) -> None:
    pending = payments(service, "charge", "9011", "5", "--source", "sim_pending_5s", "--json")
    payment_id = json.loads(pending.stdout)["payment_id"]
    result = payments(service, "charge", "9011", "5", "--unless-pending")
    assert (result.returncode, result.stdout) == (1, "")
    assert "ORDER_HAS_PENDING_PAYMENT: " in result.stderr
    assert f"payments get {payment_id}" in result.stderr


def test_a_charge_that_the_payer_must_approve_shows_where(service: RunningService) -> None:
    options = ("--source", "sim_approval_5s", "--return-url", "https://shop.example/orders/9013")
    result = payments(service, "charge", "9013", "5", *options)
    assert (result.returncode, result.stderr) == (0, "")
    assert "PENDING: REDIRECT" in result.stdout
    assert "in a browser by " in result.stdout
    assert "https://payments.example/approve/ECI" in result.stdout
    rejected = payments(service, "charge", "9013", "5", *options[2:])
    assert (rejected.returncode, rejected.stderr) == (1, "return_url: must be empty without a payment_source\n")


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


def test_the_events_of_a_payment_are_shown_oldest_first(service: RunningService) -> None:
    payment = charge(service, 9008, "--request-id", "order-9008")
    payments(service, "refund", str(payment["payment_id"]), "--amount", "30.50", "--request-id", "refund-9008")
    for key in (str(payment["payment_id"]), payment["reference"]):
        shown = payments(service, "events", key)
        assert (shown.returncode, shown.stderr) == (0, "")
        charged, refunded = shown.stdout.splitlines()
        for line, texts in ((charged, ("CHARGED", "100.00 INR", "order-9008")), (refunded, ("REFUNDED", "30.50 INR"))):
            assert all(text in line for text in (*texts, "anonymous", f"payment {payment['payment_id']}"))
    lines = payments(service, "events", payment["reference"], "--json").stdout.splitlines()
    assert [json.loads(line)["type"] for line in lines] == ["CHARGED", "REFUNDED"]


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
        (["charge", "1", "5.001"], 1, "amount.nanos: must be a multiple of"),
        (["charge", "1", "5.00001"], 2, "amount must have at most 4 decimals"),
        (["charge", "5"], 2, "needs an ORDER_ID and an AMOUNT, or an AMOUNT and --external-reference"),
        (["charge", "1", "5", "--label", "web"], 2, "must be KEY=VALUE"),
        (["charge", "1", "5", "--source", "sim_unknown"], 1, "payment_source: must be"),
        (["get", "1", "--request-id", "mine"], 2, "needs either a PAYMENT or a --request-id"),
        (["get", "--request-id", "mine", "--caller", "another shop"], 1, "ROLE_MISSING: "),
        (["charge", "1", "five"], 2, "must be a number such as 561.00"),
        (["charge", "1", "5", "--method", "OTHER"], 2, "OTHER"),
        (["refund", "999999999"], 1, "PAYMENT_NOT_FOUND: payment not found"),
        (["refund", "1", "--currency", "INR"], 2, "currency needs an amount"),
        (["list", "--since", "yesterday"], 2, "must be a time such as"),
        (["list", "--target", "10.0.0.1:1", "--api-key", "secret-key"], 2, "api_key needs credentials"),
        (["list", "--ca-file", "/nothing"], 2, "No such file"),
        (["list", "--cert", "/nothing", "--key", "/nothing"], 2, "No such file"),
        (["list", "--cert", "/nothing"], 2, "a client certificate needs both --cert and --key"),
        (["watch", "--resume-token", "x"], 1, "resume_token: must be"),
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


def test_a_client_certificate_authenticates_the_caller(start_service: StartService, tmp_path: Path) -> None:
    authority = Authority()
    certificate, key = authority.issue(dns=["localhost"]).write(tmp_path, "server")
    ca_file = tmp_path / "ca.pem"
    ca_file.write_bytes(authority.certificate)
    tls = {"TLS_CERT_FILE": str(certificate), "TLS_KEY_FILE": str(key), "TLS_CLIENT_CA_FILE": str(ca_file)}
    service = start_service(**tls, CERTIFICATE_ROLES="desk=payments.charge")
    client_certificate, client_key = authority.issue(dns=["desk"]).write(tmp_path, "desk")
    options = ("--ca-file", str(ca_file), "--cert", str(client_certificate), "--key", str(client_key))
    target = f"localhost:{service.port}"

    result = payments(service, "charge", "1", "5", "--method", "UPI", *options, PAYMENTS_TARGET=target)

    assert (result.returncode, result.stderr) == (0, "")
    assert "SUCCEEDED" in result.stdout


def test_a_plaintext_call_to_a_tls_port_suggests_tls(start_service: StartService, tmp_path: Path) -> None:
    certificate, key = Authority().issue(dns=["localhost"]).write(tmp_path, "server")
    service = start_service(TLS_CERT_FILE=str(certificate), TLS_KEY_FILE=str(key))

    result = payments(service, "list", "--timeout", "1")

    assert result.returncode == 4
    assert f"{service.target} uses TLS: add --tls" in result.stderr


def test_the_version_is_that_of_the_installed_package(service: RunningService) -> None:
    assert payments(service, "--version").stdout == f"payments {version('payments-server')}\n"


def test_a_watch_shows_changes_as_they_happen_and_ends_with_the_token_to_resume_from(service: RunningService) -> None:
    command = [sys.executable, "-m", "tools.cli.main", "watch"]
    environment = {"PATH": os.environ["PATH"], "PAYMENTS_TARGET": service.target}
    with subprocess.Popen(
        [*command, "--json"], cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as watching:
        assert watching.stdout is not None
        lines: list[dict[str, Any]] = []
        while not lines:
            # The watch shows nothing that was charged before it began.
            charge(service, 9008)
            if select.select([watching.stdout], [], [], 0.5)[0]:
                lines.append(json.loads(watching.stdout.readline()))
        watching.send_signal(signal.SIGINT)
        _, errors = watching.communicate()
    assert watching.returncode == 0
    assert (lines[0]["event"]["type"], lines[0]["event"]["payment"]["order_id"]) == ("CHARGED", 9008)
    assert "To resume: payments watch --resume-token A" in errors


def test_a_watch_resumes_after_a_token_with_a_filter(service: RunningService) -> None:
    with grpc.insecure_channel(service.target) as channel:
        stream = PaymentServiceStub(channel).WatchPayments(pb.WatchPaymentsRequest())
        token = next(stream).resume_token
    payment_id = charge(service, 9009)["payment_id"]
    charge(service, 9012)
    payments(service, "refund", str(payment_id))
    options = ["--order-id", "9009", "--type", "refunded", "--type", "CHARGED"]
    command = [sys.executable, "-m", "tools.cli.main", "watch", "--resume-token", token, *options]
    environment = {"PATH": os.environ["PATH"], "PAYMENTS_TARGET": service.target}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as watching:
        assert watching.stdout is not None
        charged, refunded = (watching.stdout.readline() for _ in range(2))
        watching.send_signal(signal.SIGINT)
    assert f"CHARGED          payment {payment_id}  order 9009  100.00 INR  anonymous" in charged
    assert f"REFUNDED         payment {payment_id}  order 9009  100.00 INR  anonymous" in refunded
