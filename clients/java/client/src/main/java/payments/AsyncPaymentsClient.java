package payments;

import static java.util.Objects.requireNonNull;

import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;

/**
 * An asynchronous client for the payment service. It makes the same calls as {@link PaymentsClient}, with the same
 * arguments, results, errors, retries and deadlines, and never blocks a thread. It is thread-safe: create it once and
 * share it, because it owns the connections.
 *
 * <p>A call that fails completes its future with the {@link PaymentsException} that the blocking client would throw.
 * Wherever {@link CompletableFuture} wraps exceptions, that exception is the cause: of the
 * {@link java.util.concurrent.ExecutionException} that {@code get} throws, and of the
 * {@link java.util.concurrent.CompletionException} that {@code join} throws and that stages derived from the future
 * receive. Invalid arguments and calls of a closed client throw immediately instead, for example an
 * {@link IllegalArgumentException}.
 *
 * <p>Canceling the future that a method returned, or completing it in another way, cancels the call. Canceling a stage
 * derived from it does not. A canceled charge or refund may still take effect.
 *
 * <p>Futures complete on the {@linkplain Builder#executor executor}, by default a pool of daemon threads that all
 * clients share. Stages derived from them run there too, unless the name of the method ends in {@code Async}.
 */
public final class AsyncPaymentsClient implements AutoCloseable {
    private final Connection connection;
    private final Duration timeout;
    private final Executor executor;

