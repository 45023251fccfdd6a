package payments.testing;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static payments.testing.Calls.hundred;
import static payments.testing.Calls.withStub;

import com.google.protobuf.Any;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.Timestamp;
import com.google.rpc.BadRequest;
import com.google.rpc.ErrorInfo;
import com.google.type.Money;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.protobuf.StatusProto;
import io.grpc.stub.MetadataUtils;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import payments.PaymentsClient;
import payments.v1.BatchChargeRequest;
import payments.v1.ChargeRequest;
import payments.v1.GetPaymentRequest;
import payments.v1.ListPaymentEventsRequest;
import payments.v1.ListPaymentsRequest;
import payments.v1.ListRefundsRequest;
import payments.v1.PaymentFilter;
import payments.v1.PaymentServiceGrpc.PaymentServiceBlockingStub;
import payments.v1.RefundRequest;

/** Requests that are invalid, and the details of errors and trailers. Most of them the client cannot send. */
@Timeout(60)
class RequestsTest {
    private final FakePaymentService service = FakePaymentService.create();

    @AfterEach
    void close() {
        service.close();
    }

    private static ChargeRequest.Builder charge() {
        return ChargeRequest.newBuilder().setOrderId(1).setAmount(money(1, 0));
    }

    private static Money money(long units, int nanos) {
        return Money.newBuilder().setUnits(units).setNanos(nanos).build();
    }

    private static Arguments ofCharge(List<String> fields, ChargeRequest.Builder request) {
        return of(fields, stub -> stub.charge(request.build()));
    }

    private static Arguments ofRefund(List<String> fields, RefundRequest.Builder request) {
        return of(fields, stub -> stub.refund(request.build()));
    }

    private static Arguments ofGet(List<String> fields, GetPaymentRequest.Builder request) {
        return of(fields, stub -> stub.getPayment(request.build()));
    }

    private static Arguments ofFilter(List<String> fields, PaymentFilter.Builder filter) {
        return of(
                fields,
                stub -> stub.listPayments(
                        ListPaymentsRequest.newBuilder().setFilter(filter).build()));
    }

    private static Arguments of(List<String> fields, Consumer<PaymentServiceBlockingStub> call) {
        return Arguments.of(fields, call);
    }

    static Stream<Arguments> invalidCharges() {
        String tooLong = "x".repeat(101);
        return Stream.of(
                ofCharge(List.of("order_id", "amount"), ChargeRequest.newBuilder()),
                ofCharge(List.of("order_id"), charge().setOrderId(-1).setExternalReference("ORD-1")),
                ofCharge(List.of("amount"), charge().setAmount(money(0, 0))),
                ofCharge(List.of("amount"), charge().setAmount(money(-1, 0))),
                ofCharge(List.of("amount.nanos"), charge().setAmount(money(1, -10_000_000))),
                ofCharge(List.of("amount.nanos"), charge().setAmount(money(1, 1_000_000_000))),
                ofCharge(List.of("amount.nanos"), charge().setAmount(money(1, 1_000_000))),
                ofCharge(List.of("amount.units"), charge().setAmount(money(10_000_000_000_000L, 0))),
                ofCharge(List.of("amount.units"), charge().setAmount(money(Long.MAX_VALUE, 0))),
                ofCharge(
                        List.of("amount.currency_code"),
                        charge().setAmount(money(1, 0).toBuilder().setCurrencyCode("inr"))),
                ofCharge(List.of("method"), charge().setMethodValue(4)),
                ofCharge(List.of("method"), charge().setMethodValue(99)),
                ofCharge(List.of("request_id"), charge().setRequestId("")),
                ofCharge(List.of("request_id"), charge().setRequestId("é")),
                ofCharge(List.of("request_id"), charge().setRequestId("x".repeat(256))),
                ofCharge(List.of("external_reference"), charge().setExternalReference(tooLong)),
                ofCharge(List.of("customer_id"), charge().setCustomerId("a\u0085b")),
                ofCharge(List.of("labels"), charge().putLabels("", "value")),
                ofCharge(List.of("labels"), charge().putLabels("x".repeat(41), "value")),
                ofCharge(List.of("labels"), charge().putLabels("key", tooLong)),
                ofCharge(List.of("payment_source"), charge().setPaymentSource("SIM_SUCCESS")),
                ofCharge(
                        List.of("payment_source", "return_url"),
                        charge().setPaymentSource("pm_1").setReturnUrl("http://shop.example")),
                ofCharge(List.of("return_url"), charge().setReturnUrl("https://shop.example")),
                of(List.of("charges"), stub -> stub.batchCharge(BatchChargeRequest.getDefaultInstance())),
                of(
                        List.of("charges"),
                        stub -> stub.batchCharge(BatchChargeRequest.newBuilder()
                                .addAllCharges(Collections.nCopies(1001, charge().build()))
                                .build())),
                ofRefund(List.of("payment_id"), RefundRequest.newBuilder()),
                ofRefund(
                        List.of("amount", "reason", "request_id"),
                        RefundRequest.newBuilder()
                                .setPaymentId(1)
                                .setAmount(money(0, 0))
                                .setReason("a\nb")
                                .setRequestId("")));
    }

