package payments.conformance;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import payments.PaymentEvent;

/** Runs the watches of the cases. */
final class Watches {
    private static final Duration LIMIT = Duration.ofSeconds(30);

    private Watches() {}

    /**
     * {@return the next {@code count} events of one payment or of all, and the token of the last response}
     *
     * @throws Mismatch if the events do not arrive in time
     */
    static JsonElement watch(Client client, JsonObject args) {
        int count = args.get("count").getAsInt();
        List<PaymentEvent> events = new ArrayList<>();
        JsonObject result = new JsonObject();
        client.watchPayments(Params.watch(args), LIMIT, update -> {
            update.event().filter(event -> isWanted(event, args)).ifPresent(events::add);
            if (events.size() < count) {
                return false;
            }
            result.add("events", Outcomes.array(events, Outcomes::toJson));
            result.addProperty("resume_token", update.resumeToken());
            return true;
        });
        if (!result.has("events")) {
            throw new Mismatch(events.size() + " of " + count + " events arrived in " + LIMIT);
        }
        return result;
    }

    private static boolean isWanted(PaymentEvent event, JsonObject args) {
        return !args.has("payment_id")
                || event.payment().paymentId() == args.get("payment_id").getAsLong();
    }
}
