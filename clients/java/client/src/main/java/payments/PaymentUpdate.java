package payments;

import java.util.Optional;

/**
 * One update from a watch: an event, or only a newer token.
 *
 * @param event the event; empty if the update only carries a newer token: in the first update, and in another after
 *     every few seconds without an event
 * @param resumeToken the token with which a watch resumes after this update; see
 *     {@link WatchPaymentsParams.Builder#resumeToken}
 */
public record PaymentUpdate(Optional<PaymentEvent> event, String resumeToken) {}
