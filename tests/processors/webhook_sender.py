"""Signs and sends webhooks as the processor does, or as nobody should: late, twice, out of order or forged."""

import hashlib
import hmac
import json
import queue
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Self

import httpx

from tests.processors.faulty_processor import WEBHOOK_SECRET, FaultyProcessor
from tests.support.secrecy import register_secret

OTHER_SECRET = "whsec_another-secret-of-the-tests"  # noqa: S105 - of the tests

register_secret(OTHER_SECRET)

_TIMEOUT_SECONDS = 10


def signature(body: bytes, *secrets: str, age_seconds: float = 0) -> str:
    """Return the signature header of a body, with a value for each of the secrets."""
    signed_at = int(time.time() - age_seconds)
    message = str(signed_at).encode() + b"." + body
    values = [hmac.new(secret.encode(), message, hashlib.sha256).hexdigest() for secret in secrets]
    return ",".join([f"t={signed_at}", *(f"v1={value}" for value in values)])


def event_of(subject: dict[str, Any], kind: str = "payment_intent.succeeded") -> dict[str, Any]:
    """Return an event about an object, with an id that no other event has."""
    event_id = f"evt_{random.getrandbits(64):x}"
    return {"id": event_id, "object": "event", "created": int(time.time()), "type": kind, "data": {"object": subject}}


def body_of(event: dict[str, Any]) -> bytes:
    """Return the body of an event's webhook."""
    return json.dumps(event).encode()


def send(url: str, event: dict[str, Any], *, secret: str = WEBHOOK_SECRET, age_seconds: float = 0) -> httpx.Response:
    """Send one webhook, and return the response."""
    body = body_of(event)
    return send_signed(url, body, signature(body, secret, age_seconds=age_seconds))


def send_signed(url: str, body: bytes, *signatures: str) -> httpx.Response:
    """Send a body with these signature headers, and return the response."""
    headers = [("Content-Type", "application/json"), *(("Stripe-Signature", value) for value in signatures)]
    return httpx.post(url, content=body, headers=headers, timeout=_TIMEOUT_SECONDS)


class WebhookSender:
    """A context manager that sends each event of the processor to a service, from a thread of its own.

    With ``rng``, webhooks are lost, late, doubled and out of order, and some of them are forged.
    """

    def __init__(
        self, processor: FaultyProcessor, choose_url: Callable[[], str], rng: random.Random | None = None
    ) -> None:
        """Send the events of ``processor`` to the address that ``choose_url`` returns."""
        self._processor = processor
        self._choose_url = choose_url
        self._rng = rng
        self._due: queue.PriorityQueue[tuple[float, int, dict[str, Any], str]] = queue.PriorityQueue()
        self._count = 0
        self._is_stopping = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.statuses: Counter[int] = Counter()
        """The statuses of the responses; 0 counts the webhooks without a response."""

    def __enter__(self) -> Self:
        """Start to send."""
        self._processor.send_event = self._receive
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop sending. Webhooks that are not due yet are lost."""
        self._processor.send_event = lambda _: None
        self._is_stopping.set()
        self._thread.join()

    def _receive(self, event: dict[str, Any]) -> None:
        """Schedule the webhooks of an event. The processor calls this with its lock held."""
        if self._rng is None:
            self._put(0, event, WEBHOOK_SECRET)
            return
        for _ in range(self._rng.choice((0, 0, 1, 1, 1, 2, 3))):
            self._put(self._rng.choice((0, 0, 0.1, 0.5, 2, 5)), event, WEBHOOK_SECRET)
        if self._rng.random() < 0.1:
            self._put(0, event, OTHER_SECRET)

    def _put(self, seconds: float, event: dict[str, Any], secret: str) -> None:
        self._count += 1
        self._due.put((time.monotonic() + seconds, self._count, event, secret))

    def _run(self) -> None:
        while not self._is_stopping.is_set():
            try:
                due = self._due.get(timeout=0.05)
            except queue.Empty:
                continue
            if due[0] > time.monotonic():
                self._due.put(due)
                self._is_stopping.wait(0.01)
                continue
            _, _, event, secret = due
            status = 0
            with suppress(httpx.HTTPError):
                status = send(self._choose_url(), event, secret=secret).status_code
            self.statuses[status] += 1
