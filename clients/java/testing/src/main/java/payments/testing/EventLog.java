package payments.testing;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import payments.v1.Payment;
import payments.v1.PaymentEvent;

/** The events of all payments, in order. It is thread-safe. */
final class EventLog {
    private final List<PaymentEvent> events = new ArrayList<>();

    /** The last event of each payment, by its id. */
    private final Map<Long, PaymentEvent> lastEvents = new HashMap<>();

    synchronized void append(PaymentEvent event) {
        events.add(event);
        lastEvents.put(event.getPayment().getPaymentId(), event);
    }

    /** {@return the position of the last event, which is the number of events} */
    synchronized long lastPosition() {
        return events.size();
    }

    /** {@return the event at a position, 1 or more} */
    synchronized PaymentEvent get(long position) {
        return withCurrentNextAction(events.get(Math.toIntExact(position - 1)));
    }

    /** {@return the events of a payment} */
    synchronized List<Entry> of(long paymentId) {
        List<Entry> found = new ArrayList<>();
        for (int index = 0; index < events.size(); index++) {
            if (events.get(index).getPayment().getPaymentId() == paymentId) {
                found.add(new Entry(index + 1, withCurrentNextAction(events.get(index))));
            }
        }
        return found;
    }

    /** {@return the event with its payment's {@code next_action} of now, because an earlier one is of no use} */
    private PaymentEvent withCurrentNextAction(PaymentEvent event) {
        Payment current = lastEvents.get(event.getPayment().getPaymentId()).getPayment();
        Payment.Builder payment = event.getPayment().toBuilder().clearNextAction();
        if (current.hasNextAction()) {
            payment.setNextAction(current.getNextAction());
        }
        return event.toBuilder().setPayment(payment).build();
    }

    /**
     * An event with its position.
     *
     * @param position the position
     * @param event the event
     */
    record Entry(long position, PaymentEvent event) {}
}
