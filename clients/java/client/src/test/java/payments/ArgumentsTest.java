package payments;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static payments.Handlers.succeed;

import java.math.BigDecimal;
import java.time.Duration;
import java.time.Instant;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Named;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Invalid arguments are rejected by name before anything is sent. */
class ArgumentsTest {
    private static Arguments of(String name, Executable build) {
        return Arguments.of(name, build);
    }

    private static ChargeParams charge(
            BigDecimal amount,
            String externalReference,
            String customerId,
            Map<String, String> labels,
            String paymentSource,
            String returnUrl) {
        return new ChargeParams(
                1, amount, null, null, null, externalReference, customerId, labels, paymentSource, false, returnUrl);
    }

    static Stream<Arguments> missing() {
        return Stream.of(
                of("amount", () -> ChargeParams.builder().orderId(1).build()),
                of("amount", () -> charge(null, "", "", Map.of(), "", "")),
                of("externalReference", () -> charge(BigDecimal.ONE, null, "", Map.of(), "", "")),
                of("customerId", () -> charge(BigDecimal.ONE, "", null, Map.of(), "", "")),
                of("labels", () -> charge(BigDecimal.ONE, "", "", null, "", "")),
                of("paymentSource", () -> charge(BigDecimal.ONE, "", "", Map.of(), null, "")),
                of("returnUrl", () -> charge(BigDecimal.ONE, "", "", Map.of(), "", null)),
                of("paymentId", () -> RefundParams.builder().build()),
                of("reason", () -> new RefundParams(1, null, null, null, null)),
                of("paymentId", () -> ListRefundsParams.builder().build()),
                of("pageToken", () -> new ListRefundsParams(1, 0, null)),
                of("paymentId", () -> ListPaymentEventsParams.builder().build()),
                of("pageToken", () -> new ListPaymentEventsParams(1, 0, null)));
    }

    static Stream<Arguments> nulls() {
        ChargeParams.Builder charge = ChargeParams.builder();
        RefundParams.Builder refund = RefundParams.builder();
        ListPaymentsParams.Builder list = ListPaymentsParams.builder();
        WatchPaymentsParams.Builder watch = WatchPaymentsParams.builder();
        PaymentsClient.Builder client = PaymentsClient.builder();
        return Stream.of(
                of("amount", () -> charge.amount(null)),
                of("currency", () -> charge.currency(null)),
                of("method", () -> charge.method(null)),
                of("requestId", () -> charge.requestId(null)),
                of("externalReference", () -> charge.externalReference(null)),
                of("customerId", () -> charge.customerId(null)),
                of("labels", () -> charge.labels(null)),
                of("labels", () -> charge.labels(Collections.singletonMap("key", null))),
                of("labels", () -> charge.labels(Collections.singletonMap(null, "value"))),
                of("paymentSource", () -> charge.paymentSource(null)),
                of("returnUrl", () -> charge.returnUrl(null)),
                of("amount", () -> refund.amount(null)),
                of("currency", () -> refund.currency(null)),
                of("reason", () -> refund.reason(null)),
                of("requestId", () -> refund.requestId(null)),
                of("pageToken", () -> ListRefundsParams.builder().pageToken(null)),
                of("methods", () -> list.methods(null)),
                of("statuses", () -> list.statuses(null)),
                of("refundStates", () -> list.refundStates(null)),
                of("methods", () -> list.methods(Collections.singleton(null))),
                of("statuses", () -> list.statuses(Arrays.asList(PaymentStatus.PENDING, null))),
                of("refundStates", () -> list.refundStates(Collections.singleton(null))),
                of("reference", () -> list.reference(null)),
                of("minAmount", () -> list.minAmount(null)),
                of("maxAmount", () -> list.maxAmount(null)),
                of("currency", () -> list.currency(null)),
                of("minCreateTime", () -> list.minCreateTime(null)),
                of("maxCreateTime", () -> list.maxCreateTime(null)),
                of("requestId", () -> list.requestId(null)),
                of("caller", () -> list.caller(null)),
                of("processorReference", () -> list.processorReference(null)),
                of("externalReference", () -> list.externalReference(null)),
                of("customerId", () -> list.customerId(null)),
                of("orderBy", () -> list.orderBy(null)),
                of("pageToken", () -> list.pageToken(null)),
                of("pageToken", () -> ListPaymentEventsParams.builder().pageToken(null)),
                of("resumeToken", () -> watch.resumeToken(null)),
                of("resumeToken", () -> new WatchPaymentsParams(null, null, null, null, null, null, List.of())),
                of("timeout", () -> watch.timeout(null)),
                of("caller", () -> watch.caller(null)),
                of("externalReference", () -> watch.externalReference(null)),
                of("customerId", () -> watch.customerId(null)),
                of("types", () -> watch.types(null)),
                of("types", () -> watch.types(Collections.singleton(null))),
                of("types", () -> new WatchPaymentsParams("", null, null, null, null, null, null)),
                of("target", () -> client.target(null)),
                of("timeout", () -> client.timeout(null)),
                of("credentials", () -> client.credentials(null)),
                of("channelBuilder", () -> client.channelBuilder(null)),
                of("apiKey", () -> client.apiKey(null)),
                of("userAgent", () -> client.userAgent(null)),
                of("interceptor", () -> client.interceptor(null)));
    }

