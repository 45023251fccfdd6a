"""The RPC WatchPayments, except for the waiting, which differs between the blocking and the asyncio client."""

import time
from collections.abc import Iterator

from payments_client.testing import _paging
from payments_client.testing._filters import event_matches
from payments_client.testing._service import FakeService
from payments_client.v1 import payments_pb2 as pb

_HEARTBEAT_SECONDS = 5.0


class Watch:
    """One stream of events."""

    def __init__(self, service: FakeService, request: bytes) -> None:
        """Start the stream.

        Raises:
            CallRejected: the filter or the resume token is invalid.
        """
        message = pb.WatchPaymentsRequest.FromString(request)
        self._service = service
        self._filter = message.filter
        self._position = service.start_of_watch(message)
        self._heartbeat_due_seconds = time.monotonic()  # the first response is a heartbeat

    def responses(self) -> Iterator[bytes]:
        """Yield the responses that are available now: a heartbeat if it is time for one, and the events that match."""
        events = self._service.events_after(self._position)
        if time.monotonic() >= self._heartbeat_due_seconds:
            yield self._response(None)
        for event in events:
            self._position += 1
            if event_matches(self._filter, event):
                yield self._response(event)

    def seconds_to_wait(self) -> float:
        """Return how long until there may be another response, unless another call adds an event."""
        seconds = self._heartbeat_due_seconds - time.monotonic()
        outcome_seconds = self._service.seconds_until_next_outcome()
        return max(0.0, seconds if outcome_seconds is None else min(seconds, outcome_seconds))

    def _response(self, event: pb.PaymentEvent | None) -> bytes:
        self._heartbeat_due_seconds = time.monotonic() + _HEARTBEAT_SECONDS
        token = _paging.token_of(self._position, "resume")
        return pb.WatchPaymentsResponse(event=event, resume_token=token).SerializeToString()
