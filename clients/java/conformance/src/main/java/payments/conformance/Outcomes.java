package payments.conformance;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonNull;
import com.google.gson.JsonObject;
import com.google.gson.JsonPrimitive;
import java.math.BigDecimal;
import java.time.Instant;
import java.util.Collection;
import java.util.Optional;
import java.util.function.Function;
import payments.ChargeOutcome;
import payments.Dispute;
import payments.Failure;
import payments.FieldViolation;
import payments.InvalidRequestException;
import payments.NextAction;
import payments.OrderHasPendingPaymentException;
import payments.Payment;
import payments.PaymentDetails;
import payments.PaymentEvent;
import payments.PaymentEventPage;
import payments.PaymentPage;
import payments.PaymentsException;
import payments.Refund;
import payments.RefundPage;
import payments.RefundResult;

/** Converts the client's results and errors to the format of {@code cases.json}. */
final class Outcomes {
    private static final String SUFFIX = "Exception";

    private Outcomes() {}

    static JsonElement toJson(Payment payment) {
        JsonObject json = new JsonObject();
        json.addProperty("payment_id", payment.paymentId());
        json.addProperty("order_id", payment.orderId());
        json.add("amount", amount(payment.amount()));
        json.addProperty("currency", payment.currency());
        json.addProperty("method", payment.method().name());
        json.addProperty("other_method", payment.otherMethod());
        json.addProperty("status", payment.status().name());
        json.addProperty("reference", payment.reference());
        json.add("create_time", time(payment.createTime()));
        json.add("refunded_amount", amount(payment.refundedAmount()));
        json.addProperty("refund_state", payment.refundState().name());
        json.addProperty("caller", payment.caller());
        json.addProperty("request_id", payment.requestId());
        json.addProperty("processor_reference", payment.processorReference());
        json.add("failure", failure(payment.failure()));
        json.addProperty("failure_code", payment.failureCode());
        json.addProperty("external_reference", payment.externalReference());
        json.addProperty("customer_id", payment.customerId());
        JsonObject labels = new JsonObject();
        payment.labels().forEach(labels::addProperty);
        json.add("labels", labels);
        json.add("next_action", payment.nextAction().map(Outcomes::toJson).orElse(JsonNull.INSTANCE));
        json.add("dispute", payment.dispute().map(Outcomes::toJson).orElse(JsonNull.INSTANCE));
        return json;
    }

    private static JsonElement toJson(NextAction action) {
        JsonObject json = new JsonObject();
        json.addProperty("type", action.type().name());
        json.addProperty("redirect_url", action.redirectUrl());
        json.add("expire_time", time(action.expireTime()));
        return json;
    }

    private static JsonElement toJson(Dispute dispute) {
        JsonObject json = new JsonObject();
        json.addProperty("status", dispute.status().name());
        json.add("amount", amount(dispute.amount()));
        json.addProperty("currency", dispute.currency());
        json.addProperty("reason", dispute.reason());
        json.add("open_time", time(dispute.openTime()));
        json.add("close_time", time(dispute.closeTime().orElse(null)));
        json.addProperty("processor_reference", dispute.processorReference());
        return json;
    }

    static JsonElement toJson(Refund refund) {
        JsonObject json = new JsonObject();
        json.addProperty("refund_id", refund.refundId());
        json.addProperty("payment_id", refund.paymentId());
        json.add("amount", amount(refund.amount()));
        json.addProperty("currency", refund.currency());
        json.addProperty("status", refund.status().name());
        json.addProperty("reason", refund.reason());
        json.add("create_time", time(refund.createTime()));
        json.addProperty("caller", refund.caller());
        json.addProperty("request_id", refund.requestId());
        json.addProperty("processor_reference", refund.processorReference());
        json.add("failure", failure(refund.failure()));
        json.addProperty("failure_code", refund.failureCode());
        return json;
    }

    static JsonElement toJson(RefundResult result) {
        JsonObject json = new JsonObject();
        json.add("refund", result.refund() == null ? JsonNull.INSTANCE : toJson(result.refund()));
        json.add("payment", toJson(result.payment()));
        return json;
    }

    static JsonElement toJson(PaymentDetails details) {
        JsonObject json = new JsonObject();
        json.add("payment", toJson(details.payment()));
        json.add("refunds", array(details.refunds(), Outcomes::toJson));
        json.addProperty("next_refunds_page_token", details.nextRefundsPageToken());
        return json;
    }

    static JsonElement toJson(RefundPage page) {
        JsonObject json = new JsonObject();
        json.add("refunds", array(page.refunds(), Outcomes::toJson));
        json.addProperty("next_page_token", page.nextPageToken());
        return json;
    }

    static JsonElement toJson(PaymentPage page) {
        JsonObject json = new JsonObject();
        json.add("payments", array(page.payments(), Outcomes::toJson));
        json.addProperty("next_page_token", page.nextPageToken());
        json.add(
                "total_size",
                page.totalSize().isPresent()
                        ? new JsonPrimitive(page.totalSize().getAsLong())
                        : JsonNull.INSTANCE);
        return json;
    }

    static JsonElement toJson(PaymentEvent event) {
        JsonObject json = new JsonObject();
        json.addProperty("type", event.type().name());
        json.add("event_time", time(event.eventTime()));
        json.add("payment", toJson(event.payment()));
        json.add("refund", event.refund().map(Outcomes::toJson).orElse(JsonNull.INSTANCE));
        json.addProperty("caller", event.caller());
        json.addProperty("request_id", event.requestId());
        return json;
    }

    static JsonElement toJson(PaymentEventPage page) {
        JsonObject json = new JsonObject();
        json.add("events", array(page.events(), Outcomes::toJson));
        json.addProperty("next_page_token", page.nextPageToken());
        return json;
    }

    static JsonElement toJson(ChargeOutcome outcome) {
        JsonObject json = new JsonObject();
        json.add("payment", outcome.payment().map(Outcomes::toJson).orElse(JsonNull.INSTANCE));
        json.add("error", outcome.error().map(Outcomes::toJson).orElse(JsonNull.INSTANCE));
        return json;
    }

    static JsonElement toJson(PaymentsException error) {
        JsonObject json = new JsonObject();
        String name = error.getClass().getSimpleName();
        json.addProperty("type", name.substring(0, name.length() - SUFFIX.length()));
        json.addProperty("code", error.code().name());
        json.addProperty("reason", error.reason());
        json.addProperty("has_request_id", error.requestId().isPresent());
        JsonArray violations = new JsonArray();
        if (error instanceof InvalidRequestException invalid) {
            invalid.violations().stream().map(FieldViolation::field).forEach(violations::add);
        }
        json.add("violations", violations);
        if (error instanceof OrderHasPendingPaymentException pending) {
            pending.paymentId().ifPresent(paymentId -> json.addProperty("payment_id", paymentId));
        }
        return json;
    }

    static <T> JsonArray array(Collection<T> items, Function<T, JsonElement> toJson) {
        JsonArray array = new JsonArray();
        items.forEach(item -> array.add(toJson.apply(item)));
        return array;
    }

    private static JsonElement failure(Optional<Failure> failure) {
        return failure.<JsonElement>map(reason -> new JsonPrimitive(reason.name()))
                .orElse(JsonNull.INSTANCE);
    }

    private static JsonElement amount(BigDecimal amount) {
        return amount == null ? JsonNull.INSTANCE : new JsonPrimitive(amount.toPlainString());
    }

    private static JsonElement time(Instant time) {
        return time == null ? JsonNull.INSTANCE : new JsonPrimitive(time.toString());
    }
}
