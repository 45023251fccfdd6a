package payments;

import static java.util.Objects.requireNonNull;

import java.math.BigDecimal;
import java.time.Instant;
import java.util.Collection;
import java.util.List;

/**
 * Which payments to list, and how: made by {@link #builder}, which the components of later versions will not break. All
 * conditions that are given must hold; bounds are inclusive.
 *
 * @param orderId see {@link Builder#orderId}; null when it was left out
 * @param methods see {@link Builder#methods}; cannot be changed
 * @param statuses see {@link Builder#statuses}; cannot be changed
 * @param refundStates see {@link Builder#refundStates}; cannot be changed
 * @param reference see {@link Builder#reference}; null when it was left out
 * @param minAmount see {@link Builder#minAmount}; null when it was left out
 * @param maxAmount see {@link Builder#maxAmount}; null when it was left out
 * @param currency see {@link Builder#currency}; null when it was left out
 * @param minCreateTime see {@link Builder#minCreateTime}; null when it was left out
 * @param maxCreateTime see {@link Builder#maxCreateTime}; null when it was left out
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
        String orderBy,
        int pageSize,
        String pageToken,
        boolean includeTotalSize) {
    /**
     * Checks what the contract cannot express; for the rest the service is asked.
     *
     * @throws IllegalArgumentException an amount has more than two decimals, there is a currency but no amount, a time
     *     is not in the years 1 to 9999, or a method, status or state is UNKNOWN
     */
    public ListPaymentsParams {
        methods = Enums.checked("methods", methods);
        statuses = Enums.checked("statuses", statuses);
        refundStates = Enums.checked("refundStates", refundStates);
        Amounts.checked("minAmount", minAmount);
        Amounts.checked("maxAmount", maxAmount);
        if (currency != null && minAmount == null && maxAmount == null) {
            throw new IllegalArgumentException("currency is that of minAmount and maxAmount, which are both missing");
        }
        Times.checked("minCreateTime", minCreateTime);
        Times.checked("maxCreateTime", maxCreateTime);
        requireNonNull(orderBy, "orderBy");
        requireNonNull(pageToken, "pageToken");
    }

    /** {@return a new builder; nothing is needed: without conditions, all payments match} */
    public static Builder builder() {
        return new Builder();
    }

    /** Makes {@link ListPaymentsParams}, from what its methods were given. */
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
        private String orderBy = "";
        private int pageSize;
        private String pageToken = "";
        private boolean includeTotalSize;

        private Builder() {}

        /**
         * {@return this builder}
         *
         * @param orderId payments of this order
         */
        public Builder orderId(long orderId) {
            this.orderId = orderId;
            return this;
        }

        /**
         * {@return this builder}
         *
         * @param methods payments made by one of these methods; empty means any
         */
        public Builder methods(Collection<PaymentMethod> methods) {
            this.methods = Enums.checked("methods", methods);
            return this;
        }

        /**
         * {@return this builder}
         *
         * @param statuses payments with one of these statuses; empty means any
         */
        public Builder statuses(Collection<PaymentStatus> statuses) {
            this.statuses = Enums.checked("statuses", statuses);
            return this;
        }

        /**
         * {@return this builder}
         *
         * @param refundStates payments in one of these refund states; empty means any
         */
        public Builder refundStates(Collection<RefundState> refundStates) {
            this.refundStates = Enums.checked("refundStates", refundStates);
            return this;
        }

        /**
         * {@return this builder}
         *
         * @param reference the payment with this reference
         */
        public Builder reference(String reference) {
            this.reference = requireNonNull(reference, "reference");
            return this;
        }

        /**
         * {@return this builder}
         *
         * @param minAmount payments of this amount or more
         */
        public Builder minAmount(BigDecimal minAmount) {
            this.minAmount = requireNonNull(minAmount, "minAmount");
            return this;
        }

        /**
         * {@return this builder}
         *
         * @param maxAmount payments of this amount or less
         */
        public Builder maxAmount(BigDecimal maxAmount) {
            this.maxAmount = requireNonNull(maxAmount, "maxAmount");
            return this;
        }

        /**
         * {@return this builder}
         *
         * @param currency of the two amounts (ISO 4217); left out, it is the deployment's default
         */
        public Builder currency(String currency) {
            this.currency = requireNonNull(currency, "currency");
            return this;
        }

        /**
         * {@return this builder}
         *
         * @param minCreateTime payments made at this time or later
         */
        public Builder minCreateTime(Instant minCreateTime) {
            this.minCreateTime = requireNonNull(minCreateTime, "minCreateTime");
            return this;
        }

        /**
         * {@return this builder}
         *
         * @param maxCreateTime payments made at this time or earlier
         */
        public Builder maxCreateTime(Instant maxCreateTime) {
            this.maxCreateTime = requireNonNull(maxCreateTime, "maxCreateTime");
            return this;
        }

        /**
         * {@return this builder}
         *
         * @param orderBy {@code create_time desc} (also when left out) or {@code create_time asc}
         */
        public Builder orderBy(String orderBy) {
            this.orderBy = requireNonNull(orderBy, "orderBy");
            return this;
        }

        /**
         * {@return this builder}
         *
         * @param pageSize how many payments to fetch at once, 1000 at most; left out, the service chooses
         */
        public Builder pageSize(int pageSize) {
            this.pageSize = pageSize;
            return this;
        }

        /**
         * {@return this builder}
         *
         * @param pageToken {@link PaymentPage#nextPageToken} of the page before, given with the same conditions and
         *     order; left out, the list begins with its first page
         */
        public Builder pageToken(String pageToken) {
            this.pageToken = requireNonNull(pageToken, "pageToken");
            return this;
        }

        /**
         * {@return this builder}
         *
         * @param includeTotalSize whether a page counts all the payments that match, which costs more the more there
         *     are
         */
        public Builder includeTotalSize(boolean includeTotalSize) {
            this.includeTotalSize = includeTotalSize;
            return this;
        }

        /**
         * {@return the parameters}
         *
         * @throws IllegalArgumentException an amount has more than two decimals, there is a currency but no amount, a
         *     time is not in the years 1 to 9999, or a method, status or state is UNKNOWN
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
                    orderBy,
                    pageSize,
                    pageToken,
                    includeTotalSize);
        }
    }
}