    static Stream<Arguments> invalidReads() {
        GetPaymentRequest.Builder get = GetPaymentRequest.newBuilder();
        PaymentFilter.Builder filter = PaymentFilter.newBuilder();
        return Stream.of(
                ofGet(List.of("key"), get.clone()),
                ofGet(List.of("payment_id"), get.clone().setPaymentId(0)),
                ofGet(List.of("reference"), get.clone().setReference("")),
                ofGet(List.of("request_id"), get.clone().setRequestId("")),
                ofGet(List.of("caller"), get.clone().setPaymentId(1).setCaller("anonymous")),
                ofGet(List.of("caller"), get.clone().setReference("ECI").setCaller("anonymous")),
                ofGet(List.of("caller"), get.clone().setRequestId("order-1").setCaller(" shop")),
                ofFilter(List.of("filter.caller"), filter.clone().setCaller("")),
                ofFilter(List.of("filter.methods"), filter.clone().addMethodsValue(0)),
                ofFilter(List.of("filter.statuses"), filter.clone().addStatusesValue(99)),
                ofFilter(
                        List.of("filter.refund_states"),
                        filter.clone().addAllRefundStatesValue(Collections.nCopies(21, 1))),
                ofFilter(
                        List.of("filter.reference", "filter.request_id"),
                        filter.clone().setReference("").setRequestId("")),
                ofFilter(List.of("filter.processor_reference"), filter.clone().setProcessorReference("x".repeat(256))),
                ofFilter(List.of("filter.external_reference"), filter.clone().setExternalReference("")),
                ofFilter(List.of("filter.customer_id"), filter.clone().setCustomerId("a\0b")),
                ofFilter(List.of("filter.min_amount.nanos"), filter.clone().setMinAmount(money(0, 1))),
                ofFilter(
                        List.of("filter.max_amount"),
                        filter.clone().setMinAmount(money(2, 0)).setMaxAmount(money(1, 0))),
                ofFilter(
                        List.of("filter.max_amount.currency_code"),
                        filter.clone()
                                .setMinAmount(money(1, 0))
                                .setMaxAmount(money(2, 0).toBuilder().setCurrencyCode("USD"))),
                ofFilter(
                        List.of("filter.min_create_time.nanos"),
                        filter.clone().setMinCreateTime(Timestamp.newBuilder().setNanos(-1))),
                ofFilter(
                        List.of("filter.max_create_time.seconds"),
                        filter.clone().setMaxCreateTime(Timestamp.newBuilder().setSeconds(Long.MAX_VALUE))),
                ofFilter(
                        List.of("filter.max_create_time"),
                        filter.clone()
                                .setMinCreateTime(Timestamp.newBuilder().setSeconds(2))
                                .setMaxCreateTime(Timestamp.newBuilder().setSeconds(1))),
                of(
                        List.of("filter.customer_id", "order_by", "page_size"),
                        stub -> stub.listPayments(ListPaymentsRequest.newBuilder()
                                .setFilter(filter.clone().setCustomerId(""))
                                .setOrderBy("amount")
                                .setPageSize(-1)
                                .build())),
                of(
                        List.of("payment_id", "page_size"),
                        stub -> stub.listRefunds(
                                ListRefundsRequest.newBuilder().setPageSize(-1).build())),
                of(
                        List.of("page_token"),
                        stub -> stub.listRefunds(ListRefundsRequest.newBuilder()
                                .setPaymentId(1)
                                .setPageToken("nonsense")
                                .build())),
                of(
                        List.of("page_token"),
                        stub -> stub.listPaymentEvents(ListPaymentEventsRequest.newBuilder()
                                .setPaymentId(1)
                                .setPageToken(TokenKind.REFUNDS.encode(1, 1))
                                .build())));
    }

