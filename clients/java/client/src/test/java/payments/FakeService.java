package payments;

import com.google.protobuf.Message;
import io.grpc.Context;
import io.grpc.Contexts;
import io.grpc.Deadline;
import io.grpc.InsecureServerCredentials;
import io.grpc.Metadata;
import io.grpc.Server;
import io.grpc.ServerCall;
import io.grpc.ServerCallHandler;
import io.grpc.ServerCredentials;
import io.grpc.ServerInterceptor;
import io.grpc.netty.shaded.io.grpc.netty.NettyServerBuilder;
import io.grpc.stub.ServerCallStreamObserver;
import io.grpc.stub.StreamObserver;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import payments.v1.BatchChargeRequest;
import payments.v1.BatchChargeResponse;
import payments.v1.ChargeRequest;
import payments.v1.ChargeResponse;
import payments.v1.GetPaymentRequest;
import payments.v1.GetPaymentResponse;
import payments.v1.ListPaymentsRequest;
import payments.v1.ListPaymentsResponse;
import payments.v1.ListRefundsRequest;
import payments.v1.ListRefundsResponse;
import payments.v1.PaymentServiceGrpc.PaymentServiceImplBase;
import payments.v1.RefundRequest;
import payments.v1.RefundResponse;
import payments.v1.WatchPaymentsRequest;
import payments.v1.WatchPaymentsResponse;

/** A gRPC server in this process that responds as the test says, and records the calls that it receives. */
final class FakeService extends PaymentServiceImplBase implements AutoCloseable {
    private static final Context.Key<Metadata> HEADERS = Context.key("headers");
    private static final Context.Key<String> AUTHORITY = Context.key("authority");

    private final Answer answer;
    private final List<Received> received = new ArrayList<>();
    private final Server server;
    private final int port;

    private FakeService(int port, ServerCredentials credentials, Answer answer) {
        this.answer = answer;
        try {
            server = NettyServerBuilder.forAddress(new InetSocketAddress("127.0.0.1", port), credentials)
                    .addService(this)
                    .intercept(new ContextInterceptor())
                    .build()
                    .start();
            this.port = server.getPort();
        } catch (IOException failed) {
            throw new UncheckedIOException(failed);
        }
    }

    /** {@return a service on a free port} */
    static FakeService answering(Answer answer) {
        return new FakeService(0, InsecureServerCredentials.create(), answer);
    }

    static FakeService answering(int port, Answer answer) {
        return new FakeService(port, InsecureServerCredentials.create(), answer);
    }

    static FakeService answering(ServerCredentials credentials, Answer answer) {
        return new FakeService(0, credentials, answer);
    }

    String target() {
        return "127.0.0.1:" + port();
    }

    int port() {
        return port;
    }

    /** {@return a new client of this service} */
    PaymentsClient client() {
        return PaymentsClient.builder().target(target()).build();
    }

    /** {@return a new client of this service with a timeout} */
    PaymentsClient client(Duration timeout) {
        return PaymentsClient.builder().target(target()).timeout(timeout).build();
    }

    synchronized List<Received> received() {
        return List.copyOf(received);
    }

    /** {@return the received requests, all of which must be of this kind} */
    <M extends Message> List<M> requests(Class<M> kind) {
        return received().stream().map(Received::request).map(kind::cast).toList();
    }

    /** {@return the last received call} */
    Received last() {
        List<Received> all = received();
        return all.get(all.size() - 1);
    }

    /** Ends the calls in flight and stops the server. */
    @Override
    public void close() {
        server.shutdownNow();
        try {
            server.awaitTermination(10, TimeUnit.SECONDS);
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    @Override
    public void charge(ChargeRequest request, StreamObserver<ChargeResponse> observer) {
        answer(request, observer);
    }

    @Override
    public void batchCharge(BatchChargeRequest request, StreamObserver<BatchChargeResponse> observer) {
        answer(request, observer);
    }

    @Override
    public void refund(RefundRequest request, StreamObserver<RefundResponse> observer) {
        answer(request, observer);
    }

    @Override
    public void getPayment(GetPaymentRequest request, StreamObserver<GetPaymentResponse> observer) {
        answer(request, observer);
    }

    @Override
    public void listRefunds(ListRefundsRequest request, StreamObserver<ListRefundsResponse> observer) {
        answer(request, observer);
    }

    @Override
    public void listPayments(ListPaymentsRequest request, StreamObserver<ListPaymentsResponse> observer) {
        answer(request, observer);
    }

    @Override
    public void watchPayments(WatchPaymentsRequest request, StreamObserver<WatchPaymentsResponse> observer) {
        if (!(answer instanceof StreamAnswer streamAnswer)) {
            answer(request, observer);
            return;
        }
        try {
            streamAnswer.stream(record(request), request, (ServerCallStreamObserver<WatchPaymentsResponse>) observer);
        } catch (Exception failure) {
            observer.onError(failure);
        }
    }

    @SuppressWarnings("unchecked") // the test's answer has the response type of its call
    private <A> void answer(Message request, StreamObserver<A> observer) {
        A response;
        try {
            response = (A) answer.to(record(request), request);
        } catch (Exception failure) {
            observer.onError(failure);
            return;
        }
        observer.onNext(response);
        observer.onCompleted();
    }

    /** Records a call and returns its number. */
    private synchronized int record(Message request) {
        Context context = Context.current();
        Deadline deadline = context.getDeadline();
        received.add(new Received(
                request,
                HEADERS.get(context),
                AUTHORITY.get(context),
                System.nanoTime(),
                deadline == null ? null : Duration.ofNanos(deadline.timeRemaining(TimeUnit.NANOSECONDS))));
        return received.size();
    }

    /** How the service responds to calls. */
    @FunctionalInterface
    interface Answer {
        /** {@return the response to the call with this number, which starts at 1} */
        Message to(int number, Message request) throws Exception;

        /** {@return an answer that fails the first calls, and responds to later ones like this answer} */
        default Answer afterFailures(int count, Exception failure) {
            return (number, request) -> {
                if (number <= count) {
                    throw failure;
                }
                return to(number, request);
            };
        }
    }

    /** How the service responds to streams. It supports no other calls. */
    @FunctionalInterface
    interface StreamAnswer extends Answer {
        /** Responds to the stream with this number, which starts at 1. The stream stays open when this returns. */
        void stream(int number, WatchPaymentsRequest request, ServerCallStreamObserver<WatchPaymentsResponse> observer)
                throws Exception;

        @Override
        default Message to(int number, Message request) {
            throw new UnsupportedOperationException();
        }
    }

    /** A received call; {@code remaining} is the time until its deadline, or null if it has none. */
    record Received(Message request, Metadata headers, String authority, long atNanos, Duration remaining) {
        String header(String name) {
            return headers.get(Metadata.Key.of(name, Metadata.ASCII_STRING_MARSHALLER));
        }
    }

    /** Puts the headers and the authority of a call into its context. */
    private static final class ContextInterceptor implements ServerInterceptor {
        @Override
        public <Q, A> ServerCall.Listener<Q> interceptCall(
                ServerCall<Q, A> call, Metadata headers, ServerCallHandler<Q, A> next) {
            Context context = Context.current().withValue(HEADERS, headers).withValue(AUTHORITY, call.getAuthority());
            return Contexts.interceptCall(context, call, headers, next);
        }
    }
}
