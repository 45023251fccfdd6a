package payments;

import static java.util.Objects.requireNonNull;

import java.math.BigDecimal;
import java.util.Map;

/**
 * The parameters of {@link PaymentsClient#charge}. Create them with {@link #builder}, which stays compatible when later
 * versions add components.
 *
 * @param orderId see {@link Builder#orderId}; 0 if not set
 * @param amount see {@link Builder#amount}
 * @param currency see {@link Builder#currency}; null if not set
 * @param method see {@link Builder#method}; null if not set
 * @param requestId see {@link Builder#requestId}; null if not set
 * @param externalReference see {@link Builder#externalReference}
 * @param customerId see {@link Builder#customerId}
 * @param labels see {@link Builder#labels}; immutable
 * @param paymentSource see {@link Builder#paymentSource}; {@link #toString} leaves it out
 * @param unlessPending see {@link Builder#unlessPending}
 * @param returnUrl see {@link Builder#returnUrl}; {@link #toString} leaves it out
 */
public record ChargeParams(
        long orderId,
        BigDecimal amount,
        String currency,
        PaymentMethod method,
        String requestId,
        String externalReference,
        String customerId,
        Map<String, String> labels,
        String paymentSource,
        boolean unlessPending,
        String returnUrl) {
    /**
     * Rejects parameters that the contract cannot express. The service checks the rest.
     *
     * @throws NullPointerException if the amount is missing
     * @throws IllegalArgumentException if the amount has more than four decimals, or the method is UNKNOWN
     */
    public ChargeParams {
        Amounts.check("amount", requireNonNull(amount, "amount is missing"));
        Enums.check("method", method);
        requireNonNull(externalReference, "externalReference");
        requireNonNull(customerId, "customerId");
        labels = checkLabels(labels);
        requireNonNull(paymentSource, "paymentSource");
        requireNonNull(returnUrl, "returnUrl");
    }

    /** {@return a copy of the labels, which contain no null} */
    private static Map<String, String> checkLabels(Map<String, String> labels) {
        requireNonNull(labels, "labels").forEach((key, value) -> {
            requireNonNull(key, "labels contains a null key");
            requireNonNull(value, "labels contains a null value");
        });
        return Map.copyOf(labels);
    }

    /**
     * {@return the parameters without those that must not reach a log: anyone who has a payment source can charge it}
     */
    @Override
    public String toString() {
        return "ChargeParams[orderId=" + orderId + ", amount=" + amount + ", currency=" + currency + ", method="
                + method
                + ", requestId=" + requestId + ", externalReference=" + externalReference + ", customerId=" + customerId
                + ", labels=" + labels + ", unlessPending=" + unlessPending + "]";
    }

    /** {@return a new builder; {@code amount} and one of {@code orderId} and {@code externalReference} are required} */
    public static Builder builder() {
        return new Builder();
    }

    /** Builds {@link ChargeParams}. */
    public static final class Builder {
        private long orderId;
        private BigDecimal amount;
        private String currency;
        private PaymentMethod method;
        private String requestId;
        private String externalReference = "";
        private String customerId = "";
        private Map<String, String> labels = Map.of();
        private String paymentSource = "";
        private boolean unlessPending;
        private String returnUrl = "";

        private Builder() {}

        /**
         * Sets the order to charge. It may be left out if there is an {@link #externalReference}.
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
         * @param amount in units of the currency (rupees, not paise): more than zero, with no more decimals than the
         *     currency has
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
         * Sets your own name of the order, such as the number that your customers see. The service keeps it exactly,
         * and {@link ListPaymentsParams.Builder#externalReference} finds it. It need not be unique.
         *
         * @param externalReference at most 100 characters, without control characters
         * @return this builder
         */
        public Builder externalReference(String externalReference) {
            this.externalReference = requireNonNull(externalReference, "externalReference");
            return this;
        }

        /**
         * Sets your customer, for {@link ListPaymentsParams.Builder#customerId}. Use an identifier, not a name or an
         * address.
         *
         * @param customerId at most 100 characters, without control characters
         * @return this builder
         */
        public Builder customerId(String customerId) {
            this.customerId = requireNonNull(customerId, "customerId");
            return this;
        }

        /**
         * Sets labels for your own use, which are returned with the payment.
         *
         * @param labels at most 16, with keys of 1 to 40 and values of at most 100 characters, without control
         *     characters
         * @return this builder
         */
        public Builder labels(Map<String, String> labels) {
            this.labels = checkLabels(labels);
            return this;
        }

        /**
         * Sets the payer's means of payment: a token of the processor, such as the {@code pm_...} that Stripe's page
         * elements return. Never pass a card number. By default, the deployment's own means of payment for the method
         * is charged, if there is one.
         *
         * <p>With a simulated processor, it chooses the outcome instead, for tests. A real processor rejects these
         * sources, which begin with {@code sim_}, and a simulated one rejects all others.
         *
         * @param paymentSource 1 to 255 printable ASCII characters without spaces; or a simulated source, such as
         *     {@code sim_insufficient_funds}, which {@code payments.proto} lists
         * @return this builder
         */
        public Builder paymentSource(String paymentSource) {
            this.paymentSource = requireNonNull(paymentSource, "paymentSource");
            return this;
        }

        /**
         * Sets whether to reject the charge with {@link OrderHasPendingPaymentException} while another payment of the
         * same order is PENDING, so that an impatient customer does not pay twice. The order is that of
         * {@link #orderId}, or of {@link #externalReference} if there is no orderId.
         *
         * @param unlessPending whether to reject it
         * @return this builder
         */
        public Builder unlessPending(boolean unlessPending) {
            this.unlessPending = unlessPending;
            return this;
        }

        /**
         * Sets the page of your own to which the payer returns after an approval in the browser. Without it, a charge
         * that needs such an approval becomes FAILED with AUTHENTICATION_REQUIRED. A retry need not repeat it.
         *
         * @param returnUrl an https URL of at most 2048 characters; only with a {@link #paymentSource}
         * @return this builder
         */
        public Builder returnUrl(String returnUrl) {
            this.returnUrl = requireNonNull(returnUrl, "returnUrl");
            return this;
        }

        /**
         * {@return the parameters}
         *
         * @throws NullPointerException if the amount is missing
         * @throws IllegalArgumentException if the amount has more than four decimals, or the method is UNKNOWN
         */
        public ChargeParams build() {
            return new ChargeParams(
                    orderId,
                    amount,
                    currency,
                    method,
                    requestId,
                    externalReference,
                    customerId,
                    labels,
                    paymentSource,
                    unlessPending,
                    returnUrl);
        }
    }
}
