package payments;

import static java.util.Objects.requireNonNull;

import java.math.BigDecimal;
import java.time.Instant;
import java.util.Collection;
import java.util.List;

/**
 * The parameters of {@link PaymentsClient#listPayments} and {@link PaymentsClient#listPaymentsPage}. Create them with
 * {@link #builder}, which stays compatible when later versions add components. A payment must satisfy all conditions
 * that are set. Bounds are inclusive.
 *
 * @param orderId see {@link Builder#orderId}; null if not set
 * @param methods see {@link Builder#methods}; immutable
 * @param statuses see {@link Builder#statuses}; immutable
 * @param refundStates see {@link Builder#refundStates}; immutable
 * @param reference see {@link Builder#reference}; null if not set
 * @param minAmount see {@link Builder#minAmount}; null if not set
 * @param maxAmount see {@link Builder#maxAmount}; null if not set
 * @param currency see {@link Builder#currency}; null if not set
 * @param minCreateTime see {@link Builder#minCreateTime}; null if not set
 * @param maxCreateTime see {@link Builder#maxCreateTime}; null if not set
 * @param requestId see {@link Builder#requestId}; null if not set
 * @param caller see {@link Builder#caller}; null if not set
 * @param processorReference see {@link Builder#processorReference}; null if not set
 * @param externalReference see {@link Builder#externalReference}; null if not set
 * @param customerId see {@link Builder#customerId}; null if not set
 * @param orderBy see {@link Builder#orderBy}
 * @param pageSize see {@link Builder#pageSize}
 * @param pageToken see {@link Builder#pageToken}
 * @param includeTotalSize see {@link Builder#includeTotalSize}
 */
