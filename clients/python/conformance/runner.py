"""Run the conformance cases with the Python client (see ``clients/conformance/README.md``).

Usage: ``python runner.py cases TARGET CASES_FILE``, ``python runner.py fake CASES_FILE`` or
``python runner.py charges TARGET FIRST COUNT``.
"""

import dataclasses
import json
import random
import sys
import time
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Any

import payments_client
from payments_client import (
    InvalidRequest,
    OrderHasPendingPayment,
    PaymentEventType,
    PaymentMethod,
    PaymentsClient,
    PaymentsError,
    PaymentStatus,
    RefundState,
)
from payments_client.testing import FakePayments

Json = Any

_MAX_CONCURRENCY = 8
_CHARGE_TIMEOUT_SECONDS = 60
_MAX_SAFE_INTEGER = 2**53 - 1
_WATCH_TIMEOUT_SECONDS = 30
_EVENTUALLY_TIMEOUT_SECONDS = 30
_EVENTUALLY_PAUSE_SECONDS = 0.25

_FROM_JSON: dict[str, Callable[[Json], object]] = {
    "amount": Decimal,
    "min_amount": Decimal,
    "max_amount": Decimal,
    "method": PaymentMethod,
    "methods": lambda names: [PaymentMethod(name) for name in names],
    "statuses": lambda names: [PaymentStatus(name) for name in names],
    "refund_states": lambda names: [RefundState(name) for name in names],
    "types": lambda names: [PaymentEventType(name) for name in names],
    "min_create_time": datetime.fromisoformat,
    "max_create_time": datetime.fromisoformat,
    "charges": lambda charges: [payments_client.NewCharge(**from_json(charge)) for charge in charges],
}
"""Converters for the arguments that have no JSON type. Other arguments are passed unchanged."""


def from_json(args: dict[str, Json]) -> dict[str, Any]:
    """Convert JSON arguments to the types that the client takes."""
    return {name: _FROM_JSON[name](value) if name in _FROM_JSON else value for name, value in args.items()}


class Mismatch(Exception):
    """An outcome differs from the expected one. The message says where and how."""


class Case:
    """One run of a case, with the values that it saves and generates."""

    def __init__(self, client: PaymentsClient) -> None:
        """Start with no values."""
        self._client = client
        self._saved: dict[str, Json] = {}
        self._generated: dict[str, Json] = {}

    def run(self, step: Json) -> None:
        """Run one step.

        Raises:
            Mismatch: an outcome differs from the expected one.
        """
        args = {name: self._argument(value) for name, value in step["args"].items()}
        if step.get("eventually"):
            self._run_until_it_matches(step, args)
            return
        with ThreadPoolExecutor(_MAX_CONCURRENCY) as threads:
            calls = [threads.submit(self._outcome, step["call"], args) for _ in range(step.get("repeat", 1))]
        for call in calls:
            self._check(step, call.result())

    def _run_until_it_matches(self, step: Json, args: dict[str, Json]) -> None:
        """Repeat a call until its outcome matches.

        Raises:
            Mismatch: the outcome did not match in time.
        """
        deadline_seconds = time.monotonic() + _EVENTUALLY_TIMEOUT_SECONDS
        while True:
            try:
                self._check(step, self._outcome(step["call"], args))
            except Mismatch:
                if time.monotonic() > deadline_seconds:
                    raise
                time.sleep(_EVENTUALLY_PAUSE_SECONDS)
            else:
                return

    def _outcome(self, call: str, args: dict[str, Json]) -> Json | Exception:
        """Make a call and return its result as JSON, or its exception."""
        try:
            method = self._watch_payments if call == "watch_payments" else getattr(self._client, call)
            result = method(**from_json(args))
            if call == "list_refunds":
                result = {"refunds": list(result)}
            elif call == "list_payment_events":
                result = {"events": list(result)}
            elif call == "list_payments":
                result = {"payments": list(result)}
            elif call == "batch_charge":
                result = {"results": [as_result(outcome) for outcome in result]}
        except (PaymentsError, TypeError, ValueError) as error:
            return error
        return as_json(result)

    def _watch_payments(
        self, *, count: int, payment_id: int | None = None, resume_token: str = "", **conditions: Any
    ) -> Json:
        """Return the next ``count`` events of one payment or of all, and the token of the last response.

        Raises:
            Mismatch: the events did not arrive in time.
        """
        events: list[payments_client.PaymentEvent] = []
        deadline_seconds = time.monotonic() + _WATCH_TIMEOUT_SECONDS
        updates = self._client.watch_payments(
            resume_token=resume_token, timeout_seconds=_WATCH_TIMEOUT_SECONDS, **conditions
        )
        for update in updates:
            if update.event is not None and payment_id in {None, update.event.payment.payment_id}:
                events.append(update.event)
            if len(events) == count:
                return {"events": events, "resume_token": update.resume_token}
            # This is reached at least every 15 seconds, because the service sends a token when there are no events.
            if time.monotonic() > deadline_seconds:
                break
        raise Mismatch(f"{len(events)} of {count} events arrived in {_WATCH_TIMEOUT_SECONDS} seconds")

    def _check(self, step: Json, outcome: Json | Exception) -> None:
        if isinstance(outcome, PaymentsError) and "error" in step:
            check_error(self._argument(step["error"]), outcome)
        elif isinstance(outcome, Exception):
            argument = step.get("rejected_argument")
            if argument is None or isinstance(outcome, PaymentsError) or argument not in str(outcome):
                raise Mismatch(f"the call raised {outcome!r}") from outcome
        elif "result" in step:
            self._match(step["result"], outcome, step["call"])
        else:
            raise Mismatch(f"expected an exception, but the call returned {outcome}")

    def _argument(self, value: Json) -> Json:
        match value:
            case {"$get": name}:
                return self._saved[name]
            case {"$new": name}:
                return self._generate(name)
            case dict():
                return {name: self._argument(member) for name, member in value.items()}
            case list():
                return [self._argument(item) for item in value]
        return value

    def _generate(self, name: str) -> Json:
        """Return the random value of this name, which is the same for the whole case."""
        if name not in self._generated:
            is_id = name.startswith("order_id")
            self._generated[name] = random.randint(1, _MAX_SAFE_INTEGER) if is_id else str(uuid.uuid4())
        return self._generated[name]

    def _match(self, expected: Json, actual: Json, where: str) -> None:  # noqa: C901, PLR0912 (one case for each special object)
        match expected:
            case {"$save": name}:
                expected = self._saved.setdefault(name, actual) if actual is not None else "anything but null"
            case {"$get": name}:
                expected = self._saved[name]
            case {"$new": name}:
                expected = self._generate(name)
            case {"$type": kind}:
                if not has_type(kind, actual):
                    raise Mismatch(f"{where} is {actual!r}, expected: a value of type {kind}")
                return
            case dict():
                if not isinstance(actual, dict):
                    raise Mismatch(f"{where} is {actual!r}, expected: an object")
                for name, value in expected.items():
                    if name == "labels" and value != actual[name]:  # labels match only equal labels
                        raise Mismatch(f"{where}.labels is {actual[name]!r}, expected: {value!r}")
                    self._match(value, actual[name], f"{where}.{name}")
                return
            case list():
                if len(expected) != len(actual):
                    raise Mismatch(f"{where} has {len(actual)} items, expected: {len(expected)}")
                for number, (value, item) in enumerate(zip(expected, actual, strict=True)):
                    self._match(value, item, f"{where}[{number}]")
                return
        if type(expected) is not type(actual) or expected != actual:
            raise Mismatch(f"{where} is {actual!r}, expected: {expected!r}")


