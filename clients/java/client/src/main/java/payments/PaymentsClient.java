package payments;

import static java.util.Objects.requireNonNull;

import io.grpc.CallOptions;
import io.grpc.ChannelCredentials;
import io.grpc.ClientInterceptor;
import io.grpc.InsecureChannelCredentials;
import io.grpc.MethodDescriptor;
import io.grpc.StatusRuntimeException;
import io.grpc.stub.ClientCalls;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ThreadLocalRandom;
import java.util.stream.Stream;
import payments.v1.BatchChargeRequest;
import payments.v1.ChargeRequest;
import payments.v1.ListPaymentsRequest;
import payments.v1.ListRefundsRequest;
import payments.v1.PaymentServiceGrpc;
import payments.v1.RefundRequest;

/**
 * A client of the payment service, to be kept and shared: it holds the connections, and is safe to use from several
 * threads.
 *
 * <p>Every call raises {@link PaymentsException}, or one of its subclasses, for an error of the service and for want of
 * an answer. Interrupting the thread ends its call, with an {@link OutcomeUnknownException} and the thread still
 * interrupted.
 *
 * <p>A call takes ten seconds at most, all its attempts together, unless the client is made with another
 * {@linkplain Builder#timeout timeout}, or asked {@linkplain #withTimeout with another}; a deadline of gRPC's current
 * context counts too.
 */
public final class PaymentsClient implements AutoCloseable {
    /** Where the service is when no target is given. */
    public static final String DEFAULT_TARGET = "127.0.0.1:50051";

    /** How long a call may take when nothing else is said. */
    public static final Duration DEFAULT_TIMEOUT = Duration.ofSeconds(10);

    private final Connection connection;
    private final Duration timeout;

    private PaymentsClient(Connection connection, Duration timeout) {
        this.connection = connection;
        this.timeout = timeout;
    }

    /** {@return a new builder, with which nothing is needed} */
    public static Builder builder() {
        return new Builder();
    }

    /**
     * {@return a client over the same connections, whose calls may take so long, all attempts together; closing either
     * closes both}
     *
     * @param timeout more than zero
     */
    public PaymentsClient withTimeout(Duration timeout) {
        return new PaymentsClient(connection, Times.positive("timeout", timeout));
    }

    /**
     * Charges an order. A declined charge is no error: its status is FAILED.
     *
     * @param params what to charge
     * @return the payment
     * @throws InvalidRequestException the request breaks the contract
     * @throws RequestIdReusedException the requestId came before with other parameters
     * @throws OutcomeUnknownException no answer tells whether it was done
     */
    public Payment charge(ChargeParams params) {
        ChargeRequest request = Requests.charge(requireNonNull(params, "params"));
        return Responses.payment(call(PaymentServiceGrpc.getChargeMethod(), request, request.getRequestId())
                .getPayment());
    }

    /**
     * Makes many charges in one call, at a small part of the cost of as many calls.
     *
     * <p>One charge that is wrong stops none of the others. All or nothing is not promised: when the call itself fails,
     * some of the charges may have been made. The same call with the same requestIds tells, and makes the rest.
     *
     * @param charges 1 to 1000 of them; one without a requestId gets a new one, kept over this call's own attempts
     * @return what became of each, in their order
     * @throws InvalidRequestException there is none, or there are too many
     * @throws OutcomeUnknownException as with {@link #charge}, or the answer is not one outcome for each charge
     */
    public List<ChargeOutcome> batchCharge(List<ChargeParams> charges) {
        BatchChargeRequest request = Requests.batchCharge(requireNonNull(charges, "charges"));
        return Responses.chargeOutcomes(request, call(PaymentServiceGrpc.getBatchChargeMethod(), request, null));
    }

    /**
     * Refunds a payment, wholly or in part.
     *
     * @param params what to give back
     * @return the refund, and the payment after it
     * @throws InvalidRequestException the request breaks the contract
     * @throws PaymentNotFoundException there is no such payment
     * @throws PaymentFailedException nothing was charged
     * @throws PaymentPendingException it is not known yet whether anything was charged
     * @throws PaymentArchivedException it is so old that an operator must bring it back first
     * @throws RefundExceedsPaymentException more than what remains, or nothing remains
     * @throws RequestIdReusedException the requestId came before with other parameters
     * @throws OutcomeUnknownException no answer tells whether it was done
     */
    public RefundResult refund(RefundParams params) {
        RefundRequest request = Requests.refund(requireNonNull(params, "params"));
        return Responses.refundResult(call(PaymentServiceGrpc.getRefundMethod(), request, request.getRequestId()));
    }

