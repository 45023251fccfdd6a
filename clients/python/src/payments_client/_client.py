"""The blocking client."""

import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
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


class PaymentsClient:
    """A client for the payment service. It is thread-safe: create it once and share it.

    Every call accepts ``timeout_seconds``, which overrides the client's own and limits the whole call, including all
    retries. :meth:`watch_payments`, which is endless, gives it another meaning. Every call raises
    :class:`~payments_client.PaymentsError` or one of its subclasses if the service returns an error or does not
    respond. It raises ``TypeError`` or ``ValueError``, before anything is sent, for arguments that the contract cannot
    express: an amount that is not a ``Decimal`` or has more than four decimals, or a naive time.
    """

    def __init__(  # noqa: PLR0913 (keyword arguments, each with a default)
        self,
        target: str = DEFAULT_TARGET,
        *,
        timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS,
        credentials: grpc.ChannelCredentials | None = None,
        api_key: str | None = None,
        interceptors: Sequence[grpc.UnaryUnaryClientInterceptor | grpc.UnaryStreamClientInterceptor] = (),
        options: Sequence[tuple[str, object]] = (),
        user_agent: str = "",
    ) -> None:
        """Prepare the connection, which the first call opens.

        Args:
            target: The service's address, or a gRPC target with several addresses (``dns:///payments:50051``,
                ``ipv4:10.0.0.1:50051,10.0.0.2:50051``), over which the client spreads calls.
            timeout_seconds: The time limit of a call, including all retries.
            credentials: TLS credentials (``grpc.ssl_channel_credentials()``). None disables encryption.
            api_key: The API key that authenticates the caller. Sent only over TLS or to a loopback address.
            interceptors: gRPC interceptors, the first one outermost. They run for each attempt, which includes gRPC's
                own retries. Stream interceptors run for each stream of a watch.
            options: gRPC channel options, which override the client's own options of the same name.
            user_agent: Identifies your program to the service, for example ``checkout/1.4``.

        Raises:
            ValueError: ``api_key`` would be sent unencrypted to another machine, or is not a valid key.
        """
        metadata = call_metadata(target, credentials, api_key)
        all_options = channel_options(target, options, user_agent)
        channel = (
            grpc.insecure_channel(target, all_options)
            if credentials is None
            else grpc.secure_channel(target, credentials, all_options)
        )
        self._use(grpc.intercept_channel(channel, *interceptors), metadata, timeout_seconds)

    @classmethod
    def _of_channel(cls, channel: grpc.Channel) -> Self:
        """Return a client that makes its calls on ``channel``."""
        client = cls.__new__(cls)
        client._use(channel, (), DEFAULT_TIMEOUT_SECONDS)  # noqa: SLF001 - of the same class
        return client

    def _use(self, channel: grpc.Channel, metadata: tuple[tuple[str, str], ...], timeout_seconds: float) -> None:
        self._channel = channel
        self._stub = PaymentServiceStub(channel)
        self._metadata = metadata
        self._timeout_seconds = timeout_seconds
        self._is_closed = False

    def charge(  # noqa: PLR0913 (keyword arguments)
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
        """Charge an order and return the payment. A declined charge is not an error: it has the status FAILED.

        If the payer must approve the charge, the payment is PENDING and has a ``next_action``.

        Args:
            order_id: The order, 1 or more. May be left out if there is an ``external_reference``.
            amount: In units of the currency (rupees, not paise), more than zero, with at most as many decimals as the
                currency has.
            currency: An ISO 4217 code. None means the deployment's default.
            method: The payment method. None lets the processor choose.
            request_id: An idempotency key (AIP-155). Calls with the same key and the same arguments charge only once.
                None generates a new key, which all attempts of this call use. To retry safely even after your own
                program crashes, store a key with the order and pass it here.
            external_reference: Your own name of the order, at most 100 characters. Need not be unique.
            customer_id: Your identifier of the customer, at most 100 characters. Not a name or an address.
            labels: At most 16 labels for your own use, with keys of 1 to 40 and values of at most 100 characters.
            payment_source: The payer's means of payment: a token of the processor, such as a ``pm_...`` of Stripe, and
                never a card number. Empty charges the deployment's own, if there is one. With a simulated processor, it
                chooses the outcome instead: ``sim_insufficient_funds`` and the other sources in ``payments.proto``.
            unless_pending: Whether to reject the charge while another payment of the same order is pending.
            return_url: Your page to which the payer returns after an approval in the browser: an https URL of at most
                2048 characters, only with a ``payment_source``. Without it, a charge that needs such an approval fails
                with AUTHENTICATION_REQUIRED. A retry need not repeat it.
            timeout_seconds: The time limit of the call, including all retries.

        Raises:
            InvalidRequest: The request is invalid.
            RequestIdReused: An earlier charge used the ``request_id`` with different arguments.
            OrderHasPendingPayment: Another payment of the order is pending; only with ``unless_pending``.
            OutcomeUnknown: The charge may or may not have been made.
        """
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
        response = self._call(self._stub.Charge, request, timeout_seconds, request.request_id)
        return _messages.payment(response.payment)

    def batch_charge(
        self, charges: Iterable[NewCharge], *, timeout_seconds: float | None = None
    ) -> list[Payment | PaymentsError]:
        """Make many charges at a fraction of the cost of separate calls, and return their outcomes in order.

        The outcome of a charge is its payment, or the error that :meth:`charge` would have raised. A charge that fails
        does not affect the others. The batch is not atomic: if the call itself fails, some of its charges may have been
        made. A retry with the same request_ids returns their outcomes and makes the remaining charges.

        Args:
            charges: 1 to 1000 charges. A charge without a request_id gets a new one, which all attempts of this call
                use.
            timeout_seconds: The time limit of the call, including all retries.

        Raises:
            InvalidRequest: The batch is empty or too large.
            OutcomeUnknown: The charges may or may not have been made.
        """
        request = _messages.batch_charge_request(charges)
        response = self._call(self._stub.BatchCharge, request, timeout_seconds)
        return _messages.batch_charge_outcomes(request, response)

    def refund(  # noqa: PLR0913 (keyword arguments)
        self,
        *,
        payment_id: int,
        amount: Decimal | None = None,
        currency: str | None = None,
        reason: str = "",
        request_id: str | None = None,
        timeout_seconds: float | None = None,
    ) -> RefundResult:
        """Refund a payment in full or in part, and return the refund and the updated payment.

        A refund that succeeded can still fail, even weeks later. Its amount can then be refunded again.

        Args:
            payment_id: The payment to refund.
            amount: In units of the currency (rupees, not paise), at most the amount not yet refunded. None refunds all
                of it.
            currency: An ISO 4217 code, which must be the payment's. None means the deployment's default.
            reason: A reason to store with the refund, at most 255 characters.
            request_id: An idempotency key, as in :meth:`charge`.
            timeout_seconds: The time limit of the call, including all retries.

        Raises:
            InvalidRequest: The request is invalid.
            PaymentNotFound: The payment does not exist.
            PaymentFailed: Nothing was charged.
            PaymentPending: The outcome of the charge is not known yet.
            PaymentDisputed: The payer disputes the payment, or got the money back through a dispute.
            PaymentArchived: An operator must unarchive the payment first.
            RefundExceedsPayment: The amount exceeds the amount not yet refunded, or nothing is left to refund.
            RequestIdReused: An earlier refund used the ``request_id`` with different arguments.
            OutcomeUnknown: The refund may or may not have been made.
        """
        request = _messages.refund_request(
            payment_id=payment_id, amount=amount, currency=currency, reason=reason, request_id=request_id
        )
        response = self._call(self._stub.Refund, request, timeout_seconds, request.request_id)
        return _messages.refund_result(response)

    def get_payment(
        self,
        *,
        payment_id: int | None = None,
        reference: str | None = None,
        request_id: str | None = None,
        caller: str = "",
        timeout_seconds: float | None = None,
    ) -> PaymentDetails:
        """Return one payment with its first 100 refunds, and a token to pass to :meth:`list_refunds` for the rest.

        Args:
            payment_id: The payment's id.
            reference: The payment's reference.
            request_id: The idempotency key of the charge, for example of one whose response was lost.
            caller: The caller whose ``request_id`` it is. Empty means the client's own caller; any other requires the
                role ``payments.audit``.
            timeout_seconds: The time limit of the call, including all retries.

        Raises:
            TypeError: Not exactly one of ``payment_id``, ``reference`` and ``request_id`` is given.
            InvalidRequest: An argument is invalid, or ``caller`` is given without a ``request_id``.
            PaymentNotFound: The payment does not exist.
            PermissionDenied: The ``request_id`` is another caller's, and the role is missing.
            OutcomeUnknown: The service was unavailable, overloaded or failed, or the deadline passed.
        """
        request = _messages.get_request(
            payment_id=payment_id, reference=reference, request_id=request_id, caller=caller
        )
        return _messages.payment_details(self._call(self._stub.GetPayment, request, timeout_seconds))

    def list_refunds(
        self, *, payment_id: int, page_size: int = 0, page_token: str = "", timeout_seconds: float | None = None
    ) -> Iterator[Refund]:
        """Return an iterator over the refunds of a payment, oldest first, which fetches pages as needed.

        It returns, exactly once, each refund that existed when the last page was fetched. The iterator, not this
        method, raises the exceptions.

        Args:
            payment_id: The payment whose refunds to list.
            page_size: The maximum number of refunds in a page, at most 1000. 0 lets the service choose.
            page_token: Where to start: the ``next_refunds_page_token`` of a :class:`~payments_client.PaymentDetails` or
                the ``next_page_token`` of a page. Empty for the first refund.
            timeout_seconds: The time limit for fetching one page, including all retries.

        Raises:
            InvalidRequest: The page size or token is invalid.
            PaymentNotFound: The payment does not exist.
            OutcomeUnknown: The service was unavailable, overloaded or failed, or the deadline passed.
        """
        request = _messages.list_refunds_request(payment_id=payment_id, page_size=page_size, page_token=page_token)
        return self._iterate_pages(
            self._stub.ListRefunds, request, lambda response: _messages.refund_page(response).refunds, timeout_seconds
        )

    def list_refunds_page(
        self, *, payment_id: int, page_size: int = 0, page_token: str = "", timeout_seconds: float | None = None
    ) -> RefundPage:
        """Return one page of the refunds of a payment, oldest first.

        Args:
            payment_id: The payment whose refunds to list.
            page_size: The maximum number of refunds in the page, at most 1000. 0 lets the service choose.
            page_token: As in :meth:`list_refunds`. Empty for the first page.
            timeout_seconds: The time limit of the call, including all retries.

        Raises:
            InvalidRequest: The page size or token is invalid.
            PaymentNotFound: The payment does not exist.
            OutcomeUnknown: The service was unavailable, overloaded or failed, or the deadline passed.
        """
        request = _messages.list_refunds_request(payment_id=payment_id, page_size=page_size, page_token=page_token)
        return _messages.refund_page(self._call(self._stub.ListRefunds, request, timeout_seconds))

    def list_payments(
        self,
        *,
        order_by: str = "",
        page_size: int = 0,
        timeout_seconds: float | None = None,
        **conditions: Unpack[PaymentConditions],
    ) -> Iterator[Payment]:
        """Return an iterator over the payments that match the conditions, which fetches pages as needed.

        It returns, exactly once, each payment that existed when the first page was fetched, even while charges are
        being made. The iterator, not this method, raises the exceptions.

        Args:
            order_by: ``create_time desc`` (the default) or ``create_time asc``.
            page_size: The maximum number of payments in a page, at most 1000. 0 lets the service choose.
            timeout_seconds: The time limit for fetching one page, including all retries.
            conditions: See :class:`~payments_client.PaymentConditions`.

        Raises:
            InvalidRequest: A condition, the order or the page size is invalid.
            PermissionDenied: The ``request_id`` is another caller's, and the role ``payments.audit`` is missing.
            OutcomeUnknown: The service was unavailable, overloaded or failed, or the deadline passed.
        """
        request = _messages.list_request(conditions, order_by=order_by, page_size=page_size)
        return self._iterate_pages(
            self._stub.ListPayments,
            request,
            lambda response: _messages.payment_page(response).payments,
            timeout_seconds,
        )

    def list_payments_page(
        self,
        *,
        order_by: str = "",
        page_size: int = 0,
        page_token: str = "",
        include_total_size: bool = False,
        timeout_seconds: float | None = None,
        **conditions: Unpack[PaymentConditions],
    ) -> PaymentPage:
        """Return one page of the payments that match the conditions.

        Args:
            order_by: As in :meth:`list_payments`.
            page_size: The maximum number of payments in the page, at most 1000. 0 lets the service choose.
            page_token: The ``next_page_token`` of the previous page, with the same conditions and order. Empty for the
                first page.
            include_total_size: Whether to count all matching payments. The cost grows with the number of matches.
            timeout_seconds: The time limit of the call, including all retries.
            conditions: See :class:`~payments_client.PaymentConditions`.

        Raises:
            InvalidRequest: A condition, the order, or the page size or token is invalid.
            PermissionDenied: The ``request_id`` is another caller's, and the role ``payments.audit`` is missing.
            OutcomeUnknown: The service was unavailable, overloaded or failed, or the deadline passed.
        """
        request = _messages.list_request(
            conditions,
            order_by=order_by,
            page_size=page_size,
            page_token=page_token,
            include_total_size=include_total_size,
        )
        return _messages.payment_page(self._call(self._stub.ListPayments, request, timeout_seconds))

    def list_payment_events(
        self, *, payment_id: int, page_size: int = 0, page_token: str = "", timeout_seconds: float | None = None
    ) -> Iterator[PaymentEvent]:
        """Return an iterator over the events of a payment, oldest first, which fetches pages as needed.

        It returns, exactly once, each event that existed when the last page was fetched. Changes made by the legacy
        service, or before events were recorded, have no event. The iterator, not this method, raises the exceptions.

        Args:
            payment_id: The payment whose events to list.
            page_size: The maximum number of events in a page, at most 1000. 0 lets the service choose.
            page_token: Where to start: the ``next_page_token`` of a page. Empty for the first event.
            timeout_seconds: The time limit for fetching one page, including all retries.

        Raises:
            InvalidRequest: The page size or token is invalid.
            PaymentNotFound: The payment does not exist.
            OutcomeUnknown: The service was unavailable, overloaded or failed, or the deadline passed.
        """
        request = _messages.list_events_request(payment_id=payment_id, page_size=page_size, page_token=page_token)
        return self._iterate_pages(
            self._stub.ListPaymentEvents,
            request,
            lambda response: _messages.event_page(response).events,
            timeout_seconds,
        )

    def list_payment_events_page(
        self, *, payment_id: int, page_size: int = 0, page_token: str = "", timeout_seconds: float | None = None
    ) -> PaymentEventPage:
        """Return one page of the events of a payment, oldest first.

        Args:
            payment_id: The payment whose events to list.
            page_size: The maximum number of events in the page, at most 1000. 0 lets the service choose.
            page_token: The ``next_page_token`` of the previous page. Empty for the first page.
            timeout_seconds: The time limit of the call, including all retries.

        Raises:
            InvalidRequest: The page size or token is invalid.
            PaymentNotFound: The payment does not exist.
            OutcomeUnknown: The service was unavailable, overloaded or failed, or the deadline passed.
        """
        request = _messages.list_events_request(payment_id=payment_id, page_size=page_size, page_token=page_token)
        return _messages.event_page(self._call(self._stub.ListPaymentEvents, request, timeout_seconds))

    def watch_payments(
        self,
        *,
        resume_token: str = "",
        timeout_seconds: float | None = None,
        **conditions: Unpack[PaymentEventConditions],
    ) -> Generator[PaymentUpdate, None, None]:
        """Return an endless iterator over the changes to payments. It blocks until the next event.

        Delivery is at least once, and the events of one payment arrive in order. If the connection is lost, for example
        because the service restarts, the iterator reconnects and resumes where it left off. To resume after your own
        program crashes, save the ``resume_token`` of each update once you have processed its event, and start with the
        last one. An update without an event only carries a newer token: the first update is one of these, and another
        follows after every few seconds without an event. The iterator, not this method, raises the exceptions.

        Args:
            resume_token: The token of an earlier update, to stream all events after it. Empty for events from now on.
            timeout_seconds: How long the service may be continuously unreachable before the iterator raises the error.
                None means forever; the client's own timeout does not apply.
            conditions: See :class:`~payments_client.PaymentEventConditions`. They may change when a watch resumes.

        Raises:
            ResumeTokenExpired: Events after the token have been archived.
            InvalidRequest: The token or a condition is invalid.
            OutcomeUnknown: The service was unreachable for too long, or had an internal error.
        """
        request = _messages.watch_request(conditions, resume_token=resume_token)
        return self._watch(request, Resumptions(timeout_seconds))

    def close(self) -> None:
        """Close the connection. Calls in flight are canceled, and later calls fail."""
        self._is_closed = True
        self._channel.close()

    def __enter__(self) -> Self:
        """Return the client."""
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the connection."""
        self.close()

    def _iterate_pages(
        self,
        rpc: "grpc.UnaryUnaryMultiCallable[_ListRequestT, _ListResponseT]",  # generic only in the type stubs
        request: _ListRequestT,
        items: Callable[[_ListResponseT], Iterable[_ItemT]],
        timeout_seconds: float | None,
    ) -> Iterator[_ItemT]:
        while True:
            response = self._call(rpc, request, timeout_seconds)
            yield from items(response)
            if not response.next_page_token:
                return
            request.page_token = response.next_page_token

    def _watch(
        self, request: payments_pb2.WatchPaymentsRequest, resumptions: Resumptions
    ) -> Generator[PaymentUpdate, None, None]:
        while True:
            failure = None
            stream = self._stub.WatchPayments(request, metadata=self._metadata)
            try:
                for response in stream:
                    resumptions.record_response()
                    # Before the yield, because the consumer may close the generator there.
                    request.resume_token = response.resume_token
                    yield _messages.payment_update(response)
            except grpc.RpcError as rpc_error:
                failure = error_from_rpc(rpc_error, None)
                if self._is_closed:
                    raise failure from rpc_error
            finally:
                stream.cancel()
            time.sleep(resumptions.delay_seconds(failure))

    def _call(
        self,
        rpc: "grpc.UnaryUnaryMultiCallable[_RequestT, _ResponseT]",  # generic only in the type stubs
        request: _RequestT,
        timeout_seconds: float | None,
        request_id: str | None = None,
    ) -> _ResponseT:
        attempts = Attempts(self._timeout_seconds if timeout_seconds is None else timeout_seconds)
        while True:
            try:
                return rpc(request, timeout=attempts.remaining_seconds(), metadata=self._metadata)
            except grpc.RpcError as rpc_error:
                error = error_from_rpc(rpc_error, request_id)
                if self._is_closed:
                    raise error from rpc_error
                delay_seconds = attempts.delay_seconds(error)
            time.sleep(delay_seconds)
