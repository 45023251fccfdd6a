package payments.testing;

import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import java.util.function.Predicate;
import payments.v1.DisputeStatus;
import payments.v1.Payment;
import payments.v1.PaymentEvent;
import payments.v1.PaymentEventType;
import payments.v1.PaymentStatus;
import payments.v1.Refund;

/**
 * The payments, with the rules for charges and refunds. It is thread-safe: every method holds the same lock. Each call
 * first applies the pending outcomes that are due.
 */
final class Ledger {
    /** The name of the caller of all calls. */
    static final String CALLER = "anonymous";

    private final Clock clock;
    private final EventLog events;
    private final Consumer<Duration> onPending;

    private final PendingOutcomes pendingOutcomes = new PendingOutcomes();
    private final List<StoredPayment> payments = new ArrayList<>();
    private final Map<String, StoredPayment> paymentsByRequestId = new HashMap<>();
    private final Map<String, StoredRefund> refundsByRequestId = new HashMap<>();

    /**
     * Creates an empty ledger.
     *
     * @param clock tells when pending outcomes are due
     * @param events receives the events
     * @param onPending is called for each change that is due later, with the time until then
     */
    Ledger(Clock clock, EventLog events, Consumer<Duration> onPending) {
        this.clock = clock;
        this.events = events;
        this.onPending = onPending;
    }

    /** Applies the pending outcomes that are due. */
    synchronized void settle() {
        pendingOutcomes.applyDue(clock.instant());
    }

    /**
     * Makes a charge, unless an earlier one had the same request_id.
     *
     * @throws ServiceError if the charge is rejected
     */
    synchronized Charged charge(NewCharge charge) {
        settle();
        StoredPayment earlier = paymentsByRequestId.get(charge.requestId());
        if (earlier != null) {
            if (!earlier.charge().parameters().equals(charge.parameters())) {
                throw ServiceError.requestIdReused(charge.requestId());
            }
            return new Charged(earlier.payment(), true);
        }
        if (charge.unlessPending()) {
            checkNotPending(charge);
        }
        Instant now = now();
        StoredPayment payment = new StoredPayment(payments.size() + 1, charge, now);
        payments.add(payment);
        paymentsByRequestId.put(payment.payment().getRequestId(), payment);
        Outcome outcome = charge.source().chargeOutcome();
        if (outcome.delay().isPresent()) {
            Duration delay = outcome.delay().get();
            record(PaymentEventType.PAYMENT_EVENT_TYPE_PENDING, now, payment);
            if (outcome.needsApproval()) {
                payment.requireApproval(now.plus(delay));
                record(PaymentEventType.PAYMENT_EVENT_TYPE_ACTION_REQUIRED, now, payment);
            }
            applyAfter(delay, now, time -> finish(payment, outcome, time));
        } else {
            finish(payment, outcome, now);
        }
        return new Charged(payment.payment(), false);
    }

    private void checkNotPending(NewCharge charge) {
        payments.stream()
                .filter(other -> other.payment().getStatus() == PaymentStatus.PAYMENT_STATUS_PENDING)
                .filter(other -> charge.isOfSameOrder(other.charge()))
                .findFirst()
                .ifPresent(other -> {
                    throw ServiceError.orderHasPendingPayment(other.payment().getPaymentId());
                });
    }

    private void finish(StoredPayment payment, Outcome outcome, Instant time) {
        payment.finishCharge(outcome);
        record(
                outcome.isSuccess()
                        ? PaymentEventType.PAYMENT_EVENT_TYPE_CHARGED
                        : PaymentEventType.PAYMENT_EVENT_TYPE_FAILED,
                time,
                payment);
        payment.charge()
                .source()
                .disputeDecision()
                .ifPresent(decision -> applyAfter(
                        PaymentSource.DISPUTE_DELAY, time, openTime -> dispute(payment, decision, openTime)));
    }

    /** Opens a dispute, which is decided later. */
    private void dispute(StoredPayment payment, DisputeStatus decision, Instant openTime) {
        payment.openDispute(openTime);
        recordDispute(PaymentEventType.PAYMENT_EVENT_TYPE_DISPUTE_OPENED, openTime, payment);
        applyAfter(PaymentSource.DISPUTE_DELAY, openTime, closeTime -> {
            payment.closeDispute(decision, closeTime);
            recordDispute(
                    decision == DisputeStatus.DISPUTE_STATUS_WON
                            ? PaymentEventType.PAYMENT_EVENT_TYPE_DISPUTE_WON
                            : PaymentEventType.PAYMENT_EVENT_TYPE_DISPUTE_LOST,
                    closeTime,
                    payment);
        });
    }

