package payments;

import com.google.protobuf.Any;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.Message;
import com.google.rpc.BadRequest;
import com.google.rpc.ErrorInfo;
import com.google.rpc.RetryInfo;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.function.Function;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * Creates the exceptions. The reason in the error's {@code google.rpc.ErrorInfo} determines its class. Without a known
 * reason, the status code does.
 */
final class Errors {
    /** The service's ErrorInfo domain. Reasons of other domains, such as a proxy's, are ignored. */
    private static final String DOMAIN = "payments";

    /** A number that always fits into a {@code long}. */
    private static final Pattern PAYMENT_ID = Pattern.compile("[0-9]{1,18}");

    /** The maximum of {@code google.protobuf.Duration}. */
    private static final long MAX_DURATION_SECONDS = 315_576_000_000L;

    private static final Metadata.Key<byte[]> DETAILS =
            Metadata.Key.of("grpc-status-details-bin", Metadata.BINARY_BYTE_MARSHALLER);
    private static final Metadata.Key<String> CALL_ID =
            Metadata.Key.of("x-request-id", Metadata.ASCII_STRING_MARSHALLER);

    private static final Map<String, Function<ErrorDetails, PaymentsException>> BY_REASON = Map.ofEntries(
            Map.entry("INVALID_REQUEST", InvalidRequestException::new),
            Map.entry("PAYMENT_NOT_FOUND", PaymentNotFoundException::new),
            Map.entry("PAYMENT_FAILED", PaymentFailedException::new),
            Map.entry("PAYMENT_PENDING", PaymentPendingException::new),
            Map.entry("PAYMENT_DISPUTED", PaymentDisputedException::new),
            Map.entry("PAYMENT_ARCHIVED", PaymentArchivedException::new),
            Map.entry("REFUND_EXCEEDS_PAYMENT", RefundExceedsPaymentException::new),
            Map.entry("ORDER_HAS_PENDING_PAYMENT", OrderHasPendingPaymentException::new),
            Map.entry("REQUEST_ID_REUSED", RequestIdReusedException::new),
            Map.entry("RESUME_TOKEN_EXPIRED", ResumeTokenExpiredException::new),
            Map.entry("STORE_UNAVAILABLE", UnavailableException::new),
            Map.entry("SHUTTING_DOWN", UnavailableException::new),
            Map.entry("READER_TOO_SLOW", UnavailableException::new),
            Map.entry("PROCESSOR_UNAVAILABLE", UnavailableException::new),
            Map.entry("CREDENTIALS_MISSING", UnauthenticatedException::new),
            Map.entry("API_KEY_INVALID", UnauthenticatedException::new),
            Map.entry("CERTIFICATE_INVALID", UnauthenticatedException::new),
            Map.entry("ROLE_MISSING", PermissionDeniedException::new),
            Map.entry("ORIGIN_NOT_ALLOWED", PermissionDeniedException::new),
            Map.entry("OVERLOADED", OverloadedException::new),
            Map.entry("RATE_LIMITED", OverloadedException::new),
            Map.entry("TOO_MANY_WATCHES", OverloadedException::new),
            Map.entry("DEADLINE_EXCEEDED", DeadlineExceededException::new),
            Map.entry("CALL_TOO_LONG", DeadlineExceededException::new),
            Map.entry("INTERNAL", InternalErrorException::new));

    /** For errors without a known reason, which come from gRPC itself, a proxy or a newer version of the service. */
    private static final Map<Status.Code, Function<ErrorDetails, PaymentsException>> BY_CODE = Map.of(
            Status.Code.INVALID_ARGUMENT, InvalidRequestException::new,
            Status.Code.UNAUTHENTICATED, UnauthenticatedException::new,
            Status.Code.PERMISSION_DENIED, PermissionDeniedException::new,
            Status.Code.UNAVAILABLE, UnavailableException::new,
            Status.Code.DEADLINE_EXCEEDED, DeadlineExceededException::new,
            Status.Code.INTERNAL, InternalErrorException::new,
            Status.Code.CANCELLED, OutcomeUnknownException::new,
            Status.Code.UNKNOWN, OutcomeUnknownException::new);

    private Errors() {}

    /**
     * {@return the exception for a failed RPC, with {@code rpcException} as its cause; {@code requestId} may be null}
     */
    static PaymentsException fromRpc(StatusRuntimeException rpcException, String requestId) {
        Metadata trailers = rpcException.getTrailers() == null ? new Metadata() : rpcException.getTrailers();
        Status status = rpcException.getStatus();
        List<Any> details = details(trailers.get(DETAILS));
        PaymentsException error = of(code(status), status.getDescription(), details, requestId, trailers.get(CALL_ID));
        error.initCause(rpcException);
        return error;
    }