    @ParameterizedTest
    @MethodSource({"invalidCharges", "invalidReads"})
    void theErrorNamesEachInvalidField(List<String> fields, Consumer<PaymentServiceBlockingStub> call)
            throws InvalidProtocolBufferException {
        StatusRuntimeException error = errorOf(call);
        assertEquals(Status.Code.INVALID_ARGUMENT, error.getStatus().getCode());
        BadRequest details = detail(BadRequest.class, error);
        assertEquals(
                fields,
                details.getFieldViolationsList().stream()
                        .map(BadRequest.FieldViolation::getField)
                        .toList());
        assertEquals("INVALID_REQUEST", detail(ErrorInfo.class, error).getReason());
    }

    private StatusRuntimeException errorOf(Consumer<PaymentServiceBlockingStub> call) {
        return withStub(service, stub -> assertThrows(StatusRuntimeException.class, () -> call.accept(stub)));
    }

    private static <M extends com.google.protobuf.Message> M detail(Class<M> kind, StatusRuntimeException error)
            throws InvalidProtocolBufferException {
        for (Any detail : StatusProto.fromThrowable(error).getDetailsList()) {
            if (detail.is(kind)) {
                return detail.unpack(kind);
            }
        }
        throw new AssertionError("the error has no " + kind.getSimpleName());
    }

    @Test
    void lengthsAreInCharactersOfUnicode() {
        ChargeRequest request = charge().setExternalReference("😀".repeat(100)).build();
        assertEquals(
                request.getExternalReference(),
                withStub(service, stub -> stub.charge(request)).getPayment().getExternalReference());
    }

    @Test
    void anErrorHasTheIdOfItsCall() throws InvalidProtocolBufferException {
        Metadata headers = new Metadata();
        headers.put(Metadata.Key.of("x-request-id", Metadata.ASCII_STRING_MARSHALLER), "my-call");
        StatusRuntimeException error = errorOf(stub -> stub.withInterceptors(
                        MetadataUtils.newAttachHeadersInterceptor(headers))
                .getPayment(GetPaymentRequest.newBuilder().setPaymentId(7).build()));
        ErrorInfo info = detail(ErrorInfo.class, error);
        assertEquals("payments", info.getDomain());
        assertEquals("PAYMENT_NOT_FOUND", info.getReason());
        assertEquals("my-call", info.getMetadataOrThrow("call_id"));
        assertEquals("my-call", trailer("x-request-id", error.getTrailers()));
    }

    private static String trailer(String name, Metadata trailers) {
        return trailers.get(Metadata.Key.of(name, Metadata.ASCII_STRING_MARSHALLER));
    }

    @Test
    void theTrailersSayWhetherAnEarlierCallDidTheWork() {
        List<String> replayed = new ArrayList<>();
        AtomicReference<Metadata> trailers = new AtomicReference<>();
        try (PaymentsClient client = service.clientBuilder()
                .interceptor(MetadataUtils.newCaptureMetadataInterceptor(new AtomicReference<>(), trailers))
                .build()) {
            for (int count = 0; count < 2; count++) {
                client.charge(hundred().requestId("order-1").build());
                replayed.add(trailer("idempotency-replayed", trailers.get()));
                assertTrue(trailer("x-request-id", trailers.get()).length() > 0);
            }
        }
        assertEquals("[null, true]", replayed.toString());
    }
}
