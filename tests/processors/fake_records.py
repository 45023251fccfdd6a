"""What the faulty processor knows: its payments, refunds, disputes and events, and what its API does with them."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from tests.processors.fake_objects import (
    DECLINED,
    MISSING,
    FakeDispute,
    FakeIntent,
    FakeObject,
    FakeRefund,
    next_action_of,
)

Response = tuple[int, dict[str, Any]]

_AUTHENTICATION_FAILED = "payment_intent_authentication_failure"


@dataclass(frozen=True, slots=True)
class Request:
    """A received request."""

    method: str
    path: str
    key: str | None
    form: dict[str, str]
    api_key: str


class FakeRecords:
    """The records of the processor, which its API, its dashboard and its payers change."""

    def __init__(self) -> None:
        """Create empty records."""
        self.intents: dict[str, FakeIntent] = {}
        self.refunds: dict[str, FakeRefund] = {}
        self.disputes: dict[str, FakeDispute] = {}
        self.events: list[dict[str, Any]] = []
        """The events, the oldest first."""
        self.send_event: Callable[[dict[str, Any]], None] = lambda _: None
        """Receives each new event, to send it as a webhook."""
        self.rejects_refunds = False
        self.initial_status: str | None = None
        """The status of new payments and refunds; None means succeeded."""
        self.list_lag_seconds = 0.0
        self.rejection: tuple[int, dict[str, str]] = (400, {"type": "invalid_request_error"})
        """The response to a rejected refund; by default, Stripe's response to a refund that exceeds what is left."""
        self.alter: Callable[[dict[str, Any]], dict[str, Any]] = lambda body: body
        """Changes each payment, refund and dispute in a response, but not in the record."""
        self.should_reject_refund: Callable[[], bool] = lambda: False
        self.lock = threading.RLock()

    def capture_counts(self) -> Counter[str]:
        """Return how often each reference was charged."""
        with self.lock:
            return Counter(intent.reference for intent in self.intents.values() if intent.status == "succeeded")

    def intent_of(self, reference: str) -> FakeIntent:
        """Return the only payment with this reference."""
        with self.lock:
            (intent,) = (intent for intent in self.intents.values() if intent.reference == reference)
            return intent

    def intents_waiting(self) -> list[FakeIntent]:
        """Return the payments whose payer must act."""
        with self.lock:
            return [intent for intent in self.intents.values() if intent.status == "requires_action"]

    def approve(self, intent: FakeIntent) -> bool:
        """Let the payer approve a payment, and return whether it was still possible."""
        return self._end_action(intent, "succeeded", None)

    def refuse(self, intent: FakeIntent) -> bool:
        """Let the payer refuse a payment, and return whether it was still possible."""
        return self._end_action(intent, "requires_payment_method", _AUTHENTICATION_FAILED)

    def open_dispute(self, intent: FakeIntent, amount_minor: int | None = None, **fields: str) -> FakeDispute:
        """Let the payer dispute a payment, by default all of it; ``fields`` replaces fields of the dispute."""
        with self.lock:
            amount_minor = intent.amount_minor if amount_minor is None else amount_minor
            values = {"currency": intent.currency, "reason": "fraudulent", "status": "needs_response", **fields}
            name = f"dp_{len(self.disputes) + 1}"
            dispute = FakeDispute(name, intent.processor_id, amount_minor, **values)
            self.disputes[name] = dispute
            self._add_events(dispute, "charge.dispute.created", "charge.dispute.funds_withdrawn")
            return dispute

    def close_dispute(self, dispute: FakeDispute, status: str) -> None:
        """Let the bank decide a dispute: ``won`` or ``lost``."""
        with self.lock:
            dispute.status = status
            self._add_events(dispute, "charge.dispute.closed")
            if status == "won":
                self._add_events(dispute, "charge.dispute.funds_reinstated")

    def add_foreign_event(self) -> None:
        """Add an event about a payment of another program with the same account."""
        with self.lock:
            self._add_events(FakeIntent("pi_foreign", "", 100, "inr", "succeeded"), "payment_intent.succeeded")

    def fail_refund(self, refund: FakeRefund) -> None:
        """Let a refund fail after it succeeded."""
        with self.lock:
            refund.status, refund.failure_reason = "failed", "expired_or_canceled_card"
            self._add_events(refund, "refund.failed", "charge.refund.updated")

    def do(self, request: Request) -> Response:  # noqa: PLR0911 - one return for each path
        """Carry out a request."""
        form = request.form
        with self.lock:
            match request.method, request.path.removeprefix("/v1/").split("/"):
                case "POST", ["payment_intents"]:
                    return self._capture(form)
                case "POST", ["payment_intents", processor_id, "cancel"]:
                    return self._cancel(self.intents.get(processor_id), form)
                case "GET", ["payment_intents"]:
                    return self._list(form)
                case "GET", ["payment_intents", processor_id]:
                    return self._object_response(self.intents.get(processor_id))
                case "POST", ["refunds"]:
                    return self._refund(form)
                case "GET", ["refunds"]:
                    return self._list_of_intent(self.refunds.values(), form)
                case "GET", ["refunds", processor_id]:
                    return self._object_response(self.refunds.get(processor_id))
                case "GET", ["disputes"]:
                    return self._list_of_intent(self.disputes.values(), form)
                case "GET", ["events"]:
                    return self._list_events(form)
        return error_response(404, "invalid_request_error")

    def _add_events(self, subject: FakeObject, *kinds: str) -> None:
        for kind in kinds:
            event = {
                "id": f"evt_{len(self.events) + 1}",
                "object": "event",
                "created": int(time.time()),
                "type": kind,
                "data": {"object": subject.as_json()},
            }
            self.events.append(event)
            self.send_event(event)

    def _end_action(self, intent: FakeIntent, status: str, error_code: str | None) -> bool:
        with self.lock:
            if intent.status != "requires_action":
                return False
            intent.status, intent.error_code = status, error_code
            self._add_events(intent, _event_type(intent))
            return True

    def _capture(self, form: dict[str, str]) -> Response:
        if "error_on_requires_action" in form and "automatic_payment_methods[enabled]" in form:
            return error_response(
                400, "invalid_request_error", code="parameter_unknown", param="error_on_requires_action"
            )
        source = form.get("payment_method", "")
        if source.startswith(MISSING):
            return error_response(400, "invalid_request_error", code="resource_missing", param="payment_method")
        is_declined = source.startswith(DECLINED)
        action = next_action_of(source, form.get("return_url"))
        status = self.initial_status or "succeeded"
        if is_declined or "confirm" not in form:
            status = "requires_payment_method"
        elif action is not None:
            status = "requires_action"
        intent = FakeIntent(
            f"pi_{len(self.intents) + 1}",
            form["metadata[reference]"],
            int(form["amount"]),
            form["currency"],
            status,
            metadata={name[9:-1]: value for name, value in form.items() if name.startswith("metadata[")},
            next_action=action,
            error_code="card_declined" if is_declined else None,
        )
        self.intents[intent.processor_id] = intent
        if "confirm" in form:
            self._add_events(intent, _event_type(intent))
        if is_declined:
            return 402, {"error": {"type": "card_error", "code": "card_declined", "payment_intent": intent.as_json()}}
        return 200, self.alter(intent.as_json())

    def _cancel(self, intent: FakeIntent | None, form: dict[str, str]) -> Response:
        if intent is None:
            return error_response(404, "invalid_request_error", code="resource_missing")
        if intent.status in {"succeeded", "canceled", "processing"}:
            return error_response(400, "invalid_request_error", code="payment_intent_unexpected_state")
        intent.status, intent.cancellation_reason = "canceled", form.get("cancellation_reason")
        self._add_events(intent, _event_type(intent))
        return 200, self.alter(intent.as_json())

    def _list(self, form: dict[str, str]) -> Response:
        latest = time.time() - self.list_lag_seconds
        intents = [
            self.alter(intent.as_json())
            for intent in self.intents.values()
            if int(form["created[gte]"]) <= int(intent.created_seconds) <= int(form["created[lte]"])
            and intent.created_seconds <= latest
        ]
        return self._page(intents[::-1], form)

    def _refund(self, form: dict[str, str]) -> Response:
        intent, amount = self.intents.get(form["payment_intent"]), int(form["amount"])
        if intent is None or intent.status != "succeeded":
            return error_response(400, "invalid_request_error", code="resource_missing")
        if any(one.intent_id == intent.processor_id and one.status != "won" for one in self.disputes.values()):
            return error_response(400, "invalid_request_error", code="charge_disputed")
        refunded_minor = sum(
            refund.amount_minor
            for refund in self.refunds.values()
            if refund.intent_id == intent.processor_id and not refund.has_failed
        )
        if refunded_minor == intent.amount_minor:
            return error_response(400, "invalid_request_error", code="charge_already_refunded")
        exceeds_payment = refunded_minor + amount > intent.amount_minor
        if self.rejects_refunds or self.should_reject_refund() or exceeds_payment:
            status, error = self.rejection
            return status, {"error": error}
        refund = FakeRefund(
            f"re_{len(self.refunds) + 1}",
            intent.processor_id,
            form["metadata[refund_id]"],
            amount,
            intent.currency,
            self.initial_status or "succeeded",
        )
        self.refunds[refund.processor_id] = refund
        self._add_events(refund, "refund.created")
        return 200, self.alter(refund.as_json())

    def _list_of_intent(self, objects: Iterable[FakeRefund | FakeDispute], form: dict[str, str]) -> Response:
        listed = [self.alter(one.as_json()) for one in objects if one.intent_id == form["payment_intent"]]
        return self._page(listed[::-1], form)

    def _list_events(self, form: dict[str, str]) -> Response:
        """Return the newest events, or those that follow ``ending_before``: "Pagination" (docs.stripe.com/api)."""
        types = {value for name, value in form.items() if name.startswith("types[")}
        events, limit = self.events, int(form["limit"])
        if "ending_before" not in form:
            matching = [event for event in events if event["type"] in types][::-1]
            return _list_response(matching[:limit], has_more=len(matching) > limit)
        ids = [event["id"] for event in events]
        if form["ending_before"] not in ids:
            return error_response(400, "invalid_request_error", code="resource_missing", param="ending_before")
        later = [event for event in events[ids.index(form["ending_before"]) + 1 :] if event["type"] in types]
        return _list_response(later[:limit][::-1], has_more=len(later) > limit)

    @staticmethod
    def _page(objects: list[dict[str, Any]], form: dict[str, str]) -> Response:
        first = 0
        if "starting_after" in form:
            first = 1 + next(index for index, item in enumerate(objects) if item["id"] == form["starting_after"])
        page = objects[first : first + int(form["limit"])]
        return _list_response(page, has_more=first + len(page) < len(objects))

    def _object_response(self, subject: FakeIntent | FakeRefund | None) -> Response:
        if subject is None:
            return error_response(404, "invalid_request_error", code="resource_missing")
        return 200, self.alter(subject.as_json())


def error_response(status: int, kind: str, **more: str) -> Response:
    """Return an error of the API."""
    return status, {"error": {"type": kind, **more}}


def _event_type(intent: FakeIntent) -> str:
    """Return the type of the event after a payment got its status."""
    names = {"requires_payment_method": "payment_failed"}
    return f"payment_intent.{names.get(intent.status, intent.status)}"


def _list_response(objects: list[dict[str, Any]], *, has_more: bool) -> Response:
    return 200, {"object": "list", "data": objects, "has_more": has_more}
