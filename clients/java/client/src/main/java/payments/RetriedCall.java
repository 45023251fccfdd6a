package payments;

import io.grpc.CallOptions;
import io.grpc.ClientCall;
import io.grpc.Context;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.stub.ClientCalls;
import io.grpc.stub.StreamObserver;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.ThreadLocalRandom;

/**
 * One call with all its attempts. It never blocks a thread, not even between attempts.
 *
 * @param <Q> the request
 * @param <A> the response
 * @param <R> the result
 */
final class RetriedCall<Q, A, R> {
    private static final Runnable NOTHING = () -> {};

    private final Connection connection;
    private final Operation<Q, A, R> operation;
    private final Attempts attempts;
    private final Executor executor;
    private final Context context = Context.current();
    private final CompletableFuture<R> result = new CompletableFuture<>();

    /** Cancels the attempt in flight, or the pause before the next one. */
    private volatile Runnable cancelStep = NOTHING;

    private RetriedCall(Connection connection, Duration timeout, Operation<Q, A, R> operation, Executor executor) {
        this.connection = connection;
        this.operation = operation;
        this.executor = executor;
        attempts = new Attempts(
                Attempts.deadlineAfter(timeout),
                Attempts::isRetryable,
                () -> ThreadLocalRandom.current().nextDouble());
    }

    /**
     * {@return the result of a call, which starts immediately; canceling the future cancels the call}
     *
     * @param executor runs callbacks and retries, and completes the future
     * @throws IllegalStateException if the connection is closed
     */
    static <Q, A, R> CompletableFuture<R> start(
            Connection connection, Duration timeout, Operation<Q, A, R> operation, Executor executor) {
        connection.checkOpen();
        RetriedCall<Q, A, R> call = new RetriedCall<>(connection, timeout, operation, executor);
        call.result.whenComplete((result, failure) -> call.cancelStep.run());
        call.attempt();
        return call.result;
    }

    private void attempt() {
        connection.reconnectSoon();
        try {
            ClientCall<Q, A> call = connection
                    .channel()
                    .newCall(
                            operation.method(),
                            CallOptions.DEFAULT
                                    .withDeadline(attempts.deadline())
                                    .withExecutor(executor));
            beginStep(() -> call.cancel("the caller canceled the call", null));
            ClientCalls.asyncUnaryCall(call, operation.request(), new Attempt());
        } catch (RuntimeException ofAnInterceptor) {
            result.completeExceptionally(ofAnInterceptor);
        }
    }

    private void beginStep(Runnable cancel) {
        cancelStep = cancel;
        if (result.isDone()) {
            cancel.run();
        }
    }

    private void finish(A response) {
        cancelStep = NOTHING;
        try {
            result.complete(operation.convert().apply(response));
        } catch (RuntimeException invalidResponse) {
            result.completeExceptionally(invalidResponse);
        }
    }

    private void retryAfter(PaymentsException failure) {
        CompletableFuture<Void> pause = connection.pauseAfter(failure, attempts::delayNanos, context);
        beginStep(() -> pause.cancel(false));
        pause.whenCompleteAsync(
                (nothing, end) -> {
                    if (end != null) {
                        result.completeExceptionally(end);
                    } else if (!result.isDone()) {
                        context.run(this::attempt);
                    }
                },
                executor);
    }

    /** Receives the response to one attempt. */
    private final class Attempt implements StreamObserver<A> {
        private A response;

        @Override
        public void onNext(A response) {
            this.response = response;
        }

        @Override
        public void onCompleted() {
            if (response == null) {
                onError(Status.INTERNAL
                        .withDescription("the response is missing")
                        .asRuntimeException());
            } else {
                finish(response);
            }
        }

        @Override
        public void onError(Throwable failure) {
            retryAfter(Errors.fromRpc((StatusRuntimeException) failure, operation.requestId()));
        }
    }
}