    /**
     * {@return the code of a status}
     *
     * <p>If a connection breaks while a call is being written to it, gRPC for Java reports UNKNOWN. In other languages,
     * gRPC reports UNAVAILABLE, which is retried, so this method does the same.
     */
    private static Status.Code code(Status status) {
        boolean isBrokenConnection =
                status.getCode() == Status.Code.UNKNOWN && status.getCause() instanceof IOException;
        return isBrokenConnection ? Status.Code.UNAVAILABLE : status.getCode();
    }

    /** {@return the exception for the status of one charge in a batch's response} */
    static PaymentsException fromStatus(com.google.rpc.Status status, String requestId) {
        List<Any> details = status.getDetailsList();
        String callId = metadata("call_id", details).orElse(null);
        return of(Status.fromCodeValue(status.getCode()).getCode(), status.getMessage(), details, requestId, callId);
    }

    private static PaymentsException of(
            Status.Code code, String description, List<Any> details, String requestId, String callId) {
        String reason = infos(details).map(ErrorInfo::getReason).findFirst().orElse("");
        String message = description == null || description.isEmpty() ? code.name() : description;
        return BY_REASON
                .getOrDefault(reason, BY_CODE.getOrDefault(code, PaymentsException::new))
                .apply(new ErrorDetails(
                        message,
                        code,
                        reason,
                        requestId,
                        callId,
                        retryDelay(details),
                        violations(details),
                        paymentId(details)));
    }

    /** {@return the payment that the error is about, or null if there is none} */
    private static Long paymentId(List<Any> details) {
        return metadata("payment_id", details)
                .filter(text -> PAYMENT_ID.matcher(text).matches())
                .map(Long::valueOf)
                .orElse(null);
    }

    /** {@return the value of a key in the metadata of the ErrorInfo} */
    private static Optional<String> metadata(String key, List<Any> details) {
        return infos(details)
                .map(info -> info.getMetadataMap().get(key))
                .filter(Objects::nonNull)
                .findFirst();
    }

    private static Stream<ErrorInfo> infos(List<Any> details) {
        return ofKind(ErrorInfo.class, details).filter(info -> info.getDomain().equals(DOMAIN));
    }

    /** {@return the error for a thread that was interrupted while it waited for a call} */
    static PaymentsException interrupted(InterruptedException interruption, String requestId) {
        return fromRpc(
                Status.CANCELLED
                        .withDescription("the thread was interrupted")
                        .withCause(interruption)
                        .asRuntimeException(),
                requestId);
    }

    /** {@return the delay that the service asks for, clamped because an invalid delay must not hide the error} */
    private static Duration retryDelay(List<Any> details) {
        return ofKind(RetryInfo.class, details)
                .map(RetryInfo::getRetryDelay)
                .map(delay -> Duration.ofSeconds(
                        Math.max(0, Math.min(delay.getSeconds(), MAX_DURATION_SECONDS)), delay.getNanos()))
                .map(delay -> delay.isNegative() ? Duration.ZERO : delay)
                .findFirst()
                .orElse(null);
    }

    private static List<FieldViolation> violations(List<Any> details) {
        return ofKind(BadRequest.class, details)
                .flatMap(badRequest -> badRequest.getFieldViolationsList().stream())
                .map(violation -> new FieldViolation(violation.getField(), violation.getDescription()))
                .toList();
    }

    /**
     * {@return the details in a trailer, or none if the trailer is null or malformed}
     *
     * <p>A malformed trailer, for example one that a proxy truncated, must not hide the error itself.
     */
    private static List<Any> details(byte[] trailer) {
        if (trailer == null) {
            return List.of();
        }
        try {
            return com.google.rpc.Status.parseFrom(trailer).getDetailsList();
        } catch (InvalidProtocolBufferException malformed) {
            return List.of();
        }
    }

    /** {@return the details of one type that can be parsed} */
    private static <M extends Message> Stream<M> ofKind(Class<M> kind, List<Any> details) {
        return details.stream().filter(detail -> detail.is(kind)).flatMap(detail -> {
            try {
                return Stream.of(detail.unpack(kind));
            } catch (InvalidProtocolBufferException malformed) {
                return Stream.empty();
            }
        });
    }
}
