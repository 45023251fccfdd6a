package payments;

import static java.util.Objects.requireNonNull;

import java.math.BigDecimal;

/**
 * The parameters of {@link PaymentsClient#charge}. Create them with {@link #builder}, which stays compatible when later
 * versions add components.
 *
 * @param orderId see {@link Builder#orderId}
 * @param amount see {@link Builder#amount}
 * @param currency see {@link Builder#currency}; null if not set
 * @param method see {@link Builder#method}; null if not set
 * @param requestId see {@link Builder#requestId}; null if not set
 */
public record ChargeParams(long orderId, BigDecimal amount, String currency, PaymentMethod method, String requestId) {
    /**
     * Rejects parameters that the contract cannot express. The service checks the rest.
     *
     * @throws NullPointerException if the amount is missing
     * @throws IllegalArgumentException if the amount has more than two decimals, or the method is UNKNOWN
     */
    public ChargeParams {
        Amounts.check("amount", requireNonNull(amount, "amount is missing"));
        Enums.check("method", method);
    }

    /** {@return a new builder; {@code orderId} and {@code amount} are required} */
    public static Builder builder() {
        return new Builder();
    }

    /** Builds {@link ChargeParams}. */
    public static final class Builder {
        private Long orderId;
        private BigDecimal amount;
        private String currency;
        private PaymentMethod method;
        private String requestId;

        private Builder() {}

        /**
         * Sets the order to charge.
         *
         * @param orderId the order, 1 or more
         * @return this builder
         */
        public Builder orderId(long orderId) {
            this.orderId = orderId;
            return this;
        }

        /**
         * Sets the amount to charge.
         *
         * @param amount in units of the currency (rupees, not paise): more than zero, with at most two decimals
         * @return this builder
         */
        public Builder amount(BigDecimal amount) {
            this.amount = requireNonNull(amount, "amount");
            return this;
        }

        /**
         * Sets the currency of the amount. The default is the deployment's.
         *
         * @param currency an ISO 4217 code
         * @return this builder
         */
        public Builder currency(String currency) {
            this.currency = requireNonNull(currency, "currency");
            return this;
        }

        /**
         * Sets the payment method. By default, the processor chooses.
         *
         * @param method the method
         * @return this builder
         */
        public Builder method(PaymentMethod method) {
            this.method = requireNonNull(method, "method");
            return this;
        }

        /**
         * Sets the idempotency key (AIP-155). Calls with the same key and the same parameters charge only once. By
         * default, each call generates a new key, which all its attempts use. To retry safely even after your own
         * program crashes, store a key with the order and pass it here.
         *
         * @param requestId the key
         * @return this builder
         */
        public Builder requestId(String requestId) {
            this.requestId = requireNonNull(requestId, "requestId");
            return this;
        }

        /**
         * {@return the parameters}
         *
         * @throws NullPointerException if orderId or amount is missing
         * @throws IllegalArgumentException if the amount has more than two decimals, or the method is UNKNOWN
         */
        public ChargeParams build() {
            return new ChargeParams(requireNonNull(orderId, "orderId is missing"), amount, currency, method, requestId);
        }
    }
}