public record ListPaymentsParams(
        Long orderId,
        List<PaymentMethod> methods,
        List<PaymentStatus> statuses,
        List<RefundState> refundStates,
        String reference,
        BigDecimal minAmount,
        BigDecimal maxAmount,
        String currency,
        Instant minCreateTime,
        Instant maxCreateTime,
        String requestId,
        String caller,
        String processorReference,
        String externalReference,
        String customerId,
        String orderBy,
        int pageSize,
        String pageToken,
        boolean includeTotalSize) {
    /**
     * Rejects parameters that the contract cannot express. The service checks the rest.
     *
     * @throws IllegalArgumentException if an amount has more than four decimals, there is a currency but no amount, a
     *     time is not in the years 1 to 9999, or a method, status or state is UNKNOWN
     */
    public ListPaymentsParams {
        methods = Enums.check("methods", methods);
        statuses = Enums.check("statuses", statuses);
        refundStates = Enums.check("refundStates", refundStates);
        Amounts.check("minAmount", minAmount);
        Amounts.check("maxAmount", maxAmount);
        if (currency != null && minAmount == null && maxAmount == null) {
            throw new IllegalArgumentException("currency needs minAmount or maxAmount");
        }
        Times.check("minCreateTime", minCreateTime);
        Times.check("maxCreateTime", maxCreateTime);
        requireNonNull(orderBy, "orderBy");
        requireNonNull(pageToken, "pageToken");
    }

    /** {@return a new builder; everything is optional, and without conditions all payments match} */
    public static Builder builder() {
        return new Builder();
    }

    /** Builds {@link ListPaymentsParams}. */
    public static final class Builder {
        private Long orderId;
        private List<PaymentMethod> methods = List.of();
        private List<PaymentStatus> statuses = List.of();
        private List<RefundState> refundStates = List.of();
        private String reference;
        private BigDecimal minAmount;
        private BigDecimal maxAmount;
        private String currency;
        private Instant minCreateTime;
        private Instant maxCreateTime;
        private String requestId;
        private String caller;
        private String processorReference;
        private String externalReference;
        private String customerId;
        private String orderBy = "";
        private int pageSize;
        private String pageToken = "";
        private boolean includeTotalSize;

        private Builder() {}

        /**
         * Selects payments of this order.
         *
         * @param orderId the order
         * @return this builder
         */
        public Builder orderId(long orderId) {
            this.orderId = orderId;
            return this;
        }

        /**
         * Selects payments made with one of these methods.
         *
         * @param methods the methods; empty means any
         * @return this builder
         */
        public Builder methods(Collection<PaymentMethod> methods) {
            this.methods = Enums.check("methods", methods);
            return this;
        }

        /**
         * Selects payments with one of these statuses.
         *
         * @param statuses the statuses; empty means any
         * @return this builder
         */
        public Builder statuses(Collection<PaymentStatus> statuses) {
            this.statuses = Enums.check("statuses", statuses);
            return this;
        }

        /**
         * Selects payments in one of these refund states.
         *
         * @param refundStates the states; empty means any
         * @return this builder
         */
        public Builder refundStates(Collection<RefundState> refundStates) {
            this.refundStates = Enums.check("refundStates", refundStates);
            return this;
        }

        /**
         * Selects the payment with this reference.
         *
         * @param reference the reference
         * @return this builder
         */
        public Builder reference(String reference) {
            this.reference = requireNonNull(reference, "reference");
            return this;
        }

        /**
         * Selects payments of at least this amount.
         *
         * @param minAmount the amount
         * @return this builder
         */
        public Builder minAmount(BigDecimal minAmount) {
            this.minAmount = requireNonNull(minAmount, "minAmount");
            return this;
        }

        /**
         * Selects payments of at most this amount.
         *
         * @param maxAmount the amount
         * @return this builder
         */
        public Builder maxAmount(BigDecimal maxAmount) {
            this.maxAmount = requireNonNull(maxAmount, "maxAmount");
            return this;
        }

        /**
         * Sets the currency of the two amounts. The default is the deployment's.
         *
         * @param currency an ISO 4217 code
         * @return this builder
         */
        public Builder currency(String currency) {
            this.currency = requireNonNull(currency, "currency");
            return this;
        }

        /**
         * Selects payments made at or after this time.
         *
         * @param minCreateTime the time
         * @return this builder
         */
        public Builder minCreateTime(Instant minCreateTime) {
            this.minCreateTime = requireNonNull(minCreateTime, "minCreateTime");
            return this;
        }

        /**
         * Selects payments made at or before this time.
         *
         * @param maxCreateTime the time
         * @return this builder
         */
        public Builder maxCreateTime(Instant maxCreateTime) {
            this.maxCreateTime = requireNonNull(maxCreateTime, "maxCreateTime");
            return this;
        }

        /**
         * Selects the payment whose charge had this request_id, of the caller in {@link #caller}, or else of your own.
         * The request_id of another caller requires the role {@code payments.audit}.
         *
         * @param requestId the request_id
         * @return this builder
         */
        public Builder requestId(String requestId) {
            this.requestId = requireNonNull(requestId, "requestId");
            return this;
        }

        /**
         * Selects payments that were charged by the caller with this name.
         *
         * @param caller the name
         * @return this builder
         */
        public Builder caller(String caller) {
            this.caller = requireNonNull(caller, "caller");
            return this;
        }

        /**
         * Selects payments with exactly this identifier at the processor.
         *
         * @param processorReference the identifier
         * @return this builder
         */
        public Builder processorReference(String processorReference) {
            this.processorReference = requireNonNull(processorReference, "processorReference");
            return this;
        }

        /**
         * Selects payments with exactly this {@link ChargeParams.Builder#externalReference}.
         *
         * @param externalReference the external reference
         * @return this builder
         */
        public Builder externalReference(String externalReference) {
            this.externalReference = requireNonNull(externalReference, "externalReference");
            return this;
        }

        /**
         * Selects payments of exactly this customer.
         *
         * @param customerId the customer
         * @return this builder
         */
        public Builder customerId(String customerId) {
            this.customerId = requireNonNull(customerId, "customerId");
            return this;
        }

        /**
         * Sets the order of the payments.
         *
         * @param orderBy {@code create_time desc} (the default) or {@code create_time asc}
         * @return this builder
         */
        public Builder orderBy(String orderBy) {
            this.orderBy = requireNonNull(orderBy, "orderBy");
            return this;
        }

        /**
         * Sets the maximum number of payments in a page. By default, the service chooses.
         *
         * @param pageSize at most 1000
         * @return this builder
         */
        public Builder pageSize(int pageSize) {
            this.pageSize = pageSize;
            return this;
        }

        /**
         * Sets the page to start with. By default, the list starts with the first page.
         *
         * @param pageToken the {@link PaymentPage#nextPageToken} of the previous page, with the same conditions and
         *     order
         * @return this builder
         */
        public Builder pageToken(String pageToken) {
            this.pageToken = requireNonNull(pageToken, "pageToken");
            return this;
        }

        /**
         * Sets whether to count all matching payments. The cost grows with the number of matches.
         *
         * @param includeTotalSize whether to count them
         * @return this builder
         */
        public Builder includeTotalSize(boolean includeTotalSize) {
            this.includeTotalSize = includeTotalSize;
            return this;
        }

        /**
         * {@return the parameters}
         *
         * @throws IllegalArgumentException if an amount has more than four decimals, there is a currency but no amount,
         *     a time is not in the years 1 to 9999, or a method, status or state is UNKNOWN
         */
        public ListPaymentsParams build() {
            return new ListPaymentsParams(
                    orderId,
                    methods,
                    statuses,
                    refundStates,
                    reference,
                    minAmount,
                    maxAmount,
                    currency,
                    minCreateTime,
                    maxCreateTime,
                    requestId,
                    caller,
                    processorReference,
                    externalReference,
                    customerId,
                    orderBy,
                    pageSize,
                    pageToken,
                    includeTotalSize);
        }
    }
}
