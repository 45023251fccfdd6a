package payments.conformance;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import java.util.List;
import payments.ChargeParams;
import payments.PaymentDetails;

/** Makes the calls of the cases, and returns their results as JSON. */
final class Calls {
    private Calls() {}

    static JsonElement call(Client client, String call, JsonObject args) {
        return switch (call) {
            case "charge" -> Outcomes.toJson(client.charge(Params.charge(args)));
            case "batch_charge" -> {
                List<ChargeParams> charges = args.getAsJsonArray("charges").asList().stream()
                        .map(charge -> Params.charge(charge.getAsJsonObject()))
                        .toList();
                yield object("results", Outcomes.array(client.batchCharge(charges), Outcomes::toJson));
            }
            case "refund" -> Outcomes.toJson(client.refund(Params.refund(args)));
            case "get_payment" -> Outcomes.toJson(getPayment(client, args));
            case "list_refunds" ->
                object("refunds", Outcomes.array(client.listRefunds(Params.listRefunds(args)), Outcomes::toJson));
            case "list_refunds_page" -> Outcomes.toJson(client.listRefundsPage(Params.listRefunds(args)));
            case "list_payments" ->
                object("payments", Outcomes.array(client.listPayments(Params.listPayments(args)), Outcomes::toJson));
            case "list_payments_page" -> Outcomes.toJson(client.listPaymentsPage(Params.listPayments(args)));
            case "list_payment_events" ->
                object(
                        "events",
                        Outcomes.array(client.listPaymentEvents(Params.listPaymentEvents(args)), Outcomes::toJson));
            case "list_payment_events_page" ->
                Outcomes.toJson(client.listPaymentEventsPage(Params.listPaymentEvents(args)));
            case "watch_payments" -> Watches.watch(client, args);
            default -> throw new Mismatch("unknown call " + call);
        };
    }

    /** {@return whether the client's methods do not allow this invalid call, so that no program can make it} */
    static boolean isInexpressible(String call, JsonObject args) {
        return call.equals("get_payment") && args.has("caller") && !args.has("request_id");
    }

    private static PaymentDetails getPayment(Client client, JsonObject args) {
        if (args.has("payment_id")) {
            return client.getPayment(args.get("payment_id").getAsLong());
        }
        if (args.has("reference")) {
            return client.getPaymentByReference(args.get("reference").getAsString());
        }
        String requestId = args.get("request_id").getAsString();
        return args.has("caller")
                ? client.getPaymentByRequestId(requestId, args.get("caller").getAsString())
                : client.getPaymentByRequestId(requestId);
    }

    private static JsonObject object(String name, JsonElement value) {
        JsonObject object = new JsonObject();
        object.add(name, value);
        return object;
    }
}
