package payments;

import java.util.Optional;

/**
 * One update of a watch: an event, or only a newer token.
 *
 * @param event the event; empty in the first update, and after every few seconds without an event
 * @param resumeToken the token to resume after this update: see {@link WatchPaymentsParams.Builder#resumeToken}
 */
public record PaymentUpdate(Optional<PaymentEvent> event, String resumeToken) {}
