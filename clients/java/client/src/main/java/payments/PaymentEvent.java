package payments;

import java.time.Instant;
import java.util.Optional;

/**
 * A change to a payment.
 *
 * @param type what happened
 * @param eventTime when it happened, to the microsecond; for an import, the time of the import; null if the service
 *     sent none
 * @param payment the payment as it was after this event; it may have changed since; only its {@code nextAction} is
 *     always the current one
 * @param refund the refund as it was after this event; empty if the event is not about a refund
 * @param caller the name of the caller that requested the change; empty if the legacy service made the payment, if an
 *     operator erased its customer, or if the event is about a dispute
 * @param requestId the request_id of that request, or the one that the service generated if there was none; empty if
 *     {@code caller} is empty, and for other callers without the role {@code payments.audit}
 */
public record PaymentEvent(
        PaymentEventType type,
        Instant eventTime,
        Payment payment,
        Optional<Refund> refund,
        String caller,
        String requestId) {}
