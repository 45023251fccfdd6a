package payments.conformance;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import java.math.BigDecimal;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import java.util.function.Function;
import payments.ChargeParams;
import payments.ListPaymentEventsParams;
import payments.ListPaymentsParams;
import payments.ListRefundsParams;
import payments.PaymentMethod;
import payments.PaymentStatus;
import payments.RefundParams;
import payments.RefundState;

/** Makes the calls of the cases, and returns their results as JSON. */
final class Calls {
    private Calls() {}

    static JsonElement call(Client client, String call, JsonObject args) {
        return switch (call) {
            case "charge" -> Outcomes.toJson(client.charge(chargeParams(args)));
            case "batch_charge" -> {
                List<ChargeParams> charges = args.getAsJsonArray("charges").asList().stream()
                        .map(charge -> chargeParams(charge.getAsJsonObject()))
                        .toList();
                yield object("results", Outcomes.array(client.batchCharge(charges), Outcomes::toJson));
            }
            case "refund" -> Outcomes.toJson(client.refund(refundParams(args)));
            case "get_payment" ->
                Outcomes.toJson(
                        args.has("payment_id")
                                ? client.getPayment(args.get("payment_id").getAsLong())
                                : client.getPaymentByReference(
                                        args.get("reference").getAsString()));
            case "list_refunds" ->
                object("refunds", Outcomes.array(client.listRefunds(listRefundsParams(args)), Outcomes::toJson));
            case "list_refunds_page" -> Outcomes.toJson(client.listRefundsPage(listRefundsParams(args)));
            case "list_payments" ->
                object("payments", Outcomes.array(client.listPayments(listPaymentsParams(args)), Outcomes::toJson));
            case "list_payments_page" -> Outcomes.toJson(client.listPaymentsPage(listPaymentsParams(args)));
            case "list_payment_events" ->
                object(
                        "events",
                        Outcomes.array(client.listPaymentEvents(listPaymentEventsParams(args)), Outcomes::toJson));
            case "list_payment_events_page" ->
                Outcomes.toJson(client.listPaymentEventsPage(listPaymentEventsParams(args)));
            case "watch_payments" -> Watches.watch(client, args);
            default -> throw new Mismatch("unknown call " + call);
        };
    }

    private static JsonObject object(String name, JsonElement value) {
        JsonObject object = new JsonObject();
        object.add(name, value);
        return object;
    }

    private static ChargeParams chargeParams(JsonObject args) {
        ChargeParams.Builder params = ChargeParams.builder();
        fill(
                args,
                Map.of(
                        "order_id", value -> params.orderId(value.getAsLong()),
                        "amount", value -> params.amount(decimal(value)),
                        "currency", value -> params.currency(value.getAsString()),
                        "method", value -> params.method(PaymentMethod.valueOf(value.getAsString())),
                        "request_id", value -> params.requestId(value.getAsString())));
        return params.build();
    }

    private static RefundParams refundParams(JsonObject args) {
        RefundParams.Builder params = RefundParams.builder();
        fill(
                args,
                Map.of(
                        "payment_id", value -> params.paymentId(value.getAsLong()),
                        "amount", value -> params.amount(decimal(value)),
                        "currency", value -> params.currency(value.getAsString()),
                        "reason", value -> params.reason(value.getAsString()),
                        "request_id", value -> params.requestId(value.getAsString())));
        return params.build();
    }

    private static ListRefundsParams listRefundsParams(JsonObject args) {
        ListRefundsParams.Builder params = ListRefundsParams.builder();
        fill(
                args,
                Map.of(
                        "payment_id", value -> params.paymentId(value.getAsLong()),
                        "page_size", value -> params.pageSize(value.getAsInt()),
                        "page_token", value -> params.pageToken(value.getAsString())));
        return params.build();
    }

    private static ListPaymentsParams listPaymentsParams(JsonObject args) {
        ListPaymentsParams.Builder params = ListPaymentsParams.builder();
        fill(
                args,
                Map.ofEntries(
                        Map.entry("order_id", value -> params.orderId(value.getAsLong())),
                        Map.entry("methods", value -> params.methods(members(value, PaymentMethod::valueOf))),
                        Map.entry("statuses", value -> params.statuses(members(value, PaymentStatus::valueOf))),
                        Map.entry("refund_states", value -> params.refundStates(members(value, RefundState::valueOf))),
                        Map.entry("reference", value -> params.reference(value.getAsString())),
                        Map.entry("min_amount", value -> params.minAmount(decimal(value))),
                        Map.entry("max_amount", value -> params.maxAmount(decimal(value))),
                        Map.entry("currency", value -> params.currency(value.getAsString())),
                        Map.entry("min_create_time", value -> params.minCreateTime(Instant.parse(value.getAsString()))),
                        Map.entry("max_create_time", value -> params.maxCreateTime(Instant.parse(value.getAsString()))),
                        Map.entry("order_by", value -> params.orderBy(value.getAsString())),
                        Map.entry("page_size", value -> params.pageSize(value.getAsInt())),
                        Map.entry("page_token", value -> params.pageToken(value.getAsString())),
                        Map.entry("include_total_size", value -> params.includeTotalSize(value.getAsBoolean()))));
        return params.build();
    }

    private static ListPaymentEventsParams listPaymentEventsParams(JsonObject args) {
        ListPaymentEventsParams.Builder params = ListPaymentEventsParams.builder();
        fill(
                args,
                Map.of(
                        "payment_id", value -> params.paymentId(value.getAsLong()),
                        "page_size", value -> params.pageSize(value.getAsInt()),
                        "page_token", value -> params.pageToken(value.getAsString())));
        return params.build();
    }

    private static void fill(JsonObject args, Map<String, Consumer<JsonElement>> setters) {
        args.asMap().forEach((name, value) -> {
            Consumer<JsonElement> setter = setters.get(name);
            if (setter == null) {
                throw new Mismatch("unknown argument " + name);
            }
            setter.accept(value);
        });
    }

    private static BigDecimal decimal(JsonElement value) {
        return new BigDecimal(value.getAsString());
    }

    private static <E> List<E> members(JsonElement names, Function<String, E> valueOf) {
        JsonArray array = names.getAsJsonArray();
        return array.asList().stream()
                .map(JsonElement::getAsString)
                .map(valueOf)
                .toList();
    }
}
