package payments;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static payments.Calls.CHARGE;
import static payments.ErrorsTest.errorOf;
import static payments.Handlers.NO_GRPC_RETRY;
import static payments.Handlers.failWith;
import static payments.Handlers.failure;
import static payments.Handlers.reason;

import com.google.protobuf.Any;
import com.google.protobuf.ByteString;
import com.google.rpc.BadRequest;
import com.google.rpc.ErrorInfo;
import com.google.rpc.RetryInfo;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.protobuf.StatusProto;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import org.junit.jupiter.api.Test;

/** The details of an error. */
class ErrorDetailsTest {
    private static final ByteString MALFORMED = ByteString.copyFrom(new byte[] {-1, -1, -1});

    private static final com.google.protobuf.Duration A_SECOND_AND_A_HALF = com.google.protobuf.Duration.newBuilder()
            .setSeconds(1)
            .setNanos(500_000_000)
            .build();

    private static RetryInfo retryInfo(com.google.protobuf.Duration delay) {
        return RetryInfo.newBuilder().setRetryDelay(delay).build();
    }

    private static StatusRuntimeException invalid() {
        StatusRuntimeException failure = failure(
                Status.Code.INVALID_ARGUMENT,
                "amount: must be more than zero",
                NO_GRPC_RETRY,
                reason("INVALID_REQUEST"),
                retryInfo(A_SECOND_AND_A_HALF),
                BadRequest.newBuilder()
                        .addFieldViolations(BadRequest.FieldViolation.newBuilder()
                                .setField("amount")
                                .setDescription("must be more than zero"))
                        .addFieldViolations(BadRequest.FieldViolation.newBuilder()
                                .setField("order_id")
                                .setDescription("must be 1 or more"))
                        .build());
        failure.getTrailers().put(Metadata.Key.of("x-request-id", Metadata.ASCII_STRING_MARSHALLER), "0143f7aa");
        return failure;
    }

    private static void assertAllDetails(PaymentsException thrown) {
        InvalidRequestException error = assertInstanceOf(InvalidRequestException.class, thrown);
        assertEquals("amount: must be more than zero", error.getMessage());
        assertEquals(Status.Code.INVALID_ARGUMENT, error.code());
        assertEquals("INVALID_REQUEST", error.reason());
        assertEquals(Optional.of("0143f7aa"), error.callId());
        assertEquals(Optional.of(Duration.ofMillis(1500)), error.retryAfter());
        assertTrue(error.requestId().isPresent());
        assertEquals(
                List.of(
                        new FieldViolation("amount", "must be more than zero"),
                        new FieldViolation("order_id", "must be 1 or more")),
                error.violations());
    }

    @Test
    void anErrorHasAllDetailsOfTheService() {
        assertAllDetails(errorOf(invalid()));
    }

    private static OptionalLong pendingPaymentId(String text) {
        ErrorInfo info = reason("ORDER_HAS_PENDING_PAYMENT").toBuilder()
                .putMetadata("payment_id", text)
                .build();
        PaymentsException error = errorOf(failure(Status.Code.FAILED_PRECONDITION, "no", NO_GRPC_RETRY, info));
        return assertInstanceOf(OrderHasPendingPaymentException.class, error).paymentId();
    }

    @Test
    void theErrorOfAnOrderWithAPendingPaymentNamesThatPayment() {
        assertEquals(OptionalLong.of(7), pendingPaymentId("7"));
        assertEquals(OptionalLong.of(9_007_199_254_740_993L), pendingPaymentId("9007199254740993"));
    }

    @Test
    void aMalformedPaymentIdDoesNotHideTheError() {
        for (String malformed : List.of("", "seven", "-7", "7.0", "99999999999999999999")) {
            assertEquals(OptionalLong.empty(), pendingPaymentId(malformed));
        }
        PaymentsException without = errorOf(
                failure(Status.Code.FAILED_PRECONDITION, "no", NO_GRPC_RETRY, reason("ORDER_HAS_PENDING_PAYMENT")));
        assertEquals(
                OptionalLong.empty(),
                assertInstanceOf(OrderHasPendingPaymentException.class, without).paymentId());
    }

