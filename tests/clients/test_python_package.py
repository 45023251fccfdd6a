"""The Python client works as another team installs it: as a wheel in an otherwise empty environment."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.programs import ROOT
from tests.support.running_service import RunningService

UV = str(Path(sys.executable).parent / "uv")
CLIENT = ROOT / "clients" / "python"


USER_CODE = """\
from collections.abc import Awaitable
from datetime import UTC, datetime
from decimal import Decimal

from payments_client import AsyncPaymentsClient, OutcomeUnknown, Payment, PaymentMethod, PaymentsClient, RequestIdReused


def charge(client: PaymentsClient, order_id: int) -> Decimal | None:
    try:
        payment = client.charge(order_id=order_id, amount=Decimal("561.00"), method=PaymentMethod.UPI)
    except RequestIdReused as error:
        print(error.reason.lower())
        return None
    except OutcomeUnknown as error:
        seconds: float | None = error.retry_after_seconds
        print(seconds)
        return None
    reference: str = payment.reference
    time: datetime | None = payment.create_time
    print(reference, time)
    return payment.amount


def charge_later(client: AsyncPaymentsClient) -> Awaitable[Payment]:
    return client.charge(order_id=342, amount=Decimal("561.00"))


def payment_ids(client: PaymentsClient) -> list[int]:
    return [payment.payment_id for payment in client.list_payments(min_create_time=datetime(2026, 1, 1, tzinfo=UTC))]


def refunded_amounts(client: PaymentsClient, payment_id: int) -> list[Decimal]:
    token: str = client.get_payment(payment_id=payment_id).next_refunds_page_token
    return [refund.amount for refund in client.list_refunds(payment_id=payment_id, page_size=100, page_token=token)]
"""


def run(*command: str | Path) -> None:
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build a wheel of the client."""
    folder = tmp_path_factory.mktemp("wheel")
    run(UV, "build", "--wheel", "--no-build-isolation", "--python", sys.executable, "--out-dir", folder, CLIENT)
    (wheel,) = folder.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def clean_python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the Python of a new environment with the wheel, mypy, and the locked versions of their dependencies."""
    folder = tmp_path_factory.mktemp("clean")
    environment, constraints = folder / "venv", folder / "constraints.txt"
    python = environment / "bin" / "python"
    run(UV, "export", "--locked", "--no-emit-local", "--no-hashes", "--output-file", constraints, "--project", ROOT)
    run(UV, "venv", "--python", sys.executable, environment)
    run(UV, "pip", "install", "--python", python, "--constraint", constraints, wheel, "mypy")
    return python


def mypy(python: Path, program: Path) -> subprocess.CompletedProcess[str]:
    command = [str(python), "-m", "mypy", "--strict", "--no-incremental", program.name]
    return subprocess.run(command, cwd=program.parent, capture_output=True, text=True, check=False)


def test_the_example_runs_with_the_wheel_in_a_clean_environment(clean_python: Path, service: RunningService) -> None:
    example = CLIENT / "example" / "first_charge.py"
    result = subprocess.run(
        [clean_python, "-I", example],
        env={"PATH": os.environ["PATH"], "PAYMENTS_TARGET": service.target},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (result.returncode, result.stderr) == (0, "")
    assert "SUCCEEDED" in result.stdout


def test_a_program_that_uses_the_wheel_passes_mypy_strict(clean_python: Path, tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(USER_CODE, "utf-8")
    result = mypy(clean_python, program)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize(
    ("correct", "incorrect", "message"),
    [
        ('amount=Decimal("561.00"), method', "amount=561.00, method", 'Argument "amount" to "charge"'),
        ("method=PaymentMethod.UPI", 'method="UPI"', 'Argument "method" to "charge"'),
        ("return payment.amount", "return payment.total", '"Payment" has no attribute "total"'),
        ("min_create_time=datetime", "since=datetime", 'Unexpected keyword argument "since"'),
        ("page_size=100", 'page_size="100"', 'Argument "page_size" to "list_refunds"'),
    ],
)
def test_mypy_reports_incorrect_uses_of_the_wheel(
    clean_python: Path, tmp_path: Path, correct: str, incorrect: str, message: str
) -> None:
    assert USER_CODE.count(correct) == 1
    program = tmp_path / "program.py"
    program.write_text(USER_CODE.replace(correct, incorrect), "utf-8")
    result = mypy(clean_python, program)
    assert result.returncode == 1
    assert message in result.stdout
