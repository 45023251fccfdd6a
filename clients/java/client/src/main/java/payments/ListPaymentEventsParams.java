package payments;

import static java.util.Objects.requireNonNull;

/**
 * The parameters of {@link PaymentsClient#listPaymentEvents} and {@link PaymentsClient#listPaymentEventsPage}. Create
 * them with {@link #builder}, which stays compatible when later versions add components.
 *
 * @param paymentId see {@link Builder#paymentId}
 * @param pageSize see {@link Builder#pageSize}
 * @param pageToken see {@link Builder#pageToken}
 */
public record ListPaymentEventsParams(long paymentId, int pageSize, String pageToken) {
    /** Checks that the token is not null. The service checks the rest. */
    public ListPaymentEventsParams {
        requireNonNull(pageToken, "pageToken");
    }

    /** {@return a new builder; {@code paymentId} is required} */
    public static Builder builder() {
        return new Builder();
    }

    /** Builds {@link ListPaymentEventsParams}. */
    public static final class Builder {
        private Long paymentId;
        private int pageSize;
        private String pageToken = "";

        private Builder() {}

        /**
         * Sets the payment whose events to list.
         *
         * @param paymentId the payment
         * @return this builder
         */
        public Builder paymentId(long paymentId) {
            this.paymentId = paymentId;
            return this;
        }

        /**
         * Sets the maximum number of events in a page. By default, the service chooses.
         *
         * @param pageSize at most 1000
         * @return this builder
         */
        public Builder pageSize(int pageSize) {
            this.pageSize = pageSize;
            return this;
        }

        /**
         * Sets where to start. By default, the list starts with the first event.
         *
         * @param pageToken a {@link PaymentEventPage#nextPageToken}; empty for the first event
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
        public ListPaymentEventsParams build() {
            return new ListPaymentEventsParams(requireNonNull(paymentId, "paymentId is missing"), pageSize, pageToken);
        }
    }
}
