package payments.testing;

import io.grpc.Context;
import io.grpc.Contexts;
import io.grpc.ForwardingServerCall.SimpleForwardingServerCall;
import io.grpc.Metadata;
import io.grpc.ServerCall;
import io.grpc.ServerCallHandler;
import io.grpc.ServerInterceptor;
import io.grpc.Status;
import java.util.UUID;

/** The trailers of one call: its id, and whether an earlier call did its work. */
final class CallTrailers {
    private static final Context.Key<CallTrailers> CURRENT = Context.key("payments-call-trailers");
    private static final Metadata.Key<String> CALL_ID =
            Metadata.Key.of("x-request-id", Metadata.ASCII_STRING_MARSHALLER);
    private static final Metadata.Key<String> REPLAYED =
            Metadata.Key.of("idempotency-replayed", Metadata.ASCII_STRING_MARSHALLER);

    private final String callId;
    private volatile boolean isReplayed;

    private CallTrailers(String callId) {
        this.callId = callId;
    }

    /** {@return the trailers of the call that this thread handles} */
    static CallTrailers current() {
        return CURRENT.get();
    }

    /** {@return the caller's own id of the call, or a generated one} */
    String callId() {
        return callId;
    }

    /** Sets whether an earlier call did the work. */
    void setReplayed(boolean isReplayed) {
        this.isReplayed = isReplayed;
    }

    /** Gives each call its trailers, and sends them at its end. */
    static final class Interceptor implements ServerInterceptor {
        @Override
        public <Q, A> ServerCall.Listener<Q> interceptCall(
                ServerCall<Q, A> call, Metadata headers, ServerCallHandler<Q, A> next) {
            String given = headers.get(CALL_ID);
            CallTrailers own =
                    new CallTrailers(given == null ? UUID.randomUUID().toString() : given);
            ServerCall<Q, A> callWithTrailers = new SimpleForwardingServerCall<>(call) {
                @Override
                public void close(Status status, Metadata trailers) {
                    trailers.put(CALL_ID, own.callId);
                    if (own.isReplayed) {
                        trailers.put(REPLAYED, "true");
                    }
                    super.close(status, trailers);
                }
            };
            Context context = Context.current().withValue(CURRENT, own);
            return Contexts.interceptCall(context, callWithTrailers, headers, next);
        }
    }
}
