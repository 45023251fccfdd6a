package payments;

import java.util.Optional;

/**
 * What a watch gives next: an event, or only a newer token.
 *
 * @param event what happened; empty when nothing did for some seconds, and at the beginning
 * @param resumeToken goes on after this update: see {@link WatchPaymentsParams.Builder#resumeToken}
 */
public record PaymentUpdate(Optional<PaymentEvent> event, String resumeToken) {}
