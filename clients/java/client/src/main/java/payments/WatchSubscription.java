package payments;

import io.grpc.CallOptions;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.stub.ClientCallStreamObserver;
import io.grpc.stub.ClientCalls;
import io.grpc.stub.ClientResponseObserver;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.Flow;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import payments.v1.PaymentServiceGrpc;
import payments.v1.WatchPaymentsRequest;
import payments.v1.WatchPaymentsResponse;

/**
 * Delivers the changes to payments, and resumes after its connection is lost. It reads a few responses ahead, and one
 * more for each one delivered. It opens its first stream when the first update is requested.
 */
final class WatchSubscription extends ItemSubscription<PaymentUpdate> {
    private static final int READ_AHEAD = 16;

    private final Connection connection;
    private final CallOptions options;
    private final Resumptions resumptions;
    private WatchPaymentsRequest request;

    /** The open stream, or null. */
    private ResponseStream stream;

    /** The error that ended the stream, until all responses before it are delivered, or null. */
    private PaymentsException streamFailure;

    /** The pause before the next stream, or null. */
    private CompletableFuture<Void> pause;

    private WatchSubscription(
            Flow.Subscriber<? super PaymentUpdate> subscriber,
            Connection connection,
            WatchPaymentsParams params,
            Executor executor) {
        super(subscriber, executor);
        this.connection = connection;
        options = CallOptions.DEFAULT.withExecutor(executor);
        request = Requests.watch(params);
        resumptions = new Resumptions(
                params.timeout(), () -> ThreadLocalRandom.current().nextDouble());
    }

    /** {@return a publisher of the updates; {@code executor} runs its subscriptions} */
    static ItemPublisher<PaymentUpdate> publisher(
            Connection connection, WatchPaymentsParams params, Executor executor) {
        return subscriber -> new WatchSubscription(subscriber, connection, params, executor).start();
    }

    @Override
    void onEmpty() {
        if (streamFailure != null) {
            PaymentsException failure = streamFailure;
            streamFailure = null;
            resumeAfter(failure);
        } else if (stream == null && pause == null && hasDemand()) {
            open();
        }
    }

    private void open() {
        connection.checkOpen();
        connection.reconnectSoon();
        resumptions.recordOpening();
        ResponseStream opening = new ResponseStream();
        ClientCalls.asyncServerStreamingCall(
                connection.channel().newCall(PaymentServiceGrpc.getWatchPaymentsMethod(), options), request, opening);
        stream = opening;
    }

    private void resumeAfter(PaymentsException failure) {
        closeStream();
        pause = connection.pauseAfter(failure, resumptions::delayNanos, context());
        pause.whenComplete((nothing, end) -> enqueue(() -> {
            pause = null;
            if (end == null) {
                open();
            } else {
                fail(end);
            }
        }));
    }

    private void receive(WatchPaymentsResponse response) {
        resumptions.recordResponse();
        request = request.toBuilder().setResumeToken(response.getResumeToken()).build();
        addItems(List.of(Responses.paymentUpdate(response)));
    }

    @Override
    void onDelivered() {
        if (stream != null) {
            stream.call.request(1);
        }
    }

    @Override
    void stop() {
        closeStream();
        if (pause != null) {
            pause.cancel(false);
        }
    }

    private void closeStream() {
        if (stream != null) {
            stream.close();
            stream = null;
        }
    }

    /** Receives the responses of one stream. */
    private final class ResponseStream implements ClientResponseObserver<WatchPaymentsRequest, WatchPaymentsResponse> {
        private ClientCallStreamObserver<WatchPaymentsRequest> call;
        private final CompletableFuture<Void> firstResponse = new CompletableFuture<>();

        @Override
        public void beforeStart(ClientCallStreamObserver<WatchPaymentsRequest> call) {
            this.call = call;
            call.disableAutoRequestWithInitial(READ_AHEAD);
            firstResponse.orTimeout(resumptions.deadline().timeRemaining(TimeUnit.NANOSECONDS), TimeUnit.NANOSECONDS);
            firstResponse.exceptionally(timeout -> {
                onError(Status.DEADLINE_EXCEEDED
                        .withDescription("the service did not respond")
                        .asRuntimeException());
                return null;
            });
        }

        @Override
        public void onNext(WatchPaymentsResponse response) {
            firstResponse.complete(null);
            enqueueIfOpen(() -> receive(response));
        }

        @Override
        public void onError(Throwable failure) {
            firstResponse.complete(null);
            PaymentsException error = Errors.fromRpc((StatusRuntimeException) failure, null);
            enqueueIfOpen(() -> streamFailure = error);
        }

        @Override
        public void onCompleted() {
            onError(Status.UNAVAILABLE.withDescription("the stream ended").asRuntimeException());
        }

        /** Runs an event unless the stream is closed by then. */
        private void enqueueIfOpen(Runnable event) {
            enqueue(() -> {
                if (stream == this) {
                    event.run();
                }
            });
        }

        private void close() {
            firstResponse.complete(null);
            call.cancel("the watch is closed", null);
        }
    }
}
