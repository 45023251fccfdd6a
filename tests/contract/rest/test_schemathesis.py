"""What the OpenAPI document says holds: schemathesis makes requests from it, right and wrong, and checks answers."""

import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.running_service import RunningService

PROGRAM = Path(sys.executable).with_name("schemathesis")
CONFIGURATION = Path(__file__).with_name("schemathesis.toml")


@pytest.mark.long
def test_no_answer_is_outside_of_what_the_document_says(
    start_service: Callable[..., RunningService], tmp_path: Path
) -> None:
    running = start_service(PROCESSOR_SEED="1")

    run = subprocess.run(
        [PROGRAM, "--no-color", "--config-file", CONFIGURATION, "run", f"{running.rest_url}/openapi.json"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )

    assert run.returncode == 0, run.stdout
    assert running.stop() == 0
    answered = Counter(event["rpc"] for event in running.events if event["event"] == "call" and event["code"] == "OK")
    assert min(answered[rpc] for rpc in ("Charge", "Refund", "GetPayment", "ListPayments")) >= 5, answered
    assert "internal_error" not in {event["event"] for event in running.events}
