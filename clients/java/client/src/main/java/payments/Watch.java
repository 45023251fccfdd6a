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

/** Walks over what happens to payments, and goes on by itself after whatever cuts the service's stream. */
final class Watch implements Spliterator<PaymentUpdate> {
    private final Connection connection;
    private final Resumptions resumptions;
    private final CompletableFuture<Void> closed = new CompletableFuture<>();
    private final Future<?> closedOrUnconnected;
    private WatchPaymentsRequest request;
    private ResponseStream<WatchPaymentsRequest, WatchPaymentsResponse> responses;

    private Watch(Connection connection, WatchPaymentsRequest request, Resumptions resumptions) {
        this.connection = connection;
        this.request = request;
        this.resumptions = resumptions;
        closedOrUnconnected = CompletableFuture.anyOf(closed, connection.closed());
    }

    /** {@return the updates; the service is asked for them when the first one is} */
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

    /** {@return the next update, waited for; none when the watch is closed} */
    private Optional<PaymentUpdate> next() {
        while (!closed.isDone()) {
            try {
                WatchPaymentsResponse response = responses().take(resumptions.deadline());
                resumptions.received();
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

    /** Waits before another stream; what keeps it from being asked for is raised, and closes the watch. */
    private void waitAfter(PaymentsException failure) {
        hangUp();
        if (closed.isDone()) {
            return;
        }
        try {
            connection.waitAfter(failure, resumptions::delayNanos, closedOrUnconnected);
        } catch (PaymentsException raised) {
            close();
            throw raised;
        }
    }

    private synchronized ResponseStream<WatchPaymentsRequest, WatchPaymentsResponse> responses() {
        if (responses == null) {
            connection.checkOpen();
            connection.reconnectSoon();
            resumptions.asking();
            responses = ResponseStream.open(connection.channel(), PaymentServiceGrpc.getWatchPaymentsMethod(), request);
            if (closed.isDone()) {
                // It was closed too soon to hang up.
                responses.cancel();
            }
        }
        return responses;
    }

    private synchronized void hangUp() {
        if (responses != null) {
            responses.cancel();
            responses = null;
        }
    }

    /** Ends the watch, also one that waits in another thread. */
    private void close() {
        closed.complete(null);
        hangUp();
    }

    /** {@return null: what happens comes in order} */
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
