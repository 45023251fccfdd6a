package payments.conformance;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import java.math.BigDecimal;
import java.time.Instant;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import java.util.function.Function;
import payments.ChargeParams;
import payments.ListPaymentEventsParams;
import payments.ListPaymentsParams;
import payments.ListRefundsParams;
import payments.PaymentEventType;
import payments.PaymentMethod;
import payments.PaymentStatus;
import payments.RefundParams;
import payments.RefundState;
import payments.WatchPaymentsParams;

/** Converts the arguments of the cases to the client's parameters. */
final class Params {
    private Params() {}

    static ChargeParams charge(JsonObject args) {
        ChargeParams.Builder params = ChargeParams.builder();
        fill(
                args,
                Map.ofEntries(
                        Map.entry("order_id", value -> params.orderId(value.getAsLong())),
                        Map.entry("amount", value -> params.amount(decimal(value))),
                        Map.entry("currency", value -> params.currency(value.getAsString())),
                        Map.entry("method", value -> params.method(PaymentMethod.valueOf(value.getAsString()))),
                        Map.entry("request_id", value -> params.requestId(value.getAsString())),
                        Map.entry("external_reference", value -> params.externalReference(value.getAsString())),
                        Map.entry("customer_id", value -> params.customerId(value.getAsString())),
                        Map.entry("labels", value -> params.labels(labels(value))),
                        Map.entry("payment_source", value -> params.paymentSource(value.getAsString())),
                        Map.entry("unless_pending", value -> params.unlessPending(value.getAsBoolean())),
                        Map.entry("return_url", value -> params.returnUrl(value.getAsString()))));
        return params.build();
    }

    static RefundParams refund(JsonObject args) {
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

    static ListRefundsParams listRefunds(JsonObject args) {
        ListRefundsParams.Builder params = ListRefundsParams.builder();
        fill(
                args,
                Map.of(
                        "payment_id", value -> params.paymentId(value.getAsLong()),
                        "page_size", value -> params.pageSize(value.getAsInt()),
                        "page_token", value -> params.pageToken(value.getAsString())));
        return params.build();
    }

    static ListPaymentsParams listPayments(JsonObject args) {
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
                        Map.entry("request_id", value -> params.requestId(value.getAsString())),
                        Map.entry("caller", value -> params.caller(value.getAsString())),
                        Map.entry("processor_reference", value -> params.processorReference(value.getAsString())),
                        Map.entry("external_reference", value -> params.externalReference(value.getAsString())),
                        Map.entry("customer_id", value -> params.customerId(value.getAsString())),
                        Map.entry("order_by", value -> params.orderBy(value.getAsString())),
                        Map.entry("page_size", value -> params.pageSize(value.getAsInt())),
                        Map.entry("page_token", value -> params.pageToken(value.getAsString())),
                        Map.entry("include_total_size", value -> params.includeTotalSize(value.getAsBoolean()))));
        return params.build();
    }

    static ListPaymentEventsParams listPaymentEvents(JsonObject args) {
        ListPaymentEventsParams.Builder params = ListPaymentEventsParams.builder();
        fill(
                args,
                Map.of(
                        "payment_id", value -> params.paymentId(value.getAsLong()),
                        "page_size", value -> params.pageSize(value.getAsInt()),
                        "page_token", value -> params.pageToken(value.getAsString())));
        return params.build();
    }

    /** {@return the parameters of a watch, without the members that only the runner uses} */
    static WatchPaymentsParams watch(JsonObject args) {
        WatchPaymentsParams.Builder params = WatchPaymentsParams.builder();
        Consumer<JsonElement> usedByTheRunner = value -> {};
        fill(
                args,
                Map.of(
                        "resume_token", value -> params.resumeToken(value.getAsString()),
                        "caller", value -> params.caller(value.getAsString()),
                        "order_id", value -> params.orderId(value.getAsLong()),
                        "external_reference", value -> params.externalReference(value.getAsString()),
                        "customer_id", value -> params.customerId(value.getAsString()),
                        "types", value -> params.types(members(value, PaymentEventType::valueOf)),
                        "payment_id", usedByTheRunner,
                        "count", usedByTheRunner));
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

    private static Map<String, String> labels(JsonElement object) {
        Map<String, String> labels = new HashMap<>();
        object.getAsJsonObject().asMap().forEach((key, value) -> labels.put(key, value.getAsString()));
        return labels;
    }

    private static <E> List<E> members(JsonElement names, Function<String, E> valueOf) {
        JsonArray array = names.getAsJsonArray();
        return array.asList().stream()
                .map(JsonElement::getAsString)
                .map(valueOf)
                .toList();
    }
}
