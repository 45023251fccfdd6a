package payments;

import static java.util.Objects.requireNonNull;

import java.time.Duration;
import java.util.List;
import java.util.stream.Stream;

/**
 * A blocking client for the payment service; {@link AsyncPaymentsClient} is the asynchronous one. It is thread-safe:
 * create it once and share it, because it owns the connections.
 *
 * <p>Every call throws {@link PaymentsException} or one of its subclasses if the service returns an error or does not
 * respond. Interrupting the thread ends its call with an {@link OutcomeUnknownException}; the thread's interrupted
 * status stays set.
 *
 * <p>A call takes at most ten seconds, including all retries, unless the client has another {@linkplain Builder#timeout
 * timeout} or the call is made {@linkplain #withTimeout with another}. The deadline of gRPC's current context also
 * applies.
 */
public final class PaymentsClient implements AutoCloseable {
    /** The default target. */
    public static final String DEFAULT_TARGET = "127.0.0.1:50051";

    /** The default time limit of a call. */
    public static final Duration DEFAULT_TIMEOUT = Duration.ofSeconds(10);

    private final Connection connection;
    private final Duration timeout;

    private PaymentsClient(Connection connection, Duration timeout) {
        this.connection = connection;
        this.timeout = timeout;
    }

    /** {@return a new builder; everything is optional} */
    public static Builder builder() {
        return new Builder();
    }

    /**
     * {@return a client with another timeout that shares this client's connections; closing either closes both}
     *
     * @param timeout the time limit of a call, including all retries; more than zero
     */
    public PaymentsClient withTimeout(Duration timeout) {
        return new PaymentsClient(connection, Times.checkPositive("timeout", timeout));
    }

    /**
     * Charges an order. A declined charge is not an error: it has the status FAILED. If the payer must approve the
     * payment first, it has the status PENDING, and its {@link Payment#nextAction} says what the payer must do.
     *
     * @param params what to charge
     * @return the payment
     * @throws InvalidRequestException if the request is invalid
     * @throws RequestIdReusedException if an earlier charge used the requestId with different parameters
     * @throws OrderHasPendingPaymentException if the charge has {@code unlessPending}, and another payment of the order
     *     is pending
     * @throws OutcomeUnknownException if the charge may or may not have been made
     */
    public Payment charge(ChargeParams params) {
        return call(Operations.charge(params));
    }

    /**
     * Makes many charges at a fraction of the cost of separate calls.
     *
     * <p>A charge that fails does not affect the others. The batch is not atomic: if the call itself fails, some of its
     * charges may have been made. A retry with the same requestIds returns their outcomes and makes the remaining
     * charges.
     *
     * @param charges 1 to 1000 charges; one without a requestId gets a new one, which all attempts of this call use
     * @return the outcome of each charge, in order
     * @throws InvalidRequestException if the batch is empty or too large
     * @throws OutcomeUnknownException if the charges may or may not have been made, as for {@link #charge}, or the
     *     response does not have one result for each charge
     */
    public List<ChargeOutcome> batchCharge(List<ChargeParams> charges) {
        return call(Operations.batchCharge(charges));
    }

    /**
     * Refunds a payment in full or in part.
     *
     * @param params what to refund
     * @return the refund and the updated payment
     * @throws InvalidRequestException if the request is invalid
     * @throws PaymentNotFoundException if the payment does not exist
     * @throws PaymentFailedException if nothing was charged
     * @throws PaymentPendingException if the outcome of the charge is not known yet
     * @throws PaymentDisputedException if the payer disputes the payment, or got the money back through a dispute
     * @throws PaymentArchivedException if an operator must unarchive the payment first
     * @throws RefundExceedsPaymentException if the amount exceeds the amount not yet refunded, or nothing is left to
     *     refund
     * @throws RequestIdReusedException if an earlier refund used the requestId with different parameters
     * @throws OutcomeUnknownException if the refund may or may not have been made
     */
    public RefundResult refund(RefundParams params) {
        return call(Operations.refund(params));
    }

