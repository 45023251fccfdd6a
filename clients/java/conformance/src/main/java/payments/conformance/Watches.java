package payments.conformance;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import payments.PaymentEvent;
import payments.PaymentUpdate;
import payments.PaymentsClient;
import payments.WatchPaymentsParams;

/** Runs the watches of the cases. */
final class Watches {
    private static final int TIMEOUT_SECONDS = 30;

    private Watches() {}

    /**
     * {@return the next {@code count} events of one payment or of all, and the token of the last response}
     *
     * @throws Mismatch if the events do not arrive in time
     */
    static JsonElement watch(PaymentsClient client, JsonObject args) {
        WatchPaymentsParams.Builder params = WatchPaymentsParams.builder();
        if (args.has("resume_token")) {
            params.resumeToken(args.get("resume_token").getAsString());
        }
        int count = args.get("count").getAsInt();
        List<PaymentEvent> events = new ArrayList<>();
        try (Stream<PaymentUpdate> updates = client.watchPayments(params.build())) {
            CompletableFuture.delayedExecutor(TIMEOUT_SECONDS, TimeUnit.SECONDS).execute(updates::close);
            Iterator<PaymentUpdate> iterator = updates.iterator();
            while (iterator.hasNext()) {
                PaymentUpdate update = iterator.next();
                update.event().filter(event -> isWanted(event, args)).ifPresent(events::add);
                if (events.size() == count) {
                    JsonObject result = new JsonObject();
                    result.add("events", Outcomes.array(events, Outcomes::toJson));
                    result.addProperty("resume_token", update.resumeToken());
                    return result;
                }
            }
        }
        throw new Mismatch(events.size() + " of " + count + " events arrived in " + TIMEOUT_SECONDS + " seconds");
    }

    private static boolean isWanted(PaymentEvent event, JsonObject args) {
        return !args.has("payment_id")
                || event.payment().paymentId() == args.get("payment_id").getAsLong();
    }
}
