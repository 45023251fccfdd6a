package payments;

import static java.util.Objects.requireNonNull;

import java.time.Duration;
import java.util.Collection;
import java.util.List;

/**
 * The parameters of {@link PaymentsClient#watchPayments}. Create them with {@link #builder}, which stays compatible
 * when later versions add components. An event must satisfy all conditions that are set.
 *
 * @param resumeToken see {@link Builder#resumeToken}
 * @param timeout see {@link Builder#timeout}; null if not set
 * @param caller see {@link Builder#caller}; null if not set
 * @param orderId see {@link Builder#orderId}; null if not set
 * @param externalReference see {@link Builder#externalReference}; null if not set
 * @param customerId see {@link Builder#customerId}; null if not set
 * @param types see {@link Builder#types}; immutable
 */
public record WatchPaymentsParams(
        String resumeToken,
        Duration timeout,
        String caller,
        Long orderId,
        String externalReference,
        String customerId,
        List<PaymentEventType> types) {
    /**
     * Rejects parameters that the contract cannot express. The service checks the rest.
     *
     * @throws IllegalArgumentException if the timeout is not more than zero, or a type is UNKNOWN
     */
    public WatchPaymentsParams {
        requireNonNull(resumeToken, "resumeToken");
        if (timeout != null) {
            Times.checkPositive("timeout", timeout);
        }
        types = Enums.check("types", types);
    }

    /**
     * {@return a new builder; everything is optional: by default, the watch starts now, streams the events of all
     * payments, and never gives up}
     */
    public static Builder builder() {
        return new Builder();
    }

    /** Builds {@link WatchPaymentsParams}. */
    public static final class Builder {
        private String resumeToken = "";
        private Duration timeout;
        private String caller;
        private Long orderId;
        private String externalReference;
        private String customerId;
        private List<PaymentEventType> types = List.of();

        private Builder() {}

        /**
         * Sets where to start. By default, the watch streams events from now on.
         *
         * @param resumeToken the {@link PaymentUpdate#resumeToken} of an earlier update, to stream all events after it;
         *     empty for events from now on. The conditions may differ from those of the earlier watch.
         * @return this builder
         */
        public Builder resumeToken(String resumeToken) {
            this.resumeToken = requireNonNull(resumeToken, "resumeToken");
            return this;
        }

        /**
         * Sets how long the service may be continuously unreachable before the stream throws the error. The default is
         * forever.
         *
         * @param timeout more than zero
         * @return this builder
         */
        public Builder timeout(Duration timeout) {
            this.timeout = Times.checkPositive("timeout", timeout);
            return this;
        }

        /**
         * Selects events of payments that were charged by the caller with this name.
         *
         * @param caller the name
         * @return this builder
         */
        public Builder caller(String caller) {
            this.caller = requireNonNull(caller, "caller");
            return this;
        }

        /**
         * Selects events of payments of this order.
         *
         * @param orderId the order
         * @return this builder
         */
        public Builder orderId(long orderId) {
            this.orderId = orderId;
            return this;
        }

        /**
         * Selects events of payments with exactly this {@link ChargeParams.Builder#externalReference}.
         *
         * @param externalReference the external reference
         * @return this builder
         */
        public Builder externalReference(String externalReference) {
            this.externalReference = requireNonNull(externalReference, "externalReference");
            return this;
        }

        /**
         * Selects events of payments of exactly this customer.
         *
         * @param customerId the customer
         * @return this builder
         */
        public Builder customerId(String customerId) {
            this.customerId = requireNonNull(customerId, "customerId");
            return this;
        }

        /**
         * Selects events of one of these types.
         *
         * @param types the types; empty means any
         * @return this builder
         */
        public Builder types(Collection<PaymentEventType> types) {
            this.types = Enums.check("types", types);
            return this;
        }

        /**
         * {@return the parameters}
         *
         * @throws IllegalArgumentException if a type is UNKNOWN
         */
        public WatchPaymentsParams build() {
            return new WatchPaymentsParams(resumeToken, timeout, caller, orderId, externalReference, customerId, types);
        }
    }
}