    /**
     * Gets a payment by its id.
     *
     * @param paymentId the id
     * @return the payment, its first 100 refunds, and a token to pass to {@link #listRefunds} for the rest
     * @throws InvalidRequestException if the id is invalid
     * @throws PaymentNotFoundException if the payment does not exist
     * @throws OutcomeUnknownException if the service was unavailable, overloaded or failed, or the deadline passed
     */
    public PaymentDetails getPayment(long paymentId) {
        return call(Operations.getPayment(paymentId));
    }

    /**
     * Gets a payment by its reference.
     *
     * @param reference the reference
     * @return the payment and its first refunds, like {@link #getPayment}
     * @throws InvalidRequestException if the reference is invalid
     * @throws PaymentNotFoundException if the payment does not exist
     * @throws OutcomeUnknownException if the service was unavailable, overloaded or failed, or the deadline passed
     */
    public PaymentDetails getPaymentByReference(String reference) {
        return call(Operations.getPaymentByReference(reference));
    }

    /**
     * Gets the payment of your own charge with this requestId. It answers what became of a charge whose response was
     * lost. A charge that is still in flight may be stored later, so retry it rather than give it up.
     *
     * @param requestId the requestId of the charge
     * @return the payment and its first refunds, like {@link #getPayment}
     * @throws InvalidRequestException if the requestId is invalid
     * @throws PaymentNotFoundException if nothing was charged when the call was made
     * @throws OutcomeUnknownException if the service was unavailable, overloaded or failed, or the deadline passed
     */
    public PaymentDetails getPaymentByRequestId(String requestId) {
        return getPaymentByRequestId(requestId, "");
    }

    /**
     * Gets the payment of any caller's charge with this requestId.
     *
     * @param requestId the requestId of the charge
     * @param caller the name of the caller that made the charge; empty for your own
     * @return the payment and its first refunds, like {@link #getPayment}
     * @throws InvalidRequestException if the requestId is invalid
     * @throws PaymentNotFoundException if nothing was charged when the call was made
     * @throws PermissionDeniedException if it is another caller, and you lack the role {@code payments.audit}
     * @throws OutcomeUnknownException if the service was unavailable, overloaded or failed, or the deadline passed
     */
    public PaymentDetails getPaymentByRequestId(String requestId, String caller) {
        return call(Operations.getPaymentByRequestId(requestId, caller));
    }

    /**
     * Lists all refunds of a payment, oldest first. The stream fetches pages as needed; the timeout applies to each
     * page.
     *
     * <p>The stream returns, exactly once, each refund that existed when the last page was fetched. It throws the
     * exceptions of {@link #listRefundsPage} while it is consumed.
     *
     * @param params the payment and the page size
     * @return the refunds, in order; sequential
     */
    public Stream<Refund> listRefunds(ListRefundsParams params) {
        return Pages.stream(Operations.listRefunds(params), this::call);
    }

    /**
     * Lists one page of the refunds of a payment, oldest first.
     *
     * @param params the payment and the page
     * @return the page
     * @throws InvalidRequestException if the request is invalid
     * @throws PaymentNotFoundException if the payment does not exist
     * @throws OutcomeUnknownException if the service was unavailable, overloaded or failed, or the deadline passed
     */
    public RefundPage listRefundsPage(ListRefundsParams params) {
        return call(Operations.listRefundsPage(params));
    }

    /**
     * Lists all payments that match the conditions. The stream fetches pages as needed; the timeout applies to each
     * page.
     *
     * <p>The stream returns, exactly once, each payment that existed when the first page was fetched, even while
     * charges are being made. It throws the exceptions of {@link #listPaymentsPage} while it is consumed.
     *
     * @param params the conditions, the order and the page size
     * @return the payments, in order; sequential
     */
    public Stream<Payment> listPayments(ListPaymentsParams params) {
        return Pages.stream(Operations.listPayments(params), this::call);
    }