def as_result(outcome: payments_client.Payment | PaymentsError) -> Json:
    """Convert the outcome of one charge of a batch to the format of ``cases.json``."""
    if isinstance(outcome, PaymentsError):
        return {"payment": None, "error": error_as_json(outcome)}
    return {"payment": outcome, "error": None}


def error_as_json(error: PaymentsError) -> dict[str, Json]:
    """Convert an error to the format of ``cases.json``."""
    return {
        "type": type(error).__name__,
        "code": error.code.name,
        "reason": error.reason,
        "violations": [violation.field for violation in error.violations] if isinstance(error, InvalidRequest) else [],
        "has_request_id": bool(error.request_id),
        "payment_id": error.payment_id if isinstance(error, OrderHasPendingPayment) else None,
    }


def check_error(expected: Json, error: PaymentsError) -> None:
    """Compare an exception with the expected one.

    Raises:
        Mismatch: they differ.
    """
    actual = error_as_json(error)
    if "violations" in expected:
        actual["violations"] = [field for field in expected["violations"] if field in actual["violations"]]
    for name, value in expected.items():
        if actual[name] != value:
            raise Mismatch(f"the error's {name} is {actual[name]!r}, expected: {value!r} ({error})")


def has_type(kind: str, value: Json) -> bool:
    """Return whether a value has the type that ``$type`` names."""
    match kind:
        case "time":
            return isinstance(value, str) and datetime.fromisoformat(value).utcoffset() is not None
        case "id":
            return isinstance(value, int) and value >= 1
        case _:
            return isinstance(value, str) and value != ""


def as_json(result: object) -> Json:  # noqa: PLR0911 (one for each type)
    """Convert a result of the client to the format of ``cases.json``."""
    match result:
        case Decimal():
            return f"{result:f}"
        case datetime():
            return result.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case StrEnum():
            return result.value
        case list() | tuple():
            return [as_json(item) for item in result]
        case Mapping():
            return {name: as_json(value) for name, value in result.items()}
        case _ if dataclasses.is_dataclass(result):
            return {field.name: as_json(getattr(result, field.name)) for field in dataclasses.fields(result)}
    return result


def run_cases(new_client: PaymentsClient, cases_file: Path) -> int:
    """Run all cases, print each failure, and return the exit code."""
    failed = 0
    cases = json.loads(cases_file.read_text("utf-8"))
    with new_client as client:
        for case in cases:
            run = Case(client)
            try:
                for number, step in enumerate(case["steps"], 1):
                    where = f"{case['name']}: step {number}"
                    run.run(step)
            except Mismatch as mismatch:
                failed += 1
                print(f"{where}: {mismatch}")
    print(f"{len(cases) - failed} passed, {failed} failed")
    return 1 if failed else 0


def run_charges(target: str, first: int, count: int) -> int:
    """Charge ``count`` orders, eight concurrently, and print the payment_ids."""
    with (
        PaymentsClient(target, timeout_seconds=_CHARGE_TIMEOUT_SECONDS) as client,
        ThreadPoolExecutor(_MAX_CONCURRENCY) as threads,
    ):
        new_payments = threads.map(
            lambda order_id: client.charge(order_id=order_id, amount=Decimal("1.00"), method=PaymentMethod.UPI),
            range(first, first + count),
        )
        print(json.dumps([payment.payment_id for payment in new_payments]))
    return 0


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["cases", target, cases_file]:
            sys.exit(run_cases(PaymentsClient(target), Path(cases_file)))
        case ["fake", cases_file]:
            fake = FakePayments(allowed_currencies=["INR", "JPY", "KWD", "CLF"])
            sys.exit(run_cases(fake.client(), Path(cases_file)))
        case ["charges", target, first, count]:
            sys.exit(run_charges(target, int(first), int(count)))
    sys.exit(__doc__)
