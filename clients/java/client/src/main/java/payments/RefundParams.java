package payments;

import static java.util.Objects.requireNonNull;

import java.math.BigDecimal;

/**
 * The parameters of {@link PaymentsClient#refund}. Create them with {@link #builder}, which stays compatible when later
 * versions add components.
 *
 * @param paymentId see {@link Builder#paymentId}
 * @param amount see {@link Builder#amount}; null if not set
 * @param currency see {@link Builder#currency}; null if not set
 * @param reason see {@link Builder#reason}
 * @param requestId see {@link Builder#requestId}; null if not set
 */
public record RefundParams(long paymentId, BigDecimal amount, String currency, String reason, String requestId) {
    /**
     * Rejects parameters that the contract cannot express. The service checks the rest.
     *
     * @throws IllegalArgumentException if the amount has more than four decimals, or there is a currency but no amount
     */
    public RefundParams {
        Amounts.check("amount", amount);
        requireNonNull(reason, "reason");
        if (currency != null && amount == null) {
            throw new IllegalArgumentException("currency needs an amount");
        }
    }

    /** {@return a new builder; {@code paymentId} is required} */
    public static Builder builder() {
        return new Builder();
    }

    /** Builds {@link RefundParams}. */
    public static final class Builder {
        private Long paymentId;
        private BigDecimal amount;
        private String currency;
        private String reason = "";
        private String requestId;

        private Builder() {}

        /**
         * Sets the payment to refund.
         *
         * @param paymentId the payment
         * @return this builder
         */
        public Builder paymentId(long paymentId) {
            this.paymentId = paymentId;
            return this;
        }

        /**
         * Sets the amount to refund. The default is everything not yet refunded.
         *
         * @param amount in units of the currency (rupees, not paise), at most the amount not yet refunded
         * @return this builder
         */
        public Builder amount(BigDecimal amount) {
            this.amount = requireNonNull(amount, "amount");
            return this;
        }

        /**
         * Sets the currency of the amount, which must be the payment's. The default is the deployment's.
         *
         * @param currency an ISO 4217 code
         * @return this builder
         */
        public Builder currency(String currency) {
            this.currency = requireNonNull(currency, "currency");
            return this;
        }

        /**
         * Sets a reason to store with the refund.
         *
         * @param reason at most 255 characters
         * @return this builder
         */
        public Builder reason(String reason) {
            this.reason = requireNonNull(reason, "reason");
            return this;
        }

        /**
         * Sets the idempotency key, as in {@link ChargeParams.Builder#requestId}.
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
         * @throws NullPointerException if paymentId is missing
         * @throws IllegalArgumentException if the amount has more than four decimals, or there is a currency but no
         *     amount
         */
        public RefundParams build() {
            return new RefundParams(
                    requireNonNull(paymentId, "paymentId is missing"), amount, currency, reason, requestId);
        }
    }
}
