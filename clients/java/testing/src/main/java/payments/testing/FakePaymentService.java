package payments.testing;

import static java.util.Objects.requireNonNull;

import io.grpc.ManagedChannelBuilder;
import io.grpc.Server;
import io.grpc.inprocess.InProcessChannelBuilder;
import io.grpc.inprocess.InProcessServerBuilder;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.time.Clock;
import java.time.Duration;
import java.util.Collection;
import java.util.List;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import payments.AsyncPaymentsClient;
import payments.PaymentsClient;

/**
 * A payment service in memory, for unit tests. It needs no network, no port and no other process, and starts in a few
 * milliseconds. Its {@linkplain #client clients} are the ordinary ones, so their types, argument checks, errors and
 * idempotency are real:
 *
 * <pre>{@code
 * try (FakePaymentService service = FakePaymentService.create();
 *         PaymentsClient client = service.client()) {
 *     Payment payment = client.charge(params);
 * }
 * }</pre>
 *
 * <p>It follows the contract in {@code payments.proto}, with these settings of its own:
 *
 * <ul>
 *   <li>All calls have the caller {@code anonymous}, who may do everything except what needs the role
 *       {@code payments.audit}.
 *   <li>A charge without a payment source has the {@linkplain Builder#defaultPaymentSource outcome that you choose},
 *       and by default it succeeds. The service with a simulated processor decides at random.
 *   <li>A charge without a method is by CARD.
 *   <li>{@code sim_timeout} does not make the call wait: it returns the payment at once, with the status PENDING.
 * </ul>
 *
 * <p>It is thread-safe. Close its clients before you close it.
 */
public final class FakePaymentService implements AutoCloseable {
    private static final long HEARTBEAT_SECONDS = 5;
    private static final long CLOSE_TIMEOUT_SECONDS = 10;

    private final String name = InProcessServerBuilder.generateName();
    private final ScheduledExecutorService timer = Executors.newSingleThreadScheduledExecutor(work -> {
        Thread thread = new Thread(work, "fake-payment-service");
        thread.setDaemon(true);
        return thread;
    });
    private final Rpcs rpcs;
    private final Server server;

    private FakePaymentService(Builder settings) {
        EventLog events = new EventLog();
        Ledger ledger = settings.clock == null
                ? new Ledger(Clock.systemUTC(), events, this::settleAfter)
                : new Ledger(settings.clock, events, delay -> {});
        Currencies currencies = new Currencies(settings.defaultCurrency, settings.currencies);
        rpcs = new Rpcs(
                ledger,
                events,
                new ChargeRequests(currencies, settings.defaultPaymentSource),
                new ReadRequests(currencies));
        server = InProcessServerBuilder.forName(name)
                .addService(rpcs)
                .intercept(new CallTrailers.Interceptor())
                .build();
    }

    /** {@return a new service with the default settings} */
    public static FakePaymentService create() {
        return builder().build();
    }

    /** {@return a new builder; everything is optional} */
    public static Builder builder() {
        return new Builder();
    }

    /** {@return a new client of this service; close it before the service} */
    public PaymentsClient client() {
        return clientBuilder().build();
    }

    /** {@return a new asynchronous client of this service; close it before the service} */
    public AsyncPaymentsClient asyncClient() {
        return asyncClientBuilder().build();
    }

    /** {@return a builder for a client of this service, to which other settings can be added} */
    public PaymentsClient.Builder clientBuilder() {
        return PaymentsClient.builder().channelBuilder(this::channelBuilder);
    }

    /** {@return a builder for an asynchronous client of this service, to which other settings can be added} */
    public AsyncPaymentsClient.Builder asyncClientBuilder() {
        return AsyncPaymentsClient.builder().channelBuilder(this::channelBuilder);
    }

    /** {@return a builder for a channel to this service} */
    ManagedChannelBuilder<?> channelBuilder() {
        return InProcessChannelBuilder.forName(name);
    }

    /** Ends the calls in flight, and forgets all payments. */
    @Override
    public void close() {
        server.shutdownNow();
        try {
            server.awaitTermination(CLOSE_TIMEOUT_SECONDS, TimeUnit.SECONDS);
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
        }
        timer.shutdownNow();
    }

    private void start() {
        try {
            server.start();
        } catch (IOException impossible) {
            throw new UncheckedIOException(impossible);
        }
        timer.scheduleWithFixedDelay(rpcs::sendHeartbeats, HEARTBEAT_SECONDS, HEARTBEAT_SECONDS, TimeUnit.SECONDS);
    }

    /** Makes the outcome of a pending charge or refund arrive on time, even if no call is made. */
    private void settleAfter(Duration delay) {
        timer.schedule(rpcs::settle, delay.toMillis(), TimeUnit.MILLISECONDS);
    }

    /** Builds a {@link FakePaymentService}. */
    public static final class Builder {
        private String defaultCurrency = "INR";
        private Collection<String> currencies = Currencies.all();
        private PaymentSource defaultPaymentSource = PaymentSource.SIM_SUCCESS;
        private Clock clock;

        private Builder() {}

        /**
         * Sets the currency of amounts without one. The default is INR.
         *
         * @param currency an ISO 4217 code
         * @return this builder
         */
        public Builder defaultCurrency(String currency) {
            this.defaultCurrency = requireNonNull(currency, "currency");
            return this;
        }

        /**
         * Sets the currencies that charges may have, besides the default one. By default, all currencies are allowed.
         *
         * @param currencies ISO 4217 codes
         * @return this builder
         */
        public Builder currencies(Collection<String> currencies) {
            this.currencies = List.copyOf(currencies);
            return this;
        }

        /**
         * Sets the outcome of charges without a payment source. The default is {@code sim_success}.
         *
         * @param paymentSource such as {@code sim_insufficient_funds} or {@code sim_pending_5s}; {@code payments.proto}
         *     lists them
         * @return this builder
         * @throws IllegalArgumentException if there is no such source
         */
        public Builder defaultPaymentSource(String paymentSource) {
            this.defaultPaymentSource = PaymentSource.named(requireNonNull(paymentSource, "paymentSource"))
                    .orElseThrow(() -> new IllegalArgumentException(
                            "paymentSource must be one of " + PaymentSource.names() + ", not " + paymentSource));
            return this;
        }

        /**
         * Sets the clock. It determines the times of payments and events, and when the outcomes of pending charges and
         * refunds arrive: at the first call after their time. By default, the system's clock is used, and outcomes
         * arrive even if no call is made.
         *
         * @param clock for example a {@link ManualClock}
         * @return this builder
         */
        public Builder clock(Clock clock) {
            this.clock = requireNonNull(clock, "clock");
            return this;
        }

        /**
         * {@return a service, which has started}
         *
         * @throws IllegalArgumentException if a currency is not an ISO 4217 code
         */
        public FakePaymentService build() {
            FakePaymentService service = new FakePaymentService(this);
            service.start();
            return service;
        }
    }
}
