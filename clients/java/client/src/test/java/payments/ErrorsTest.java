package payments;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static payments.Calls.CHARGE;
import static payments.Handlers.NO_GRPC_RETRY;
import static payments.Handlers.failWith;
import static payments.Handlers.failure;
import static payments.Handlers.muchLater;
import static payments.Handlers.reason;

import com.google.rpc.ErrorInfo;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import java.time.Duration;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The classes of errors. */
class ErrorsTest {
    /** {@return the client's error when the service fails a charge with {@code failure}} */
    static PaymentsException errorOf(StatusRuntimeException failure) {
        try (FakeService service = FakeService.start(failWith(failure));
                PaymentsClient client = service.client(Duration.ofSeconds(30))) {
            return assertThrows(PaymentsException.class, () -> client.charge(CHARGE));
        }
    }

    static Stream<Arguments> reasons() {
        return Stream.of(
                Arguments.of("INVALID_REQUEST", InvalidRequestException.class),
                Arguments.of("PAYMENT_NOT_FOUND", PaymentNotFoundException.class),
                Arguments.of("PAYMENT_FAILED", PaymentFailedException.class),
                Arguments.of("PAYMENT_PENDING", PaymentPendingException.class),
                Arguments.of("PAYMENT_DISPUTED", PaymentDisputedException.class),
                Arguments.of("PAYMENT_ARCHIVED", PaymentArchivedException.class),
                Arguments.of("REFUND_EXCEEDS_PAYMENT", RefundExceedsPaymentException.class),
                Arguments.of("ORDER_HAS_PENDING_PAYMENT", OrderHasPendingPaymentException.class),
                Arguments.of("REQUEST_ID_REUSED", RequestIdReusedException.class),
                Arguments.of("RESUME_TOKEN_EXPIRED", ResumeTokenExpiredException.class),
                Arguments.of("STORE_UNAVAILABLE", UnavailableException.class),
                Arguments.of("SHUTTING_DOWN", UnavailableException.class),
                Arguments.of("READER_TOO_SLOW", UnavailableException.class),
                Arguments.of("PROCESSOR_UNAVAILABLE", UnavailableException.class),
                Arguments.of("CREDENTIALS_MISSING", UnauthenticatedException.class),
                Arguments.of("API_KEY_INVALID", UnauthenticatedException.class),
                Arguments.of("CERTIFICATE_INVALID", UnauthenticatedException.class),
                Arguments.of("ROLE_MISSING", PermissionDeniedException.class),
                Arguments.of("ORIGIN_NOT_ALLOWED", PermissionDeniedException.class),
                Arguments.of("OVERLOADED", OverloadedException.class),
                Arguments.of("RATE_LIMITED", OverloadedException.class),
                Arguments.of("TOO_MANY_WATCHES", OverloadedException.class),
                Arguments.of("CALL_TOO_LONG", DeadlineExceededException.class),
                Arguments.of("DEADLINE_EXCEEDED", DeadlineExceededException.class),
                Arguments.of("INTERNAL", InternalErrorException.class));
    }

    @ParameterizedTest
    @MethodSource("reasons")
    void eachReasonOfTheContractHasAClass(String reason, Class<?> expected) {
        PaymentsException error =
                errorOf(failure(Status.Code.FAILED_PRECONDITION, "no", NO_GRPC_RETRY, reason(reason), muchLater()));
        assertEquals(expected, error.getClass());
        assertEquals(reason, error.reason());
        assertEquals(Status.Code.FAILED_PRECONDITION, error.code());
    }

