"""The client for asyncio."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from types import TracebackType
from typing import Self, TypeVar, Unpack

import grpc

from payments_client import _messages
from payments_client._channel import DEFAULT_TARGET, DEFAULT_TIMEOUT_SECONDS, call_metadata, channel_options
from payments_client._retries import Attempts, Resumptions
from payments_client.errors import PaymentsError, error_from_rpc
from payments_client.models import (
    NewCharge,
    Payment,
    PaymentConditions,
    PaymentDetails,
    PaymentEvent,
    PaymentEventConditions,
    PaymentEventPage,
    PaymentMethod,
    PaymentPage,
    PaymentUpdate,
    Refund,
    RefundPage,
    RefundResult,
)
from payments_client.v1 import payments_pb2
from payments_client.v1.payments_pb2_grpc import PaymentServiceStub

_RequestT = TypeVar("_RequestT")
_ResponseT = TypeVar("_ResponseT")
_ListRequestT = TypeVar("_ListRequestT", bound=_messages.ListRequest)
_ListResponseT = TypeVar("_ListResponseT", bound=_messages.ListResponse)
_ItemT = TypeVar("_ItemT")


class AsyncPaymentsClient:
    """An asyncio client for the payment service. Create it once and share it between the tasks of one event loop.

    Its methods have the same arguments, results and exceptions as those of :class:`~payments_client.PaymentsClient`,
    which documents them. Canceling a task cancels its call; a charge or refund may still take effect.
    """

    def __init__(  # noqa: PLR0913 (keyword arguments, each with a default)
        self,
        target: str = DEFAULT_TARGET,
        *,
        timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS,
        credentials: grpc.ChannelCredentials | None = None,
        api_key: str | None = None,
        interceptors: Sequence[grpc.aio.ClientInterceptor] = (),
        options: Sequence[tuple[str, object]] = (),
        user_agent: str = "",
    ) -> None:
        """Prepare the connection, which the first call opens.

        See :class:`~payments_client.PaymentsClient` for the arguments.

        Raises:
            RuntimeError: no event loop is running. A gRPC channel belongs to the event loop that it is created in.
            ValueError: see :class:`~payments_client.PaymentsClient`.
        """
        asyncio.get_running_loop()
        metadata = call_metadata(target, credentials, api_key)
        all_options = channel_options(target, options, user_agent)
        channel = (
            grpc.aio.insecure_channel(target, all_options, interceptors=interceptors)
            if credentials is None
            else grpc.aio.secure_channel(target, credentials, all_options, interceptors=interceptors)
        )
        self._use(channel, metadata, timeout_seconds)

    @classmethod
    def _of_channel(cls, channel: grpc.aio.Channel) -> Self:
        """Return a client that makes its calls on ``channel``."""
        client = cls.__new__(cls)
        client._use(channel, (), DEFAULT_TIMEOUT_SECONDS)  # noqa: SLF001 - of the same class
        return client

    def _use(self, channel: grpc.aio.Channel, metadata: tuple[tuple[str, str], ...], timeout_seconds: float) -> None:
        self._channel = channel
        self._stub = PaymentServiceStub(channel)
        self._metadata = metadata
        self._timeout_seconds = timeout_seconds
        self._is_closed = False

    async def charge(  # noqa: PLR0913 (keyword arguments)
        self,
        *,
        order_id: int | None = None,
        amount: Decimal,
        currency: str | None = None,
        method: PaymentMethod | None = None,
        request_id: str | None = None,
        external_reference: str = "",
        customer_id: str = "",
        labels: Mapping[str, str] | None = None,
        payment_source: str = "",
        unless_pending: bool = False,
        return_url: str = "",
        timeout_seconds: float | None = None,
    ) -> Payment:
        """Charge an order and return the payment: see :meth:`PaymentsClient.charge`."""
        request = _messages.charge_request(
            NewCharge(
                order_id=order_id,
                amount=amount,
                currency=currency,
                method=method,
                request_id=request_id,
                external_reference=external_reference,
                customer_id=customer_id,
                labels=labels or {},
                payment_source=payment_source,
                unless_pending=unless_pending,
                return_url=return_url,
            )
        )
        response = await self._call(self._stub.Charge, request, timeout_seconds, request.request_id)
        return _messages.payment(response.payment)

    async def batch_charge(
        self, charges: Iterable[NewCharge], *, timeout_seconds: float | None = None
    ) -> list[Payment | PaymentsError]:
        """Make many charges and return the outcome of each: see :meth:`PaymentsClient.batch_charge`."""
        request = _messages.batch_charge_request(charges)
        response = await self._call(self._stub.BatchCharge, request, timeout_seconds)
        return _messages.batch_charge_outcomes(request, response)

    async def refund(  # noqa: PLR0913 (keyword arguments)
        self,
        *,
        payment_id: int,
        amount: Decimal | None = None,
        currency: str | None = None,
        reason: str = "",
        request_id: str | None = None,
        timeout_seconds: float | None = None,
    ) -> RefundResult:
        """Refund a payment and return the refund and the updated payment: see :meth:`PaymentsClient.refund`."""
        request = _messages.refund_request(
            payment_id=payment_id, amount=amount, currency=currency, reason=reason, request_id=request_id
        )
        response = await self._call(self._stub.Refund, request, timeout_seconds, request.request_id)
        return _messages.refund_result(response)

    async def get_payment(
        self,
        *,
        payment_id: int | None = None,
        reference: str | None = None,
        request_id: str | None = None,
        caller: str = "",
        timeout_seconds: float | None = None,
    ) -> PaymentDetails:
        """Return one payment with its first refunds: see :meth:`PaymentsClient.get_payment`."""
        request = _messages.get_request(
            payment_id=payment_id, reference=reference, request_id=request_id, caller=caller
        )
        return _messages.payment_details(await self._call(self._stub.GetPayment, request, timeout_seconds))

    def list_refunds(
        self, *, payment_id: int, page_size: int = 0, page_token: str = "", timeout_seconds: float | None = None
    ) -> AsyncIterator[Refund]:
        """Return an async iterator over the refunds of a payment: see :meth:`PaymentsClient.list_refunds`."""
        request = _messages.list_refunds_request(payment_id=payment_id, page_size=page_size, page_token=page_token)
        return self._iterate_pages(
            self._stub.ListRefunds, request, lambda response: _messages.refund_page(response).refunds, timeout_seconds
        )

    async def list_refunds_page(
        self, *, payment_id: int, page_size: int = 0, page_token: str = "", timeout_seconds: float | None = None
    ) -> RefundPage:
        """Return one page of the refunds of a payment: see :meth:`PaymentsClient.list_refunds_page`."""
        request = _messages.list_refunds_request(payment_id=payment_id, page_size=page_size, page_token=page_token)
        return _messages.refund_page(await self._call(self._stub.ListRefunds, request, timeout_seconds))

    def list_payments(
        self,
        *,
        order_by: str = "",
        page_size: int = 0,
        timeout_seconds: float | None = None,
        **conditions: Unpack[PaymentConditions],
    ) -> AsyncIterator[Payment]:
        """Return an async iterator over matching payments (``async for``): see :meth:`PaymentsClient.list_payments`."""
        request = _messages.list_request(conditions, order_by=order_by, page_size=page_size)
        return self._iterate_pages(
            self._stub.ListPayments,
            request,
            lambda response: _messages.payment_page(response).payments,
            timeout_seconds,
        )

    async def list_payments_page(
        self,
        *,
        order_by: str = "",
        page_size: int = 0,
        page_token: str = "",
        include_total_size: bool = False,
        timeout_seconds: float | None = None,
        **conditions: Unpack[PaymentConditions],
    ) -> PaymentPage:
        """Return one page of matching payments: see :meth:`PaymentsClient.list_payments_page`."""
        request = _messages.list_request(
            conditions,
            order_by=order_by,
            page_size=page_size,
            page_token=page_token,
            include_total_size=include_total_size,
        )
        return _messages.payment_page(await self._call(self._stub.ListPayments, request, timeout_seconds))

    def list_payment_events(
        self, *, payment_id: int, page_size: int = 0, page_token: str = "", timeout_seconds: float | None = None
    ) -> AsyncIterator[PaymentEvent]:
        """Return an async iterator over the events of a payment: see :meth:`PaymentsClient.list_payment_events`."""
        request = _messages.list_events_request(payment_id=payment_id, page_size=page_size, page_token=page_token)
        return self._iterate_pages(
            self._stub.ListPaymentEvents,
            request,
            lambda response: _messages.event_page(response).events,
            timeout_seconds,
        )

    async def list_payment_events_page(
        self, *, payment_id: int, page_size: int = 0, page_token: str = "", timeout_seconds: float | None = None
    ) -> PaymentEventPage:
        """Return one page of the events of a payment: see :meth:`PaymentsClient.list_payment_events_page`."""
        request = _messages.list_events_request(payment_id=payment_id, page_size=page_size, page_token=page_token)
        return _messages.event_page(await self._call(self._stub.ListPaymentEvents, request, timeout_seconds))

    def watch_payments(
        self,
        *,
        resume_token: str = "",
        timeout_seconds: float | None = None,
        **conditions: Unpack[PaymentEventConditions],
    ) -> AsyncGenerator[PaymentUpdate, None]:
        """Return an endless async iterator over changes to payments: see :meth:`PaymentsClient.watch_payments`."""
        request = _messages.watch_request(conditions, resume_token=resume_token)
        return self._watch(request, Resumptions(timeout_seconds))

    async def close(self) -> None:
        """Close the connection. Calls in flight are canceled, and later calls fail."""
        self._is_closed = True
        await self._channel.close()

    async def __aenter__(self) -> Self:
        """Return the client."""
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the connection."""
        await self.close()

    async def _iterate_pages(
        self,
        rpc: grpc.aio.UnaryUnaryMultiCallable[_ListRequestT, _ListResponseT],
        request: _ListRequestT,
        items: Callable[[_ListResponseT], Iterable[_ItemT]],
        timeout_seconds: float | None,
    ) -> AsyncIterator[_ItemT]:
        while True:
            response = await self._call(rpc, request, timeout_seconds)
            for item in items(response):
                yield item
            if not response.next_page_token:
                return
            request.page_token = response.next_page_token

    async def _watch(
        self, request: payments_pb2.WatchPaymentsRequest, resumptions: Resumptions
    ) -> AsyncGenerator[PaymentUpdate, None]:
        while True:
            failure = None
            stream = self._stub.WatchPayments(request, metadata=self._metadata)
            try:
                async for response in stream:
                    resumptions.record_response()
                    request.resume_token = response.resume_token
                    yield _messages.payment_update(response)
            except grpc.RpcError as rpc_error:
                failure = error_from_rpc(rpc_error, None)
                if self._is_closed:
                    raise failure from rpc_error
            finally:
                stream.cancel()
            await asyncio.sleep(resumptions.delay_seconds(failure))

    async def _call(
        self,
        rpc: grpc.aio.UnaryUnaryMultiCallable[_RequestT, _ResponseT],
        request: _RequestT,
        timeout_seconds: float | None,
        request_id: str | None = None,
    ) -> _ResponseT:
        attempts = Attempts(self._timeout_seconds if timeout_seconds is None else timeout_seconds)
        while True:
            try:
                return await rpc(request, timeout=attempts.remaining_seconds(), metadata=self._metadata)
            except grpc.RpcError as rpc_error:
                error = error_from_rpc(rpc_error, request_id)
                if self._is_closed:
                    raise error from rpc_error
                delay_seconds = attempts.delay_seconds(error)
            await asyncio.sleep(delay_seconds)