    /**
     * Makes a refund, unless an earlier one had the same request_id.
     *
     * @throws ServiceError if the refund is rejected
     */
    synchronized Refunded refund(NewRefund request) {
        settle();
        StoredRefund earlier = refundsByRequestId.get(request.requestId());
        if (earlier != null) {
            if (!earlier.request().parameters().equals(request.parameters())) {
                throw ServiceError.requestIdReused(request.requestId());
            }
            return new Refunded(earlier.refund(), earlier.payment().payment(), true);
        }
        StoredPayment payment = find(
                candidate -> candidate.getPaymentId() == request.parameters().getPaymentId());
        if (payment.isFullRefundRepeatedBy(request)) {
            return new Refunded(payment.lastRefund(), payment.payment(), false);
        }
        Instant now = now();
        StoredRefund refund = payment.startRefund(refundsByRequestId.size() + 1, request, now);
        refundsByRequestId.put(refund.refund().getRequestId(), refund);
        Outcome outcome = payment.charge().source().refundOutcome();
        if (outcome.delay().isPresent()) {
            record(PaymentEventType.PAYMENT_EVENT_TYPE_REFUND_PENDING, now, refund);
            applyAfter(outcome.delay().get(), now, time -> finish(refund, outcome, time));
        } else {
            finish(refund, outcome, now);
        }
        return new Refunded(refund.refund(), payment.payment(), false);
    }

    private void finish(StoredRefund refund, Outcome outcome, Instant time) {
        refund.finish(outcome);
        record(
                outcome.isSuccess()
                        ? PaymentEventType.PAYMENT_EVENT_TYPE_REFUNDED
                        : PaymentEventType.PAYMENT_EVENT_TYPE_REFUND_FAILED,
                time,
                refund);
        outcome.next()
                .ifPresent(next ->
                        applyAfter(next.delay().orElseThrow(), time, failTime -> finish(refund, next, failTime)));
    }

    private void applyAfter(Duration delay, Instant time, Consumer<Instant> apply) {
        if (delay.isZero()) {
            apply.accept(time);
        } else {
            pendingOutcomes.add(time.plus(delay), apply);
            onPending.accept(delay);
        }
    }

    private void record(PaymentEventType type, Instant time, StoredPayment payment) {
        events.append(event(type, time, payment)
                .setCaller(CALLER)
                .setRequestId(payment.payment().getRequestId())
                .build());
    }

    /** Records an event without a caller and a request_id, because no call requests a dispute. */
    private void recordDispute(PaymentEventType type, Instant time, StoredPayment payment) {
        events.append(event(type, time, payment).build());
    }

    private void record(PaymentEventType type, Instant time, StoredRefund refund) {
        events.append(event(type, time, refund.payment())
                .setRefund(refund.refund())
                .setCaller(CALLER)
                .setRequestId(refund.refund().getRequestId())
                .build());
    }

    private static PaymentEvent.Builder event(PaymentEventType type, Instant time, StoredPayment payment) {
        return PaymentEvent.newBuilder()
                .setType(type)
                .setEventTime(Times.toTimestamp(time))
                .setPayment(payment.payment());
    }

    /**
     * {@return the payment that satisfies a condition, with its refunds}
     *
     * @throws ServiceError if there is none
     */
    synchronized Details details(Predicate<Payment> condition) {
        settle();
        StoredPayment found = find(condition);
        return new Details(found.payment(), found.refunds());
    }

    /** {@return all payments, oldest first} */
    synchronized List<Payment> payments() {
        settle();
        return payments.stream().map(StoredPayment::payment).toList();
    }

    private StoredPayment find(Predicate<Payment> condition) {
        return payments.stream()
                .filter(stored -> condition.test(stored.payment()))
                .findFirst()
                .orElseThrow(ServiceError::paymentNotFound);
    }

    /** {@return the time, in whole microseconds as the service stores it} */
    private Instant now() {
        return clock.instant().truncatedTo(ChronoUnit.MICROS);
    }

    /**
     * The outcome of a charge.
     *
     * @param payment the payment
     * @param isReplayed whether an earlier charge made it
     */
    record Charged(Payment payment, boolean isReplayed) {}

    /**
     * The outcome of a refund.
     *
     * @param refund the refund
     * @param payment the payment after the refund
     * @param isReplayed whether an earlier call made it
     */
    record Refunded(Refund refund, Payment payment, boolean isReplayed) {}

    /**
     * A payment with its refunds.
     *
     * @param payment the payment
     * @param refunds the refunds, oldest first
     */
    record Details(Payment payment, List<Refund> refunds) {}
}
