package payments;

import io.grpc.StatusRuntimeException;
import java.util.Optional;
import java.util.Spliterator;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Future;
import java.util.concurrent.ThreadLocalRandom;
import java.util.function.Consumer;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import payments.v1.PaymentServiceGrpc;
import payments.v1.WatchPaymentsRequest;
import payments.v1.WatchPaymentsResponse;

/** Iterates over the changes to payments, and resumes after its connection is lost. */
final class Watch implements Spliterator<PaymentUpdate> {
    private final Connection connection;
    private final Resumptions resumptions;
    private final CompletableFuture<Void> closed = new CompletableFuture<>();
    private final Future<?> watchOrClientClosed;
    private WatchPaymentsRequest request;
    private ResponseStream<WatchPaymentsRequest, WatchPaymentsResponse> responses;

    private Watch(Connection connection, WatchPaymentsRequest request, Resumptions resumptions) {
        this.connection = connection;
        this.request = request;
        this.resumptions = resumptions;
        watchOrClientClosed = CompletableFuture.anyOf(closed, connection.closed());
    }

    /** {@return the updates; the call starts when the stream is first consumed} */
    static Stream<PaymentUpdate> stream(Connection connection, WatchPaymentsParams params) {
        Resumptions resumptions = new Resumptions(
                params.timeout(), () -> ThreadLocalRandom.current().nextDouble());
        Watch watch = new Watch(connection, Requests.watch(params), resumptions);
        return StreamSupport.stream(watch, false).onClose(watch::close);
    }

    @Override
    public boolean tryAdvance(Consumer<? super PaymentUpdate> action) {
        Optional<PaymentUpdate> update = next();
        update.ifPresent(action);
        return update.isPresent();
    }

    /** Waits for the next update and returns it, or returns empty if the watch is closed. */
    private Optional<PaymentUpdate> next() {
        while (!closed.isDone()) {
            try {
                WatchPaymentsResponse response = responses().take(resumptions.deadline());
                resumptions.recordResponse();
                request = request.toBuilder()
                        .setResumeToken(response.getResumeToken())
                        .build();
                return Optional.of(Responses.paymentUpdate(response));
            } catch (StatusRuntimeException ended) {
                waitAfter(Errors.fromRpc(ended, null));
            }
        }
        return Optional.empty();
    }

    /** Waits before the next stream. If the watch cannot resume, closes it and throws the error. */
    private void waitAfter(PaymentsException failure) {
        cancelStream();
        if (closed.isDone()) {
            return;
        }
        try {
            connection.waitAfter(failure, resumptions::delayNanos, watchOrClientClosed);
        } catch (PaymentsException error) {
            close();
            throw error;
        }
    }

    private synchronized ResponseStream<WatchPaymentsRequest, WatchPaymentsResponse> responses() {
        if (responses == null) {
            connection.checkOpen();
            connection.reconnectSoon();
            resumptions.recordOpening();
            responses = ResponseStream.open(connection.channel(), PaymentServiceGrpc.getWatchPaymentsMethod(), request);
            if (closed.isDone()) {
                // The watch was closed before there was a stream to cancel.
                responses.cancel();
            }
        }
        return responses;
    }

    private synchronized void cancelStream() {
        if (responses != null) {
            responses.cancel();
            responses = null;
        }
    }

    /** Ends the watch, even if another thread is waiting for its next update. */
    private void close() {
        closed.complete(null);
        cancelStream();
    }

    /** {@return null, because updates arrive in order} */
    @Override
    public Spliterator<PaymentUpdate> trySplit() {
        return null;
    }

    @Override
    public long estimateSize() {
        return Long.MAX_VALUE;
    }

    @Override
    public int characteristics() {
        return ORDERED | NONNULL;
    }
}
