package payments;

import static java.util.Objects.requireNonNull;

import java.time.Duration;

/**
 * The parameters of {@link PaymentsClient#watchPayments}. Create them with {@link #builder}, which stays compatible
 * when later versions add components.
 *
 * @param resumeToken see {@link Builder#resumeToken}
 * @param timeout see {@link Builder#timeout}; null if not set
 */
public record WatchPaymentsParams(String resumeToken, Duration timeout) {
    /**
     * Rejects a timeout that is not more than zero. The service checks the token.
     *
     * @throws IllegalArgumentException if the timeout is not more than zero
     */
    public WatchPaymentsParams {
        requireNonNull(resumeToken, "resumeToken");
        if (timeout != null) {
            Times.checkPositive("timeout", timeout);
        }
    }

    /** {@return a new builder; everything is optional: by default, the watch starts now and never gives up} */
    public static Builder builder() {
        return new Builder();
    }

    /** Builds {@link WatchPaymentsParams}. */
    public static final class Builder {
        private String resumeToken = "";
        private Duration timeout;

        private Builder() {}

        /**
         * Sets where to start. By default, the watch streams events from now on.
         *
         * @param resumeToken the {@link PaymentUpdate#resumeToken} of an earlier update, to stream all events after it;
         *     empty for events from now on
         * @return this builder
         */
        public Builder resumeToken(String resumeToken) {
            this.resumeToken = requireNonNull(resumeToken, "resumeToken");
            return this;
        }

        /**
         * Sets how long the service may be continuously unreachable before the stream throws the error. The default is
         * forever.
         *
         * @param timeout more than zero
         * @return this builder
         */
        public Builder timeout(Duration timeout) {
            this.timeout = Times.checkPositive("timeout", timeout);
            return this;
        }

        /** {@return the parameters} */
        public WatchPaymentsParams build() {
            return new WatchPaymentsParams(resumeToken, timeout);
        }
    }
}
