package payments;

import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.Deadline;
import io.grpc.MethodDescriptor;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.stub.ClientCallStreamObserver;
import io.grpc.stub.ClientCalls;
import io.grpc.stub.ClientResponseObserver;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

/** One stream of responses with flow control. It requests a few responses ahead, and one more for each one taken. */
final class ResponseStream<Q, A> implements ClientResponseObserver<Q, A> {
    private static final int READ_AHEAD = 16;

    /** A response or the end of the stream. Exactly one of the components is null. */
    private record Arrival<A>(A response, StatusRuntimeException end) {}

    private final BlockingQueue<Arrival<A>> arrivals = new LinkedBlockingQueue<>();
    private ClientCallStreamObserver<Q> call;

    private ResponseStream() {}

    static <Q, A> ResponseStream<Q, A> open(Channel channel, MethodDescriptor<Q, A> method, Q request) {
        ResponseStream<Q, A> stream = new ResponseStream<>();
        ClientCalls.asyncServerStreamingCall(channel.newCall(method, CallOptions.DEFAULT), request, stream);
        return stream;
    }

    /**
     * Waits for the next response and returns it.
     *
     * @throws StatusRuntimeException if the stream has ended, with DEADLINE_EXCEEDED if no response arrived before the
     *     deadline, or with CANCELLED if the thread was interrupted (its interrupted status stays set)
     */
    A take(Deadline deadline) {
        Arrival<A> next;
        try {
            next = arrivals.poll(deadline.timeRemaining(TimeUnit.NANOSECONDS), TimeUnit.NANOSECONDS);
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
            throw Status.CANCELLED
                    .withDescription("the thread was interrupted")
                    .withCause(interrupted)
                    .asRuntimeException();
        }
        if (next == null) {
            throw Status.DEADLINE_EXCEEDED
                    .withDescription("the service did not respond")
                    .asRuntimeException();
        }
        if (next.end() != null) {
            throw next.end();
        }
        call.request(1);
        return next.response();
    }

    /** Ends the stream on both sides. A thread waiting for a response gets CANCELLED. Any thread may call this. */
    void cancel() {
        call.cancel("the watch is closed", null);
    }

    @Override
    public void beforeStart(ClientCallStreamObserver<Q> call) {
        this.call = call;
        call.disableAutoRequestWithInitial(READ_AHEAD);
    }

    @Override
    public void onNext(A response) {
        arrivals.add(new Arrival<>(response, null));
    }

    @Override
    public void onError(Throwable failure) {
        arrivals.add(new Arrival<>(null, (StatusRuntimeException) failure));
    }

    @Override
    public void onCompleted() {
        onError(Status.UNAVAILABLE.withDescription("the stream ended").asRuntimeException());
    }
}
