package payments.testing;

import java.time.Duration;
import java.util.Locale;
import java.util.Optional;
import payments.v1.Failure;

/**
 * The outcome of a charge or a refund.
 *
 * @param delay how long it is pending; empty if it never is
 * @param needsApproval whether it is pending because the payer must approve the payment
 * @param failure why it fails; unspecified if it succeeds
 * @param failureCode the processor's code for the failure; empty if it succeeds
 * @param next the outcome that replaces this one, after a delay of its own; empty if this one is final
 */
record Outcome(
        Optional<Duration> delay, boolean needsApproval, Failure failure, String failureCode, Optional<Outcome> next) {
    static final Outcome SUCCESS =
            new Outcome(Optional.empty(), false, Failure.FAILURE_UNSPECIFIED, "", Optional.empty());

    /** {@return a failure whose code is the lower-case name of its reason} */
    static Outcome failure(Failure reason) {
        String code = reason.name().substring("FAILURE_".length()).toLowerCase(Locale.ROOT);
        return SUCCESS.with(reason, code);
    }

    /** {@return the same outcome after this delay} */
    Outcome after(Duration pending) {
        return new Outcome(Optional.of(pending), needsApproval, failure, failureCode, next);
    }

    /** {@return the same outcome after the payer has had so much time to approve the payment} */
    Outcome afterApproval(Duration pending) {
        return new Outcome(Optional.of(pending), true, failure, failureCode, next);
    }

    /** {@return the same outcome until another one, which has a delay, replaces it} */
    Outcome then(Outcome replacement) {
        return new Outcome(delay, needsApproval, failure, failureCode, Optional.of(replacement));
    }

    Outcome withCode(String code) {
        return with(failure, code);
    }

    private Outcome with(Failure reason, String code) {
        return new Outcome(delay, needsApproval, reason, code, next);
    }

    boolean isSuccess() {
        return failure == Failure.FAILURE_UNSPECIFIED;
    }
}