    static Stream<Arguments> codes() {
        return Stream.of(
                Arguments.of(Status.Code.INVALID_ARGUMENT, InvalidRequestException.class),
                Arguments.of(Status.Code.UNAVAILABLE, UnavailableException.class),
                Arguments.of(Status.Code.DEADLINE_EXCEEDED, DeadlineExceededException.class),
                Arguments.of(Status.Code.INTERNAL, InternalErrorException.class),
                Arguments.of(Status.Code.CANCELLED, OutcomeUnknownException.class),
                Arguments.of(Status.Code.UNKNOWN, OutcomeUnknownException.class),
                Arguments.of(Status.Code.NOT_FOUND, PaymentsException.class),
                Arguments.of(Status.Code.UNAUTHENTICATED, UnauthenticatedException.class),
                Arguments.of(Status.Code.PERMISSION_DENIED, PermissionDeniedException.class),
                Arguments.of(Status.Code.RESOURCE_EXHAUSTED, PaymentsException.class));
    }

    @ParameterizedTest
    @MethodSource("codes")
    void anErrorWithoutAReasonHasTheClassOfItsCode(Status.Code code, Class<?> expected) {
        PaymentsException error = errorOf(failure(code, "no", NO_GRPC_RETRY, muchLater()));
        assertEquals(expected, error.getClass());
        assertEquals(code, error.code());
        assertEquals("", error.reason());
        assertEquals("no", error.getMessage());
    }

    @Test
    void anErrorWithAnUnknownReasonHasTheClassOfItsCode() {
        PaymentsException error = errorOf(failure(Status.Code.INTERNAL, "no", NO_GRPC_RETRY, reason("A_NEWER_REASON")));
        assertEquals(InternalErrorException.class, error.getClass());
        assertEquals("A_NEWER_REASON", error.reason());
    }

    @Test
    void aReasonFromAnotherDomainIsIgnored() {
        ErrorInfo foreign = ErrorInfo.newBuilder()
                .setDomain("proxy.example")
                .setReason("PAYMENT_NOT_FOUND")
                .build();
        PaymentsException error = errorOf(failure(Status.Code.INTERNAL, "no", NO_GRPC_RETRY, foreign));
        assertEquals(InternalErrorException.class, error.getClass());
        assertEquals("", error.reason());
        PaymentsException both =
                errorOf(failure(Status.Code.INTERNAL, "no", NO_GRPC_RETRY, foreign, reason("PAYMENT_PENDING")));
        assertEquals(PaymentPendingException.class, both.getClass());
    }

    @ParameterizedTest
    @ValueSource(
            classes = {
                UnavailableException.class,
                OverloadedException.class,
                DeadlineExceededException.class,
                InternalErrorException.class
            })
    void anErrorWithAnUnknownOutcomeIsAnOutcomeUnknownException(Class<?> kind) {
        assertTrue(OutcomeUnknownException.class.isAssignableFrom(kind));
    }

    @ParameterizedTest
    @ValueSource(
            classes = {
                InvalidRequestException.class,
                PaymentNotFoundException.class,
                PaymentFailedException.class,
                PaymentPendingException.class,
                PaymentDisputedException.class,
                OrderHasPendingPaymentException.class,
                RefundExceedsPaymentException.class,
                RequestIdReusedException.class,
                ResumeTokenExpiredException.class
            })
    void anErrorWithAKnownOutcomeIsNotAnOutcomeUnknownException(Class<?> kind) {
        assertTrue(PaymentsException.class.isAssignableFrom(kind));
        assertEquals(false, OutcomeUnknownException.class.isAssignableFrom(kind));
    }

    @Test
    void theCauseIsGrpcsOwnException() {
        PaymentsException error = errorOf(failure(Status.Code.NOT_FOUND, "no", NO_GRPC_RETRY));
        StatusRuntimeException cause = assertInstanceOf(StatusRuntimeException.class, error.getCause());
        assertEquals(Status.Code.NOT_FOUND, cause.getStatus().getCode());
    }

    @Test
    void theTraceShowsTheCallersCode() {
        PaymentsException error = errorOf(failure(Status.Code.NOT_FOUND, "no", NO_GRPC_RETRY));
        assertTrue(Stream.of(error.getStackTrace())
                .anyMatch(frame -> frame.getClassName().equals(ErrorsTest.class.getName())));
    }
}
