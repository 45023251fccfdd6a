package payments;

import com.google.protobuf.Any;
import com.google.protobuf.Duration;
import com.google.protobuf.Message;
import com.google.rpc.ErrorInfo;
import com.google.rpc.RetryInfo;
import io.grpc.Context;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.protobuf.StatusProto;
import java.util.Arrays;
import java.util.concurrent.CountDownLatch;
import payments.FakeService.Handler;
import payments.v1.BatchChargeRequest;
import payments.v1.BatchChargeResponse;
import payments.v1.BatchChargeResult;
import payments.v1.ChargeRequest;
import payments.v1.ChargeResponse;
import payments.v1.GetPaymentRequest;
import payments.v1.GetPaymentResponse;
import payments.v1.ListPaymentEventsRequest;
import payments.v1.ListPaymentEventsResponse;
import payments.v1.ListPaymentsResponse;
import payments.v1.ListRefundsRequest;
import payments.v1.ListRefundsResponse;
import payments.v1.Payment;
import payments.v1.RefundRequest;
import payments.v1.RefundResponse;
import payments.v1.WatchPaymentsRequest;
import payments.v1.WatchPaymentsResponse;

/** Handlers for the fake service. */
final class Handlers {
    /** Makes gRPC itself retry immediately. */
    static final String RETRY_SOON = "1";

    /** Prevents gRPC's own retries, so that the client retries. */
    static final String NO_GRPC_RETRY = "-1";

    private static final Metadata.Key<String> PUSHBACK =
            Metadata.Key.of("grpc-retry-pushback-ms", Metadata.ASCII_STRING_MARSHALLER);

    private Handlers() {}

    /** {@return a handler that responds to any call with payment 7} */
    static Handler succeed() {
        Payment payment = Payment.newBuilder().setPaymentId(7).build();
        return (number, request) -> {
            if (request instanceof ChargeRequest) {
                return ChargeResponse.newBuilder().setPayment(payment).build();
            }
            if (request instanceof BatchChargeRequest batch) {
                BatchChargeResponse.Builder response = BatchChargeResponse.newBuilder();
                batch.getChargesList()
                        .forEach(charge -> response.addResults(
                                BatchChargeResult.newBuilder().setPayment(payment)));
                return response.build();
            }
            if (request instanceof RefundRequest) {
                return RefundResponse.newBuilder().setPayment(payment).build();
            }
            if (request instanceof GetPaymentRequest) {
                return GetPaymentResponse.newBuilder().setPayment(payment).build();
            }
            if (request instanceof ListRefundsRequest) {
                return ListRefundsResponse.getDefaultInstance();
            }
            if (request instanceof ListPaymentEventsRequest) {
                return ListPaymentEventsResponse.getDefaultInstance();
            }
            if (request instanceof WatchPaymentsRequest) {
                return WatchPaymentsResponse.getDefaultInstance();
            }
            return ListPaymentsResponse.getDefaultInstance();
        };
    }

    /** {@return a handler that responds to every call with {@code response}} */
    static Handler respondWith(Message response) {
        return (number, request) -> response;
    }

    /** {@return a handler that fails every call} */
    static Handler failWith(Exception failure) {
        return (number, request) -> {
            throw failure;
        };
    }

    /** {@return a handler that waits until the client ends the call} */
    static Handler hang() {
        return (number, request) -> {
            CountDownLatch ended = new CountDownLatch(1);
            Context.current().addListener(context -> ended.countDown(), Runnable::run);
            ended.await();
            throw Status.CANCELLED.asRuntimeException();
        };
    }

    /** {@return a retryable failure} */
    static StatusRuntimeException unavailable(String pushback) {
        return failure(Status.Code.UNAVAILABLE, "the database cannot be reached", pushback);
    }

    /** {@return a retryable failure with a retry delay} */
    static StatusRuntimeException retryAfterMillis(long millis) {
        Duration delay = Duration.newBuilder()
                .setSeconds(millis / 1000)
                .setNanos((int) (millis % 1000) * 1_000_000)
                .build();
        return failure(
                Status.Code.UNAVAILABLE,
                "try again later",
                NO_GRPC_RETRY,
                RetryInfo.newBuilder().setRetryDelay(delay).build());
    }

    /** {@return a retry delay longer than any deadline, so that there is no retry} */
    static RetryInfo muchLater() {
        return RetryInfo.newBuilder()
                .setRetryDelay(Duration.newBuilder().setSeconds(3600))
                .build();
    }

    static ErrorInfo reason(String reason) {
        return ErrorInfo.newBuilder().setDomain("payments").setReason(reason).build();
    }

    /** {@return a failure with details, as the service returns it; {@code pushback} may be null} */
    static StatusRuntimeException failure(Status.Code code, String message, String pushback, Message... details) {
        com.google.rpc.Status status = com.google.rpc.Status.newBuilder()
                .setCode(code.value())
                .setMessage(message)
                .addAllDetails(Arrays.stream(details).map(Any::pack).toList())
                .build();
        StatusRuntimeException failure = StatusProto.toStatusRuntimeException(status);
        if (pushback != null) {
            failure.getTrailers().put(PUSHBACK, pushback);
        }
        return failure;
    }
}
