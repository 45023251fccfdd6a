"""The service conforms to its OpenAPI document: schemathesis sends valid and invalid requests and checks responses."""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from server.config.grpc import Engine
from server.domain.callers import Role
from tests.contract.rest.accepted_forms import with_accepted_forms
from tests.support.running_service import RunningService

PROGRAM = Path(sys.executable).with_name("schemathesis")
CONFIGURATION = Path(__file__).with_name("schemathesis.toml")


@pytest.mark.long
@pytest.mark.timeout(300)
def test_every_response_conforms_to_the_openapi_document(
    start_service: Callable[..., RunningService], tmp_path: Path
) -> None:
    # All roles, so that no valid request is rejected because it asks for the request_ids of others.
    settings = {"ANONYMOUS_ROLES": ",".join(Role), "DEFAULT_CURRENCY": "INR", "ALLOWED_CURRENCIES": "INR"}
    running = start_service(PROCESSOR_SEED="1", **settings)
    document = httpx.get(f"{running.rest_url}/openapi.json").raise_for_status().json()
    accepted = tmp_path / "openapi.json"
    accepted.write_text(json.dumps(with_accepted_forms(document, "INR")), "utf-8")

    # Envoy rejects a method that it does not know, such as QUERY, as a malformed request.
    excluded = ["--exclude-checks", "unsupported_method"] if running.engine is Engine.ENVOY else []

    run = subprocess.run(
        [PROGRAM, "--no-color", "--config-file", CONFIGURATION, "run", accepted, "--url", running.rest_url, *excluded],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )

    assert run.returncode == 0, run.stdout
    assert running.stop() == 0
    successes = Counter(event["rpc"] for event in running.events if event["event"] == "call" and event["code"] == "OK")
    assert min(successes[rpc] for rpc in ("Charge", "Refund", "GetPayment", "ListPayments")) >= 5, successes
    assert "internal_error" not in {event["event"] for event in running.events}