    /**
     * Finds a payment by its id.
     *
     * @param paymentId the id
     * @return the payment, and its first refunds: at most 100, and a token with which {@link #listRefunds} goes on
     * @throws PaymentNotFoundException there is none
     * @throws OutcomeUnknownException there was no answer
     */
    public PaymentDetails getPayment(long paymentId) {
        return Responses.paymentDetails(
                call(PaymentServiceGrpc.getGetPaymentMethod(), Requests.payment(paymentId), null));
    }

    /**
     * Finds a payment by its reference.
     *
     * @param reference the reference
     * @return the payment, and its first refunds, as with {@link #getPayment}
     * @throws PaymentNotFoundException there is none
     * @throws OutcomeUnknownException there was no answer
     */
    public PaymentDetails getPaymentByReference(String reference) {
        return Responses.paymentDetails(call(
                PaymentServiceGrpc.getGetPaymentMethod(),
                Requests.payment(requireNonNull(reference, "reference")),
                null));
    }

    /**
     * Lists the refunds of a payment over all pages, oldest first. A page is fetched when the stream gets there, within
     * the timeout of one call.
     *
     * <p>The stream meets each refund that existed when its last page was fetched exactly once. It raises what
     * {@link #listRefundsPage} does, when it gets there.
     *
     * @param params of which payment, and how many to fetch at once
     * @return the refunds, in order; sequential
     */
    public Stream<Refund> listRefunds(ListRefundsParams params) {
        ListRefundsRequest first = Requests.refunds(requireNonNull(params, "params"));
        return Pages.stream(
                first.getPageToken(),
                token -> page(first.toBuilder().setPageToken(token).build()),
                RefundPage::refunds,
                RefundPage::nextPageToken);
    }

    /**
     * Lists one page of the refunds of a payment, oldest first.
     *
     * @param params of which payment, and which page of them
     * @return the page
     * @throws InvalidRequestException the request breaks the contract
     * @throws PaymentNotFoundException there is no such payment
     * @throws OutcomeUnknownException there was no answer
     */
    public RefundPage listRefundsPage(ListRefundsParams params) {
        return page(Requests.refunds(requireNonNull(params, "params")));
    }

    /**
     * Lists payments over all pages. A page is fetched when the stream gets there, within the timeout of one call.
     *
     * <p>The stream meets each payment that existed when its first page was fetched exactly once, while charges go on.
     * It raises what {@link #listPaymentsPage} does, when it gets there.
     *
     * @param params which payments, in which order, and how many to fetch at once
     * @return the payments, in order; sequential
     */
    public Stream<Payment> listPayments(ListPaymentsParams params) {
        ListPaymentsRequest first = Requests.payments(requireNonNull(params, "params"));
        return Pages.stream(
                first.getPageToken(),
                token -> page(first.toBuilder().setPageToken(token).build()),
                PaymentPage::payments,
                PaymentPage::nextPageToken);
    }

    /**
     * Lists one page of payments.
     *
     * @param params which payments, in which order, and which page of them
     * @return the page
     * @throws InvalidRequestException the request breaks the contract
     * @throws OutcomeUnknownException there was no answer
     */
    public PaymentPage listPaymentsPage(ListPaymentsParams params) {
        return page(Requests.payments(requireNonNull(params, "params")));
    }

    /**
     * Watches payments: a stream without end of what happens to them, which waits for the next event. Close it, in a
     * {@code try} with resources, or the service goes on with its side of it until the client is closed.
     *
     * <p>Every event comes at least once, those of one payment in their order. The stream goes on by itself after
     * whatever cuts the connection, such as a restart of the service, where it was. To go on after a crash of your own,
     * keep the {@link PaymentUpdate#resumeToken} of each update once its event is dealt with, and begin with the last
     * one. An update without an event brings a newer token: there is one at once, and one whenever nothing has happened
     * for some seconds.
     *
     * <p>The service is asked when the stream is first asked for an update, and sends no more than is taken but a few.
     * Closing the stream, which any thread may do, ends it. What ends it otherwise it raises: what follows here, and
     * {@link OutcomeUnknownException} when the client is closed or the thread interrupted. The timeout of the client's
     * calls is not that of its watches, which have none unless {@code params} have.
     *
     * @param params where to begin, and when to give up
     * @return the updates, in order; sequential, and to be closed
     * @throws InvalidRequestException the token is none: from the stream
     * @throws ResumeTokenExpiredException what came after the token is no longer kept: from the stream
     * @throws OutcomeUnknownException the service was out of reach for too long: from the stream
     */
    public Stream<PaymentUpdate> watchPayments(WatchPaymentsParams params) {
        return Watch.stream(connection, requireNonNull(params, "params"));
    }

