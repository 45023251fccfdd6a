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
import payments.v1.ListPaymentEventsRequest;
import payments.v1.ListPaymentEventsResponse;
import payments.v1.ListPaymentsRequest;
import payments.v1.ListPaymentsResponse;
import payments.v1.ListRefundsRequest;
import payments.v1.ListRefundsResponse;
import payments.v1.PaymentServiceGrpc.PaymentServiceImplBase;
import payments.v1.RefundRequest;
import payments.v1.RefundResponse;
import payments.v1.WatchPaymentsRequest;
import payments.v1.WatchPaymentsResponse;

/** A fake gRPC server in this process. The test defines its responses, and it records the calls that it receives. */
final class FakeService extends PaymentServiceImplBase implements AutoCloseable {
    private static final Context.Key<Metadata> HEADERS = Context.key("headers");
    private static final Context.Key<String> AUTHORITY = Context.key("authority");

    private final Handler handler;
    private final List<ReceivedCall> calls = new ArrayList<>();
    private final Server server;
    private final int port;

    private FakeService(int port, ServerCredentials credentials, Handler handler) {
        this.handler = handler;
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
    static FakeService start(Handler handler) {
        return new FakeService(0, InsecureServerCredentials.create(), handler);
    }

    static FakeService start(int port, Handler handler) {
        return new FakeService(port, InsecureServerCredentials.create(), handler);
    }

    static FakeService start(ServerCredentials credentials, Handler handler) {
        return new FakeService(0, credentials, handler);
    }

    String target() {
        return "127.0.0.1:" + port();
    }

    int port() {
        return port;
    }

    /** {@return a new client for this service} */
    PaymentsClient client() {
        return PaymentsClient.builder().target(target()).build();
    }

    /** {@return a new client for this service with a timeout} */
    PaymentsClient client(Duration timeout) {
        return PaymentsClient.builder().target(target()).timeout(timeout).build();
    }

    /** {@return a new asynchronous client for this service} */
    AsyncPaymentsClient asyncClient() {
        return AsyncPaymentsClient.builder().target(target()).build();
    }

    /** {@return a new asynchronous client for this service with a timeout} */
    AsyncPaymentsClient asyncClient(Duration timeout) {
        return AsyncPaymentsClient.builder().target(target()).timeout(timeout).build();
    }

    synchronized List<ReceivedCall> calls() {
        return List.copyOf(calls);
    }

    /** {@return the received requests, all of which must be of this type} */
    <M extends Message> List<M> requests(Class<M> kind) {
        return calls().stream().map(ReceivedCall::request).map(kind::cast).toList();
    }

    /** {@return the last received call} */
    ReceivedCall lastCall() {
        List<ReceivedCall> all = calls();
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
        respond(request, observer);
    }

    @Override
    public void batchCharge(BatchChargeRequest request, StreamObserver<BatchChargeResponse> observer) {
        respond(request, observer);
    }

    @Override
    public void refund(RefundRequest request, StreamObserver<RefundResponse> observer) {
        respond(request, observer);
    }

    @Override
    public void getPayment(GetPaymentRequest request, StreamObserver<GetPaymentResponse> observer) {
        respond(request, observer);
    }

    @Override
    public void listRefunds(ListRefundsRequest request, StreamObserver<ListRefundsResponse> observer) {
        respond(request, observer);
    }

    @Override
    public void listPayments(ListPaymentsRequest request, StreamObserver<ListPaymentsResponse> observer) {
        respond(request, observer);
    }

    @Override
    public void listPaymentEvents(
            ListPaymentEventsRequest request, StreamObserver<ListPaymentEventsResponse> observer) {
        respond(request, observer);
    }

    @Override
    public void watchPayments(WatchPaymentsRequest request, StreamObserver<WatchPaymentsResponse> observer) {
        if (!(handler instanceof StreamHandler streamHandler)) {
            respond(request, observer);
            return;
        }
        try {
            streamHandler.stream(record(request), request, (ServerCallStreamObserver<WatchPaymentsResponse>) observer);
        } catch (Exception failure) {
            observer.onError(failure);
        }
    }

    @SuppressWarnings("unchecked") // the test's handler returns the response type of its call
    private <A> void respond(Message request, StreamObserver<A> observer) {
        A response;
        try {
            response = (A) handler.handle(record(request), request);
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
        calls.add(new ReceivedCall(
                request,
                HEADERS.get(context),
                AUTHORITY.get(context),
                System.nanoTime(),
                deadline == null ? null : Duration.ofNanos(deadline.timeRemaining(TimeUnit.NANOSECONDS))));
        return calls.size();
    }

    /** Responds to calls. */
    @FunctionalInterface
    interface Handler {
        /** {@return the response to a call; the number of the first call is 1} */
        Message handle(int number, Message request) throws Exception;

        /** {@return a handler that fails the first {@code count} calls, and responds to later ones like this one} */
        default Handler afterFailures(int count, Exception failure) {
            return (number, request) -> {
                if (number <= count) {
                    throw failure;
                }
                return handle(number, request);
            };
        }
    }

    /** Responds to streams. It supports no other calls. */
    @FunctionalInterface
    interface StreamHandler extends Handler {
        /** Responds to a stream. The number of the first stream is 1. The stream stays open when this returns. */
        void stream(int number, WatchPaymentsRequest request, ServerCallStreamObserver<WatchPaymentsResponse> observer)
                throws Exception;

        @Override
        default Message handle(int number, Message request) {
            throw new UnsupportedOperationException();
        }
    }

    /** A received call; {@code remaining} is the time until its deadline, or null if it has none. */
    record ReceivedCall(Message request, Metadata headers, String authority, long atNanos, Duration remaining) {
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