    /**
     * Lists one page of the payments that match the conditions.
     *
     * @param params the conditions, the order and the page
     * @return the page
     * @throws InvalidRequestException if the request is invalid
     * @throws PermissionDeniedException if a condition is another caller's requestId, and you lack the role
     *     {@code payments.audit}
     * @throws OutcomeUnknownException if the service was unavailable, overloaded or failed, or the deadline passed
     */
    public PaymentPage listPaymentsPage(ListPaymentsParams params) {
        return call(Operations.listPaymentsPage(params));
    }

    /**
     * Lists all events of a payment, oldest first: what happened to it, when, and who requested it. The stream fetches
     * pages as needed; the timeout applies to each page.
     *
     * <p>The stream returns, exactly once, each event that existed when the last page was fetched. It throws the
     * exceptions of {@link #listPaymentEventsPage} while it is consumed. Changes made by the legacy service, or before
     * events were recorded, have no event.
     *
     * @param params the payment and the page size
     * @return the events, in order; sequential
     */
    public Stream<PaymentEvent> listPaymentEvents(ListPaymentEventsParams params) {
        return Pages.stream(Operations.listPaymentEvents(params), this::call);
    }

    /**
     * Lists one page of the events of a payment, oldest first.
     *
     * @param params the payment and the page
     * @return the page
     * @throws InvalidRequestException if the request is invalid
     * @throws PaymentNotFoundException if the payment does not exist
     * @throws OutcomeUnknownException if the service was unavailable, overloaded or failed, or the deadline passed
     */
    public PaymentEventPage listPaymentEventsPage(ListPaymentEventsParams params) {
        return call(Operations.listPaymentEventsPage(params));
    }

    /**
     * Streams the changes to all payments that match the conditions, endlessly, and blocks until the next event. Close
     * the stream in a try-with-resources statement; otherwise it stays open on the server until the client is closed.
     *
     * <p>Delivery is at least once, and the events of one payment arrive in order. If the connection is lost, for
     * example because the service restarts, the stream reconnects and resumes where it left off. To resume after your
     * own program crashes, save the {@link PaymentUpdate#resumeToken} of each update once you have processed its event,
     * and start with the last one. An update without an event only carries a newer token: the first update is one of
     * these, and another follows after every few seconds without an event.
     *
     * <p>The call starts when the stream is first consumed, and reads only a few responses ahead. Any thread may close
     * the stream to end it. Otherwise it ends with an exception: one of those below, or {@link OutcomeUnknownException}
     * if the client is closed or the thread interrupted. The client's timeout does not apply; set one in
     * {@code params}.
     *
     * @param params the conditions, where to start, and when to give up
     * @return the updates, in order; sequential; must be closed
     * @throws InvalidRequestException if the token or a condition is invalid (thrown by the stream)
     * @throws ResumeTokenExpiredException if events after the token have been archived (thrown by the stream)
     * @throws OutcomeUnknownException if the service was unreachable for too long, or had an internal error (thrown by
     *     the stream)
     */
    public Stream<PaymentUpdate> watchPayments(WatchPaymentsParams params) {
        return Watch.stream(connection, requireNonNull(params, "params"));
    }

    /** Closes the connections. Calls in flight are canceled; later ones throw {@link IllegalStateException}. */
    @Override
    public void close() {
        connection.close();
    }

    private <Q, A, R> R call(Operation<Q, A, R> operation) {
        WaitingThread thread = new WaitingThread();
        return thread.await(RetriedCall.start(connection, timeout, operation, thread), operation.requestId());
    }

    /** Builds a {@link PaymentsClient}. */
    public static final class Builder extends ClientBuilder<Builder> {
        private Builder() {}

        @Override
        Builder self() {
            return this;
        }

        /**
         * {@return a client, whose first call opens the connection}
         *
         * @throws IllegalArgumentException if the API key would be sent unencrypted to another machine, is not a valid
         *     key or is combined with a channelBuilder, or the target is invalid
         */
        public PaymentsClient build() {
            return new PaymentsClient(connect(), timeout());
        }
    }
}
