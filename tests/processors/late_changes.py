"""What happens at the faulty processor after a charge: payers decide, refunds fail late, and disputes come and go."""

import random
import threading
from collections import Counter
from typing import Self

from tests.processors.fake_objects import FakeIntent
from tests.processors.faulty_processor import FaultyProcessor

_PAUSE_SECONDS = 0.04
_RECENT = 20
"""The number of most recent payments and refunds among which one changes."""


class LateChanges:
    """A context manager that changes the processor's records continuously, from a thread of its own."""

    def __init__(self, processor: FaultyProcessor, rng: random.Random) -> None:
        """Change the records of ``processor``; ``rng`` chooses."""
        self._processor = processor
        self._rng = rng
        self._is_stopping = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._error: BaseException | None = None
        self.counts: Counter[str] = Counter()
        """The number of changes of each kind."""

    def __enter__(self) -> Self:
        """Start to change."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop changing, and raise the error that stopped the thread, if any."""
        self._is_stopping.set()
        self._thread.join()
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        changes = (self._decide, self._fail_refund, self._open_dispute, self._close_dispute)
        try:
            while not self._is_stopping.wait(_PAUSE_SECONDS):
                (change,) = self._rng.choices(changes, (4, 1, 1, 1))
                with self._processor.lock:
                    change()
        except BaseException as error:  # noqa: BLE001 - raised at the end
            self._error = error

    def _decide(self) -> None:
        """Let a payer approve or refuse a payment. Some payers do neither until it is too late."""
        if waiting := self._processor.intents_waiting():
            intent = self._rng.choice(waiting)
            match self._rng.randrange(4):
                case 0:
                    self.counts["refused"] += self._processor.refuse(intent)
                case 1 | 2:
                    self.counts["approved"] += self._processor.approve(intent)

    def _fail_refund(self) -> None:
        refunds = [refund for refund in self._processor.refunds.values() if refund.status == "succeeded"]
        if refunds:
            self._processor.fail_refund(self._rng.choice(refunds[-_RECENT:]))
            self.counts["refund failed"] += 1

    def _open_dispute(self) -> None:
        disputed = {dispute.intent_id for dispute in self._processor.disputes.values()}
        intents = [
            intent
            for intent in self._processor.intents.values()
            if intent.status == "succeeded" and intent.processor_id not in disputed
        ]
        if intents:
            intent: FakeIntent = self._rng.choice(intents[-_RECENT:])
            self._processor.open_dispute(intent, self._rng.randint(1, intent.amount_minor))
            self.counts["dispute opened"] += 1

    def _close_dispute(self) -> None:
        if disputes := [dispute for dispute in self._processor.disputes.values() if dispute.is_open]:
            status = self._rng.choice(("won", "lost"))
            self._processor.close_dispute(self._rng.choice(disputes), status)
            self.counts[f"dispute {status}"] += 1


KINDS = frozenset({"approved", "refused", "refund failed", "dispute opened", "dispute won", "dispute lost"})
"""All kinds of changes."""
