package payments;

import static java.util.Objects.requireNonNull;

/**
 * The parameters of {@link PaymentsClient#listRefunds} and {@link PaymentsClient#listRefundsPage}. Create them with
 * {@link #builder}, which stays compatible when later versions add components.
 *
 * @param paymentId see {@link Builder#paymentId}
 * @param pageSize see {@link Builder#pageSize}
 * @param pageToken see {@link Builder#pageToken}
 */
public record ListRefundsParams(long paymentId, int pageSize, String pageToken) {
    /** Checks that the token is not null. The service checks the rest. */
    public ListRefundsParams {
        requireNonNull(pageToken, "pageToken");
    }

    /** {@return a new builder; {@code paymentId} is required} */
    public static Builder builder() {
        return new Builder();
    }

    /** Builds {@link ListRefundsParams}. */
    public static final class Builder {
        private Long paymentId;
        private int pageSize;
        private String pageToken = "";

        private Builder() {}

        /**
         * Sets the payment whose refunds to list.
         *
         * @param paymentId the payment
         * @return this builder
         */
        public Builder paymentId(long paymentId) {
            this.paymentId = paymentId;
            return this;
        }

        /**
         * Sets the maximum number of refunds in a page. By default, the service chooses.
         *
         * @param pageSize at most 1000
         * @return this builder
         */
        public Builder pageSize(int pageSize) {
            this.pageSize = pageSize;
            return this;
        }

        /**
         * Sets where to start. By default, the list starts with the first refund.
         *
         * @param pageToken a {@link PaymentDetails#nextRefundsPageToken} or {@link RefundPage#nextPageToken}; empty for
         *     the first refund
         * @return this builder
         */
        public Builder pageToken(String pageToken) {
            this.pageToken = requireNonNull(pageToken, "pageToken");
            return this;
        }

        /**
         * {@return the parameters}
         *
         * @throws NullPointerException if paymentId is missing
         */
        public ListRefundsParams build() {
            return new ListRefundsParams(requireNonNull(paymentId, "paymentId is missing"), pageSize, pageToken);
        }
    }
}
