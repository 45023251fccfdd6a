package payments;

import static java.util.Objects.requireNonNull;

import java.math.BigDecimal;

/**
 * What to refund: made by {@link #builder}, which the components of later versions will not break.
 *
 * @param paymentId see {@link Builder#paymentId}
 * @param amount see {@link Builder#amount}; null when it was left out
 * @param currency see {@link Builder#currency}; null when it was left out
 * @param reason see {@link Builder#reason}
 * @param requestId see {@link Builder#requestId}; null when it was left out
 */
public record RefundParams(long paymentId, BigDecimal amount, String currency, String reason, String requestId) {
    /**
     * Checks what the contract cannot express; for the rest the service is asked.
     *
     * @throws IllegalArgumentException the amount has more than two decimals, or there is a currency but no amount
     */
    public RefundParams {
        Amounts.checked("amount", amount);
        requireNonNull(reason, "reason");
        if (currency != null && amount == null) {
            throw new IllegalArgumentException("currency is that of amount, which is missing");
        }
    }

    /** {@return a new builder; {@code paymentId} is needed} */
    public static Builder builder() {
        return new Builder();
    }

    /** Makes {@link RefundParams}, from what its methods were given. */
    public static final class Builder {
        private Long paymentId;
        private BigDecimal amount;
        private String currency;
        private String reason = "";
        private String requestId;

        private Builder() {}

        /**
         * {@return this builder}
         *
         * @param paymentId the payment to refund
         */
        public Builder paymentId(long paymentId) {
            this.paymentId = paymentId;
            return this;
        }

        /**
         * {@return this builder}
         *
         * @param amount in whole units of the currency, at most what remains of the payment; left out, it is all that
         *     remains
         */
        public Builder amount(BigDecimal amount) {
            this.amount = requireNonNull(amount, "amount");
            return this;
        }

        /**
         * {@return this builder}
         *
         * @param currency ISO 4217, must be the payment's; left out, it is the deployment's default
         */
        public Builder currency(String currency) {
            this.currency = requireNonNull(currency, "currency");
            return this;
        }

        /**
         * {@return this builder}
         *
         * @param reason why, for the record; at most 255 characters
         */
        public Builder reason(String reason) {
            this.reason = requireNonNull(reason, "reason");
            return this;
        }

        /**
         * {@return this builder}
         *
         * @param requestId as in {@link ChargeParams.Builder#requestId}
         */
        public Builder requestId(String requestId) {
            this.requestId = requireNonNull(requestId, "requestId");
            return this;
        }

        /**
         * {@return the parameters}
         *
         * @throws NullPointerException there is no paymentId
         * @throws IllegalArgumentException the amount has more than two decimals, or there is a currency but no amount
         */
        public RefundParams build() {
            return new RefundParams(
                    requireNonNull(paymentId, "paymentId is missing"), amount, currency, reason, requestId);
        }
    }
}
