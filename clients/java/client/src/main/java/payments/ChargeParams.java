package payments;

import static java.util.Objects.requireNonNull;

import java.math.BigDecimal;

/**
 * What to charge: made by {@link #builder}, which the components of later versions will not break.
 *
 * @param orderId see {@link Builder#orderId}
 * @param amount see {@link Builder#amount}
 * @param currency see {@link Builder#currency}; null when it was left out
 * @param method see {@link Builder#method}; null when it was left out
 * @param requestId see {@link Builder#requestId}; null when it was left out
 */
public record ChargeParams(long orderId, BigDecimal amount, String currency, PaymentMethod method, String requestId) {
    /**
     * Checks what the contract cannot express; for the rest the service is asked.
     *
     * @throws NullPointerException there is no amount
     * @throws IllegalArgumentException the amount has more than two decimals, or the method is UNKNOWN
     */
    public ChargeParams {
        Amounts.checked("amount", requireNonNull(amount, "amount is missing"));
        Enums.checked("method", method);
    }

    /** {@return a new builder; {@code orderId} and {@code amount} are needed} */
    public static Builder builder() {
        return new Builder();
    }

    /** Makes {@link ChargeParams}, from what its methods were given. */
    public static final class Builder {
        private Long orderId;
        private BigDecimal amount;
        private String currency;
        private PaymentMethod method;
        private String requestId;

        private Builder() {}

        /**
         * {@return this builder}
         *
         * @param orderId the order to charge, 1 or more
         */
        public Builder orderId(long orderId) {
            this.orderId = orderId;
            return this;
        }

        /**
         * {@return this builder}
         *
         * @param amount in whole units of the currency, more than zero, with two decimals at most
         */
        public Builder amount(BigDecimal amount) {
            this.amount = requireNonNull(amount, "amount");
            return this;
        }

        /**
         * {@return this builder}
         *
         * @param currency ISO 4217; left out, it is the deployment's default
         */
        public Builder currency(String currency) {
            this.currency = requireNonNull(currency, "currency");
            return this;
        }

        /**
         * {@return this builder}
         *
         * @param method how; left out, the processor picks
         */
        public Builder method(PaymentMethod method) {
            this.method = requireNonNull(method, "method");
            return this;
        }

        /**
         * {@return this builder}
         *
         * @param requestId what makes the charge safe to repeat (AIP-155): the same one with the same parameters
         *     charges once, however often it is sent. Left out, each call makes a new one, and keeps it over its own
         *     attempts. Give one that you have stored with the order, if the charge must be safe to repeat after a
         *     crash of your own.
         */
        public Builder requestId(String requestId) {
            this.requestId = requireNonNull(requestId, "requestId");
            return this;
        }

        /**
         * {@return the parameters}
         *
         * @throws NullPointerException there is no orderId, or no amount
         * @throws IllegalArgumentException the amount has more than two decimals, or the method is UNKNOWN
         */
        public ChargeParams build() {
            return new ChargeParams(requireNonNull(orderId, "orderId is missing"), amount, currency, method, requestId);
        }
    }
}
