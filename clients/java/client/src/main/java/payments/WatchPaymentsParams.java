package payments;

import static java.util.Objects.requireNonNull;

import java.time.Duration;

/**
 * Where a watch begins, and when it gives up: made by {@link #builder}, which the components of later versions will not
 * break.
 *
 * @param resumeToken see {@link Builder#resumeToken}
 * @param timeout see {@link Builder#timeout}; null when it was left out
 */
public record WatchPaymentsParams(String resumeToken, Duration timeout) {
    /**
     * Checks them.
     *
     * @throws IllegalArgumentException the timeout is not more than zero
     */
    public WatchPaymentsParams {
        requireNonNull(resumeToken, "resumeToken");
        if (timeout != null) {
            Times.positive("timeout", timeout);
        }
    }

    /** {@return a new builder; nothing is needed: the watch begins now, and does not give up} */
    public static Builder builder() {
        return new Builder();
    }

    /** Makes {@link WatchPaymentsParams}, from what its methods were given. */
    public static final class Builder {
        private String resumeToken = "";
        private Duration timeout;

        private Builder() {}

        /**
         * {@return this builder}
         *
         * @param resumeToken {@link PaymentUpdate#resumeToken} of an earlier update, for all that happened after it;
         *     empty or left out, the watch tells what happens from now on
         */
        public Builder resumeToken(String resumeToken) {
            this.resumeToken = requireNonNull(resumeToken, "resumeToken");
            return this;
        }

        /**
         * {@return this builder}
         *
         * @param timeout how long the service may be out of reach at a stretch before that is raised, more than zero;
         *     left out, it is waited for as long as it takes
         */
        public Builder timeout(Duration timeout) {
            this.timeout = Times.positive("timeout", timeout);
            return this;
        }

        /** {@return the parameters} */
        public WatchPaymentsParams build() {
            return new WatchPaymentsParams(resumeToken, timeout);
        }
    }
}
