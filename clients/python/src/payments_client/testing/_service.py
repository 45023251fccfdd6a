"""The fake service: it makes one call at a time."""

import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from google.protobuf.message import Message

from payments_client.testing import _errors, _paging, _reads, _requests
from payments_client.testing._charges import Charges
from payments_client.testing._money import Currencies
from payments_client.testing._refunds import Refunds
from payments_client.testing._sources import Source
from payments_client.testing._store import Store
from payments_client.v1 import payments_pb2 as pb

Metadata = Sequence[tuple[str, str | bytes]]


def call_id_of(metadata: Metadata) -> str:
    """Return the id of a call: the one in its metadata, or a new one."""
    return str(dict(metadata).get("x-request-id") or uuid.uuid4().hex)


class FakeService:
    """All RPCs of ``payments.v1.PaymentService``. It is thread-safe."""

    def __init__(self, store: Store, currencies: Currencies, default_source: Source) -> None:
        """Keep the payments in ``store``. A charge without a source has the outcome of ``default_source``."""
        self._store = store
        self._currencies = currencies
        self._charges = Charges(store, currencies, default_source)
        self._refunds = Refunds(store, currencies)
        self._lock = threading.Lock()
        self._wakes: set[Callable[[], None]] = set()

    def call(self, path: str, request: bytes, call_id: str) -> tuple[bytes, Metadata]:
        """Make a call of the RPC with this path, and return the response and the trailers.

        Raises:
            CallRejected: the service rejects the call.
        """
        with self._exclusively():
            response, is_replay = self._dispatch(path.rpartition("/")[2], request, call_id)
            # Encoded here, because the next call may change the payment in it.
            encoded = response.SerializeToString()
        replay: Metadata = [("idempotency-replayed", "true")] if is_replay else []
        return encoded, [("x-request-id", call_id), *replay]

    def _dispatch(self, rpc: str, request: bytes, call_id: str) -> tuple[Message, bool]:  # noqa: PLR0911 (one for each RPC)
        match rpc:
            case "Charge":
                return self._charges.charge(pb.ChargeRequest.FromString(request))
            case "BatchCharge":
                return self._charges.batch_charge(pb.BatchChargeRequest.FromString(request), call_id), False
            case "Refund":
                return self._refunds.refund(pb.RefundRequest.FromString(request))
            case "GetPayment":
                return _reads.get_payment(self._store, pb.GetPaymentRequest.FromString(request)), False
            case "ListRefunds":
                return _reads.list_refunds(self._store, pb.ListRefundsRequest.FromString(request)), False
            case "ListPayments":
                list_request = pb.ListPaymentsRequest.FromString(request)
                return _reads.list_payments(self._store, list_request, self._currencies), False
            case "ListPaymentEvents":
                events_request = pb.ListPaymentEventsRequest.FromString(request)
                return _reads.list_payment_events(self._store, events_request), False
        raise NotImplementedError(f"the fake has no RPC {rpc}")

    def start_of_watch(self, request: pb.WatchPaymentsRequest) -> int:
        """Return the position in the stream of events after which a watch starts.

        Raises:
            CallRejected: the filter or the resume token is invalid.
        """
        _requests.check_watch_payments(request)
        position = _paging.position_in("resume_token", request.resume_token, "resume")
        with self._exclusively():
            last = self._store.event_count
            if position > last:
                raise _errors.resume_token_expired()
            return position if request.resume_token else last

    def events_after(self, position: int) -> Sequence[pb.PaymentEvent]:
        """Return the events after a position."""
        with self._exclusively():
            return self._store.events(position)

    def seconds_until_next_outcome(self) -> float | None:
        """Return how long the next outcome of a charge, refund or dispute takes, or None if nothing is pending."""
        with self._lock:
            return self._store.seconds_until_next_outcome()

    def add_wake(self, wake: Callable[[], None]) -> None:
        """Call ``wake`` after each call that adds events."""
        self._wakes.add(wake)

    def remove_wake(self, wake: Callable[[], None]) -> None:
        """Stop calling ``wake``.

        This takes no lock, because the garbage collector may end a watch while its thread holds the lock.
        """
        self._wakes.discard(wake)

    @contextmanager
    def _exclusively(self) -> Iterator[None]:
        """Keep other threads out, first apply the outcomes that are due, and finally wake the watches."""
        with self._lock:
            event_count = self._store.event_count
            try:
                self._store.apply_due_outcomes()
                yield
            finally:
                if self._store.event_count > event_count:
                    for wake in self._wakes.copy():
                        wake()