    private AsyncPaymentsClient(Connection connection, Duration timeout, Executor executor) {
        this.connection = connection;
        this.timeout = timeout;
        this.executor = executor;
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
    public AsyncPaymentsClient withTimeout(Duration timeout) {
        return new AsyncPaymentsClient(connection, Times.checkPositive("timeout", timeout), executor);
    }

    /**
     * Charges an order, like {@link PaymentsClient#charge}, which lists the exceptions. A declined charge is not an
     * error: it has the status FAILED. If the payer must approve the payment first, it has the status PENDING, and its
     * {@link Payment#nextAction} says what the payer must do.
     *
     * @param params what to charge
     * @return the payment
     */
    public CompletableFuture<Payment> charge(ChargeParams params) {
        return call(Operations.charge(params));
    }

    /**
     * Makes many charges at a fraction of the cost of separate calls, like {@link PaymentsClient#batchCharge}, which
     * lists the exceptions.
     *
     * @param charges 1 to 1000 charges; one without a requestId gets a new one, which all attempts of this call use
     * @return the outcome of each charge, in order
     */
    public CompletableFuture<List<ChargeOutcome>> batchCharge(List<ChargeParams> charges) {
        return call(Operations.batchCharge(charges));
    }

    /**
     * Refunds a payment in full or in part, like {@link PaymentsClient#refund}, which lists the exceptions.
     *
     * @param params what to refund
     * @return the refund and the updated payment
     */
    public CompletableFuture<RefundResult> refund(RefundParams params) {
        return call(Operations.refund(params));
    }

    /**
     * Gets a payment by its id, like {@link PaymentsClient#getPayment}, which lists the exceptions.
     *
     * @param paymentId the id
     * @return the payment, its first 100 refunds, and a token to pass to {@link #listRefunds} for the rest
     */
    public CompletableFuture<PaymentDetails> getPayment(long paymentId) {
        return call(Operations.getPayment(paymentId));
    }

    /**
     * Gets a payment by its reference, like {@link PaymentsClient#getPaymentByReference}, which lists the exceptions.
     *
     * @param reference the reference
     * @return the payment and its first refunds, like {@link #getPayment}
     */
    public CompletableFuture<PaymentDetails> getPaymentByReference(String reference) {
        return call(Operations.getPaymentByReference(reference));
    }

    /**
     * Gets the payment of your own charge with this requestId, like
     * {@link PaymentsClient#getPaymentByRequestId(String)}, which lists the exceptions.
     *
     * @param requestId the requestId of the charge
     * @return the payment and its first refunds, like {@link #getPayment}
     */
    public CompletableFuture<PaymentDetails> getPaymentByRequestId(String requestId) {
        return getPaymentByRequestId(requestId, "");
    }

    /**
     * Gets the payment of any caller's charge with this requestId, like
     * {@link PaymentsClient#getPaymentByRequestId(String, String)}, which lists the exceptions.
     *
     * @param requestId the requestId of the charge
     * @param caller the name of the caller that made the charge; empty for your own
     * @return the payment and its first refunds, like {@link #getPayment}
     */
    public CompletableFuture<PaymentDetails> getPaymentByRequestId(String requestId, String caller) {
        return call(Operations.getPaymentByRequestId(requestId, caller));
    }

    /**
     * Lists all refunds of a payment, oldest first. Each subscription fetches pages as needed; the timeout applies to
     * each page.
     *
     * <p>It publishes, exactly once, each refund that existed when the last page was fetched, and fails with the
     * exceptions of {@link PaymentsClient#listRefundsPage}.
     *
     * @param params the payment and the page size
     * @return the refunds, in order
     */
    public ItemPublisher<Refund> listRefunds(ListRefundsParams params) {
        return publisher(Operations.listRefunds(params));
    }

    /**
     * Lists one page of the refunds of a payment, oldest first, like {@link PaymentsClient#listRefundsPage}, which
     * lists the exceptions.
     *
     * @param params the payment and the page
     * @return the page
     */
    public CompletableFuture<RefundPage> listRefundsPage(ListRefundsParams params) {
        return call(Operations.listRefundsPage(params));
    }

    /**
     * Lists all payments that match the conditions. Each subscription fetches pages as needed; the timeout applies to
     * each page.
     *
     * <p>It publishes, exactly once, each payment that existed when the first page was fetched, even while charges are
     * being made, and fails with the exceptions of {@link PaymentsClient#listPaymentsPage}.
     *
     * @param params the conditions, the order and the page size
     * @return the payments, in order
     */
    public ItemPublisher<Payment> listPayments(ListPaymentsParams params) {
        return publisher(Operations.listPayments(params));
    }

    /**
     * Lists one page of the payments that match the conditions, like {@link PaymentsClient#listPaymentsPage}, which
     * lists the exceptions.
     *
     * @param params the conditions, the order and the page
     * @return the page
     */
    public CompletableFuture<PaymentPage> listPaymentsPage(ListPaymentsParams params) {
        return call(Operations.listPaymentsPage(params));
    }

    /**
     * Lists all events of a payment, oldest first: what happened to it, when, and who requested it. Each subscription
     * fetches pages as needed; the timeout applies to each page.
     *
     * <p>It publishes, exactly once, each event that existed when the last page was fetched, and fails with the
     * exceptions of {@link PaymentsClient#listPaymentEventsPage}. Changes made by the legacy service, or before events
     * were recorded, have no event.
     *
     * @param params the payment and the page size
     * @return the events, in order
     */
    public ItemPublisher<PaymentEvent> listPaymentEvents(ListPaymentEventsParams params) {
        return publisher(Operations.listPaymentEvents(params));
    }

    /**
     * Lists one page of the events of a payment, oldest first, like {@link PaymentsClient#listPaymentEventsPage}, which
     * lists the exceptions.
     *
     * @param params the payment and the page
     * @return the page
     */
    public CompletableFuture<PaymentEventPage> listPaymentEventsPage(ListPaymentEventsParams params) {
        return call(Operations.listPaymentEventsPage(params));
    }

    /**
     * Publishes the changes to all payments that match the conditions, endlessly. Delivery is at least once, the events
     * of one payment arrive in order, and a subscription resumes after a lost connection, as
     * {@link PaymentsClient#watchPayments} describes in detail.
     *
     * <p>Each subscription makes its own call, which starts when its first update is requested. It reads only a few
     * responses ahead of the subscriber. To end it, cancel the subscription. Otherwise it fails with the exceptions of
     * {@link PaymentsClient#watchPayments}, or with {@link OutcomeUnknownException} if the client is closed. The
     * client's timeout does not apply; set one in {@code params}.
     *
     * @param params the conditions, where to start, and when to give up
     * @return the updates, in order
     */
    public ItemPublisher<PaymentUpdate> watchPayments(WatchPaymentsParams params) {
        return WatchSubscription.publisher(connection, requireNonNull(params, "params"), executor);
    }

    /**
     * Closes the connections, without waiting. Futures of calls in flight, and subscriptions, fail with an
     * {@link OutcomeUnknownException}; later calls throw {@link IllegalStateException}, and later subscriptions fail
     * with it. Wait for your futures first if you need their results.
     */
    @Override
    public void close() {
        connection.close();
    }

    private <Q, A, R> CompletableFuture<R> call(Operation<Q, A, R> operation) {
        return RetriedCall.start(connection, timeout, operation, executor);
    }

    private <P, T> ItemPublisher<T> publisher(Listing<P, T> listing) {
        return subscriber -> new PageSubscription<>(subscriber, executor, listing, this::call).start();
    }

    /** Builds an {@link AsyncPaymentsClient}. */
    public static final class Builder extends ClientBuilder<Builder> {
        private Executor executor = Connection.DEFAULT_EXECUTOR;

        private Builder() {}

        @Override
        Builder self() {
            return this;
        }

        /**
         * Sets the executor that completes futures, calls subscribers and starts retries. By default, the clients share
         * a pool of daemon threads that grows as needed, so a callback may block.
         *
         * @param executor must accept tasks until the client is closed and its futures are complete. It must have
         *     another thread to spare while a callback blocks; never run tasks in the calling thread if callbacks
         *     block, because that could be a thread that serves all connections.
         * @return this builder
         */
        public Builder executor(Executor executor) {
            this.executor = requireNonNull(executor, "executor");
            return this;
        }

        /**
         * {@return a client, whose first call opens the connection}
         *
         * @throws IllegalArgumentException if the API key would be sent unencrypted to another machine, is not a valid
         *     key or is combined with a channelBuilder, or the target is invalid
         */
        public AsyncPaymentsClient build() {
            return new AsyncPaymentsClient(connect(), timeout(), executor);
        }
    }
}