    @Test
    void theErrorOfAnOrderWithAPendingPaymentIsNotRetried() {
        try (FakeService service = FakeService.start(failWith(
                        failure(Status.Code.FAILED_PRECONDITION, "no", null, reason("ORDER_HAS_PENDING_PAYMENT"))));
                PaymentsClient client = service.client()) {
            assertThrows(OrderHasPendingPaymentException.class, () -> client.charge(CHARGE));
            assertEquals(1, service.calls().size());
        }
    }

    @Test
    void theMessageOfAnErrorWithoutOneIsItsCode() {
        assertEquals(
                "NOT_FOUND",
                errorOf(failure(Status.Code.NOT_FOUND, "", NO_GRPC_RETRY)).getMessage());
    }

    @Test
    void theErrorOfAReadOnlyCallHasNoRequestId() {
        try (FakeService service = FakeService.start(failWith(failure(Status.Code.NOT_FOUND, "no", NO_GRPC_RETRY)));
                PaymentsClient client = service.client()) {
            PaymentsException error = assertThrows(PaymentsException.class, () -> client.getPayment(7));
            assertTrue(error.requestId().isEmpty());
            assertTrue(error.callId().isEmpty());
            assertTrue(error.retryAfter().isEmpty());
        }
    }

    @Test
    void aMalformedTrailerDoesNotHideTheError() {
        Metadata trailers = new Metadata();
        trailers.put(
                Metadata.Key.of("grpc-status-details-bin", Metadata.BINARY_BYTE_MARSHALLER), MALFORMED.toByteArray());
        PaymentsException error =
                errorOf(Status.NOT_FOUND.withDescription("payment not found").asRuntimeException(trailers));
        assertEquals(Status.Code.NOT_FOUND, error.code());
        assertEquals("payment not found", error.getMessage());
    }

    @Test
    void aMalformedDetailDoesNotHideTheOtherDetails() {
        com.google.rpc.Status status = com.google.rpc.Status.newBuilder()
                .setCode(Status.Code.NOT_FOUND.value())
                .addDetails(malformed("google.rpc.ErrorInfo"))
                .addDetails(malformed("of.a.newer.Service"))
                .addDetails(malformed("google.rpc.BadRequest"))
                .addDetails(malformed("google.rpc.RetryInfo"))
                .addDetails(Any.pack(reason("PAYMENT_NOT_FOUND")))
                .build();
        PaymentsException error = errorOf(StatusProto.toStatusRuntimeException(status));
        assertInstanceOf(PaymentNotFoundException.class, error);
        assertTrue(error.retryAfter().isEmpty());
    }

    private static Any malformed(String kind) {
        return Any.newBuilder()
                .setTypeUrl("type.googleapis.com/" + kind)
                .setValue(MALFORMED)
                .build();
    }

    @Test
    void aNegativeRetryDelayIsZero() {
        for (com.google.protobuf.Duration delay : List.of(
                com.google.protobuf.Duration.newBuilder().setSeconds(-3600).build(),
                com.google.protobuf.Duration.newBuilder().setNanos(-1).build(),
                com.google.protobuf.Duration.newBuilder()
                        .setSeconds(Long.MIN_VALUE)
                        .setNanos(Integer.MIN_VALUE)
                        .build())) {
            PaymentsException error = errorOf(failure(Status.Code.NOT_FOUND, "no", NO_GRPC_RETRY, retryInfo(delay)));
            assertEquals(Optional.of(Duration.ZERO), error.retryAfter());
        }
    }

    @Test
    void anInfiniteRetryDelayDoesNotHideTheError() {
        com.google.protobuf.Duration infinite = com.google.protobuf.Duration.newBuilder()
                .setSeconds(Long.MAX_VALUE)
                .setNanos(Integer.MAX_VALUE)
                .build();
        PaymentsException error = errorOf(failure(Status.Code.UNAVAILABLE, "no", NO_GRPC_RETRY, retryInfo(infinite)));
        assertInstanceOf(UnavailableException.class, error);
        assertTrue(error.retryAfter().orElseThrow().compareTo(Duration.ofDays(365)) > 0);
    }
}
