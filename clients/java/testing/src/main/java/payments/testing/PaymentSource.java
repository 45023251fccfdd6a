package payments.testing;

import static payments.v1.DisputeStatus.DISPUTE_STATUS_LOST;
import static payments.v1.DisputeStatus.DISPUTE_STATUS_WON;
import static payments.v1.Failure.FAILURE_AUTHENTICATION_REQUIRED;
import static payments.v1.Failure.FAILURE_DECLINED;
import static payments.v1.Failure.FAILURE_EXPIRED_METHOD;
import static payments.v1.Failure.FAILURE_INSUFFICIENT_FUNDS;
import static payments.v1.Failure.FAILURE_INVALID_METHOD;
import static payments.v1.Failure.FAILURE_LIMIT_EXCEEDED;
import static payments.v1.Failure.FAILURE_PROCESSOR_ERROR;
import static payments.v1.Failure.FAILURE_SUSPECTED_FRAUD;

import java.time.Duration;
import java.util.Locale;
import java.util.Optional;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import payments.v1.DisputeStatus;

/** The payment sources: each decides the outcome of a charge, and of the refunds and the dispute of its payment. */
enum PaymentSource {
    SIM_SUCCESS(Outcome.SUCCESS),
    SIM_INSUFFICIENT_FUNDS(Outcome.failure(FAILURE_INSUFFICIENT_FUNDS)),
    SIM_EXPIRED_METHOD(Outcome.failure(FAILURE_EXPIRED_METHOD)),
    SIM_INVALID_METHOD(Outcome.failure(FAILURE_INVALID_METHOD)),
    SIM_AUTHENTICATION_REQUIRED(Outcome.failure(FAILURE_AUTHENTICATION_REQUIRED)),
    SIM_FRAUD(Outcome.failure(FAILURE_SUSPECTED_FRAUD)),
    SIM_LIMIT_EXCEEDED(Outcome.failure(FAILURE_LIMIT_EXCEEDED)),
    SIM_DECLINED(Outcome.failure(FAILURE_DECLINED)),
    SIM_PROCESSOR_ERROR(Outcome.failure(FAILURE_PROCESSOR_ERROR)),
    SIM_PENDING_5S(Outcome.SUCCESS.after(Duration.ofSeconds(5))),
    SIM_PENDING_5S_DECLINED(Outcome.failure(FAILURE_DECLINED).after(Duration.ofSeconds(5))),
    SIM_APPROVAL_5S(Outcome.SUCCESS.afterApproval(Duration.ofSeconds(5))),
    SIM_APPROVAL_5S_REFUSED(Outcome.failure(FAILURE_AUTHENTICATION_REQUIRED).afterApproval(Duration.ofSeconds(5))),
    SIM_TIMEOUT(Outcome.failure(FAILURE_PROCESSOR_ERROR).withCode("timeout").after(Duration.ofSeconds(30))),
    SIM_REFUND_FAILS(Outcome.SUCCESS, Outcome.failure(FAILURE_DECLINED).after(Duration.ZERO)),
    SIM_REFUND_PENDING_5S(Outcome.SUCCESS, Outcome.SUCCESS.after(Duration.ofSeconds(5))),
    SIM_REFUND_FAILS_AFTER_5S(
            Outcome.SUCCESS,
            Outcome.SUCCESS
                    .after(Duration.ZERO)
                    .then(Outcome.failure(FAILURE_DECLINED).after(Duration.ofSeconds(5)))),
    SIM_DISPUTE_5S_WON(DISPUTE_STATUS_WON),
    SIM_DISPUTE_5S_LOST(DISPUTE_STATUS_LOST);

    /** How long after the charge its dispute opens, and how long it stays open. */
    static final Duration DISPUTE_DELAY = Duration.ofSeconds(5);

    private final Outcome chargeOutcome;
    private final Outcome refundOutcome;
    private final Optional<DisputeStatus> disputeDecision;

    PaymentSource(Outcome chargeOutcome) {
        this(chargeOutcome, Outcome.SUCCESS);
    }

    PaymentSource(Outcome chargeOutcome, Outcome refundOutcome) {
        this.chargeOutcome = chargeOutcome;
        this.refundOutcome = refundOutcome;
        disputeDecision = Optional.empty();
    }

    PaymentSource(DisputeStatus disputeDecision) {
        chargeOutcome = Outcome.SUCCESS.after(Duration.ZERO);
        refundOutcome = Outcome.SUCCESS;
        this.disputeDecision = Optional.of(disputeDecision);
    }

    /** {@return the source with a name, such as {@code sim_success}; empty if there is none} */
    static Optional<PaymentSource> named(String name) {
        return Stream.of(values())
                .filter(source -> source.sourceName().equals(name))
                .findFirst();
    }

    /** {@return the names of all sources} */
    static String names() {
        return Stream.of(values()).map(PaymentSource::sourceName).collect(Collectors.joining(", "));
    }

    private String sourceName() {
        return name().toLowerCase(Locale.ROOT);
    }

    Outcome chargeOutcome() {
        return chargeOutcome;
    }

    Outcome refundOutcome() {
        return refundOutcome;
    }

    /** {@return how the payer's dispute ends; empty if the payer does not dispute the payment} */
    Optional<DisputeStatus> disputeDecision() {
        return disputeDecision;
    }
}
