"""The client for ordinary, blocking code."""

import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from decimal import Decimal
from types import TracebackType
from typing import Self, TypeVar, Unpack

import grpc

from payments import _messages
from payments._channel import DEFAULT_TARGET, DEFAULT_TIMEOUT_SECONDS, call_metadata, channel_options
from payments._retries import Attempts, Resumptions
from payments.errors import PaymentsError, error_from_rpc
from payments.models import (
    NewCharge,
    Payment,
    PaymentConditions,
    PaymentDetails,
    PaymentMethod,
    PaymentPage,
    PaymentUpdate,
    Refund,
    RefundPage,
    RefundResult,
)
from payments.v1 import payments_pb2
from payments.v1.payments_pb2_grpc import PaymentServiceStub

_RequestT = TypeVar("_RequestT")
_ResponseT = TypeVar("_ResponseT")
_ListRequestT = TypeVar("_ListRequestT", bound=_messages.ListRequest)
_ListResponseT = TypeVar("_ListResponseT", bound=_messages.ListResponse)
_ItemT = TypeVar("_ItemT")


class PaymentsClient:
    """A client of the payment service, to be kept and shared: it is safe to use from several threads.

    Every call takes ``timeout_seconds``, all its attempts together, where the client's own is not right. Every call
    raises :class:`~payments.PaymentsError`, or one of its subclasses, for an error of the service and for want of an
    answer; and ``TypeError`` or ``ValueError``, before anything is sent, for arguments that the contract cannot
    express: an amount that is no ``Decimal`` or has more than two decimals, a time that is naive.
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
            target: the service's address, or a name of gRPC's (``dns:///payments:50051``,
                ``ipv4:10.0.0.1:50051,10.0.0.2:50051``) with several addresses, over which calls are spread.
            timeout_seconds: how long a call may take, all its attempts together.
            credentials: of TLS (``grpc.ssl_channel_credentials()``); None sends everything in the clear.
            api_key: says who calls, where the service asks for it; sent only over TLS or to a loopback address.
            interceptors: around each attempt, of which gRPC's own retries are one; the first is outermost. Those of
                streams are around each connection of a watch.
            options: channel options of gRPC, which replace the client's own of the same name.
            user_agent: names your program to the service, as in ``checkout/1.4``.

        Raises:
            ValueError: ``api_key`` would go to another machine in the clear, or is no key.
        """
        self._timeout_seconds = timeout_seconds
        self._is_closed = False
        self._metadata = call_metadata(target, credentials, api_key)
        all_options = channel_options(target, options, user_agent)
        channel = (
            grpc.insecure_channel(target, all_options)
            if credentials is None
            else grpc.secure_channel(target, credentials, all_options)
        )
        self._channel = grpc.intercept_channel(channel, *interceptors)
        self._stub = PaymentServiceStub(self._channel)

    def charge(  # noqa: PLR0913 (keyword arguments)
        self,
        *,
        order_id: int,
        amount: Decimal,
        currency: str | None = None,
        method: PaymentMethod | None = None,
        request_id: str | None = None,
        timeout_seconds: float | None = None,
    ) -> Payment:
        """Charge an order, and return the payment. A declined charge is no error: its status is FAILED.

        Args:
            order_id: the order, 1 or more.
            amount: in whole units of the currency, more than zero.
            currency: ISO 4217; None means the deployment's default.
            method: how; None lets the processor pick.
            request_id: what makes the charge safe to repeat (AIP-155): the same one with the same arguments charges
                once, however often it is sent. None makes a new one, kept over this call's own attempts. Give one that
                you have stored with the order, if the charge must be safe to repeat after a crash of your own.
            timeout_seconds: how long the call may take, all its attempts together.

        Raises:
            InvalidRequest, RequestIdReused, OutcomeUnknown.
        """
        request = _messages.charge_request(
            order_id=order_id, amount=amount, currency=currency, method=method, request_id=request_id
        )
        response = self._call(self._stub.Charge, request, timeout_seconds, request.request_id)
        return _messages.payment(response.payment)

    def batch_charge(
        self, charges: Iterable[NewCharge], *, timeout_seconds: float | None = None
    ) -> list[Payment | PaymentsError]:
        """Make many charges in one call, at a small part of the cost of as many calls, and return what became of each.

        In the place of each charge is its payment, or the error that :meth:`charge` would have raised; one that is
        wrong stops none of the others. All or nothing is not promised: when the call itself fails, some of the charges
        may have been made. The same call with the same request_ids tells, and makes the rest.

        Args:
            charges: 1 to 1000 of them. One without a request_id gets a new one, kept over this call's own attempts.
            timeout_seconds: how long the call may take, all its attempts together.

        Raises:
            InvalidRequest: there is none, or there are too many.
            OutcomeUnknown: as with :meth:`charge`.
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
        """Refund a payment, and return the refund and the payment after it.

        Args:
            payment_id: the payment.
            amount: in whole units of the currency, at most what remains of the payment; None means all that remains.
            currency: ISO 4217, must be the payment's; None means the deployment's default.
            reason: why, for the record; at most 255 characters.
            request_id: as in :meth:`charge`.
            timeout_seconds: how long the call may take, all its attempts together.

        Raises:
            InvalidRequest, PaymentNotFound, PaymentFailed, PaymentPending, PaymentArchived, RefundExceedsPayment,
            RequestIdReused, OutcomeUnknown.
        """
        request = _messages.refund_request(
            payment_id=payment_id, amount=amount, currency=currency, reason=reason, request_id=request_id
        )
        response = self._call(self._stub.Refund, request, timeout_seconds, request.request_id)
        return _messages.refund_result(response)

    def get_payment(
        self, *, payment_id: int | None = None, reference: str | None = None, timeout_seconds: float | None = None
    ) -> PaymentDetails:
        """Return one payment, found by its id or by its reference, with its first refunds.

        The answer has at most 100 refunds, and a token with which :meth:`list_refunds` goes on.

        Raises:
            InvalidRequest, PaymentNotFound, OutcomeUnknown.
        """
        request = _messages.get_request(payment_id=payment_id, reference=reference)
        return _messages.payment_details(self._call(self._stub.GetPayment, request, timeout_seconds))

    def list_refunds(
        self, *, payment_id: int, page_size: int = 0, page_token: str = "", timeout_seconds: float | None = None
    ) -> Iterator[Refund]:
        """Return an iterator over the refunds of a payment, oldest first, which fetches a page when it needs one.

        It meets each refund that existed when its last page was fetched exactly once.

        Args:
            payment_id: the payment.
            page_size: how many refunds to fetch at once, 1000 at most; 0 lets the service choose.
            page_token: where to begin: ``next_refunds_page_token`` of :class:`~payments.PaymentDetails` or
                ``next_page_token`` of a page, for the refunds that follow; empty for all refunds.
            timeout_seconds: how long fetching one page may take, all attempts together.

        Raises:
            InvalidRequest, PaymentNotFound, OutcomeUnknown: while iterating.
        """
        request = _messages.list_refunds_request(payment_id=payment_id, page_size=page_size, page_token=page_token)
        return self._walk(
            self._stub.ListRefunds, request, lambda response: _messages.refund_page(response).refunds, timeout_seconds
        )

    def list_refunds_page(
        self, *, payment_id: int, page_size: int = 0, page_token: str = "", timeout_seconds: float | None = None
    ) -> RefundPage:
        """Return one page of the refunds of a payment, oldest first.

        Args:
            payment_id: the payment.
            page_size: how many refunds at most, 1000 at most; 0 lets the service choose.
            page_token: as in :meth:`list_refunds`; empty for the first page.
            timeout_seconds: how long the call may take, all its attempts together.

        Raises:
            InvalidRequest, PaymentNotFound, OutcomeUnknown.
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
        """Return an iterator over the payments that match the conditions, which fetches a page when it needs one.

        It meets each payment that existed when its first page was fetched exactly once, while charges go on.

        Args:
            order_by: ``create_time desc`` (also when empty) or ``create_time asc``.
            page_size: how many payments to fetch at once, 1000 at most; 0 lets the service choose.
            timeout_seconds: how long fetching one page may take, all attempts together.
            conditions: see :class:`~payments.PaymentConditions`.

        Raises:
            InvalidRequest, OutcomeUnknown: while iterating.
        """
        request = _messages.list_request(conditions, order_by=order_by, page_size=page_size)
        return self._walk(
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
        """Return one page of the payments that match the conditions; for the rest as :meth:`list_payments`.

        Args:
            order_by: as in :meth:`list_payments`.
            page_size: how many payments at most, 1000 at most; 0 lets the service choose.
            page_token: ``next_page_token`` of the page before, given with the same conditions and order; empty for the
                first page.
            include_total_size: whether to count all the payments that match, which costs more the more there are.
            timeout_seconds: how long the call may take, all its attempts together.
            conditions: see :class:`~payments.PaymentConditions`.

        Raises:
            InvalidRequest, OutcomeUnknown.
        """
        request = _messages.list_request(
            conditions,
            order_by=order_by,
            page_size=page_size,
            page_token=page_token,
            include_total_size=include_total_size,
        )
        return _messages.payment_page(self._call(self._stub.ListPayments, request, timeout_seconds))

    def watch_payments(
        self, *, resume_token: str = "", timeout_seconds: float | None = None
    ) -> Generator[PaymentUpdate, None, None]:
        """Return an endless iterator over what happens to payments, which waits for the next event.

        Every event comes at least once, those of one payment in their order. It goes on by itself after whatever cuts
        the connection, such as a restart of the service, where it was. To go on after a crash of your own, keep the
        ``resume_token`` of each update once its event is dealt with, and begin with the last one. An update without an
        event brings a newer token: there is one at once, and one whenever nothing has happened for some seconds.

        Args:
            resume_token: that of an earlier update, for all that happened after it; empty for what happens from now on.
            timeout_seconds: how long the service may be out of reach at a stretch before that is raised; None means for
                ever.

        Raises:
            ResumeTokenExpired, InvalidRequest, OutcomeUnknown: while iterating.
        """
        return self._watch(payments_pb2.WatchPaymentsRequest(resume_token=resume_token), Resumptions(timeout_seconds))

    def close(self) -> None:
        """Close the connection. Calls in progress are cancelled; there can be no further ones."""
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

    def _walk(
        self,
        rpc: "grpc.UnaryUnaryMultiCallable[_ListRequestT, _ListResponseT]",  # generic in its type stubs only
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
                    resumptions.received()
                    # Before it is given out: whoever does not come back for more has dealt with it all the same.
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
        rpc: "grpc.UnaryUnaryMultiCallable[_RequestT, _ResponseT]",  # generic in its type stubs only
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
