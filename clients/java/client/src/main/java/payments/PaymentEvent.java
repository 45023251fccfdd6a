package payments;

import java.time.Instant;
import java.util.Optional;

/**
 * Something that happened to a payment.
 *
 * @param type what happened
 * @param eventTime when, to the microsecond; of what was imported, when it was imported; null where the service has
 *     none
 * @param payment the payment as this left it; it may have changed since
 * @param refund the refund as this left it; empty where the event is not about one
 * @param caller the name of who asked for it; empty where an earlier system made the payment
 * @param requestId the idempotency key with which it was asked for, or the one that the service made; empty where an
 *     earlier system made the payment
 */
public record PaymentEvent(
        PaymentEventType type,
        Instant eventTime,
        Payment payment,
        Optional<Refund> refund,
        String caller,
        String requestId) {}
