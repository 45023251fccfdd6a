package payments;

import static java.util.Objects.requireNonNull;

/**
 * Of which payment to list the refunds, and how: made by {@link #builder}, which the components of later versions will
 * not break.
 *
 * @param paymentId see {@link Builder#paymentId}
 * @param pageSize see {@link Builder#pageSize}
 * @param pageToken see {@link Builder#pageToken}
 */
public record ListRefundsParams(long paymentId, int pageSize, String pageToken) {
    /** Checks that the token is not null; for the rest the service is asked. */
    public ListRefundsParams {
        requireNonNull(pageToken, "pageToken");
    }

    /** {@return a new builder; {@code paymentId} is needed} */
    public static Builder builder() {
        return new Builder();
    }

    /** Makes {@link ListRefundsParams}, from what its methods were given. */
    public static final class Builder {
        private Long paymentId;
        private int pageSize;
        private String pageToken = "";

        private Builder() {}

        /**
         * {@return this builder}
         *
         * @param paymentId the payment
         */
        public Builder paymentId(long paymentId) {
            this.paymentId = paymentId;
            return this;
        }

        /**
         * {@return this builder}
         *
         * @param pageSize how many refunds to fetch at once, 1000 at most; left out, the service chooses
         */
        public Builder pageSize(int pageSize) {
            this.pageSize = pageSize;
            return this;
        }

        /**
         * {@return this builder}
         *
         * @param pageToken {@link PaymentDetails#nextRefundsPageToken}, or {@link RefundPage#nextPageToken} of a page,
         *     for the refunds that follow; empty or left out, the list begins with the first refund
         */
        public Builder pageToken(String pageToken) {
            this.pageToken = requireNonNull(pageToken, "pageToken");
            return this;
        }

        /**
         * {@return the parameters}
         *
         * @throws NullPointerException there is no paymentId
         */
        public ListRefundsParams build() {
            return new ListRefundsParams(requireNonNull(paymentId, "paymentId is missing"), pageSize, pageToken);
        }
    }
}
