package payments.testing;

import io.grpc.stub.ServerCallStreamObserver;
import payments.v1.Payment;
import payments.v1.PaymentEvent;
import payments.v1.PaymentEventFilter;
import payments.v1.WatchPaymentsResponse;

/** One open stream of events. It sends as much as its consumer reads, and the rest later. */
final class Watch {
    private final ServerCallStreamObserver<WatchPaymentsResponse> observer;
    private final EventLog events;
    private final PaymentEventFilter filter;

    /** The position of the last event that was sent or did not match. */
    private long position;

    /** Creates a stream of the events after {@code position}. */
    Watch(
            ServerCallStreamObserver<WatchPaymentsResponse> observer,
            EventLog events,
            PaymentEventFilter filter,
            long position) {
        this.observer = observer;
        this.events = events;
        this.filter = filter;
        this.position = position;
    }

    /** Sends the events that the consumer is ready to receive. */
    synchronized void sendEvents() {
        while (observer.isReady() && position < events.lastPosition()) {
            position++;
            PaymentEvent event = events.get(position);
            if (matches(event)) {
                observer.onNext(response().setEvent(event).build());
            }
        }
    }

    /** Sends a response without an event, which has only the token of the current position. */
    synchronized void sendToken() {
        observer.onNext(response().build());
    }

    /** Sends a token unless the consumer still has to read earlier responses. */
    synchronized void sendHeartbeat() {
        if (observer.isReady()) {
            sendToken();
        }
    }

    private WatchPaymentsResponse.Builder response() {
        return WatchPaymentsResponse.newBuilder().setResumeToken(TokenKind.RESUME.encode(position, ""));
    }

    private boolean matches(PaymentEvent event) {
        Payment payment = event.getPayment();
        return (!filter.hasCaller() || filter.getCaller().equals(payment.getCaller()))
                && (!filter.hasOrderId() || filter.getOrderId() == payment.getOrderId())
                && (!filter.hasExternalReference()
                        || filter.getExternalReference().equals(payment.getExternalReference()))
                && (!filter.hasCustomerId() || filter.getCustomerId().equals(payment.getCustomerId()))
                && (filter.getTypesCount() == 0 || filter.getTypesList().contains(event.getType()));
    }
}
