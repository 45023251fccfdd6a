package payments;

import java.math.BigDecimal;
import java.time.Instant;
import java.util.Optional;

/**
 * A payer's demand that the bank return the money of a payment, also called a chargeback.
 *
 * @param status the state; while it is OPEN, and if it is LOST, the payment cannot be refunded
 * @param amount the disputed amount, with at least two decimals; null if it is in another currency than the payment
 * @param currency the ISO 4217 code of the amount; null if {@code amount} is
 * @param reason the processor's own code for the reason, such as {@code fraudulent}; may be empty
 * @param openTime when the service learned that the dispute was opened, to the microsecond; null if the service sent
 *     none
 * @param closeTime when the service learned of the decision, to the microsecond; empty while the dispute is open
 * @param processorReference the dispute's identifier at the processor
 */
public record Dispute(
        DisputeStatus status,
        BigDecimal amount,
        String currency,
        String reason,
        Instant openTime,
        Optional<Instant> closeTime,
        String processorReference) {}
