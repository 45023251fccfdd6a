"""The RPCs, for every transport: each decodes its request, runs its use case, and encodes the outcome."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from google.rpc import status_pb2
from payments_client.v1 import payments_pb2 as pb

from server.application.event_feed import EventFeed
from server.application.history import PaymentHistory
from server.application.payments import Payments
from server.domain.money import Currencies
from server.transport.pipeline.calls import Call
from server.transport.pipeline.errors import failure_of
from server.transport.pipeline.worker_thread import MAX_INLINE_ITEMS, WorkerThread
from server.transport.service import event_codec, requests, responses

SERVICE = pb.DESCRIPTOR.services_by_name["PaymentService"]


class PaymentServicer:
    """``payments.v1.PaymentService``, with a method for each RPC, under the RPC's name."""

    def __init__(
        self,
        payments: Payments,
        history: PaymentHistory,
        feed: EventFeed,
        currencies: Currencies,
        worker_thread: WorkerThread,
    ) -> None:
        """Serve the use cases. Accept amounts in ``currencies``, and convert large messages in ``worker_thread``."""
        self._payments = payments
        self._history = history
        self._feed = feed
        self._currencies = currencies
        self._worker_thread = worker_thread

    async def Charge(self, request: pb.ChargeRequest, call: Call) -> pb.ChargeResponse:
        """Charge an order."""
        charge = requests.charge_request(request, call.caller, self._currencies)
        outcome = await self._payments.charge(charge, call.deadline)
        call.replayed = outcome.replayed
        return responses.charge_response(outcome, call.identity)

    async def BatchCharge(self, request: pb.BatchChargeRequest, call: Call) -> pb.BatchChargeResponse:
        """Charge many orders."""
        is_long = len(request.charges) > MAX_INLINE_ITEMS
        charges = await self._worker_thread.run(
            is_long, requests.batch_charge_request, request, call.caller, self._currencies
        )
        call.count_items(len(charges))
        outcomes = await self._payments.charge_many(charges, call.deadline)

        def status_of(error: Exception) -> status_pb2.Status:
            return failure_of(error, call.call_id).status

        return await self._worker_thread.run(
            is_long, responses.batch_charge_response, outcomes, call.identity, status_of
        )

    async def Refund(self, request: pb.RefundRequest, call: Call) -> pb.RefundResponse:
        """Refund a payment."""
        refund = requests.refund_request(request, call.caller, self._currencies)
        outcome = await self._payments.refund(refund, call.deadline)
        call.replayed = outcome.replayed
        return responses.refund_response(outcome, call.identity)

    async def GetPayment(self, request: pb.GetPaymentRequest, call: Call) -> pb.GetPaymentResponse:
        """Get a payment."""
        key = requests.get_request(request, call.identity)
        return responses.get_response(await self._payments.get_payment(key, call.deadline), call.identity)

    async def ListRefunds(self, request: pb.ListRefundsRequest, call: Call) -> pb.ListRefundsResponse:
        """List the refunds of a payment."""
        query = requests.refunds_request(request)
        details = await self._payments.list_refunds(query, call.deadline)
        is_long = len(details.refunds) > MAX_INLINE_ITEMS
        return await self._worker_thread.run(is_long, responses.refunds_response, details, call.identity)

    async def ListPayments(self, request: pb.ListPaymentsRequest, call: Call) -> pb.ListPaymentsResponse:
        """List payments."""
        query = requests.list_request(request, call.identity, self._currencies)
        page = await self._payments.list_payments(query, call.deadline)
        is_long = len(page.payments) > MAX_INLINE_ITEMS
        return await self._worker_thread.run(is_long, responses.list_response, page, query, call.identity)

    async def ListPaymentEvents(self, request: pb.ListPaymentEventsRequest, call: Call) -> pb.ListPaymentEventsResponse:
        """List the events of a payment."""
        query = event_codec.events_request(request)
        page = await self._history.list_events(query, call.deadline)
        is_long = len(page.events) > MAX_INLINE_ITEMS
        return await self._worker_thread.run(
            is_long, event_codec.events_response, page, query.payment_id, call.identity
        )

    async def WatchPayments(
        self, request: pb.WatchPaymentsRequest, call: Call
    ) -> AsyncGenerator[pb.WatchPaymentsResponse, None]:
        """Stream the events of payments."""
        after, event_filter = event_codec.watch_request(request)
        async with aclosing(self._feed.watch(after, call.caller_key, call.check, event_filter)) as events:
            async for position, event in events:
                yield event_codec.watch_response(position, event, call.identity)