    static Stream<Arguments> callsWithNull() {
        return Stream.of(
                Arguments.of("params", Named.<Calls.Call>of("charge", client -> client.charge(null))),
                Arguments.of("charges", Named.<Calls.Call>of("batchCharge", client -> client.batchCharge(null))),
                Arguments.of(
                        "charges",
                        Named.<Calls.Call>of(
                                "batchCharge", client -> client.batchCharge(Collections.singletonList(null)))),
                Arguments.of("params", Named.<Calls.Call>of("refund", client -> client.refund(null))),
                Arguments.of(
                        "reference",
                        Named.<Calls.Call>of("getPaymentByReference", client -> client.getPaymentByReference(null))),
                Arguments.of(
                        "requestId",
                        Named.<Calls.Call>of("getPaymentByRequestId", client -> client.getPaymentByRequestId(null))),
                Arguments.of(
                        "caller",
                        Named.<Calls.Call>of(
                                "getPaymentByRequestId", client -> client.getPaymentByRequestId("order-1", null))),
                Arguments.of("params", Named.<Calls.Call>of("listRefunds", client -> client.listRefunds(null))),
                Arguments.of("params", Named.<Calls.Call>of("listRefundsPage", client -> client.listRefundsPage(null))),
                Arguments.of("params", Named.<Calls.Call>of("listPayments", client -> client.listPayments(null))),
                Arguments.of(
                        "params", Named.<Calls.Call>of("listPaymentsPage", client -> client.listPaymentsPage(null))),
                Arguments.of(
                        "params", Named.<Calls.Call>of("listPaymentEvents", client -> client.listPaymentEvents(null))),
                Arguments.of(
                        "params",
                        Named.<Calls.Call>of("listPaymentEventsPage", client -> client.listPaymentEventsPage(null))),
                Arguments.of("params", Named.<Calls.Call>of("watchPayments", client -> client.watchPayments(null))),
                Arguments.of("timeout", Named.<Calls.Call>of("withTimeout", client -> client.withTimeout(null))));
    }

    @ParameterizedTest
    @MethodSource({"missing", "nulls"})
    void aMissingOrNullArgumentIsRejectedByName(String name, Executable build) {
        assertNamed(name, assertThrows(NullPointerException.class, build));
    }

    @ParameterizedTest
    @MethodSource("callsWithNull")
    void aCallWithNullIsRejected(String name, Calls.Call call) {
        try (FakeService service = FakeService.start(succeed());
                PaymentsClient client = service.client()) {
            assertNamed(name, assertThrows(NullPointerException.class, () -> call.on(client)));
            assertEquals(0, service.calls().size());
        }
    }

    static Stream<Arguments> invalid() {
        return Stream.of(
                of(
                        "method",
                        () -> ChargeParams.builder()
                                .orderId(1)
                                .amount(BigDecimal.ONE)
                                .method(PaymentMethod.UNKNOWN)
                                .build()),
                of(
                        "methods",
                        () -> ListPaymentsParams.builder()
                                .methods(List.of(PaymentMethod.UPI, PaymentMethod.UNKNOWN))
                                .build()),
                of(
                        "statuses",
                        () -> ListPaymentsParams.builder()
                                .statuses(List.of(PaymentStatus.UNKNOWN))
                                .build()),
                of(
                        "refundStates",
                        () -> ListPaymentsParams.builder()
                                .refundStates(List.of(RefundState.UNKNOWN))
                                .build()),
                of(
                        "currency",
                        () -> RefundParams.builder()
                                .paymentId(1)
                                .currency("INR")
                                .build()),
                of(
                        "currency",
                        () -> ListPaymentsParams.builder().currency("INR").build()),
                of("timeout", () -> WatchPaymentsParams.builder().timeout(Duration.ZERO)),
                of(
                        "timeout",
                        () -> new WatchPaymentsParams("", Duration.ofSeconds(-1), null, null, null, null, List.of())),
                of(
                        "types",
                        () -> WatchPaymentsParams.builder()
                                .types(List.of(PaymentEventType.FAILED, PaymentEventType.UNKNOWN))
                                .build()),
                of(
                        "minCreateTime",
                        () -> ListPaymentsParams.builder()
                                .minCreateTime(Instant.parse("+10000-01-01T00:00:00Z"))
                                .build()),
                of(
                        "maxCreateTime",
                        () -> ListPaymentsParams.builder()
                                .maxCreateTime(Instant.parse("0000-12-31T23:59:59Z"))
                                .build()));
    }

    @ParameterizedTest
    @MethodSource("invalid")
    void anArgumentThatTheContractCannotExpressIsRejectedByName(String name, Executable build) {
        assertNamed(name, assertThrows(IllegalArgumentException.class, build));
    }

    private static void assertNamed(String name, RuntimeException error) {
        String message = String.valueOf(error.getMessage());
        assertTrue(message.equals(name) || message.startsWith(name + " "), message);
    }

    @Test
    void theCallersCollectionsAreCopied() {
        List<PaymentMethod> methods = Arrays.asList(PaymentMethod.UPI, PaymentMethod.COD);
        ListPaymentsParams params =
                ListPaymentsParams.builder().methods(methods).build();
        methods.set(0, PaymentMethod.UNKNOWN);
        assertEquals(List.of(PaymentMethod.UPI, PaymentMethod.COD), params.methods());
        Map<String, String> labels = new HashMap<>(Map.of("channel", "web"));
        ChargeParams charge =
                ChargeParams.builder().amount(BigDecimal.ONE).labels(labels).build();
        labels.clear();
        assertEquals(Map.of("channel", "web"), charge.labels());
    }
}