    /** Closes the connections. Calls in progress are cancelled; a further one is an {@link IllegalStateException}. */
    @Override
    public void close() {
        connection.close();
    }

    private RefundPage page(ListRefundsRequest request) {
        return Responses.refundPage(call(PaymentServiceGrpc.getListRefundsMethod(), request, null));
    }

    private PaymentPage page(ListPaymentsRequest request) {
        return Responses.paymentPage(call(PaymentServiceGrpc.getListPaymentsMethod(), request, null));
    }

    private <Q, A> A call(MethodDescriptor<Q, A> method, Q request, String requestId) {
        Attempts attempts = new Attempts(
                Attempts.deadlineAfter(timeout), Attempts::passes, ThreadLocalRandom.current()::nextDouble);
        connection.checkOpen();
        while (true) {
            connection.reconnectSoon();
            PaymentsException failure;
            try {
                return ClientCalls.blockingUnaryCall(
                        connection.channel(), method, CallOptions.DEFAULT.withDeadline(attempts.deadline()), request);
            } catch (StatusRuntimeException failed) {
                failure = Errors.fromRpc(failed, requestId);
            }
            connection.waitAfter(failure, attempts::delayNanos, connection.closed());
        }
    }

    /** Makes {@link PaymentsClient}s. */
    public static final class Builder {
        private String target = DEFAULT_TARGET;
        private Duration timeout = DEFAULT_TIMEOUT;
        private ChannelCredentials credentials = InsecureChannelCredentials.create();
        private String apiKey;
        private String userAgent = "";
        private final List<ClientInterceptor> interceptors = new ArrayList<>();

        private Builder() {}

        /**
         * {@return this builder}
         *
         * @param target the service's address, {@code host:port}, or a name of gRPC's ({@code dns:///payments:50051},
         *     {@code ipv4:10.0.0.1:50051,10.0.0.2:50051}) with several addresses, over which calls are spread
         */
        public Builder target(String target) {
            this.target = requireNonNull(target, "target");
            return this;
        }

        /**
         * {@return this builder}
         *
         * @param timeout how long a call may take, all its attempts together; more than zero
         */
        public Builder timeout(Duration timeout) {
            this.timeout = Times.positive("timeout", timeout);
            return this;
        }

        /**
         * {@return this builder}
         *
         * @param credentials of TLS, as {@link io.grpc.TlsChannelCredentials} makes them, with a certificate of the
         *     client's own where the service asks for one; left out, everything is sent in the clear
         */
        public Builder credentials(ChannelCredentials credentials) {
            this.credentials = requireNonNull(credentials, "credentials");
            return this;
        }

        /**
         * {@return this builder}
         *
         * @param apiKey says who calls, where the service asks for it; sent only over TLS or to a loopback address
         */
        public Builder apiKey(String apiKey) {
            this.apiKey = requireNonNull(apiKey, "apiKey");
            return this;
        }

        /**
         * {@return this builder}
         *
         * @param userAgent names your program to the service, as in {@code checkout/1.4}
         */
        public Builder userAgent(String userAgent) {
            this.userAgent = requireNonNull(userAgent, "userAgent");
            return this;
        }

        /**
         * {@return this builder}
         *
         * @param interceptor around each attempt of a call, as of a tracer; the first one given is outermost
         */
        public Builder interceptor(ClientInterceptor interceptor) {
            interceptors.add(requireNonNull(interceptor, "interceptor"));
            return this;
        }

        /**
         * {@return a client; its first call opens the connection}
         *
         * @throws IllegalArgumentException the API key would go to another machine in the clear, or is no key; or the
         *     target is none
         */
        public PaymentsClient build() {
            return new PaymentsClient(new Connection(target, credentials, apiKey, userAgent, interceptors), timeout);
        }
    }
}
